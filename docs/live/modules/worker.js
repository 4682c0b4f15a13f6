// Training, off the page's thread.

import { pythonScript } from "./python.js";
import { Session } from "./session.js";
import { inspection, snapshot } from "./snapshot.js";

let session = null;
let running = false;
let perFrame = 5;
let waiting = false; // until the page has drawn the last snapshot

function show() {
  session.measure();
  waiting = true;
  postMessage({ kind: "snapshot", running, ...snapshot(session) });
}

function turn() {
  if (!running || waiting) return;
  session.train(perFrame);
  show();
}

const answers = {
  restart({ config }) {
    session = new Session(config);
    postMessage({ kind: "data", data: session.data, shared: session.shared });
    show();
  },
  change({ change }) {
    session.change(change);
    if (!running) show();
  },
  run({ steps }) {
    running = true;
    perFrame = steps;
    turn();
  },
  pause() {
    running = false;
    show();
  },
  advance({ steps }) {
    session.train(steps);
    show();
  },
  drawn() {
    waiting = false;
    turn();
  },
  inspect({ k, count }) {
    const [a, b] = ["a", "b"].map((name) => inspection(session, name, k, count));
    postMessage({ kind: "inspection", a, b });
  },
  script({ side }) {
    postMessage({ kind: "script", side, text: pythonScript(session, side) });
  },
};

onmessage = ({ data }) => answers[data.kind](data);
