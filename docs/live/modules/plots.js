// Canvas drawings. A plot library redraws through the DOM and misses 60 frames with eight plots, and
// none draws decision maps or weights as pictures; each plot here is one small function.

import { GRID, SPAN } from "./settings.js";

const EDGE = 0.96 * SPAN;

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colors of the page's theme; read again when the theme changes. */
export function readTheme() {
  const names = ["ink", "soft", "rule", "paper", "training", "fresh", "zero", "class0", "class1"];
  return Object.fromEntries(names.map((name) => [name, color(`--${name}`)]));
}

function prepare(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  return { context, width, height };
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function mix(from, to, share) {
  return from.map((value, i) => Math.round(value + share * (to[i] - value)));
}

function picture(width, height, pixel) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue] = pixel(i);
    image.data.set([red, green, blue, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The probability of class 1 over the plane, with the training rows. */
export function drawMap(canvas, map, rows, theme) {
  const { context, width, height } = prepare(canvas);
  const [paper, one, two] = [theme.paper, theme.class0, theme.class1].map(channels);
  const image = picture(GRID, GRID, (i) => {
    const p = map[i];
    return mix(paper, p > 0.5 ? two : one, Math.abs(2 * p - 1) * 0.55);
  });
  context.imageSmoothingEnabled = true;
  context.drawImage(image, 0, 0, width, height);
  for (let i = 0; i < rows.rows; i++) {
    // a row outside of the map is drawn on its edge
    const [right, up] = [0, 1].map((axis) => Math.min(Math.max(rows.x[2 * i + axis], -EDGE), EDGE));
    const x = ((right + SPAN) / (2 * SPAN)) * width;
    const y = ((SPAN - up) / (2 * SPAN)) * height;
    context.fillStyle = rows.y[i] ? theme.class1 : theme.class0;
    context.strokeStyle = theme.paper;
    context.beginPath();
    // the classes differ in shape as well as in color
    if (rows.y[i]) context.rect(x - 3, y - 3, 6, 6);
    else context.arc(x, y, 3.4, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

/** The incoming weights of the first hidden units, as pictures of 8 × 8 pixels. */
export function drawFeatures(canvas, weights, width0, theme) {
  const { context, width, height } = prepare(canvas);
  const across = Math.ceil(Math.sqrt(width0 * (width / height)));
  const size = Math.floor(width / across);
  const [paper, negative, positive] = [theme.paper, theme.class0, theme.class1].map(channels);
  context.imageSmoothingEnabled = false;
  for (let unit = 0; unit < width0; unit++) {
    let top = 1e-6;
    for (let i = 0; i < 64; i++) top = Math.max(top, Math.abs(weights[i * width0 + unit]));
    const image = picture(8, 8, (i) => {
      const w = weights[i * width0 + unit] / top;
      return mix(paper, w > 0 ? positive : negative, Math.abs(w));
    });
    const [column, row] = [unit % across, Math.floor(unit / across)];
    context.drawImage(image, column * size + 1, row * size + 1, size - 2, size - 2);
  }
}

/** The margins of a curve. */
const FRAME = { left: 44, right: 14, above: 10, below: 16 };

function drawAxes(context, { width, height }, { top, mark, last, y }, theme) {
  const { left, right } = FRAME;
  context.strokeStyle = theme.rule;
  context.fillStyle = theme.soft;
  context.textAlign = "right";
  for (const share of [0, 0.5, 1]) {
    const at = Math.round(y(share * top)) + 0.5;
    context.beginPath();
    context.moveTo(left, at);
    context.lineTo(width - right, at);
    context.stroke();
    context.fillText(mark(share * top), left - 5, at + 4);
  }
  context.fillText(String(last), width - right, height - 3);
  context.textAlign = "left";
  context.fillText("0", left, height - 3);
}

/**
 * A score by step, of training rows and of new rows; the gap between the two is shaded.
 * @param {(point: object) => number[]} [interval] the ends of the interval of the last score of new rows
 */
export function drawCurve(canvas, curve, theme, { value, top, mark, interval }) {
  const { context, width, height } = prepare(canvas);
  if (!curve.length) return;
  const { left, right, above, below } = FRAME;
  const point = curve.at(-1), last = Math.max(point.step, 1);
  const x = (step) => left + (step / last) * (width - left - right);
  const y = (v) => above + (1 - Math.min(v, top) / top) * (height - above - below);
  drawAxes(context, { width, height }, { top, mark, last, y }, theme);
  context.beginPath();
  for (const each of curve) context.lineTo(x(each.step), y(value(each.training)));
  for (const each of [...curve].reverse()) context.lineTo(x(each.step), y(value(each.fresh)));
  context.globalAlpha = 0.18;
  context.fillStyle = theme.fresh;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 2;
  for (const [part, stroke, dash] of [["training", theme.training, []], ["fresh", theme.fresh, [5, 3]]]) {
    context.strokeStyle = stroke;
    context.setLineDash(dash);
    context.beginPath();
    for (const each of curve) context.lineTo(x(each.step), y(value(each[part])));
    context.stroke();
  }
  context.setLineDash([]);
  if (interval) {
    const [from, to] = interval(point).map(y);
    const at = width - right + 6;
    context.beginPath();
    for (const end of [from, to]) {
      context.moveTo(at - 4, end);
      context.lineTo(at + 4, end);
    }
    context.moveTo(at, from);
    context.lineTo(at, to);
    context.stroke();
  }
  context.lineWidth = 1;
}

/** The weights by value; exact zeros stand apart as a spike. Heights are roots, so that few are seen. */
export function drawHistogram(canvas, { counts, limit, zero }, theme) {
  const { context, width, height } = prepare(canvas);
  const below = 16, wide = width / counts.length;
  const scale = (share) => Math.sqrt(Math.min(share, 1)) * (height - below - 6);
  context.fillStyle = theme.training;
  context.beginPath();
  counts.forEach((share, i) => {
    context.rect(i * wide + 0.5, height - below - scale(share), wide - 1, scale(share));
  });
  context.fill();
  context.fillStyle = theme.zero;
  context.fillRect(width / 2 - 2.5, height - below - scale(zero), 5, scale(zero));
  context.fillStyle = theme.soft;
  for (const [align, x, text] of [["left", 3, `≤ −${limit}`], ["center", width / 2, "0"], ["right", width - 3, `≥ ${limit}`]]) {
    context.textAlign = align;
    context.fillText(text, x, height - 3);
  }
}

/** The units of this step, a line for each layer: filled if kept, an empty frame if dropped. */
export function drawMasks(canvas, layers, names, theme) {
  const { context, width, height } = prepare(canvas);
  const left = Math.min(100, 0.28 * width), across = width - left > 520 ? 64 : 32;
  const size = Math.min((width - left - 4) / across, 16);
  // layers of more units than fit in a line take several
  const lines = layers.map((units) => Math.ceil(units.length / across));
  const step = (height - 6) / Math.max(lines.reduce((sum, count) => sum + count + 0.5, 0), 5);
  const tall = Math.min(size, step, 12);
  const kept = new Path2D(), dropped = new Path2D(); // one drawing of all units costs less than many
  let top = 4;
  context.textAlign = "left";
  context.fillStyle = theme.ink;
  layers.forEach((units, layer) => {
    context.fillText(names[layer], 5, top + 9);
    units.forEach((keep, unit) => {
      const x = left + (unit % across) * size, y = top + Math.floor(unit / across) * tall;
      if (keep) kept.rect(x, y, size - 2, tall - 2);
      else dropped.rect(x + 0.5, y + 0.5, size - 3, tall - 3);
    });
    top += (lines[layer] + 0.5) * step;
  });
  context.fillStyle = theme.training;
  context.fill(kept);
  context.strokeStyle = theme.soft;
  context.stroke(dropped);
}
