// What each claim of the tour says about the two networks, as a test of their numbers.

import { average, coAdaptation } from "./measures.js";

const gapOf = (side) => side.point.gap.value;
const accuracyOf = (side) => side.point.fresh.right / side.point.fresh.rows;
const largest = (side) =>
  Math.max(...side.network.weights.map((weight) => weight.reduce((top, w) => Math.max(top, Math.abs(w)), 0)));

const CLAIMS = {
  overfitting: ({ a, b }) => a.point.gap.verdict === "overfits" && gapOf(b) < gapOf(a),
  l2: ({ a, b }) => gapOf(b) < gapOf(a) && largest(b) < largest(a) && b.point.zeros < 0.01,
  l1: ({ a, b }) => b.point.zeros > 0.5 && a.point.zeros < 0.01,
  "elastic-net": ({ a, b }) => b.point.zeros > 0.5 && largest(b) < largest(a),
  dropout: ({ a, b, fresh }) => {
    const [plain, dropped] = [a, b].map((side) => coAdaptation(side.network, fresh, side.rule));
    return gapOf(b) < gapOf(a) && dropped < plain;
  },
  scaling: ({ a, b }) => Math.abs(accuracyOf(a) - accuracyOf(b)) < 0.05,
  "drop-connect": ({ a, b }) => gapOf(b) < gapOf(a),
  ensemble: ({ a, fresh }) => {
    const many = average(a.network, fresh, a.rule, 30);
    return many.accuracy > many.single && Math.abs(many.accuracy - accuracyOf(a)) < 0.05;
  },
};

/** Whether the claim of a stop of the tour holds for a session, by its last measured scores. */
export function holds(name, session) {
  return CLAIMS[name]({ ...session.sides, fresh: session.data.fresh });
}
