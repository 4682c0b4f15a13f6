// /// script
// dependencies = ["@tensorflow/tfjs@4.22.0"]
// ///
// Measures the record of TensorFlow.js.
const tf = require("@tensorflow/tfjs");
const claims = {version: tf.version.tfjs};
const say = (id, value) => { claims["tfjs." + id] = value; };
const refused = (call) => { try { call(); return false; } catch { return true; } };
const round = (value) => Math.round(value * 1e4) / 1e4;

async function main() {
  const ones = tf.ones([4000]);
  const run = (rate, training) =>
    Array.from(tf.layers.dropout({rate}).apply(tf.ones([4, 1000]), {training}).dataSync());
  const trained = run(0.2, true);
  const share = trained.filter((v) => v === 0).length / trained.length;
  say("dropout.probability", share < 0.5 ? "drop" : "keep");
  const kept = Math.max(...trained);
  const predicted = run(0.2, false);
  say("dropout.prediction", predicted.every((v) => v === 1) ? "identity" : "other");
  say("dropout.scaling", Math.abs(kept - 1.25) < 1e-5 ? "inverted" : "other");
  const fresh = Array.from(tf.layers.dropout({rate: 0.5}).apply(tf.ones([4, 500])).dataSync());
  say("dropout.fresh", fresh.includes(0) ? "active" : "inactive");
  const outside = [-0.5, 1.5].map((rate) => refused(() => run(rate, true)));
  say("dropout.out_of_range", outside.every(Boolean) ? "refused" : "accepted");
  say("dropout.rate_one_is_refused", refused(() => run(1.0, true)));
  const seeded = tf.layers.dropout({rate: 0.5, seed: 1});
  const masks = [0, 1].map(() => seeded.apply(tf.ones([1, 99]), {training: true}).dataSync());
  say("dropout.seeded_mask_is_the_same_at_each_call", masks[0].every((v, i) => v === masks[1][i]));

  const alpha = tf.layers.alphaDropout({rate: 0.3});
  const mean = alpha.apply(tf.randomNormal([40000], 0, 1, "float32", 1), {training: true}).mean();
  say("alphaDropout.shifts_the_mean", Math.abs(mean.dataSync()[0]) > 0.5);

  const value = (regularizer, weights) => round(regularizer.apply(tf.tensor1d(weights)).dataSync()[0]);
  for (const [name, given] of [["l1", {l1: 0.5}], ["l2", {l2: 0.5}]]) {
    const regularizer = tf.regularizers[name](given);
    say(name + ".norm", value(regularizer, [2]) === 2 * value(regularizer, [1]) ? "l1" : "l2");
    say(name + ".factor", value(regularizer, [1]) / 0.5);
    say(name + ".reduction", value(regularizer, [1, 1]) === 2 * value(regularizer, [1]) ? "sum" : "mean");
    say(name + ".default", value(tf.regularizers[name](), [1]));
  }
  say("l1l2.l2_if_only_l1_is_given", value(tf.regularizers.l1l2({l1: 0}), [1]));

  const model = tf.sequential({layers: [tf.layers.dense({
    units: 1, inputShape: [1], useBias: false, kernelInitializer: "ones",
    kernelRegularizer: tf.regularizers.l2({l2: 0.5}),
  })]});
  model.compile({optimizer: tf.train.sgd(0), loss: "meanSquaredError"});
  const x = tf.ones([2, 1]);
  const fitted = (await model.fit(x, x, {epochs: 1, verbose: 0})).history.loss[0];
  const evaluated = model.evaluate(x, x, {verbose: 0}).dataSync()[0];
  const reported = fitted > 0.1 && evaluated > 0.1 ? "always" : fitted > 0.1 ? "training" : "never";
  say("l2.in_reported_loss", reported);
  ones.dispose();
  console.log(JSON.stringify(claims, null, 1));
}
main();
