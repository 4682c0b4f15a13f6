// The page: controls, pictures, tour and link. Training is in the worker.

import { decode, encode, RULE_VALUES, SHARED_VALUES } from "./config.js";
import { drawCurve, drawFeatures, drawHistogram, drawMap, drawMasks, readTheme } from "./plots.js";
import { NAMES, PLAIN, SHARED } from "./settings.js";
import { TEXTS } from "./text.js";
import { TOUR } from "./tour.js";

const byId = (id) => document.getElementById(id);
const link = decode(location.hash.slice(1));
const preferred = navigator.language?.startsWith("zh") ? "zh" : "en";
const state = {
  config: link.config,
  language: TEXTS[link.language] ? link.language : preferred,
  running: false, at: 0, speed: 5, data: null, last: null, inspected: null,
};
const say = (name) => TEXTS[state.language][name];
const worker = new Worker(globalThis.bridleWorker);
const send = (kind, rest = {}) => worker.postMessage({ kind, ...rest });
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 48rem)");
let theme = null;

// ---------------------------------------------------------------- controls

/** A slider over a list of values, or a menu if they are names. */
function control(name, values, value, act) {
  const label = document.createElement("label");
  const text = document.createElement("span");
  text.dataset.text = name;
  label.append(text);
  const words = typeof values[0] === "string";
  const input = document.createElement(words ? "select" : "input");
  const shown = document.createElement("output");
  if (words) {
    for (const each of values) {
      const option = document.createElement("option");
      option.value = each;
      option.dataset.text = each;
      input.append(option);
    }
  } else {
    input.type = "range";
    input.min = 0;
    input.max = values.length - 1;
    label.append(shown);
  }
  const put = (now) => {
    if (words) input.value = now;
    else {
      input.value = values.indexOf(now);
      const off = now === 0 && ["maxNorm", "patience", "l1", "l2", "net1", "net2"].includes(name);
      shown.textContent = off ? say("off") : String(now);
      input.setAttribute("aria-valuetext", shown.textContent);
    }
  };
  input.addEventListener("input", () => {
    const now = words ? input.value : values[Number(input.value)];
    put(now);
    act(now);
  });
  label.append(input);
  put(value);
  label.put = put;
  return label;
}

const controls = { shared: {}, a: {}, b: {} };

function buildControls() {
  for (const [name, values] of Object.entries(SHARED_VALUES)) {
    const made = control(name, values, state.config.shared[name], (value) => {
      state.config.shared[name] = value;
      if (name === "rate") send("change", { change: { rate: value } });
      else restart();
      remember();
    });
    controls.shared[name] = made;
    byId("shared").append(made);
  }
  byId("shared").append(
    control("speed", [1, 2, 5, 10, 20, 50], state.speed, (value) => {
      state.speed = value;
      if (state.running) send("run", { steps: value });
    }),
  );
  for (const side of NAMES) buildSide(side);
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.dataset.text = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const panels = { a: {}, b: {} };

function buildSide(side) {
  const parts = panels[side];
  const upper = side.toUpperCase();
  const canvas = (name, className = "") => {
    parts[name] = element("canvas", { role: "img", class: className });
    return parts[name];
  };
  const line = (name, className = "numbers") => {
    parts[name] = element("p", { class: className });
    return parts[name];
  };
  const sliders = element("div", { class: "controls" });
  for (const [name, values] of Object.entries(RULE_VALUES)) {
    const made = control(name, values, state.config[side][name], (value) => {
      state.config[side][name] = value;
      send("change", { change: { [side]: { [name]: value } } });
      remember();
    });
    controls[side][name] = made;
    sliders.append(made);
  }
  parts.copy = element("button", { type: "button", text: "python" });
  parts.copy.addEventListener("click", () => send("script", { side }));
  parts.mapTitle = element("h3");
  parts.mapNote = element("p", { class: "note" });
  const key = element("p", { class: "note" },
    element("span", { class: "key", text: "training" }), element("span", { class: "key fresh", text: "fresh" }));
  byId("sides").append(
    element("section", { "aria-labelledby": `name-${side}` },
      element("h2", { id: `name-${side}`, text: `network${upper}` }),
      line("verdict", "numbers verdict"), line("stopped"),
      element("details", narrow.matches ? {} : { open: "" }, element("summary", { text: "regularizers" }), sliders),
      element("div", { class: "panels" },
        element("div", {}, parts.mapTitle, canvas("map", "map"), parts.mapNote),
        element("div", {},
          element("h3", { text: "loss" }), canvas("loss"), line("lossLine"), key,
          element("p", { class: "note", text: "lossSays" }),
          element("h3", { text: "accuracy" }), canvas("accuracy"), line("accuracyLine"),
          element("p", { class: "note", text: "accuracySays" })),
        element("div", {},
          element("h3", { text: "weights" }), canvas("weights"), line("zerosLine"),
          element("p", { class: "note", text: "weightsSay" })),
        element("div", {},
          element("h3", { text: "masks" }), canvas("masks", "masks"),
          element("p", { class: "note", text: "masksSay" }))),
      element("div", { class: "bar" }, parts.copy, element("span", { class: "note", text: "pythonSays" }))),
  );
}

// ---------------------------------------------------------------- texts

function writeTexts() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-text]")) {
    each.textContent = say(each.dataset.text);
  }
  byId("language").textContent = say("language");
  byId("play").textContent = say(state.running ? "pause" : "play");
  for (const side of ["shared", ...NAMES]) {
    for (const [name, made] of Object.entries(controls[side])) made.put(state.config[side][name]);
  }
  writeTour();
  if (state.last) draw(state.last);
  if (state.inspected) writeInspection();
}

function writeTour() {
  const stop = TOUR[state.at], text = stop[state.language];
  byId("tour-name").textContent = `${say("tour")} ${state.at + 1}/${TOUR.length}: ${text.title}`;
  byId("tour-says").textContent = text.says;
  byId("tour-look").textContent = text.look;
  byId("tour-refuted").textContent = text.refuted;
  byId("tour-held").textContent = say("held")(stop.held, 10);
  byId("tour-previous").disabled = state.at === 0;
  byId("tour-next").disabled = state.at === TOUR.length - 1;
}

function writeInspection() {
  for (const side of NAMES) {
    const found = state.inspected[side];
    byId(`inspected-${side}`).textContent =
      `${say(`network${side.toUpperCase()}`)}: ${say("inspected")(found)} ${say("coAdaptation")(found.coAdaptation)}`;
  }
}

// ---------------------------------------------------------------- pictures

const percent = (part) => (100 * part.right) / part.rows;

function draw(found) {
  byId("progress").textContent = `${say("step")} ${found.step} · ${say("epoch")} ${found.epoch}`;
  for (const side of NAMES) {
    const { point, curve, histogram, masks, map, features, width, stoppedAt } = found[side];
    const parts = panels[side];
    parts.verdict.textContent = `${say(point.gap.verdict)} · ${say("gapOf")(point)}`;
    parts.stopped.textContent = stoppedAt === null ? "" : say("stopped")(stoppedAt);
    parts.mapTitle.textContent = say(map ? "map" : "features");
    parts.mapNote.textContent = say(map ? "mapSays" : "featuresSay");
    if (map) drawMap(parts.map, map, state.data.training, theme);
    else drawFeatures(parts.map, features, width, theme);
    const top = Math.max(1, ...curve.map((each) => Math.min(each.fresh.loss, 4)));
    drawCurve(parts.loss, curve, theme, { value: (part) => part.loss, top });
    drawCurve(parts.accuracy, curve, theme, { value: (part) => part.right / part.rows, top: 1, percent: true });
    drawHistogram(parts.weights, histogram, point.zeros, theme);
    drawMasks(parts.masks, masks, theme);
    const both = (form) => `${say("training")} ${form(point.training)} · ${say("fresh")} ${form(point.fresh)}`;
    parts.lossLine.textContent = both((part) => part.loss.toFixed(3));
    parts.accuracyLine.textContent = both((part) => `${percent(part).toFixed(1)} %`);
    parts.zerosLine.textContent = say("zeros")(point.zeros);
    const texts = {
      map: parts.mapTitle.textContent, loss: `${say("loss")}: ${parts.lossLine.textContent}`,
      accuracy: `${say("accuracy")}: ${parts.accuracyLine.textContent}`,
      weights: `${say("weights")}: ${parts.zerosLine.textContent}`, masks: say("masks"),
    };
    for (const [name, text] of Object.entries(texts)) parts[name].setAttribute("aria-label", text);
  }
}

// ---------------------------------------------------------------- actions

function restart() {
  state.inspected = null;
  for (const side of NAMES) byId(`inspected-${side}`).textContent = "";
  send("restart", { config: state.config });
  if (state.running) send("run", { steps: state.speed });
}

function remember() {
  history.replaceState(null, "", `#${encode(state.config, state.language)}`);
}

function setRunning(running) {
  state.running = running;
  byId("play").textContent = say(running ? "pause" : "play");
  if (running) send("run", { steps: state.speed });
  else send("pause");
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // a page from disk may not write to the clipboard; a selected field always can
    const field = element("textarea", { "aria-label": say("link") });
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  byId("status").textContent = say("copied");
}

const answers = {
  data({ data }) {
    state.data = data;
  },
  snapshot(found) {
    state.last = found;
    const show = () => {
      draw(found);
      send("drawn");
    };
    // whoever asks for less motion sees two pictures a second
    if (calm.matches && found.running) setTimeout(show, 500);
    else requestAnimationFrame(show);
  },
  inspection(found) {
    state.inspected = found;
    writeInspection();
  },
  script({ text }) {
    globalThis.bridleScript = text;
    copy(text);
  },
};

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  theme = readTheme();
  if (state.last) draw(state.last);
}

worker.onmessage = ({ data }) => answers[data.kind](data);
worker.onerror = (event) => {
  byId("status").textContent = event.message;
};
byId("language").addEventListener("click", () => {
  state.language = state.language === "en" ? "zh" : "en";
  remember();
  writeTexts();
});
byId("theme").addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
});
byId("play").addEventListener("click", () => setRunning(!state.running));
byId("advance").addEventListener("click", () => {
  if (state.running) setRunning(false);
  send("advance", { steps: 1 });
});
byId("restart").addEventListener("click", restart);
byId("link").addEventListener("click", () => {
  remember();
  copy(location.href);
});
byId("measure").addEventListener("click", () => {
  const [k, count] = ["k", "count"].map((id) => (byId(id).value === "" ? NaN : Number(byId(id).value)));
  const fits = Number.isSafeInteger(k) && k >= 0 && Number.isSafeInteger(count) && count >= 1 && count <= 200;
  byId("status").textContent = fits ? "" : say("refusedNumber");
  if (fits) send("inspect", { k, count });
});
for (const [id, by] of [["tour-previous", -1], ["tour-next", 1]]) {
  byId(id).addEventListener("click", () => {
    state.at = Math.min(Math.max(state.at + by, 0), TOUR.length - 1);
    writeTour();
  });
}
byId("tour-set").addEventListener("click", () => {
  const stop = TOUR[state.at];
  state.config = {
    shared: { ...SHARED, ...stop.shared }, a: { ...PLAIN, ...stop.a }, b: { ...PLAIN, ...stop.b },
  };
  remember();
  restart();
  writeTexts();
  setRunning(true);
});

buildControls();
if (narrow.matches) byId("settings").open = false;
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
writeTexts();
if (link.refused.length) byId("status").textContent = say("refusedLink")(link.refused.join(", "));
restart();
