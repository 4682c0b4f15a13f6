// For how many of ten seeds each claim of the tour holds: `node docs/live/claims.mjs`.

import { holds } from "./modules/claims.js";
import { Session } from "./modules/session.js";
import { CLAIM_STEP } from "./modules/settings.js";
import { TOUR } from "./modules/tour.js";

const SEEDS = 10;

for (const stop of TOUR) {
  let held = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const session = new Session({ shared: { ...stop.shared, seed }, a: stop.a, b: stop.b });
    session.train(CLAIM_STEP);
    session.measure();
    held += holds(stop.name, session) ? 1 : 0;
  }
  console.log(`${stop.name}: ${held} of ${SEEDS}${held === stop.held ? "" : `, the page says ${stop.held}`}`);
}
