# /// script
# requires-python = ">=3.11"
# dependencies = ["mlx==0.32.4", "mlx-cpu==0.32.4; sys_platform == 'linux'", "numpy"]
# ///
"""Measures the record of MLX."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import probes


def train(values, rate):
    return nn.Dropout(rate)(mx.array(values)).tolist()


def predict(values, rate):
    return nn.Dropout(rate).eval()(mx.array(values)).tolist()


def run(optimizer, parameters, gradients, steps=1):
    for _ in range(steps):
        parameters = optimizer.apply_gradients(gradients, parameters)
    return parameters


def stepper(make):
    def step(weights, gradients, lr, decay, steps):
        after = run(make(lr, decay), {"w": mx.array(weights)}, {"w": mx.array(gradients)}, steps)
        return after["w"].tolist()

    return step


def of(function, *, adaptive=True, **options):
    make = lambda lr, wd: function(lr, weight_decay=wd, **options)
    leaves = {"weight": mx.ones((2, 2)), "bias": mx.ones(2)}
    after = run(make(0.1, 0.1), leaves, {name: mx.zeros_like(x) for name, x in leaves.items()})
    return probes.decay(stepper(make), adaptive) | {
        "default": probes.default(function, "weight_decay"),
        "biases": bool((after["bias"] != 1).any()),
    }


def muon_drop(decay):
    optimizer = optim.Muon(0.1, weight_decay=decay)
    after = run(optimizer, {"w": mx.eye(2)}, {"w": mx.zeros((2, 2))})
    return float(1 - after["w"][0, 0])


images = nn.Dropout2d(0.5)(mx.ones((8, 4, 4, 16)))  # channels last
whole = bool((images == images[:, :1, :1, :]).all())
adam = probes.attempt(lambda: probes.default(optim.Adam, "weight_decay"), (KeyError,))
weak, strong = muon_drop(1e-6), muon_drop(1.0)
probes.report(
    "mlx",
    Dropout=probes.dropout(train, predict)
    | {
        "default": probes.default(nn.Dropout, "p"),
        "fresh": "active" if 0.0 in train([1.0] * 200, 0.5) else "inactive",
    },
    Dropout2d={
        "mask_axes": "channels" if whole else "all",
        "channels_are_last": whole,
        "default": probes.default(nn.Dropout2d, "p"),
    },
    SGD=of(optim.SGD, adaptive=False, momentum=0.9),
    AdamW=of(optim.AdamW, bias_correction=True)
    | {"bias_correction": probes.default(optim.AdamW, "bias_correction")},
    Lion=of(optim.Lion),
    Muon={
        "default": probes.default(optim.Muon, "weight_decay"),
        "drop_is_the_same_for_all_strengths": abs(weak / strong - 1) < 0.05,
    },
    general={"Adam_has_weight_decay": adam != "refused"},
)
