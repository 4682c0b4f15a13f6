# /// script
# requires-python = ">=3.11"
# dependencies = ["thinc==9.1.1"]
# ///
"""Measures the record of thinc."""

import numpy as np
import probes
from thinc.api import SGD, Adam, Dropout, Linear, RAdam


def train(values, rate):
    return Dropout(rate)(np.array([values], "f"), True)[0][0].tolist()


def predict(values, rate):
    return Dropout(rate).predict(np.array([values], "f"))[0].tolist()


def stepper(make):
    def step(weights, gradients, lr, decay, steps):
        optimizer = make(lr, decay)
        weights = np.array(weights, "f")
        for _ in range(steps):
            weights, _ = optimizer((0, "W"), weights.copy(), np.array(gradients, "f"))
        return weights.tolist()

    return step


def adam(lr, decay, **options):
    return Adam(lr, L2=decay, grad_clip=0.0, **options)


def sgd(lr, decay):
    return SGD(lr, L2=decay, grad_clip=0.0, L2_is_weight_decay=True)


def biases():
    model = Linear(2, 2)
    model.initialize(np.ones((1, 2), "f"), np.ones((1, 2), "f"))
    model.set_param("b", np.ones(2, "f"))
    for name in ("W", "b"):
        model.set_grad(name, np.zeros_like(model.get_param(name)))
    model.finish_update(Adam(0.1, L2=0.1, grad_clip=0.0))
    return bool((model.get_param("b") != 1).any())


fresh = Dropout(0.5).predict(np.ones((1, 1000), "f"))
probes.report(
    "thinc",
    Dropout=probes.dropout(train, predict)
    | {
        "default": probes.default(Dropout, "rate"),
        "fresh": "active" if (fresh == 0).any() else "inactive",
    },
    Adam=probes.decay(stepper(adam), True)
    | {
        "default": probes.default(Adam, "L2"),
        "coupling_if_not_L2_is_weight_decay": probes.decay(
            stepper(lambda lr, wd: adam(lr, wd, L2_is_weight_decay=False)), True
        )["coupling"],
        "grad_clip": probes.default(Adam, "grad_clip"),
        "biases": biases(),
    },
    SGD={"factor": probes.decay(stepper(sgd))["factor"], "default": probes.default(SGD, "L2")},
    RAdam={"default": probes.default(RAdam, "L2")},
)
