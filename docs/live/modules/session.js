// Two networks side by side: same rows, same start, same batches, other regularizers.

import { makeData, orderOf, shapeOf } from "./data.js";
import { gap, hasDiverged, score, zeros } from "./measures.js";
import { copyParameters, createNetwork, trainStep } from "./network.js";
import { NAMES, PLAIN, SHARED } from "./settings.js";

export class Session {
  /** @param {{shared: object, a: object, b: object}} config */
  constructor(config) {
    this.restart(config);
  }

  restart(config) {
    this.shared = { ...SHARED, ...config.shared };
    this.data = makeData(this.shared);
    const { inputs, classes } = shapeOf(this.shared.data);
    const sizes = [inputs, this.shared.h1, this.shared.h2, classes];
    this.step = 0;
    this.epoch = 0;
    this.queue = [];
    this.changes = [];
    this.sides = {};
    for (const name of NAMES) {
      this.sides[name] = {
        rule: { ...PLAIN, ...config[name] },
        network: createNetwork(sizes, this.shared.seed),
        best: null, stoppedAt: null, loss: NaN,
      };
    }
    this.remember();
    this.measure();
  }

  /** Settings that act from this step on; they are kept for "copy as Python". */
  change({ rate = this.shared.rate, a = {}, b = {} }) {
    this.shared.rate = rate;
    for (const [name, rule] of [["a", a], ["b", b]]) {
      const side = this.sides[name];
      if (rule.patience !== undefined && rule.patience !== side.rule.patience) this.resume(side);
      side.rule = { ...side.rule, ...rule };
    }
    this.remember();
  }

  resume(side) {
    side.best = null;
    side.stoppedAt = null;
  }

  remember() {
    const now = {
      step: this.step, rate: this.shared.rate, a: { ...this.sides.a.rule }, b: { ...this.sides.b.rule },
    };
    if (this.changes.length && this.changes.at(-1).step === this.step) this.changes.pop();
    this.changes.push(now);
  }

  /** Make some steps of both networks. */
  train(steps) {
    const { inputs } = shapeOf(this.shared.data);
    const { training } = this.data;
    for (let i = 0; i < steps; i++) {
      if (!this.queue.length) {
        this.queue = orderOf(this.shared.seed, this.epoch, training.rows);
      }
      const taken = this.queue.splice(0, this.shared.batch);
      const batch = {
        rows: taken.length,
        x: new Float64Array(taken.length * inputs),
        y: Uint8Array.from(taken, (row) => training.y[row]),
      };
      taken.forEach((row, at) => {
        batch.x.set(training.x.subarray(row * inputs, (row + 1) * inputs), at * inputs);
      });
      for (const name of NAMES) {
        const side = this.sides[name];
        if (side.stoppedAt !== null) continue;
        side.loss = trainStep(side.network, batch, this.shared.rate, side.rule);
      }
      this.step += 1;
      if (!this.queue.length) {
        this.epoch += 1;
        for (const name of NAMES) this.stopEarly(this.sides[name]);
      }
    }
  }

  /** Early stopping: keep the weights of the lowest loss on rows of their own. */
  stopEarly(side) {
    const { patience } = side.rule;
    if (!patience || side.stoppedAt !== null) return;
    const { loss } = score(side.network, this.data.stopping, side.rule);
    if (!side.best || loss < side.best.loss) {
      side.best = { loss, epoch: this.epoch, parameters: copyParameters(side.network) };
    } else if (this.epoch - side.best.epoch >= patience) {
      Object.assign(side.network, side.best.parameters);
      side.stoppedAt = this.step;
    }
  }

  /** Score the networks: the point of each in the curves. */
  measure(names = NAMES) {
    for (const name of names) {
      const side = this.sides[name];
      const training = score(side.network, this.data.training, side.rule);
      const fresh = score(side.network, this.data.fresh, side.rule);
      const lost = hasDiverged(training.loss) || hasDiverged(fresh.loss);
      side.point = {
        step: this.step, training, fresh, lost, gap: gap(training, fresh), zeros: zeros(side.network),
      };
    }
  }
}
