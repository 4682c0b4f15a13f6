// The rows: two moons, spirals, labels without a pattern, and scikit-learn's digits. Every row is a
// pure function of the seed and its address, so that Python makes the same ones.

import { DIGITS, LABELS } from "./digits.js";
import { normals, uniforms } from "./philox.js";

export const STOP_ROWS = 250;
export const NEW_ROWS = 500;

/** Streams of the numbers that make a row, and its first address in each part. */
const PLACE = 2000, NOISE = 2001, FLIP = 2002, ORDER = 2003;
const FIRST = { training: 0, stopping: 100000, fresh: 200000 };

export const SETS = ["moons", "spirals", "random", "digits"];

/** Inputs and classes of a data set. */
export function shapeOf(name) {
  return name === "digits" ? { inputs: 64, classes: 10 } : { inputs: 2, classes: 2 };
}

function planeRow(name, seed, row, noise) {
  const u = uniforms(seed, PLACE, 0, row, 2);
  const drawn = normals(seed, NOISE, 0, row, 2);
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
  const x = new Float32Array(2 * rows), y = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    const row = FIRST[part] + i;
    const found = planeRow(name, seed, row, noise);
    x[2 * i] = found[0];
    x[2 * i + 1] = found[1];
    y[i] = uniforms(seed, FLIP, 0, row, 1)[0] < flip ? 1 - found[2] : found[2];
  }
  return { x, y, rows };
}

function digits(seed, part, start, rows, noise, flip) {
  const x = new Float32Array(64 * rows), y = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    const row = FIRST[part] + i;
    const drawn = normals(seed, NOISE, 0, row, 64);
    for (let j = 0; j < 64; j++) {
      const value = parseInt(DIGITS[64 * (start + i) + j], 32) / 16;
      x[64 * i + j] = value + noise * drawn[j];
    }
    const u = uniforms(seed, FLIP, 0, row, 2);
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
  if (data === "digits") {
    const first = 700 - NEW_ROWS - 50;
    return {
      training: digits(seed, "training", 0, Math.min(rows, first), noise, flip),
      stopping: digits(seed, "stopping", first, 50, noise, flip),
      fresh: digits(seed, "fresh", 700 - NEW_ROWS, NEW_ROWS, noise, flip),
    };
  }
  return {
    training: plane(data, seed, "training", rows, noise, flip),
    stopping: plane(data, seed, "stopping", STOP_ROWS, noise, flip),
    fresh: plane(data, seed, "fresh", NEW_ROWS, noise, flip),
  };
}

/** The order of the rows in an epoch: by their uniform numbers. */
export function orderOf(seed, epoch, rows) {
  const u = uniforms(seed, ORDER, epoch, 0, rows);
  return Array.from(u.keys()).sort((a, b) => u[a] - u[b] || a - b);
}
