# /// script
# requires-python = ">=3.10,<3.12"
# dependencies = ["mindspore==2.10.0"]
# ///
"""Measures the record of MindSpore."""

import inspect

import mindspore as ms
import numpy as np
import probes
from mindspore import Tensor, nn, ops
from mindspore.experimental import optim as experimental

ms.set_context(mode=ms.PYNATIVE_MODE, device_target="CPU")


def train(values, rate):
    layer = nn.Dropout(p=rate)
    layer.set_train()
    return layer(Tensor(np.array(values, "f"))).asnumpy().tolist()


def predict(values, rate):
    layer = nn.Dropout(p=rate)
    layer.set_train(False)
    return layer(Tensor(np.array(values, "f"))).asnumpy().tolist()


def run(make, weights, gradients, steps=1, name="w"):
    parameter = ms.Parameter(Tensor(np.array(weights, "f")), name=name)
    optimizer = make([parameter])
    for _ in range(steps):
        optimizer((Tensor(np.array(gradients, "f")),))
    return parameter.asnumpy().tolist()


def stepper(function, **options):
    def step(weights, gradients, lr, decay, steps):
        make = lambda params: function(params, lr, weight_decay=decay, **options)
        return run(make, weights, gradients, steps)

    return step


def of(function):
    """Return the default of weight_decay, also behind the decorator of constructors."""
    inner = [cell.cell_contents for cell in function.__init__.__closure__ or ()]
    named = [each for each in (function.__init__, *inner) if inspect.isfunction(each)]
    return next(
        found
        for each in named
        if (found := inspect.signature(each).parameters.get("weight_decay")) is not None
    ).default


def decays(name, make):
    return run(make, [1.0], [0.0], name=name)[0] != 1


def sgd(params):
    return nn.SGD(params, 0.1, weight_decay=0.1)


def grouped(params):
    return nn.SGD([{"params": params, "weight_decay": 0.1}], 0.1)


def old(params):
    return experimental.SGD(params, 0.1, weight_decay=0.1)


positional = nn.Dropout(0.9)
positional.set_train()
share = float((positional(Tensor(np.ones(4000, "f"))).asnumpy() == 0).mean())
fresh = nn.Dropout(p=0.5)(Tensor(np.ones(1000, "f"))).asnumpy()
functional = ops.dropout(Tensor(np.ones(1000, "f")), 0.5).asnumpy()
probes.report(
    "mindspore",
    Dropout=probes.dropout(train, predict)
    | {
        "default": probes.default(nn.Dropout.__init__, "p"),
        "default_keep_prob": probes.default(nn.Dropout.__init__, "keep_prob"),
        "fresh": "active" if (fresh == 0).any() else "inactive",
        "first_positional_is": "keep" if share < 0.5 else "drop",
        "ops_dropout_is_active": bool((functional == 0).any()),
    },
    SGD={"biases": decays("bias", sgd), "default": of(nn.SGD)},
    Momentum=probes.decay(stepper(nn.Momentum, momentum=0.9))
    | {
        "default": of(nn.Momentum),
        "biases": decays("dense.bias", sgd),
        "norms": decays("norm.gamma", sgd),
        "alphabeta_is_decayed": decays("alphabeta.weight", sgd),
        "grouped_gamma_is_decayed": decays("norm.gamma", grouped),
        "experimental_gamma_is_decayed": decays("norm.gamma", old),
    },
    Adam=probes.decay(stepper(nn.Adam), True) | {"default": of(nn.Adam)},
    AdamWeightDecay={
        **probes.decay(stepper(nn.AdamWeightDecay), True),
        "default": of(nn.AdamWeightDecay),
    },
    experimental_AdamW={
        "default": of(experimental.AdamW),
    },
)
