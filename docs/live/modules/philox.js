// Masks and random numbers as pure functions of an address: Philox4x32-10 (Salmon et al. 2011), with
// the layout that bridle's Python defines in `bridle.ops.masks`.
//
//   key             = philox((stream, step), key = seed)    first two words; one key per mask
//   bits of a block = philox((block, row),   key = key)     four words, eight 16-bit lanes
//
// Every part of an address has 64 bits, low word first; an integer up to 2^53 is exact here.

export const RESOLUTION = 65536;
const GROUP = 128; // units of a group of 16 blocks
const NUMBERS = 64; // random numbers of a group

function high(a, b) {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16;
  const low = a0 * b0, mid1 = a0 * b1, mid2 = a1 * b0;
  const carry = (low >>> 16) + (mid1 & 0xffff) + (mid2 & 0xffff);
  return (a1 * b1 + (mid1 >>> 16) + (mid2 >>> 16) + (carry >>> 16)) >>> 0;
}

/** Write the four words of a counter and a key into `out`. */
export function philox4x32(c0, c1, c2, c3, k0, k1, out) {
  for (let round = 0; round < 10; round++) {
    const high0 = high(0xd2511f53, c0), low0 = Math.imul(0xd2511f53, c0) >>> 0;
    const high1 = high(0xcd9e8d57, c2), low1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
  return out;
}

const low = (value) => value >>> 0;
const upper = (value) => Math.floor(value / 4294967296) >>> 0;
const scratch = new Uint32Array(4);

/** The key of a stream's mask at a step: two words. */
export function maskKey(seed, stream, step) {
  philox4x32(low(stream), upper(stream), low(step), upper(step), low(seed), upper(seed), scratch);
  return [scratch[0], scratch[1]];
}

/** The threshold of a lane: `keepProb` in units of 1/65536, half to even, at least one. */
export function thresholdOf(keepProb) {
  const exact = keepProb * RESOLUTION;
  let rounded = Math.round(exact);
  if (rounded - exact === 0.5 && rounded % 2) rounded -= 1;
  return Math.min(Math.max(rounded, 1), RESOLUTION);
}

/**
 * Which units are kept: a Uint8Array [rows × units] of 0 and 1.
 * @param {number} rows how many rows, with the addresses `first`, `first + 1`, …
 */
export function keepMask(seed, stream, step, rows, units, keepProb, first = 0) {
  const kept = new Uint8Array(rows * units);
  const limit = thresholdOf(keepProb);
  const [k0, k1] = maskKey(seed, stream, step);
  const words = new Uint32Array(4);
  for (let row = 0; row < rows; row++) {
    const address = first + row;
    for (let group = 0; group * GROUP < units; group++) {
      for (let within = 0; within < 16; within++) {
        const start = group * GROUP + within;
        if (start >= units) break;
        const block = group * 16 + within;
        philox4x32(block, 0, low(address), upper(address), k0, k1, words);
        for (let lane = 0; lane < 8; lane++) {
          const unit = start + lane * 16;
          if (unit >= units) break;
          const word = words[lane >> 1];
          const bits = lane & 1 ? word >>> 16 : word & 0xffff;
          kept[row * units + unit] = bits < limit ? 1 : 0;
        }
      }
    }
  }
  return kept;
}

function numbers(seed, stream, step, row, units, put) {
  const [k0, k1] = maskKey(seed, stream, step);
  const words = new Uint32Array(4);
  for (let group = 0; group * NUMBERS < units; group++) {
    for (let within = 0; within < 16; within++) {
      philox4x32(group * 16 + within, 0, low(row), upper(row), k0, k1, words);
      put(group * NUMBERS + within, words);
    }
  }
}

/** Uniform numbers of one row: midpoints of 2^32 equal parts of the unit interval. */
export function uniforms(seed, stream, step, row, units) {
  const found = new Float64Array(units);
  numbers(seed, stream, step, row, units, (start, words) => {
    for (let word = 0; word < 4; word++) {
      const unit = start + word * 16;
      if (unit < units) found[unit] = (words[word] + 0.5) / 4294967296;
    }
  });
  return found;
}

/** Standard normal numbers of one row (Box & Muller 1958), rounded to single precision. */
export function normals(seed, stream, step, row, units) {
  const found = new Float32Array(units);
  numbers(seed, stream, step, row, units, (start, words) => {
    for (let pair = 0; pair < 2; pair++) {
      const radius = Math.sqrt(-2 * Math.log((words[2 * pair] + 0.5) / 4294967296));
      const angle = ((2 * Math.PI) / 4294967296) * words[2 * pair + 1];
      const unit = start + pair * 32;
      if (unit < units) found[unit] = radius * Math.cos(angle);
      if (unit + 16 < units) found[unit + 16] = radius * Math.sin(angle);
    }
  });
  return found;
}
