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

/** Loss by step, training and new rows; the gap between the curves is shaded. */
export function drawCurve(canvas, curve, theme, { value, top, percent }) {
  const { context, width, height } = prepare(canvas);
  const [left, right, above, below] = [44, 8, 8, 16];
  const last = Math.max(curve.at(-1).step, 1);
  const x = (step) => left + (step / last) * (width - left - right);
  const y = (v) => above + (1 - Math.min(v, top) / top) * (height - above - below);
  context.strokeStyle = theme.rule;
  context.fillStyle = theme.soft;
  context.textAlign = "right";
  for (const share of [0, 0.5, 1]) {
    const at = Math.round(y(share * top)) + 0.5;
    context.beginPath();
    context.moveTo(left, at);
    context.lineTo(width - right, at);
    context.stroke();
    const text = percent ? `${Math.round(100 * share * top)} %` : (share * top).toFixed(1);
    context.fillText(text, left - 4, at + 4);
  }
  context.textAlign = "center";
  context.fillText(String(last), width - right - 12, height - 3);
  context.beginPath();
  for (const point of curve) context.lineTo(x(point.step), y(value(point.training)));
  for (const point of [...curve].reverse()) context.lineTo(x(point.step), y(value(point.fresh)));
  context.globalAlpha = 0.18;
  context.fillStyle = theme.fresh;
  context.fill();
  context.globalAlpha = 1;
  for (const [part, stroke, dash] of [["training", theme.training, []], ["fresh", theme.fresh, [5, 3]]]) {
    context.strokeStyle = stroke;
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.beginPath();
    for (const point of curve) context.lineTo(x(point.step), y(value(point[part])));
    context.stroke();
  }
  context.setLineDash([]);
  context.lineWidth = 1;
}

/** The weights by value; exact zeros stand apart as a spike. */
export function drawHistogram(canvas, { counts, limit }, zero, theme) {
  const { context, width, height } = prepare(canvas);
  const below = 16, wide = width / counts.length;
  const scale = (share) => Math.sqrt(Math.min(share, 1)) * (height - below - 4);
  context.fillStyle = theme.training;
  counts.forEach((share, i) => {
    context.fillRect(i * wide + 0.5, height - below - scale(share), wide - 1, scale(share));
  });
  context.fillStyle = theme.zero;
  context.fillRect(width / 2 - 2, height - below - scale(zero), 4, scale(zero));
  context.fillStyle = theme.soft;
  context.textAlign = "center";
  for (const [x, text] of [[10, -limit], [width / 2, 0], [width - 10, limit]]) {
    context.fillText(String(text), x, height - 3);
  }
}

/** The hidden units of this step: filled if kept, an empty frame if dropped. */
export function drawMasks(canvas, masks, theme) {
  const { context, width, height } = prepare(canvas);
  masks.forEach((mask, layer) => {
    const across = 32, size = Math.min(width / across, height / 2 / Math.ceil(mask.length / across));
    mask.forEach((kept, unit) => {
      const x = (unit % across) * size + 1;
      const y = (layer * height) / 2 + Math.floor(unit / across) * size + 1;
      context.fillStyle = theme.training;
      context.strokeStyle = theme.rule;
      if (kept) context.fillRect(x, y, size - 2, size - 2);
      else context.strokeRect(x + 0.5, y + 0.5, size - 3, size - 3);
    });
  });
}
