// One network's part of the page: its sliders, pictures and numbers.

import { buildRules } from "./controls.js";
import { drawCurve, drawFeatures, drawHistogram, drawMap, drawMasks } from "./plots.js";
import { GRID, NAMES } from "./settings.js";
import { byId, element, say, state } from "./state.js";

const POINTS = 400; // of a curve; then every other one is left out
const MOST_LOSS = 4; // of the picture

const panels = { a: {}, b: {} };

const PICTURES = ["map", "weights", "loss", "accuracy", "masks"];
const stale = { a: new Set(), b: new Set() }; // pictures that do not show what is known
const unseen = new Set(); // canvases out of sight
const watch = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) unseen[isIntersecting ? "delete" : "add"](target);
  drawSides();
});

/** Build the part of one network. */
export function buildSide(side, { onRule, onScript, narrow }) {
  const parts = panels[side];
  const canvas = (name, className = "") => {
    parts[name] = element("canvas", { role: "img", class: className });
    watch.observe(parts[name]);
    return parts[name];
  };
  const line = (name, className = "numbers") => {
    parts[name] = element("p", { class: className });
    return parts[name];
  };
  const note = (text) => element("p", { class: "note", text });
  const sliders = element("div", { class: "controls" });
  buildRules(sliders, side, onRule);
  const copy = element("button", { type: "button", text: "python" });
  copy.addEventListener("click", () => onScript(side));
  parts.mapTitle = element("h3");
  parts.mapNote = element("p", { class: "note" });
  const key = element("p", { class: "note" },
    element("span", { class: "key", text: "training" }), element("span", { class: "key fresh", text: "fresh" }));
  byId("sides").append(
    element("section", { "aria-labelledby": `name-${side}` },
      element("h2", { id: `name-${side}`, text: `network${side.toUpperCase()}` }),
      line("verdict", "numbers verdict"), line("stopped"),
      element("details", narrow ? {} : { open: "" }, element("summary", { text: "regularizers" }), sliders),
      element("div", { class: "panels" },
        element("div", {}, parts.mapTitle, canvas("map", "map"), parts.mapNote,
          element("h3", { text: "weights" }), canvas("weights"), line("zerosLine"), note("weightsSay")),
        element("div", {},
          element("h3", { text: "loss" }), canvas("loss"), line("lossLine"), key, note("lossSays"),
          element("h3", { text: "accuracy" }), canvas("accuracy"), line("accuracyLine"), note("accuracySays"))),
      element("h3", { text: "masks" }), canvas("masks", "masks"), line("masksLine"), note("masksSay"),
      element("div", { class: "bar" }, copy, element("span", { class: "note", text: "pythonSays" }))),
  );
}

/** Forget what was known of the networks. */
export function clearSides() {
  for (const side of NAMES) {
    state[side] = { curve: [], map: null, features: null };
    stale[side].clear();
  }
}

/** Keep what a snapshot says of a network. */
function keep(known, found) {
  const { point, map, features, ...rest } = found;
  Object.assign(known, rest);
  if (map) {
    known.map ??= new Float32Array(GRID * GRID);
    known.map.set(map.values, map.from * GRID);
  }
  if (features) known.features = features;
  if (!point) return;
  known.point = point;
  if (known.curve.at(-1)?.step === point.step) known.curve.pop();
  known.curve.push(point);
  if (known.curve.length > POINTS) known.curve = known.curve.filter((_, at) => at % 2 === 0);
}

/** Keep a snapshot, and which pictures are another by it. */
export function takeSides(found) {
  for (const side of NAMES) {
    keep(state[side], found[side]);
    const { point, map, features } = found[side];
    const changed = ["weights", "masks", ...(point ? ["loss", "accuracy"] : [])];
    if (features || (map !== null && map.to % (GRID / 2) === 0)) changed.push("map");
    for (const name of changed) stale[side].add(name);
  }
}

/** Draw what has changed: in sight, or everywhere. */
export function drawSides(everywhere = false) {
  for (const side of NAMES) {
    for (const name of stale[side]) {
      const canvas = panels[side][name];
      if (unseen.has(canvas) && !everywhere) continue;
      stale[side].delete(name);
      DRAWINGS[name](canvas, state[side], state.theme);
    }
  }
}

/** Draw everything again, in another size, theme or language. */
export function redrawSides() {
  for (const side of NAMES) for (const name of PICTURES) stale[side].add(name);
  drawSides();
}

const DRAWINGS = {
  weights: (canvas, { histogram }, theme) => drawHistogram(canvas, histogram, theme),
  masks: (canvas, { masks }, theme) => drawMasks(canvas, masks.units, say("layers"), theme),
  map(canvas, { map, features, width }, theme) {
    if (map) drawMap(canvas, map, state.data.training, theme);
    else if (features) drawFeatures(canvas, features, width, theme);
  },
  loss(canvas, { curve }, theme) {
    const seen = curve.filter((each) => !each.lost);
    const high = Math.max(1, ...seen.map((each) => each.fresh.loss));
    const top = Math.min(Math.ceil(5 * high) / 5, MOST_LOSS); // half of it has one decimal, too
    drawCurve(canvas, seen, theme, {
      value: (part) => part.loss, top, mark: (v) => `${v === top && high > top ? "≥ " : ""}${v.toFixed(1)}`,
    });
  },
  accuracy(canvas, { curve }, theme) {
    const seen = curve.filter((each) => !each.lost);
    drawCurve(canvas, seen, theme, {
      value: (part) => part.right / part.rows, top: 1, mark: (v) => percent(v, 0),
      interval: (point) => [point.gap.low, point.gap.high].map((gap) => point.training.right / point.training.rows - gap / 100),
    });
  },
};

/** A share in percent, in the way of the language. */
export function percent(share, digits = 1) {
  if (!Number.isFinite(share)) return "–";
  return `${(100 * share).toFixed(digits)}${say("percent")}`;
}

/** A loss or a weight. */
export const rounded = (value, digits = 3) => (value < 1000 ? value.toFixed(digits) : value.toPrecision(3));

/** A number of points of a percentage, with a real minus sign. */
const points = (value) => (Math.abs(value) < 0.05 ? 0 : value).toFixed(1).replace("-", "−");

function verdictOf({ lost, gap }, form) {
  if (lost) return say("lost");
  return `${say(gap.verdict)} · ${say(form)(points(gap.value), points(gap.low), points(gap.high))}`;
}

/** Write the numbers of both networks. */
export function writeSides() {
  for (const side of NAMES) {
    const { point, map, stoppedAt, histogram, masks } = state[side];
    const parts = panels[side];
    const both = (form) =>
      point.lost ? say("lostNumbers") : say("bothOf")(form(point.training), form(point.fresh));
    const texts = {
      verdict: verdictOf(point, "gapOf"),
      stopped: stoppedAt === null ? "" : say("stopped")(stoppedAt),
      mapTitle: say(map ? "map" : "features"), mapNote: say(map ? "mapSays" : "featuresSay"),
      lossLine: both((part) => rounded(part.loss)),
      accuracyLine: both((part) => percent(part.right / part.rows)),
      zerosLine: point.lost ? say("lostNumbers") : say("zeros")(percent(histogram.zero), rounded(histogram.largest, 2)),
      masksLine: say("kept")(masks.kept.map((count, layer) => `${count}/${masks.units[layer].length}`), percent(masks.weights)),
    };
    for (const [name, text] of Object.entries(texts)) {
      if (parts[name].textContent !== text) parts[name].textContent = text;
    }
    byId(`key-${side}`).textContent = `${side.toUpperCase()}: ${verdictOf(point, "shortGap")}`;
    const spoken = {
      map: texts.mapTitle, loss: `${say("loss")}: ${texts.lossLine}`, accuracy: `${say("accuracy")}: ${texts.accuracyLine}`,
      weights: `${say("weights")}: ${texts.zerosLine}`, masks: `${say("masks")}: ${texts.masksLine}`,
    };
    for (const [name, text] of Object.entries(spoken)) parts[name].setAttribute("aria-label", text);
  }
}
