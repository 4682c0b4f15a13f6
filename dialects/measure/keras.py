# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of Keras, on its PyTorch backend."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import probes
from keras import constraints, layers, optimizers, regularizers


def train(values, rate):
    out = layers.Dropout(rate)(np.array(values, "f"), training=True)
    return keras.ops.convert_to_numpy(out).tolist()


def predict(values, rate):
    return keras.ops.convert_to_numpy(layers.Dropout(rate)(np.array(values, "f"))).tolist()


def run(optimizer, weights, gradients, steps=1, name="w"):
    variable = keras.Variable(np.array(weights, "f"), name=name)
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(np.array(gradients, "f"))], [variable])
    return keras.ops.convert_to_numpy(variable).tolist()


def of(function, *, adaptive=True, **options):
    def step(weights, gradients, lr, decay, steps):
        return run(function(lr, weight_decay=decay, **options), weights, gradients, steps)

    bias = run(function(0.1, weight_decay=0.1), [1.0], [0.0], name="bias")
    gamma = run(function(0.1, weight_decay=0.1), [1.0], [0.0], name="gamma")
    return {
        **probes.decay(step, adaptive),
        "default": probes.default(function, "weight_decay"),
        "biases": bias[0] != 1,
        "norms": gamma[0] != 1,
    }


def value(regularizer):
    return lambda weights: float(regularizer(keras.ops.convert_to_tensor(np.array(weights, "f"))))


def penalty(function, argument):
    return {
        **probes.penalty(value(function(**{argument: 0.1})), 0.1),
        "default": probes.default(function, argument),
    }


def losses(trainable=True, calls=1):
    layer = layers.Dense(1, kernel_initializer="ones", kernel_regularizer=regularizers.L2(0.1))
    layer.build((1, 1))
    layer.trainable = trainable
    for _ in range(calls):
        layer(np.ones((1, 1), "f"))
    return [float(each) for each in layer.losses]


def reported():
    model = keras.Sequential(
        [
            layers.Dense(
                1,
                kernel_initializer="ones",
                use_bias=False,
                kernel_regularizer=regularizers.L2(0.1),
            )
        ]
    )
    model.compile(optimizers.SGD(0.0), "mse")
    fitted = model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0).history["loss"][0]
    evaluated = model.evaluate(np.ones((2, 1)), np.ones((2, 1)), verbose=0)
    return "always" if min(fitted, evaluated) > 0.05 else "training" if fitted > 0.05 else "never"


def orthogonal(rows, scale=1.0):
    matrix = np.ones((rows, 3), "f") * scale
    return value(regularizers.OrthogonalRegularizer(0.1))(matrix)


def max_norm(bound, weights):
    return keras.ops.convert_to_numpy(constraints.MaxNorm(bound)(np.array(weights, "f")))


shared = keras.ops.convert_to_numpy(
    layers.Dropout(0.5, noise_shape=(1, 8))(np.ones((50, 8), "f"), training=True)
)
kernel = max_norm(2, np.ones((2, 3, 1, 1)))
text = regularizers.get("l1l2")
shrunk = optimizers.Ftrl(0.1)
probes.report(
    "keras",
    Dropout=probes.dropout(train, predict)
    | {
        "fresh": "active" if 0.0 in predict([1.0] * 500, 0.5) else "inactive",
        "mask_axes": "shared" if (shared == shared[0]).all() else "varying",
    },
    L1=penalty(regularizers.L1, "l1") | {"in_reported_loss": reported()},
    L2=penalty(regularizers.L2, "l2")
    | {
        "in_reported_loss": reported(),
        "true": float(regularizers.L2(True).l2),
        "frozen_layer": "not_in_loss" if not sum(losses(trainable=False)) else "in_loss",
        "shared_layer": "once" if len(losses(calls=3)) == 1 else "each_time",
    },
    L1L2={
        "norm": "elastic",
        "factor": round(value(regularizers.L1L2(l2=0.1))([1.0]) / 0.1, 4),
        "reduction": "sum",
        "default": probes.default(regularizers.L1L2, "l1"),
        "text_l1l2": float(text.l1) + float(text.l2),
        "text_l1_l2": probes.attempt(lambda: regularizers.get("l1_l2") and "accepted"),
    },
    OrthogonalRegularizer={
        "norm": "orthogonal",
        "default": probes.default(regularizers.OrthogonalRegularizer, "factor"),
        "reduction": "mean" if abs(orthogonal(2) - orthogonal(4)) < 1e-5 else "sum",
        "grows_with_scale": abs(orthogonal(2) - orthogonal(2, 3.0)) > 1e-5,
    },
    SGD=of(optimizers.SGD, adaptive=False, momentum=0.9),
    Adam=of(optimizers.Adam),
    AdamW=of(optimizers.AdamW),
    RMSprop=of(optimizers.RMSprop),
    Adagrad=of(optimizers.Adagrad),
    Muon={"default": probes.default(optimizers.Muon, "weight_decay")},
    MaxNorm={
        "norm": "l2"
        if abs(float((max_norm(2, [3.0, 4.0]) ** 2).sum()) ** 0.5 - 2) < 1e-3
        else "other",
        "default": probes.default(constraints.MaxNorm, "max_value"),
        "negative": "flips_signs" if max_norm(-1, [3.0, 4.0])[0] < 0 else "other",
        "filter_norm_at_bound_2": round(float((kernel**2).sum()) ** 0.5, 2),
    },
    general={"Ftrl_zeroes_a_weight_without_gradient": run(shrunk, [100.0], [0.0])[0] == 0},
)
