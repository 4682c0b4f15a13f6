// The settings with their ranges, and the link that holds them all.

import { NAMES, PLAIN, SETS, SHARED } from "./settings.js";

const powers = (from, to) => [0, ...Array.from({ length: 3 * (to - from) + 1 }, (_, i) => {
  const exact = 10 ** (from + i / 3);
  return Number(exact.toPrecision(1));
})];
const keeps = Array.from({ length: 19 }, (_, i) => Number((0.1 + 0.05 * i).toFixed(2)));

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
  patience: [0, 1, 3, 5, 10, 20, 50],
};

/** The link's text: what differs from the start. */
export function encode({ shared, a, b }, language) {
  const parts = new URLSearchParams();
  for (const [prefix, values, usual] of [["", shared, SHARED], ["a.", a, PLAIN], ["b.", b, PLAIN]]) {
    for (const [name, value] of Object.entries(values)) {
      if (value !== usual[name]) parts.set(prefix + name, value);
    }
  }
  parts.set("language", language);
  return parts.toString();
}

/** Read a link; what is unknown or out of range is left at its usual value. */
export function decode(text) {
  const parts = new URLSearchParams(text);
  const config = { shared: { ...SHARED }, a: { ...PLAIN }, b: { ...PLAIN } };
  const refused = [];
  for (const [key, value] of parts) {
    if (key === "language") continue;
    const [side, name] = key.includes(".") ? key.split(".") : ["shared", key];
    const lists = side === "shared" ? SHARED_VALUES : RULE_VALUES;
    const known = (side === "shared" || NAMES.includes(side)) && Object.hasOwn(lists, name);
    const found = known ? lists[name].find((each) => String(each) === value) : undefined;
    if (found === undefined) refused.push(key);
    else config[side][name] = found;
  }
  return { config, refused, language: parts.get("language") };
}
