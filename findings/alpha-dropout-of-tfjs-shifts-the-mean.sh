#!/usr/bin/env bash
# @tensorflow/tfjs 4.22.0, layers.alphaDropout.
#
# Behaviour: alpha dropout should keep the mean 0 and the variance 1 of its input. Here the mean of
# standard normal values moves to about 0.9 at the rate 0.3. F.alpha_dropout of torch keeps it at 0.
#
# Output seen:
#   mean of 40000 standard normal values, before: 0.00, after: 0.91
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-save @tensorflow/tfjs@4.22.0
cat > check.js <<'JAVASCRIPT'
const assert = require("assert");
const tf = require("@tensorflow/tfjs");

assert.strictEqual(tf.version.tfjs, "4.22.0");
const x = tf.randomNormal([40000], 0, 1, "float32", 1);
const mean = (tensor) => tensor.mean().dataSync()[0];
const after = mean(tf.layers.alphaDropout({rate: 0.3}).apply(x, {training: true}));
const shown = [mean(x), after].map((value) => Math.abs(value).toFixed(2));
console.log(`mean of 40000 standard normal values, before: ${shown[0]}, after: ${shown[1]}`);
assert.ok(Math.abs(mean(x)) < 0.02);
assert.ok(after > 0.5);
JAVASCRIPT
node check.js 2>/dev/null
