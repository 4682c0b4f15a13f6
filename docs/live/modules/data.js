// The rows: two moons, spirals, labels without a pattern, and scikit-learn's digits. Every row is a
// pure function of the seed and its address, so that Python makes the same ones.

import { DIGITS, LABELS } from "./digits.js";
import { normals, uniforms } from "./philox.js";
import { DIGIT_ROWS, DIGIT_STARTS, FIRST, ROWS, STREAMS } from "./settings.js";

/** Inputs and classes of a data set. */
export function shapeOf(name) {
  return name === "digits" ? { inputs: 64, classes: 10 } : { inputs: 2, classes: 2 };
}

function planeRow(name, seed, row, noise) {
  const u = uniforms(seed, STREAMS.place, 0, row, 2);
  const drawn = normals(seed, STREAMS.noise, 0, row, 2);
  const label = row % 2;
  let x, y;
  if (name === "moons") {
    const angle = Math.PI * u[0];
    x = label ? 0.5 - Math.cos(angle) : Math.cos(angle) - 0.5;
    y = label ? 0.25 - Math.sin(angle) : Math.sin(angle) - 0.25;
  } else if (name === "spirals") {
    const angle = 3.5 * Math.PI * u[0] + Math.PI * label;
    x = 1.4 * u[0] * Math.sin(angle);
    y = 1.4 * u[0] * Math.cos(angle);
  } else {
    return [2 * u[0] - 1, 2 * u[1] - 1, label];
  }
  return [x + noise * drawn[0], y + noise * drawn[1], label];
}

function plane(name, seed, part, rows, noise, flip) {
  const x = new Float64Array(2 * rows), y = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    const row = FIRST[part] + i;
    const found = planeRow(name, seed, row, noise);
    x[2 * i] = found[0];
    x[2 * i + 1] = found[1];
    y[i] = uniforms(seed, STREAMS.flip, 0, row, 1)[0] < flip ? 1 - found[2] : found[2];
  }
  return { x, y, rows };
}

function digits(seed, part, rows, noise, flip) {
  const start = DIGIT_STARTS[part];
  const x = new Float64Array(64 * rows), y = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    const row = FIRST[part] + i;
    const drawn = normals(seed, STREAMS.noise, 0, row, 64);
    for (let j = 0; j < 64; j++) {
      const value = parseInt(DIGITS[64 * (start + i) + j], 32) / 16;
      x[64 * i + j] = value + noise * drawn[j];
    }
    const u = uniforms(seed, STREAMS.flip, 0, row, 2);
    const label = Number(LABELS[start + i]);
    y[i] = u[0] < flip ? (label + 1 + Math.floor(9 * u[1])) % 10 : label;
  }
  return { x, y, rows };
}

/**
 * Training rows, rows for early stopping, and new rows.
 * @param {{data: string, seed: number, rows: number, noise: number, flip: number}} config
 */
export function makeData({ data, seed, rows, noise, flip }) {
  const counts = data === "digits"
    ? { training: Math.min(rows, DIGIT_STARTS.stopping), ...DIGIT_ROWS }
    : { training: rows, ...ROWS };
  const make = data === "digits" ? digits : (...rest) => plane(data, ...rest);
  return Object.fromEntries(
    Object.entries(counts).map(([part, count]) => [part, make(seed, part, count, noise, flip)]),
  );
}

/** The order of the rows in an epoch: by their uniform numbers. */
export function orderOf(seed, epoch, rows) {
  const u = uniforms(seed, STREAMS.order, epoch, 0, rows);
  return Array.from(u.keys()).sort((a, b) => u[a] - u[b] || a - b);
}
