// What the page and its worker have in common: the settings at the start, and the numbers of addresses.

/** What both networks share. A change of anything but the rate starts anew. */
export const SHARED = Object.freeze({
  data: "moons", rows: 100, noise: 0.25, flip: 0.1, h1: 64, h2: 64, rate: 0.1, batch: 32, seed: 1,
});

export const NAMES = ["a", "b"];

/** The regularizers of a network; these values switch everything off. */
export const PLAIN = Object.freeze({
  l1: 0, l2: 0, net1: 0, net2: 0, keep: 1, inputKeep: 1, connectKeep: 1,
  scaling: "inverted", maxNorm: 0, patience: 0,
});

export const SETS = ["moons", "spirals", "random", "digits"];

/** The step at which the claims of the tour are tested. */
export const CLAIM_STEP = 3000;

/** How the reader looks at it: part of a link, but not of the training. */
export const VIEW = Object.freeze({ language: "", tour: 1, speed: 5, k: 7, count: 30 });

export const GRID = 48; // cells of a side of the decision map
export const SPAN = 2; // the map runs from −SPAN to SPAN

/** Streams of random numbers; streams 2 l and 2 l + 1 are the masks of layer l. */
export const STREAMS = { weights: 1000, place: 2000, noise: 2001, flip: 2002, order: 2003 };

/** The address of the first row of each part. */
export const FIRST = { training: 0, stopping: 100000, fresh: 200000 };

/** Rows of the parts; digits are 700 in all, and each part starts where the one before ends. */
export const ROWS = { stopping: 250, fresh: 500 };
export const DIGIT_ROWS = { stopping: 50, fresh: 500 };
export const DIGIT_STARTS = { training: 0, stopping: 150, fresh: 200 };
