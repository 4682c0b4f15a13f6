// The article's network: three layers with ReLU, in double precision, with `trainStep` and `predict`.
// Each step does what `bridle.train_step` does with `torch.optim.SGD`: the same masks at the same
// addresses, the gradient of the mean cross-entropy, and the proximal step of the penalties.
//
// Python sums in another order. In single precision that is enough to put a unit on another side of
// ReLU's kink, from where the losses part; in double precision they stay equal to a billionth.

import { keepMask, normals, RESOLUTION, thresholdOf } from "./philox.js";
import { affine, biasGradient, inputGradient, weightGradient } from "./products.js";
import { STREAMS } from "./settings.js";

/** Initial weights (He et al. 2015) as a pure function of the seed; biases are zero. */
export function createNetwork(sizes, seed) {
  const weights = [], biases = [];
  for (let layer = 0; layer + 1 < sizes.length; layer++) {
    const [fanIn, fanOut] = [sizes[layer], sizes[layer + 1]];
    const weight = new Float64Array(fanIn * fanOut);
    const deviation = Math.sqrt(2 / fanIn);
    for (let row = 0; row < fanIn; row++) {
      const drawn = normals(seed, STREAMS.weights + layer, 0, row, fanOut);
      for (let unit = 0; unit < fanOut; unit++) weight[row * fanOut + unit] = drawn[unit] * deviation;
    }
    weights.push(weight);
    biases.push(new Float64Array(fanOut));
  }
  return { sizes, seed, weights, biases, step: 0 };
}

export function copyParameters(network) {
  return {
    weights: network.weights.map((weight) => weight.slice()),
    biases: network.biases.map((bias) => bias.slice()),
  };
}

/** The factors of a mask: 0 for a dropped unit; 1, or 1/p with inverted scaling, for a kept one. */
function factors(seed, stream, step, rows, units, keepProb, scaling) {
  if (keepProb >= 1) return null;
  const kept = keepMask(seed, stream, step, rows, units, keepProb);
  const scale = scaling === "inverted" ? RESOLUTION / thresholdOf(keepProb) : 1;
  return Float64Array.from(kept, (keep) => keep * scale);
}

const drawnKeep = (keepProb) => thresholdOf(keepProb) / RESOLUTION;

function times(values, by) {
  if (by) for (let i = 0; i < values.length; i++) values[i] *= by[i];
  return values;
}

function relu(values) {
  for (let i = 0; i < values.length; i++) if (values[i] < 0) values[i] = 0;
  return values;
}

/** Softmax cross-entropy: the mean loss, and its gradient in place of the outputs if asked for. */
export function crossEntropy(outputs, y, rows, classes, gradient = null) {
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const at = row * classes;
    let top = -Infinity, sum = 0;
    for (let c = 0; c < classes; c++) top = Math.max(top, outputs[at + c]);
    for (let c = 0; c < classes; c++) sum += Math.exp(outputs[at + c] - top);
    loss += Math.log(sum) + top - outputs[at + y[row]];
    if (!gradient) continue;
    for (let c = 0; c < classes; c++) {
      const share = Math.exp(outputs[at + c] - top) / sum;
      gradient[at + c] = (share - (c === y[row] ? 1 : 0)) / rows;
    }
  }
  return loss / rows;
}

/**
 * One step: forward with masks, backward, update. Returns the loss of the batch, with noise.
 * @param {{x: Float64Array, y: Uint8Array, rows: number}} batch
 */
export function trainStep(network, batch, rate, rule) {
  const { sizes, weights, biases, seed, step } = network;
  const { x, y, rows } = batch;
  const layers = weights.length;
  const inputs = [], unitFactors = [], weightFactors = [], used = [];
  let hidden = x.slice();
  for (let layer = 0; layer < layers; layer++) {
    const [fanIn, fanOut] = [sizes[layer], sizes[layer + 1]];
    const keep = layer ? rule.keep : rule.inputKeep;
    unitFactors[layer] = factors(seed, 2 * layer, step, rows, fanIn, keep, rule.scaling);
    inputs[layer] = times(hidden, unitFactors[layer]);
    const masked = factors(seed, 2 * layer + 1, step, 1, fanIn * fanOut, rule.connectKeep, rule.scaling);
    weightFactors[layer] = masked;
    used[layer] = masked ? times(weights[layer].slice(), masked) : weights[layer];
    hidden = affine(inputs[layer], rows, used[layer], biases[layer], fanIn, fanOut);
    if (layer + 1 < layers) relu(hidden);
  }
  const classes = sizes[layers];
  let delta = new Float64Array(rows * classes);
  const loss = crossEntropy(hidden, y, rows, classes, delta);
  for (let layer = layers - 1; layer >= 0; layer--) {
    const [fanIn, fanOut] = [sizes[layer], sizes[layer + 1]];
    const gradient = weightGradient(inputs[layer], delta, rows, fanIn, fanOut);
    const shift = biasGradient(delta, rows, fanOut);
    const below = layer ? inputGradient(inputs[layer], delta, rows, used[layer], fanIn, fanOut) : null;
    if (below) times(below, unitFactors[layer]);
    descend(weights[layer], times(gradient, weightFactors[layer]), rate);
    descend(biases[layer], shift, rate);
    penalize(weights[layer], fanIn, fanOut, rate, rule);
    delta = below;
  }
  network.step += 1;
  return loss;
}

function descend(values, gradient, rate) {
  for (let i = 0; i < values.length; i++) values[i] -= rate * gradient[i];
}

/**
 * The proximal step of λ₁|w| + ½λ₂w², and the projection of max-norm. The elastic net's λ₂w² has no
 * ½, so its λ₂ counts twice.
 */
function penalize(weight, fanIn, fanOut, rate, rule) {
  const limit = rate * (rule.l1 + rule.net1);
  const shrink = 1 + rate * (rule.l2 + 2 * rule.net2);
  if (limit > 0 || shrink > 1) {
    for (let i = 0; i < weight.length; i++) {
      const w = weight[i];
      weight[i] = Math.abs(w) <= limit ? 0 : (w - Math.sign(w) * limit) / shrink;
    }
  }
  if (!(rule.maxNorm > 0)) return;
  for (let j = 0; j < fanOut; j++) {
    let square = 0;
    for (let i = 0; i < fanIn; i++) square += weight[i * fanOut + j] ** 2;
    const norm = Math.sqrt(square);
    if (norm <= rule.maxNorm) continue;
    for (let i = 0; i < fanIn; i++) weight[i * fanOut + j] *= rule.maxNorm / norm;
  }
}

/** Outputs with these weights, without masks; `removed` units of the first hidden layer are zero. */
function outputsOf(network, x, rows, weightOf, removed = []) {
  const { sizes, biases } = network;
  let hidden = x;
  for (let layer = 0; layer < biases.length; layer++) {
    const fanIn = sizes[layer];
    if (layer === 1) {
      for (const unit of removed) {
        for (let row = 0; row < rows; row++) hidden[row * fanIn + unit] = 0;
      }
    }
    hidden = affine(hidden, rows, weightOf(layer), biases[layer], fanIn, sizes[layer + 1]);
    if (layer + 1 < biases.length) relu(hidden);
  }
  return hidden;
}

/**
 * Outputs with noise off. With inverted scaling nothing is done; with classic scaling units and
 * weights are multiplied by their keep probability.
 * @param {number[]} [removed] units of the first hidden layer that are set to zero
 */
export function predict(network, x, rows, rule, removed) {
  const weightOf = (layer) => {
    const weight = network.weights[layer];
    if (rule.scaling !== "classic") return weight;
    const factor = drawnKeep(layer ? rule.keep : rule.inputKeep) * drawnKeep(rule.connectKeep);
    return weight.map((w) => w * factor);
  };
  return outputsOf(network, x, rows, weightOf, removed);
}

/** Outputs of subnetwork k: the masks of training step k, row 0, for all rows. */
export function subnetwork(network, x, rows, rule, k) {
  const { sizes, weights, seed } = network;
  const weightOf = (layer) => {
    const [fanIn, fanOut] = [sizes[layer], sizes[layer + 1]];
    const keep = layer ? rule.keep : rule.inputKeep;
    const units = factors(seed, 2 * layer, k, 1, fanIn, keep, rule.scaling);
    const masked = factors(seed, 2 * layer + 1, k, 1, fanIn * fanOut, rule.connectKeep, rule.scaling);
    const weight = times(weights[layer].slice(), masked);
    return units ? weight.map((w, at) => w * units[Math.floor(at / fanOut)]) : weight;
  };
  return outputsOf(network, x, rows, weightOf);
}

/** Softmax of each row, in double precision. */
export function probabilities(outputs, rows, classes) {
  const found = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const at = row * classes;
    let top = -Infinity, sum = 0;
    for (let c = 0; c < classes; c++) top = Math.max(top, outputs[at + c]);
    for (let c = 0; c < classes; c++) sum += found[at + c] = Math.exp(outputs[at + c] - top);
    for (let c = 0; c < classes; c++) found[at + c] /= sum;
  }
  return found;
}

/** How many rows have their largest output at their class. */
export function correct(outputs, y, rows, classes) {
  let right = 0;
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let c = 1; c < classes; c++) {
      if (outputs[row * classes + c] > outputs[row * classes + best]) best = c;
    }
    right += best === y[row] ? 1 : 0;
  }
  return right;
}
