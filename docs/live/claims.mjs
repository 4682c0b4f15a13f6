// For how many of ten seeds each claim of the tour holds: `node docs/live/claims.mjs`.

import { average, coAdaptation } from "./modules/measures.js";
import { Session } from "./modules/session.js";
import { TOUR } from "./modules/tour.js";

const SEEDS = 10;
const STEPS = 3000;

const gapOf = (side) => side.point.gap.value;
const accuracy = (side) => side.point.fresh.right / side.point.fresh.rows;
const largest = (side) => Math.max(...side.network.weights.map((w) => w.reduce((m, v) => Math.max(m, Math.abs(v)), 0)));

/** The test of each stop: both sides after training, and the new rows. */
const HOLDS = {
  overfitting: ({ a, b }) => a.point.gap.verdict === "overfits" && gapOf(b) < gapOf(a),
  l2: ({ a, b }) => gapOf(b) < gapOf(a) && largest(b) < largest(a) && b.point.zeros < 0.01,
  l1: ({ a, b }) => b.point.zeros > 0.5 && a.point.zeros < 0.01,
  "elastic-net": ({ a, b }) => b.point.zeros > 0.5 && largest(b) < largest(a),
  dropout: ({ a, b, fresh }) => {
    const [plain, dropped] = [a, b].map((side) => coAdaptation(side.network, fresh, side.rule));
    return gapOf(b) < gapOf(a) && dropped < plain;
  },
  scaling: ({ a, b }) => Math.abs(accuracy(a) - accuracy(b)) < 0.05,
  "drop-connect": ({ a, b }) => gapOf(b) < gapOf(a),
  ensemble: ({ a, fresh }) => {
    const many = average(a.network, fresh, a.rule, 30);
    const mean = many.each.reduce((sum, each) => sum + each, 0) / many.each.length;
    return many.accuracy > mean && Math.abs(many.accuracy - accuracy(a)) < 0.05;
  },
};

for (const stop of TOUR) {
  let held = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const session = new Session({ shared: { ...stop.shared, seed }, a: stop.a, b: stop.b });
    session.train(STEPS);
    session.measure();
    held += HOLDS[stop.name]({ ...session.sides, fresh: session.data.fresh }) ? 1 : 0;
  }
  console.log(`${stop.name}: ${held} of ${SEEDS}${held === stop.held ? "" : `, the page says ${stop.held}`}`);
}
