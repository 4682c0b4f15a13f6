// Training, off the page's thread.

import { holds } from "./claims.js";
import { pythonScript } from "./python.js";
import { Session } from "./session.js";
import { GRID, NAMES } from "./settings.js";
import { inspection, snapshot } from "./snapshot.js";

// What changes slowly is computed less often, so that 60 pictures a second leave time to train.
const SCORES_EVERY = 12; // pictures: network A, and in the next one B, five times a second
const LINES = GRID / 16; // of the decision map, in each other picture

// The worker is two pictures ahead of the page: one that takes longer than a frame delays none. If the
// page runs out of pictures all the same, it trains for a shorter time.
const AHEAD = 2;
const TRAINING_MS = 10; // for each picture, at most
const MORE_MS = 0.005; // with each picture in time
const LESS = 0.75; // times the time so far

let session = null;
let id = 0; // of the session, so that the page can tell a picture of the one before
let running = false;
let ahead = 0; // pictures that the page has not drawn yet
let trainingMs = 3;
let perPicture = 5;
let goal = null; // the step at which a claim of the tour is tested, with its name
let pictures = 0;
let line = 0; // the next one of the decision map

function send(parts) {
  ahead += 1;
  postMessage({ kind: "snapshot", id, running, ...snapshot(session, parts) });
}

/** Send a picture of everything. */
function show() {
  session.measure();
  send({ scores: NAMES, lines: { from: 0, to: GRID } });
}

/** Send a picture with the scores of one network. */
function showScores(name) {
  session.measure([name]);
  send({ scores: [name], lines: { from: 0, to: 0 } });
}

/** Send a picture with some lines of the decision map. */
function showLines() {
  const from = line;
  line = (line + LINES) % GRID;
  send({ scores: [], lines: { from, to: from + LINES } });
}

/** Train, and send a picture. */
function advance() {
  pictures += 1;
  const place = pictures % SCORES_EVERY, scored = NAMES[place];
  const until = performance.now() + trainingMs;
  // scores take the time of some steps; between those of A and of B is none, so that they compare
  const most = scored === undefined ? perPicture : 1 - place;
  for (let made = 0; made < most && session.step !== goal?.step; made++) {
    session.train(1);
    if (performance.now() > until) break;
  }
  if (session.step === goal?.step) reach();
  else if (scored !== undefined) showScores(scored);
  else showLines();
}

function turn() {
  while (running && ahead < AHEAD) advance();
}

/** Stop where the tour tests its claim; a slider that was moved in between makes it another one. */
function reach() {
  running = false;
  show();
  const held = session.changes.length === 1 ? holds(goal.name, session) : null;
  postMessage({ kind: "reached", step: goal.step, held });
  goal = null;
}

const answers = {
  restart({ config, claim = null }) {
    session = new Session(config);
    id += 1;
    goal = claim;
    pictures = 0;
    postMessage({ kind: "data", id, data: session.data });
    show();
  },
  change({ change }) {
    session.change(change);
    if (!running) show();
  },
  run({ steps }) {
    running = true;
    perPicture = steps;
    turn();
  },
  pause() {
    running = false;
    show();
  },
  advance() {
    session.train(1);
    show();
  },
  drawn() {
    ahead -= 1;
    trainingMs = ahead ? Math.min(trainingMs + MORE_MS, TRAINING_MS) : trainingMs * LESS;
    turn();
  },
  inspect({ k, count }) {
    const [a, b] = NAMES.map((name) => inspection(session, name, k, count));
    postMessage({ kind: "inspection", step: session.step, k, count, a, b });
  },
  script({ side }) {
    postMessage({ kind: "script", side, text: pythonScript(session, side) });
  },
};

onmessage = ({ data }) => answers[data.kind](data);
