// What the page draws, as plain arrays that a worker can send.

import { average, coAdaptation, hasDiverged, score } from "./measures.js";
import { correct, predict, probabilities, subnetwork } from "./network.js";
import { keepMask } from "./philox.js";
import { GRID, NAMES, SPAN } from "./settings.js";

const BINS = 41;
const LIMIT = 1; // the histogram runs from −LIMIT to LIMIT

const cells = new Float64Array(2 * GRID * GRID);
for (let i = 0; i < GRID * GRID; i++) {
  cells[2 * i] = SPAN * ((2 * ((i % GRID) + 0.5)) / GRID - 1);
  cells[2 * i + 1] = SPAN * (1 - (2 * (Math.floor(i / GRID) + 0.5)) / GRID);
}

/** The probability of class 1 in some lines of the decision map. */
function boundary(network, rule, { from, to }) {
  const count = (to - from) * GRID;
  const x = cells.subarray(2 * from * GRID, 2 * to * GRID);
  const found = probabilities(predict(network, x, count, rule), count, 2);
  return { from, to, values: Float32Array.from({ length: count }, (_, i) => found[2 * i + 1]) };
}

/** Shares of the weights by value, and of exact zeros, which are in no bin; the largest weight. */
function histogram(network) {
  const counts = new Float64Array(BINS);
  let all = 0, zero = 0, largest = 0;
  for (const weight of network.weights) {
    all += weight.length;
    for (const w of weight) {
      if (w === 0) {
        zero += 1;
        continue;
      }
      largest = Math.max(largest, Math.abs(w));
      const place = Math.floor(((w + LIMIT) / (2 * LIMIT)) * BINS);
      counts[Math.min(Math.max(place, 0), BINS - 1)] += 1;
    }
  }
  return { counts: counts.map((count) => count / all), limit: LIMIT, zero: zero / all, largest };
}

/** What the next step keeps: units for the first row of its batch, and weights. */
function masks(network, rule) {
  const { seed, step, sizes } = network;
  const drawn = (stream, count, keep) => keepMask(seed, stream, step, 1, count, keep);
  const units = [0, 1, 2].map((layer) => drawn(2 * layer, sizes[layer], layer ? rule.keep : rule.inputKeep));
  const weights = network.weights.map((weight, layer) => drawn(2 * layer + 1, weight.length, rule.connectKeep));
  const kept = (parts) => parts.reduce((sum, part) => sum + part.reduce((count, keep) => count + keep, 0), 0);
  return {
    units, kept: units.map((each) => kept([each])),
    weights: rule.connectKeep < 1 ? kept(weights) / network.weights.reduce((sum, w) => sum + w.length, 0) : 1,
  };
}

/**
 * Both networks at this step.
 * @param {{scores: string[], lines: {from: number, to: number}}} parts the networks whose last scores and
 *   features are in it, and which lines of the decision map
 */
export function snapshot(session, { scores, lines }) {
  const found = { step: session.step, epoch: session.epoch };
  for (const name of NAMES) {
    const { network, rule, point, stoppedAt } = session.sides[name];
    found[name] = {
      stoppedAt,
      histogram: histogram(network),
      masks: masks(network, rule),
      map: network.sizes[0] === 2 && lines.to > lines.from ? boundary(network, rule, lines) : null,
      ...(scores.includes(name) && { point, features: network.sizes[0] === 64 ? Float32Array.from(network.weights[0]) : null }),
      width: network.sizes[1],
    };
  }
  return found;
}

/**
 * The slower measures: subnetwork k, many of them against one pass with all units, co-adaptation.
 * A network that has diverged has none.
 */
export function inspection(session, name, k, count) {
  const { network, rule } = session.sides[name];
  const { fresh } = session.data;
  const { loss, right, rows } = score(network, fresh, rule);
  if (hasDiverged(loss)) return null;
  const classes = network.sizes.at(-1);
  const one = correct(subnetwork(network, fresh.x, rows, rule, k), fresh.y, rows, classes);
  const other = rule.scaling === "classic" ? "inverted" : "classic";
  return {
    one: one / rows,
    many: average(network, fresh, rule, count),
    scaled: { loss, accuracy: right / rows },
    wrong: score(network, fresh, { ...rule, scaling: other }).loss,
    coAdaptation: coAdaptation(network, fresh, rule),
  };
}
