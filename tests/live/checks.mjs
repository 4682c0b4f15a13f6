// What the page's mathematics says: `node --test checks.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "../../docs/live/modules/config.js";
import { coAdaptation, gap, wilson, zeros } from "../../docs/live/modules/measures.js";
import { createNetwork, predict, trainStep } from "../../docs/live/modules/network.js";
import { Session } from "../../docs/live/modules/session.js";
import { PLAIN } from "../../docs/live/modules/settings.js";
import { TEXTS } from "../../docs/live/modules/text.js";

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
  close(loss, -Math.log(share), 1e-6);
  const first = 1 + 0.1 * (1 - share) * 0.50001;
  close(network.weights[0][0], (first - 0.01) / 1.02, 1e-6);
  close(network.weights[1][0], (0.5 + 0.1 * (1 - share) - 0.01) / 1.02, 1e-6);
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
  close(at({ keep: 0.5 }), at({}), 1e-7);
  close(at({ keep: 0.5, scaling: "classic" }), at({}) / 4, 1e-6);
});

test("a link holds the state, and what it may not hold is refused", () => {
  const { config } = decode("");
  config.shared.data = "digits";
  config.a.l1 = 0.001;
  config.b.scaling = "classic";
  const found = decode(encode(config, "zh"));
  assert.deepEqual(found.config, config);
  assert.deepEqual([found.refused, found.language], [[], "zh"]);
  const bad = decode("rows=1e9&a.keep=0&c.l1=1&b.nothing=2&constructor=1");
  assert.deepEqual(bad.refused, ["rows", "a.keep", "c.l1", "b.nothing", "constructor"]);
  assert.deepEqual(bad.config, decode("").config);
});

test("both languages have the same texts", () => {
  assert.deepEqual(Object.keys(TEXTS.zh), Object.keys(TEXTS.en));
});
