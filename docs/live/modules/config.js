// The settings with their ranges, and the link that holds them all.

import { NAMES, PLAIN, SETS, SHARED, VIEW } from "./settings.js";

const powers = (from, to) => [0, ...Array.from({ length: 3 * (to - from) + 1 }, (_, i) => {
  const exact = 10 ** (from + i / 3);
  return Number(exact.toPrecision(1));
})];
const keeps = Array.from({ length: 20 }, (_, i) => Number((0.05 + 0.05 * i).toFixed(2)));

/** Settings of both networks: their values in order. A change of all but the rate starts anew. */
export const SHARED_VALUES = {
  data: SETS,
  rows: [20, 40, 60, 100, 150, 300, 600, 1000],
  noise: [0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5],
  flip: [0, 0.05, 0.1, 0.2, 0.3, 0.5],
  h1: [4, 8, 16, 32, 64, 128],
  h2: [4, 8, 16, 32, 64, 128],
  rate: [0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1],
  batch: [1, 5, 10, 20, 30, 32, 64, 128],
  seed: Array.from({ length: 100 }, (_, i) => i),
};

/** Settings of one network; each acts from the next step on. */
export const RULE_VALUES = {
  l1: powers(-5, -1), l2: powers(-5, 0), net1: powers(-5, -1), net2: powers(-5, 0),
  keep: keeps, inputKeep: keeps, connectKeep: keeps,
  scaling: ["inverted", "classic"],
  maxNorm: [0, 0.5, 1, 1.5, 2, 3, 4],
  patience: [0, 2, 3, 5, 10, 20, 50],
};

const MOST_NAME = 30; // characters of a refused name

/** Steps between two pictures, at most. */
export const SPEEDS = [1, 2, 5, 10, 20, 50];

const whole = (low, high) => (text) =>
  /^\d{1,9}$/.test(text) && Number(text) >= low && Number(text) <= high ? Number(text) : undefined;
const oneOf = (values) => (text) => values.find((each) => String(each) === text);

/** How the text of a value is read, for each setting of the view. */
export const VIEW_READERS = {
  language: oneOf(["en", "zh"]), tour: whole(1, 8), speed: oneOf(SPEEDS), k: whole(0, 999_999_999), count: whole(1, 200),
};

/** The link's text: what differs from the start. */
export function encode({ shared, a, b }, view) {
  const parts = new URLSearchParams();
  for (const [prefix, values, usual] of [["", shared, SHARED], ["a.", a, PLAIN], ["b.", b, PLAIN], ["", view, VIEW]]) {
    for (const [name, value] of Object.entries(values)) {
      if (value !== usual[name]) parts.set(prefix + name, value);
    }
  }
  return parts.toString();
}

function reader(side, name) {
  if (side === "" && Object.hasOwn(VIEW_READERS, name)) return VIEW_READERS[name];
  const lists = side === "" ? SHARED_VALUES : NAMES.includes(side) ? RULE_VALUES : {};
  return Object.hasOwn(lists, name) ? oneOf(lists[name]) : () => undefined;
}

/** Read a link; what is unknown or out of range is left at its usual value. */
export function decode(text) {
  const config = { shared: { ...SHARED }, a: { ...PLAIN }, b: { ...PLAIN } };
  const view = { ...VIEW };
  const refused = [];
  for (const [key, value] of new URLSearchParams(text)) {
    const [side, name] = key.includes(".") ? key.split(".") : ["", key];
    const found = reader(side, name)(value);
    if (found === undefined) refused.push(key.length > MOST_NAME ? `${key.slice(0, MOST_NAME)}…` : key || '""');
    else if (side === "") (Object.hasOwn(VIEW, name) ? view : config.shared)[name] = found;
    else config[side][name] = found;
  }
  return { config, view, refused };
}
