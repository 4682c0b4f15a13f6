# /// script
# requires-python = "==3.8.*"
# dependencies = ["chainer==7.8.1", "numpy<1.24", "setuptools<60"]
# ///
"""Measures the record of Chainer."""

import chainer
import chainer.functions as F
import numpy as np
import probes
from chainer.functions.noise import simplified_dropconnect as sd


def train(values, rate):
    return F.dropout(np.array(values, "f"), rate).array.tolist()


def predict(values, rate):
    with chainer.using_config("train", False):
        return train(values, rate)


def link(weights):
    class Model(chainer.Link):
        def __init__(self):
            super().__init__()
            with self.init_scope():
                self.w = chainer.Parameter(np.array(weights, "f"))
                self.b = chainer.Parameter(np.ones(1, "f"))

    return Model()


def run(optimizer, hooks, weights, gradients, steps=1):
    model = link(weights)
    optimizer.setup(model)
    for hook in hooks:
        optimizer.add_hook(hook)
    for _ in range(steps):
        model.w.grad, model.b.grad = np.array(gradients, "f"), np.zeros(1, "f")
        optimizer.update()
    return model


def sgd(weights, gradients, lr, decay, steps):
    optimizer = chainer.optimizers.MomentumSGD(lr, 0.9)
    hook = chainer.optimizer_hooks.WeightDecay(decay)
    return run(optimizer, [hook], weights, gradients, steps).w.array.tolist()


def adam(weights, gradients, lr, decay, steps):
    optimizer = chainer.optimizers.Adam(lr, weight_decay_rate=decay)
    return run(optimizer, [], weights, gradients, steps).w.array.tolist()


def hooked_adam(weights, gradients, lr, decay, steps):
    hook = chainer.optimizer_hooks.WeightDecay(decay)
    return run(chainer.optimizers.Adam(lr), [hook], weights, gradients, steps).w.array.tolist()


def biases(optimizer, *hooks):
    return bool((run(optimizer, hooks, [1.0], [0.0]).b.array != 1).any())


def lasso():
    weight, seen = [0.02], []
    for _ in range(3):
        hook = chainer.optimizer_hooks.Lasso(0.7)
        weight = run(chainer.optimizers.SGD(0.1), [hook], weight, [0.0]).w.array.tolist()
        seen += weight
    return seen


def clipped(order):
    hooks = {
        "decay": chainer.optimizer_hooks.WeightDecay(0.5),
        "clip": chainer.optimizer_hooks.GradientClipping(0.01),
    }
    model = run(chainer.optimizers.SGD(0.1), [hooks[name] for name in order], [1.0], [0.0])
    return 1 - float(model.w.array[0])


def connect(**options):
    ones = np.ones((6, 40), "f")
    output = sd.simplified_dropconnect(ones, np.ones((9, 40), "f"), ratio=0.5, **options)
    return output.array


apart, together = connect(use_batchwise_mask=True), connect(use_batchwise_mask=False)
with chainer.using_config("train", False):
    predicted = connect()
probes.report(
    "chainer",
    dropout={
        **probes.dropout(train, predict),
        "default": probes.default(F.dropout, "ratio"),
        "fresh": "active" if 0.0 in train([1.0] * 200, 0.5) else "inactive",
    },
    WeightDecay={
        **probes.decay(sgd),
        "biases": biases(chainer.optimizers.SGD(0.1), chainer.optimizer_hooks.WeightDecay(0.1)),
        "through_Adam": probes.decay(hooked_adam, True)["coupling"],
        "is_clipped_if_added_before_clipping": clipped(["decay", "clip"]) < 0.01,
        "is_clipped_if_added_after_clipping": clipped(["clip", "decay"]) < 0.01,
    },
    Adam={
        **probes.decay(adam, True),
        "default": probes.default(chainer.optimizers.Adam, "weight_decay_rate"),
        "biases": biases(chainer.optimizers.Adam(0.1, weight_decay_rate=0.1)),
    },
    Lasso={
        "norm": "l1",
        "exact_zeros": 0.0 in lasso(),
        "biases": biases(chainer.optimizers.SGD(0.1), chainer.optimizer_hooks.Lasso(0.1)),
    },
    simplified_dropconnect={
        "batchwise_is_a_mask_of_each_example": not (apart == apart[0]).all(),
        "not_batchwise_is_one_mask": bool((together == together[0]).all()),
        "prediction": "active" if (predicted != 40).any() else "identity",
    },
)
