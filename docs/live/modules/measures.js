// What the page reports: scores with intervals, the verdict on the gap, co-adaptation.

import { correct, crossEntropy, predict, probabilities, subnetwork } from "./network.js";

const Z = 1.959963984540054; // the 97.5 % quantile of the normal distribution

/** Wilson's 95 % interval of a share. */
export function wilson(right, rows) {
  const share = right / rows, square = (Z * Z) / rows;
  const middle = (share + square / 2) / (1 + square);
  const half = (Z / (1 + square)) * Math.sqrt((share * (1 - share)) / rows + square / (4 * rows));
  return [middle - half, middle + half];
}

/** Loss and accuracy of a network on some rows, noise off. */
export function score(network, part, rule) {
  const classes = network.sizes[network.sizes.length - 1];
  const outputs = predict(network, part.x, part.rows, rule);
  return {
    loss: crossEntropy(outputs, part.y, part.rows, classes),
    right: correct(outputs, part.y, part.rows, classes),
    rows: part.rows,
  };
}

/** Whether a loss is that of a network whose scores say nothing any more, or no number at all. */
export const hasDiverged = (loss) => !(loss < 1e6);

/**
 * The gap in points: the training accuracy, which is known exactly, minus the accuracy on new rows.
 * A verdict needs an interval on one side of 2 points, as in `bridle fit`.
 */
export function gap(training, fresh) {
  const known = training.right / training.rows;
  const [low, high] = wilson(fresh.right, fresh.rows);
  const found = {
    value: 100 * (known - fresh.right / fresh.rows),
    low: 100 * (known - high),
    high: 100 * (known - low),
  };
  found.verdict = found.low > 2 ? "overfits" : found.high <= 2 ? "no gap" : "cannot tell";
  return found;
}

/** Exact zeros among all weights, as a share. */
export function zeros(network) {
  let count = 0, all = 0;
  for (const weight of network.weights) {
    all += weight.length;
    for (const w of weight) count += w === 0 ? 1 : 0;
  }
  return count / all;
}

/** Average probabilities of the subnetworks 0 … count − 1, and the mean accuracy of each by itself. */
export function average(network, part, rule, count) {
  const classes = network.sizes[network.sizes.length - 1];
  const mean = new Float64Array(part.rows * classes);
  let single = 0;
  for (let k = 0; k < count; k++) {
    const outputs = subnetwork(network, part.x, part.rows, rule, k);
    single += correct(outputs, part.y, part.rows, classes) / part.rows / count;
    const found = probabilities(outputs, part.rows, classes);
    for (let i = 0; i < mean.length; i++) mean[i] += found[i] / count;
  }
  let loss = 0;
  for (let row = 0; row < part.rows; row++) {
    loss -= Math.log(Math.max(mean[row * classes + part.y[row]], 1e-300)) / part.rows;
  }
  return { loss, accuracy: correct(mean, part.y, part.rows, classes) / part.rows, single };
}

/**
 * Co-adaptation as `bridle.co_adaptation` defines it, of the first hidden layer: with Δ(S) the rise of
 * the loss without the units S, and I = Δ(i, j) − Δ(i) − Δ(j), the share Σ|I| / Σ(|I| + |Δ(i)| + |Δ(j)|).
 */
export function coAdaptation(network, part, rule, units = 12) {
  const classes = network.sizes[network.sizes.length - 1];
  const without = (removed) => {
    const outputs = predict(network, part.x, part.rows, rule, removed);
    return crossEntropy(outputs, part.y, part.rows, classes);
  };
  const count = Math.min(units, network.sizes[1]);
  const full = without([]);
  const single = Array.from({ length: count }, (_, unit) => without([unit]) - full);
  let interaction = 0, whole = 0;
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const excess = Math.abs(without([i, j]) - full - single[i] - single[j]);
      interaction += excess;
      whole += excess + Math.abs(single[i]) + Math.abs(single[j]);
    }
  }
  return whole > 0 ? interaction / whole : 0;
}
