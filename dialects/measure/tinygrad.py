# /// script
# requires-python = ">=3.11"
# dependencies = ["tinygrad==0.14.0", "numpy"]
# ///
"""Measures the record of tinygrad."""

import os

os.environ["DEV"] = "PYTHON"  # needs no compiler

import numpy as np
import probes
from tinygrad import Context, Tensor, nn

probes.COUNT = 1000  # the interpreted device is slow
optim = nn.optim


def tensor(values):
    return Tensor(np.array(values, "f"))


def train(values, rate):
    with Context(TRAINING=1):
        return (tensor(values).dropout(rate) + tensor([0.0] * len(values))).tolist()


def predict(values, rate):
    return tensor(values).dropout(rate).tolist()


def stepper(make):
    def step(weights, gradients, lr, decay, steps):
        weight = tensor(weights)
        optimizer = make([weight], lr, decay)
        for _ in range(steps):
            weight.grad = tensor(gradients)
            with Context(TRAINING=1):
                optimizer.step()
        return weight.tolist()

    return step


def of(function, *, adaptive=True, **options):
    make = lambda params, lr, wd: function(params, lr, weight_decay=wd, **options)
    return probes.decay(stepper(make), adaptive) | {
        "default": probes.default(function, "weight_decay")
    }


def outside():
    weight = tensor([1.0])
    weight.grad = tensor([1.0])
    optim.SGD([weight], 0.1).step()


adam = probes.attempt(lambda: probes.default(optim.Adam, "weight_decay"), (KeyError,))
probes.report(
    "tinygrad",
    dropout=probes.dropout(train, predict)
    | {
        "default": probes.default(Tensor.dropout, "p"),
        "fresh": "active" if 0.0 in predict([1.0] * 200, 0.5) else "inactive",
        "has_Tensor_training": hasattr(Tensor, "training"),
    },
    SGD=of(optim.SGD, adaptive=False, momentum=0.9),
    AdamW=of(optim.AdamW),
    LAMB={"default": probes.default(optim.LAMB.__init__, "weight_decay")},
    LARS={"default": probes.default(optim.LARS.__init__, "weight_decay")},
    Muon={"default": probes.default(optim.Muon, "weight_decay")},
    general={
        "Adam_has_weight_decay": adam != "refused",
        "step_outside_training": probes.attempt(outside) or "accepted",
    },
)
