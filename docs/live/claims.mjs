// For how many of ten seeds each claim of the tour holds: `node docs/live/claims.mjs`.

import { Session } from "./modules/session.js";
import { evidence, TOUR } from "./modules/tour.js";

const SEEDS = 10;
for (const stop of TOUR) {
  let held = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const session = new Session({ shared: { ...stop.shared, seed }, a: stop.a, b: stop.b });
    session.train(stop.steps);
    held += stop.holds(evidence(session)) ? 1 : 0;
  }
  console.log(`${stop.name}: ${held} of ${SEEDS}${held === stop.held ? "" : `, the page says ${stop.held}`}`);
}
