// What the page draws, as plain arrays that a worker can send.

import { average, coAdaptation } from "./measures.js";
import { predict, probabilities, subnetwork, correct } from "./network.js";
import { keepMask } from "./philox.js";
import { GRID, NAMES, SPAN } from "./settings.js";

const BINS = 41;

const cells = new Float32Array(2 * GRID * GRID);
for (let i = 0; i < GRID * GRID; i++) {
  cells[2 * i] = SPAN * ((2 * ((i % GRID) + 0.5)) / GRID - 1);
  cells[2 * i + 1] = SPAN * (1 - (2 * (Math.floor(i / GRID) + 0.5)) / GRID);
}

/** The probability of class 1 in each cell of the plane. */
function boundary(network, rule) {
  const found = probabilities(predict(network, cells, GRID * GRID, rule), GRID * GRID, 2);
  return Float32Array.from({ length: GRID * GRID }, (_, i) => found[2 * i + 1]);
}

/** Shares of the weights by value, without exact zeros. */
function histogram(network, limit = 1) {
  const counts = new Float64Array(BINS);
  let all = 0;
  for (const weight of network.weights) {
    all += weight.length;
    for (const w of weight) {
      if (w === 0) continue;
      const place = Math.floor(((w + limit) / (2 * limit)) * BINS);
      counts[Math.min(Math.max(place, 0), BINS - 1)] += 1;
    }
  }
  return { counts: counts.map((count) => count / all), limit };
}

/** The masks of this step for the first row of the batch: hidden layers one and two. */
function masks(network, rule) {
  return [1, 2].map((layer) =>
    keepMask(network.seed, 2 * layer, network.step, 1, network.sizes[layer], rule.keep),
  );
}

export function snapshot(session) {
  const found = { step: session.step, epoch: session.epoch, shared: session.shared };
  for (const name of NAMES) {
    const { network, rule, point, curve, stoppedAt } = session.sides[name];
    found[name] = {
      rule, point, stoppedAt,
      curve: thinned(curve),
      histogram: histogram(network),
      masks: masks(network, rule),
      map: network.sizes[0] === 2 ? boundary(network, rule) : null,
      features: network.sizes[0] === 64 ? network.weights[0].slice() : null,
      width: network.sizes[1],
    };
  }
  return found;
}

/** At most 240 points of a curve, the last among them. */
function thinned(curve) {
  const every = Math.ceil(curve.length / 240);
  return curve.filter((_, i) => (curve.length - 1 - i) % every === 0);
}

/** The slower measures: subnetwork k, the average of many against one scaled pass, co-adaptation. */
export function inspection(session, name, k, count) {
  const { network, rule } = session.sides[name];
  const { fresh } = session.data;
  const classes = network.sizes.at(-1);
  const one = correct(subnetwork(network, fresh.x, fresh.rows, rule, k), fresh.y, fresh.rows, classes);
  const scaled = session.sides[name].point.fresh;
  return {
    k, count,
    one: one / fresh.rows,
    many: average(network, fresh, rule, count),
    scaled: { loss: scaled.loss, accuracy: scaled.right / scaled.rows },
    coAdaptation: coAdaptation(network, fresh, rule),
  };
}
