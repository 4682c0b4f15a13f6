// Trains some sessions, and writes "copy as Python" of each with what the page shows:
// `node scripts.mjs FOLDER`.

import { writeFileSync } from "node:fs";
import { pythonScript } from "../../docs/live/modules/python.js";
import { Session } from "../../docs/live/modules/session.js";

const sessions = {
  changed: [
    {}, { net1: 0.0005, net2: 0.002, keep: 0.8, inputKeep: 0.9 }, { rate: 0.05, b: { keep: 0.6, l1: 0.001 } },
  ],
  stopped: [{ rows: 40, batch: 20 }, { patience: 3, maxNorm: 2, connectKeep: 0.7 }, {}],
  classic: [
    { data: "digits", rows: 150, noise: 0.1, flip: 0.2, seed: 3 }, { keep: 0.5, scaling: "classic", l2: 0.001 }, {},
  ],
};
const shown = {};
for (const [name, [shared, b, change]] of Object.entries(sessions)) {
  const session = new Session({ shared, a: {}, b });
  session.train(150);
  session.change(change);
  session.train(50);
  session.measure();
  const { loss, point } = session.sides.b;
  shown[name] = [
    loss, point.training.loss, point.training.right / point.training.rows,
    point.fresh.loss, point.fresh.right / point.fresh.rows,
  ];
  writeFileSync(`${process.argv[2]}/${name}.py`, pythonScript(session, "b"));
}
console.log(JSON.stringify(shown));
