"""One step of training with a translated line moves the weights as the line that it came from."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from bridle.dialects import find, frameworks, translate

START, GRADIENT = [1.0, -2.0, 0.5], [0.3, 0.1, -0.2]
RATE = 0.1
RECIPES = [
    "torch.SGD(lr=0.1, weight_decay=0.25)",
    "torch.AdamW(lr=0.1, weight_decay=0.25, eps=1e-7)",
]
KNOWN = {each.name for each in frameworks()}


def _installed(name):
    # a folder of that name is found too, and has no origin
    return getattr(importlib.util.find_spec(name), "origin", None) is not None


def _torch_step(line, steps=1):
    """Return the weights after steps of a torch line with a constant gradient."""
    name, arguments = re.fullmatch(r"torch\.(?:optim\.)?(\w+)\((?:params, )?(.*)\)", line).groups()
    w = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    options = {k: float(v) for k, v in (each.split("=") for each in arguments.split(", "))}
    optimizer = getattr(torch.optim, name)([w], **options)
    for _ in range(steps):
        w.grad = torch.tensor(GRADIENT, dtype=torch.float64)
        optimizer.step()
    return w.detach().numpy()


def _run(code, **environment):
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("recipe", RECIPES)
def test_torch_to_itself(recipe):
    line = translate(recipe, "torch").line
    line = line if "eps" not in recipe else line[:-1] + ", eps=1e-7)"
    assert np.array_equal(_torch_step(line), _torch_step(recipe))


@pytest.mark.skipif(not _installed("keras"), reason="Keras is not installed")
def test_keras_moves_the_weights_as_torch():
    """Its SGD is decoupled, so that the data's gradient is the part that the two share."""
    lines = [translate(each, "keras").line for each in RECIPES]
    code = f"""
        import json, keras
        import numpy as np

        keras.config.set_floatx("float64")
        out = []
        for line in {lines}:
            w = keras.Variable(np.array({START}), dtype="float64")
            optimizer = eval(line)
            optimizer.apply([keras.ops.convert_to_tensor(np.array({GRADIENT}))], [w])
            out.append(keras.ops.convert_to_numpy(w).tolist())
        print(json.dumps(out))
    """
    sgd, adamw = _run(code, KERAS_BACKEND="torch")
    # the decay alone is the proximal factor: the same where the gradient is 0
    decay = float(re.search(r"weight_decay=([\d.e-]+)", lines[0])[1])
    expected = np.array(START) * (1 - RATE * decay) - RATE * np.array(GRADIENT)
    assert np.allclose(sgd, expected, rtol=1e-12)
    assert np.allclose(np.array(START) * (1 - RATE * decay), np.array(START) / (1 + RATE * 0.25))
    # Keras adds its epsilon before the correction of the bias, torch after it
    assert np.allclose(adamw, _torch_step(RECIPES[1]), rtol=1e-5)


@pytest.mark.skipif(
    not _installed("optax") or "optax" not in KNOWN, reason="optax or its record is not installed"
)
def test_optax_moves_the_weights_as_torch():
    line = translate("torch.AdamW(lr=0.1, weight_decay=0.25, eps=1e-8)", "optax").line
    code = f"""
        import json, jax, optax
        import numpy as np

        jax.config.update("jax_enable_x64", True)
        w, g = np.array({START}), np.array({GRADIENT})
        optimizer = {line}
        state = optimizer.init(w)
        for _ in range(3):
            step, state = optimizer.update(g, state, w)
            w = optax.apply_updates(w, step)
        print(json.dumps(np.asarray(w).tolist()))
    """
    expected = _torch_step("torch.AdamW(lr=0.1, weight_decay=0.25)", steps=3)
    assert np.allclose(_run(code), expected, rtol=1e-9)


@pytest.mark.skipif(
    not _installed("schedulefree") or "schedulefree" not in KNOWN,
    reason="schedulefree or its record is not installed",
)
def test_schedulefree_is_decoupled():
    import schedulefree

    assert find("schedulefree").setting("AdamWScheduleFree").coupling == "decoupled"
    w = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    optimizer = schedulefree.AdamWScheduleFree([w], lr=RATE, weight_decay=0.25)
    optimizer.train()
    w.grad = torch.zeros_like(w)
    optimizer.step()
    moved = optimizer.state[w]["z"].numpy()
    assert np.allclose(moved, np.array(START) * (1 - RATE * 0.25), rtol=1e-12)
