// The page: what its buttons do, and what the worker answers. Training is in the worker.

import { encode, VIEW_READERS } from "./config.js";
import { buildShared, putControls } from "./controls.js";
import { writeInspection } from "./inspection.js";
import { readTheme } from "./plots.js";
import { CLAIM_STEP, NAMES, PLAIN, SHARED } from "./settings.js";
import { buildSide, clearSides, drawSides, redrawSides, takeSides, writeSides } from "./sides.js";
import { byId, readLink, say, state } from "./state.js";
import { TOUR } from "./tour.js";

const TEXTS_MS = 200; // numbers that change faster cannot be read
const OUT_OF_SIGHT_MS = 1000; // a plot out of sight is drawn this often, and when it comes into sight
const CALM_MS = 500;
const LINK_MS = 300; // browsers refuse an address that changes with each move of a slider

const worker = new Worker(globalThis.bridleWorker);
const send = (kind, rest = {}) => worker.postMessage({ kind, ...rest });
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 48rem)").matches;
let written = 0; // when the texts were
let complete = 0; // when the plots out of sight were drawn
let remembering = null;
const pictures = []; // of the worker, that are not drawn yet

// ---------------------------------------------------------------- texts

/** Say something once: a function of the language, or nothing. */
function announce(text) {
  state.announced = text;
  byId("status").textContent = text ? text() : "";
}

function writeTexts() {
  document.documentElement.lang = state.view.language === "zh" ? "zh-CN" : "en";
  document.title = `bridle: ${say("title")}`;
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  byId("language").lang = state.view.language === "zh" ? "en" : "zh-CN";
  byId("play").textContent = say(state.running ? "pause" : "play");
  putControls();
  writeTour();
  writeInspection();
  announce(state.announced);
  redraw();
}

function redraw() {
  if (!state.a?.point) return;
  redrawSides();
  writeNumbers();
}

function writeNumbers() {
  byId("progress").textContent = say("progress")(state.step, state.epoch);
  writeSides();
}

function writeTour() {
  const stop = TOUR[state.view.tour - 1], text = stop[state.view.language];
  byId("tour-name").textContent = say("tourName")(state.view.tour, TOUR.length, text.title);
  byId("tour-says").textContent = text.says;
  byId("tour-look").textContent = text.look;
  byId("tour-refuted").textContent = text.refuted;
  byId("tour-held").textContent = say("held")(stop.held, 10, CLAIM_STEP);
  byId("tour-previous").disabled = state.view.tour === 1;
  byId("tour-next").disabled = state.view.tour === TOUR.length;
}

// ---------------------------------------------------------------- the address

function address() {
  clearTimeout(remembering);
  remembering = null;
  return `#${encode(state.config, state.view)}`;
}

function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => history.replaceState(null, "", address()), LINK_MS);
}

/** Take the settings of the address, and start anew. */
function follow() {
  const refused = readLink();
  setRunning(false);
  restart();
  writeTexts();
  announce(refused.length ? () => say("refusedLink")(refused.join(say("comma"))) : null);
}

// ---------------------------------------------------------------- actions

function restart(claim = null) {
  state.inspected = null;
  writeInspection();
  announce(null);
  send("restart", { config: state.config, claim });
  if (state.running) send("run", { steps: state.view.speed });
}

function setRunning(running) {
  state.running = running;
  byId("play").textContent = say(running ? "pause" : "play");
  if (running) send("run", { steps: state.view.speed });
  else send("pause");
}

/** Go to a stop of the tour: set the sliders and train until its claim is tested. */
function visit(number) {
  if (remembering) history.replaceState(null, "", address());
  state.view.tour = number;
  const stop = TOUR[number - 1];
  const { seed } = state.config.shared;
  state.config = {
    shared: { ...SHARED, ...stop.shared, seed }, a: { ...PLAIN, ...stop.a }, b: { ...PLAIN, ...stop.b },
  };
  history.pushState(null, "", address());
  restart({ name: stop.name, step: CLAIM_STEP });
  writeTexts();
  setRunning(true);
}

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // a page from disk may not write to the clipboard; a selected field always can
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  announce(() => say(done));
}

const answers = {
  data({ id, data }) {
    Object.assign(state, { id, data });
    clearSides();
  },
  snapshot(found) {
    pictures.push(found);
    if (pictures.length === 1) awaitFrame();
  },
  reached({ step, held }) {
    setRunning(false);
    announce(() => say("reached")(step, held));
  },
  inspection(found) {
    state.inspected = found;
    writeInspection();
    announce(() => say("measured"));
  },
  script({ text }) {
    globalThis.bridleScript = text;
    copy(text, "copied");
  },
};

/** Draw at the next frame; a page that is not looked at has none, and the worker waits for it. */
function awaitFrame() {
  // whoever asks for less motion sees two pictures a second
  if (calm.matches && pictures[0].running) setTimeout(() => requestAnimationFrame(draw), CALM_MS);
  else requestAnimationFrame(draw);
}

/** Draw the oldest picture; of those that a slider made while training pauses, the last. */
function draw() {
  let found;
  do {
    found = pictures.shift();
    send("drawn");
    if (found.id === state.id) take(found);
  } while (pictures.length && (calm.matches || !found.running));
  if (found.id === state.id) show(found);
  if (pictures.length) awaitFrame();
}

function take(found) {
  Object.assign(state, { step: found.step, epoch: found.epoch });
  takeSides(found);
}

function show(found) {
  const now = performance.now();
  const everywhere = !found.running || now - complete > OUT_OF_SIGHT_MS;
  if (everywhere) complete = now;
  drawSides(everywhere);
  if (found.running && now - written < TEXTS_MS) return;
  written = now;
  writeNumbers();
  document.documentElement.dataset.drawn = "yes";
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  state.theme = readTheme();
  redraw();
}

function measure() {
  const [k, count] = ["k", "count"].map((id) => VIEW_READERS[id](byId(id).value));
  if (k === undefined || count === undefined) return announce(() => say("refusedNumber"));
  Object.assign(state.view, { k, count });
  remember();
  announce(() => say("measuring"));
  send("inspect", { k, count });
}

const buttons = {
  language() {
    state.view.language = state.view.language === "en" ? "zh" : "en";
    remember();
    writeTexts();
  },
  theme: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
  play() {
    announce(null);
    setRunning(!state.running);
  },
  advance() {
    if (state.running) setRunning(false);
    send("advance");
  },
  restart: () => restart(),
  link() {
    history.replaceState(null, "", address());
    copy(location.href, "copiedLink");
  },
  measure,
  "tour-previous": () => visit(state.view.tour - 1),
  "tour-next": () => visit(state.view.tour + 1),
  "tour-set": () => visit(state.view.tour),
};

function start() {
  const refused = readLink();
  buildShared({
    onShared(name, value) {
      state.config.shared[name] = value;
      if (name === "rate") send("change", { change: { rate: value } });
      else restart();
      if (name === "data") putControls(); // digits have fewer rows
      remember();
    },
    onSpeed(value) {
      state.view.speed = value;
      if (state.running) send("run", { steps: value });
      remember();
    },
  });
  const onRule = (side, name, value) => {
    state.config[side][name] = value;
    send("change", { change: { [side]: { [name]: value } } });
    remember();
  };
  for (const side of NAMES) buildSide(side, { onRule, onScript: (of) => send("script", { side: of }), narrow });
  for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener("click", act);
  if (narrow) byId("settings").open = false;
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  restart();
  writeTexts();
  if (refused.length) announce(() => say("refusedLink")(refused.join(say("comma"))));
}

worker.onmessage = ({ data }) => answers[data.kind](data);
worker.onerror = (event) => announce(() => event.message);
addEventListener("popstate", follow);
addEventListener("resize", redraw);
start();
