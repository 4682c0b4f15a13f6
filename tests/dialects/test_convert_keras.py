"""Keras's strengths: its regularizers have the values and steps of bridle's penalties."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from dialect_helpers import VALUES, objective_gradient, penalty_of

KERAS = """
    import json
    import keras
    import numpy as np

    keras.config.set_floatx("float64")
    X = np.linspace(-1, 1, 24).reshape(8, 3) ** 3
    y = np.linspace(1, 2, 8).reshape(8, 1)
    out = {}
    for name, arguments in (
        ("l2", {"l2": 0.37}), ("l1", {"l1": 0.37}), ("l1_l2", {"l1": 0.3, "l2": 0.2})
    ):
        regularizer = getattr(keras.regularizers, name)(**arguments)
        layer = keras.layers.Dense(1, kernel_regularizer=regularizer)
        model = keras.Sequential([keras.Input((3,)), layer])
        layer.set_weights([np.array([[1.0], [-2.0], [0.5]]), np.array([0.25])])
        model.compile(keras.optimizers.SGD(0.1), loss="mse")
        value = float(regularizer(layer.kernel))
        model.train_on_batch(X, y)
        out[name] = [value, layer.get_weights()[0].ravel().tolist()]
    print(json.dumps([X.tolist(), y.ravel().tolist(), out]))
"""


# a folder of that name is found too, and has no origin
@pytest.mark.skipif(
    getattr(importlib.util.find_spec("keras"), "origin", None) is None,
    reason="Keras is not installed",
)
def test_keras_regularizers_are_bridles_penalties():
    """In a process of its own: its value, and its step of SGD down the mean squared error."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KERAS)],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    X, y, out = json.loads(ran.stdout.splitlines()[-1])
    start = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    w, gradient, _ = objective_gradient(start, [0.25], np.array(X), y, squared_error="full")
    for name, (value, after) in out.items():
        penalty = penalty_of(VALUES.get(f"keras.{name}", 0.37), f"keras.{name}")
        assert value == pytest.approx(float(penalty.value(w)), rel=1e-12)
        step = w - 0.1 * (gradient + penalty.gradient(w))
        assert np.allclose(after, step.numpy(), rtol=1e-12)
    assert set(out) == {"l2", "l1", "l1_l2"}
