// What the page's mathematics says: `node --test checks.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { holds } from "../../docs/live/modules/claims.js";
import { decode, encode } from "../../docs/live/modules/config.js";
import { coAdaptation, gap, wilson, zeros } from "../../docs/live/modules/measures.js";
import { createNetwork, predict, trainStep } from "../../docs/live/modules/network.js";
import { keepMask } from "../../docs/live/modules/philox.js";
import { affine, biasGradient, inputGradient, weightGradient } from "../../docs/live/modules/products.js";
import { Session } from "../../docs/live/modules/session.js";
import { GRID, PLAIN, SHARED, VIEW } from "../../docs/live/modules/settings.js";
import { inspection, snapshot } from "../../docs/live/modules/snapshot.js";
import { TEXTS } from "../../docs/live/modules/text.js";
import { TOUR } from "../../docs/live/modules/tour.js";

const close = (found, wanted, within) => assert.ok(Math.abs(found - wanted) < within, `${found}, not ${wanted}`);

test("Wilson's interval of 80 of 100", () => {
  const [low, high] = wilson(80, 100);
  close(low, 0.7112, 1e-4);
  close(high, 0.8666, 1e-4);
});

test("a verdict needs an interval on one side of 2 points", () => {
  const verdict = (right) => gap({ right: 100, rows: 100 }, { right, rows: 500 }).verdict;
  assert.deepEqual([verdict(500), verdict(490), verdict(400)], ["no gap", "cannot tell", "overfits"]);
});

test("one step is the gradient and then the prox", () => {
  const network = createNetwork([1, 1, 2], 0);
  network.weights[0][0] = 1;
  network.weights[1].set([0.5, -0.00001]);
  const batch = { x: Float32Array.of(1), y: Uint8Array.of(0), rows: 1 };
  const share = 1 / (1 + Math.exp(-0.50001));
  const loss = trainStep(network, batch, 0.1, { ...PLAIN, l1: 0.1, l2: 0.2 });
  close(loss, -Math.log(share), 1e-12);
  const first = 1 + 0.1 * (1 - share) * 0.50001;
  close(network.weights[0][0], (first - 0.01) / 1.02, 1e-12);
  close(network.weights[1][0], (0.5 + 0.1 * (1 - share) - 0.01) / 1.02, 1e-12);
});

test("L1 makes exact zeros, and dead units do not interact", () => {
  const session = new Session({ shared: { rows: 40 }, a: {}, b: { l1: 0.1 } });
  session.train(300);
  assert.equal(zeros(session.sides.a.network), 0);
  assert.ok(zeros(session.sides.b.network) > 0.9);
  assert.equal(coAdaptation(session.sides.b.network, session.data.fresh, PLAIN), 0);
});

test("classic scaling multiplies by p at prediction, inverted does nothing", () => {
  const network = createNetwork([2, 8, 8, 2], 1);
  const x = Float32Array.of(0.3, -0.2);
  const at = (rule) => predict(network, x, 1, { ...PLAIN, ...rule })[0];
  close(at({ keep: 0.5 }), at({}), 1e-12);
  close(at({ keep: 0.5, scaling: "classic" }), at({}) / 4, 1e-12);
});

test("a link holds the state, and what it may not hold is refused", () => {
  const { config } = decode("");
  config.shared.data = "digits";
  config.a.l1 = 0.001;
  config.b.scaling = "classic";
  const view = { ...VIEW, language: "zh", tour: 5, speed: 50, k: 123, count: 200 };
  assert.deepEqual(decode(encode(config, view)), { config, view, refused: [] });
  const texts = ["rows=1e9", "a.keep=0", "c.l1=1", "b.nothing=2", "constructor=1", "tour=9", "k=-1", "language=fr", "b.__proto__=1"];
  const bad = decode(texts.join("&"));
  assert.deepEqual(bad.refused, texts.map((text) => text.split("=")[0]));
  assert.deepEqual([bad.config, bad.view], [decode("").config, VIEW]);
  assert.deepEqual(decode(`=1&${"x".repeat(5000)}=1`).refused, ['""', `${"x".repeat(30)}…`]);
});

test("both languages have the same texts", () => {
  assert.deepEqual(Object.keys(TEXTS.zh), Object.keys(TEXTS.en));
  assert.deepEqual(Object.keys(TEXTS.zh.measures), Object.keys(TEXTS.en.measures));
  for (const { en, zh } of TOUR) assert.deepEqual(Object.keys(zh), Object.keys(en));
});

test("a product of odd sizes, with zeros, is the sum of its terms", () => {
  const [rows, inputs, outputs] = [5, 7, 3];
  const at = (i) => (i % 3 ? Math.sin(i) : 0);
  const x = Float64Array.from({ length: rows * inputs }, (_, i) => at(i));
  const weight = Float64Array.from({ length: inputs * outputs }, (_, i) => Math.cos(i));
  const delta = Float64Array.from({ length: rows * outputs }, (_, i) => Math.sin(2 * i));
  const bias = Float64Array.of(1, 2, 3);
  const sum = (count, term) => Array.from({ length: count }, (_, i) => term(i)).reduce((a, b) => a + b, 0);
  const out = affine(x, rows, weight, bias, inputs, outputs);
  out.forEach((value, place) => {
    const [row, j] = [Math.floor(place / outputs), place % outputs];
    close(value, bias[j] + sum(inputs, (i) => x[row * inputs + i] * weight[i * outputs + j]), 1e-12);
  });
  weightGradient(x, delta, rows, inputs, outputs).forEach((value, place) => {
    const [i, j] = [Math.floor(place / outputs), place % outputs];
    close(value, sum(rows, (row) => x[row * inputs + i] * delta[row * outputs + j]), 1e-12);
  });
  biasGradient(delta, rows, outputs).forEach((value, j) => {
    close(value, sum(rows, (row) => delta[row * outputs + j]), 1e-12);
  });
  inputGradient(x, delta, rows, weight, inputs, outputs).forEach((value, place) => {
    const [row, i] = [Math.floor(place / inputs), place % inputs];
    const wanted = sum(outputs, (j) => delta[row * outputs + j] * weight[i * outputs + j]);
    close(value, x[place] === 0 ? 0 : wanted, 1e-12);
  });
});

test("a network that diverges has no scores", () => {
  const shared = { ...SHARED, data: "spirals", rows: 300, rate: 1, batch: 128, h1: 128, h2: 128, seed: 2 };
  const session = new Session({ shared, a: { keep: 0.05 }, b: { l2: 0.1 } });
  session.train(100);
  session.measure();
  assert.deepEqual([session.sides.a.point.lost, session.sides.b.point.lost], [true, false]);
  assert.equal(inspection(session, "a", 7, 3), null);
  assert.ok(Number.isFinite(inspection(session, "b", 7, 3).coAdaptation));
});

test("a picture has the masks of the next step, and the lines of the map that it was asked for", () => {
  const session = new Session({ shared: {}, a: {}, b: { keep: 0.5, connectKeep: 0.5 } });
  session.train(3);
  const { a, b } = snapshot(session, { scores: [], lines: { from: 2, to: 5 } });
  assert.deepEqual([b.map.from, b.map.values.length, a.point], [2, 3 * GRID, undefined]);
  assert.deepEqual([a.masks.kept, a.masks.weights], [[2, 64, 64], 1]);
  assert.deepEqual(b.masks.units[1], keepMask(1, 2, 3, 1, 64, 0.5));
  close(b.masks.weights, 0.5, 0.03);
  close(a.histogram.counts.reduce((sum, share) => sum + share, a.histogram.zero), 1, 1e-9);
});

test("each stop of the tour has a claim that can fail", () => {
  const session = new Session({ shared: { h1: 8, h2: 8 }, a: {}, b: { keep: 0.5 } });
  session.train(5);
  session.measure();
  for (const { name } of TOUR) assert.equal(typeof holds(name, session), "boolean");
  const l1 = (zeros) => holds("l1", { sides: { a: { point: { zeros: 0 } }, b: { point: { zeros } } }, data: {} });
  assert.deepEqual([l1(0.6), l1(0.4)], [true, false]);
});
