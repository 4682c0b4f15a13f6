"""Each conversion of a strength is certified by running the library that it speaks of.

Solvers that have a solution must rest where the gradient of bridle's objective is zero; those that
have a step must make bridle's.
"""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from sklearn import linear_model, neural_network
from torch.nn import functional as F  # noqa: N812

import bridle.dialects.convert
from bridle import L1, L2, ElasticNet, UsageError
from bridle.dialects.convert import DIALECTS, convert_strength
from bridle.networks.objectives import OBJECTIVES
from bridle.penalties import add_gradients, apply_prox

CONTEXT = {"rows": 60, "learning_rate": 0.1}
VALUES = {
    "bridle.ElasticNet": {"l1": 0.3, "l2": 0.2},
    "keras.l1_l2": {"l1": 0.3, "l2": 0.2},
    "sklearn.ElasticNet": {"alpha": 0.4, "l1_ratio": 0.7},
}
BOTH = "bridle.ElasticNet"
SIDES = pytest.mark.parametrize("squared_error", ["full", "half"])


# ------------------------------------------------------------------ the table


@SIDES
@pytest.mark.parametrize("name", DIALECTS)
def test_round_trip(name, squared_error):
    value = VALUES.get(name, 0.37)
    context = {**CONTEXT, "squared_error": squared_error}
    there = convert_strength(value, name, BOTH, **context)
    assert convert_strength(there, BOTH, name, **context) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("name", DIALECTS)
def test_to_itself_and_through_every_other(name):
    value = VALUES.get(name, 0.37)
    assert convert_strength(value, name, name, **CONTEXT) == pytest.approx(value, rel=1e-14)
    for other in DIALECTS:
        if set(_parts(name)) <= set(_parts(other)):
            there = convert_strength(value, name, other, **CONTEXT)
            back = convert_strength(there, other, name, **CONTEXT)
            assert back == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("name", [n for n in DIALECTS if n != "sklearn.LogisticRegression"])
def test_nothing_is_nothing(name):
    there = convert_strength({"l1": 0, "l2": 0}, BOTH, name, **CONTEXT)
    assert convert_strength(there, name, BOTH, **CONTEXT) == {"l1": 0, "l2": 0}


def _parts(name):
    return bridle.dialects.convert._TABLE[name].parts


def test_context_is_ignored_where_it_is_not_needed():
    assert convert_strength(0.1, "bridle.L2", "torch.SGD", **CONTEXT) == 0.1


def test_one_rounding_where_one_will_do():
    assert convert_strength(1e-4, "sklearn.MLPClassifier", "bridle.L2", rows=200) == 1e-4 / 200


# ------------------------------------------------------------------ bridle


@pytest.mark.parametrize(
    ("name", "penalty"),
    [("bridle.L2", L2(0.37)), ("bridle.L1", L1(0.37)), (BOTH, ElasticNet(0.3, 0.2))],
)
def test_bridles_own_dialects_are_its_penalties(name, penalty):
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    same = _penalty(VALUES.get(name, 0.37), name)
    assert torch.isclose(same.value(w), penalty.value(w), rtol=1e-14)
    assert torch.allclose(same.gradient(w), penalty.gradient(w), rtol=1e-14)


def _penalty(value, source, **context):
    """Return bridle's penalty of a strength in another dialect."""
    return ElasticNet(**convert_strength(value, source, BOTH, **context))


# ------------------------------------------------------------------ torch


def _parameters(count):
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    return [torch.nn.Parameter(w.clone()) for _ in range(count)]


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_torch_coupled_decay_is_the_gradient_of_l2(name):
    theirs, mine = _parameters(2)
    optimizer = getattr(torch.optim, name)
    first = optimizer([theirs], lr=0.1, weight_decay=0.3)
    second = optimizer([mine], lr=0.1)
    penalty = L2(convert_strength(0.3, f"torch.{name}", "bridle.L2"))
    for _ in range(3):
        for w, steps in ((theirs, first), (mine, second)):
            steps.zero_grad()
            (w.sin() * w).sum().backward()
            if w is mine:
                add_gradients([mine], [penalty])
            steps.step()
    assert torch.allclose(theirs, mine, rtol=1e-14, atol=0)


@pytest.mark.parametrize("rate", [1e-3, 0.1, 1.5])
@pytest.mark.parametrize("decay", [0.01, 0.5])
def test_torch_decoupled_decay_is_the_proximal_step_of_l2(rate, decay):
    """Where the data's gradient is zero, so that the decay is all that acts."""
    theirs, mine = _parameters(2)
    start = mine.detach().clone()
    penalty = L2(convert_strength(decay, "torch.AdamW", "bridle.L2", learning_rate=rate))
    adamw = torch.optim.AdamW([theirs], lr=rate, weight_decay=decay)
    plain = torch.optim.AdamW([mine], lr=rate, weight_decay=0.0)
    for w, steps in ((theirs, adamw), (mine, plain)):
        w.grad = torch.zeros_like(w)
        steps.step()
    apply_prox(plain, [mine], [penalty], metric="euclidean")
    assert not torch.equal(theirs, start)
    assert torch.allclose(theirs, penalty.prox(start, rate), rtol=1e-15, atol=0)
    assert torch.allclose(theirs, mine, rtol=1e-15, atol=0)


# ------------------------------------------------------------------ scikit-learn


def _table(rng, rows=60):
    X = rng.normal(size=(rows, 6))
    y = X @ np.array([2.0, -1.0, 0.5, 0.0, 0.0, 0.0]) + 0.3 * rng.normal(size=rows) + 1.0
    return X, y


def _objective_gradient(w, b, X, y, *, squared_error=None):
    """Return the gradients of the mean data loss, by weights and by bias."""
    w = torch.tensor(np.ravel(w), dtype=torch.float64, requires_grad=True)
    b = torch.tensor(float(np.ravel(b)[0]), dtype=torch.float64, requires_grad=True)
    outputs, y = torch.from_numpy(X) @ w + b, torch.tensor(y, dtype=torch.float64)
    if squared_error is None:
        loss = F.binary_cross_entropy_with_logits(outputs, y)
    else:
        loss = OBJECTIVES["squared_error"].loss(outputs[None, :, None], y).mean()
        loss = loss / 2 if squared_error == "half" else loss
    loss.backward()
    return w.detach(), w.grad, b.grad


def _residual(w, gradient, strengths):
    """How far 0 is from the subdifferential of data loss + l1 Σ|w| + l2 Σw²."""
    smooth = gradient + 2 * strengths["l2"] * w
    at_zero = (smooth.abs() - strengths["l1"]).clamp(min=0)
    return torch.where(w == 0, at_zero, (smooth + strengths["l1"] * w.sign()).abs()).max()


SQUARED = {
    "Ridge": (linear_model.Ridge, 3.0, {"alpha": 3.0, "solver": "cholesky"}),
    "Lasso": (linear_model.Lasso, 0.2, {"alpha": 0.2, "tol": 1e-14}),
    "ElasticNet": (
        linear_model.ElasticNet,
        VALUES["sklearn.ElasticNet"],
        {**VALUES["sklearn.ElasticNet"], "tol": 1e-14},
    ),
}


@SIDES
@pytest.mark.parametrize("name", SQUARED)
def test_scikit_learns_linear_models_solve_bridles_objective(name, squared_error, rng):
    X, y = _table(rng)
    make, value, arguments = SQUARED[name]
    model = make(**arguments).fit(X, y)
    strengths = convert_strength(
        value, f"sklearn.{name}", BOTH, rows=len(X), squared_error=squared_error
    )
    w, gradient, at_bias = _objective_gradient(
        model.coef_, model.intercept_, X, y, squared_error=squared_error
    )
    assert _residual(w, gradient, strengths) < 1e-7
    assert at_bias.abs() < 1e-12
    # and a strength that is half as large would not do
    assert _residual(w, gradient, {k: v / 2 for k, v in strengths.items()}) > 1e-2


def test_logistic_regression_solves_bridles_objective(rng):
    X, y = _table(rng)
    labels = (y > 1).astype(np.int64)
    model = linear_model.LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-10)
    model.fit(X, labels)
    strengths = convert_strength(0.5, "sklearn.LogisticRegression", BOTH, rows=len(X))
    w, gradient, at_bias = _objective_gradient(model.coef_, model.intercept_, X, labels)
    assert _residual(w, gradient, strengths) < 1e-9
    assert at_bias.abs() < 1e-9
    assert _residual(w, gradient, {k: v / 2 for k, v in strengths.items()}) > 1e-3


def test_sgd_classifier_steps_down_bridles_objective(rng):
    """One row a step: scikit-learn shrinks by 1 - η alpha, then adds -η times the gradient."""
    X, y = _table(rng)
    labels = (y > 1).astype(np.int64)
    model = linear_model.SGDClassifier(
        loss="log_loss", alpha=0.3, learning_rate="constant", eta0=0.2, random_state=0
    )
    model.partial_fit(X[:1], labels[:1], classes=[0, 1])
    penalty = L2(convert_strength(0.3, "sklearn.SGDClassifier", "bridle.L2"))
    for row in range(1, 10):
        one, label = X[row : row + 1], labels[row : row + 1]
        w, gradient, at_bias = _objective_gradient(model.coef_, model.intercept_, one, label)
        b = float(model.intercept_[0])
        model.partial_fit(one, label)
        assert w.abs().max() > 0.01
        expected = w - 0.2 * (gradient + penalty.gradient(w))
        assert np.allclose(model.coef_[0], expected.numpy(), rtol=1e-12)
        assert model.intercept_[0] == pytest.approx(b - 0.2 * float(at_bias), rel=1e-12)


def _perceptron_step(model, X, loss_of, penalty, rate):
    """Return what one step of SGD on mean loss + R makes of scikit-learn's weights and biases."""
    weights = [torch.tensor(w, requires_grad=True) for w in model.coefs_]
    biases = [torch.tensor(b, requires_grad=True) for b in model.intercepts_]
    hidden = torch.relu(torch.from_numpy(X) @ weights[0] + biases[0])
    outputs = hidden @ weights[1] + biases[1]
    (loss_of(outputs) + sum(penalty.value(w) for w in weights)).backward()
    return [(p - rate * p.grad).detach().numpy() for p in weights + biases]


def _perceptron(make):
    return make(
        hidden_layer_sizes=(5,),
        alpha=7.0,
        solver="sgd",
        momentum=0,
        shuffle=False,
        learning_rate_init=0.1,
        random_state=0,
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_mlp_classifier_steps_down_bridles_objective(classes, rng):
    X, y = _table(rng)
    labels = np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
    codes = torch.from_numpy(labels)
    model = _perceptron(neural_network.MLPClassifier)
    model.partial_fit(X, labels, classes=range(classes))
    penalty = _penalty(7.0, "sklearn.MLPClassifier", rows=len(X))

    def loss_of(outputs):
        if classes == 2:
            return F.binary_cross_entropy_with_logits(outputs[:, 0], codes.double())
        return OBJECTIVES["cross_entropy"].loss(outputs[None], codes).mean()

    expected = _perceptron_step(model, X, loss_of, penalty, 0.1)
    model.partial_fit(X, labels)
    for theirs, mine in zip(model.coefs_ + model.intercepts_, expected, strict=True):
        assert np.allclose(theirs, mine, rtol=1e-12, atol=1e-14)


@SIDES
def test_mlp_regressor_steps_down_bridles_objective(squared_error, rng):
    """A step of η down half the squared error is one of η / 2 down the whole."""
    X, y = _table(rng)
    target = torch.from_numpy(y)
    model = _perceptron(neural_network.MLPRegressor)
    model.partial_fit(X, y)
    penalty = _penalty(7.0, "sklearn.MLPRegressor", rows=len(X), squared_error=squared_error)
    half = squared_error == "half"

    def loss_of(outputs):
        return OBJECTIVES["squared_error"].loss(outputs[None], target).mean() / (1 + half)

    expected = _perceptron_step(model, X, loss_of, penalty, 0.1 if half else 0.05)
    model.partial_fit(X, y)
    for theirs, mine in zip(model.coefs_ + model.intercepts_, expected, strict=True):
        assert np.allclose(theirs, mine, rtol=1e-12, atol=1e-14)


def test_mlp_rows_are_the_batchs(rng):
    """Two batches of 30: the weights shrink by alpha / 30 at each."""
    X = np.zeros((60, 6))
    model = _perceptron(neural_network.MLPRegressor).set_params(batch_size=30, activation="tanh")
    model.partial_fit(X, np.zeros(60))
    before = model.coefs_[0].copy()
    model.partial_fit(X, np.zeros(60))
    decay = convert_strength(
        7.0, "sklearn.MLPRegressor", "torch.SGD", rows=30, squared_error="half"
    )
    assert np.allclose(model.coefs_[0], before * (1 - 0.1 * decay) ** 2, rtol=1e-12)


# ------------------------------------------------------------------ Keras

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
    w, gradient, _ = _objective_gradient(start, [0.25], np.array(X), y, squared_error="full")
    for name, (value, after) in out.items():
        penalty = _penalty(VALUES.get(f"keras.{name}", 0.37), f"keras.{name}")
        assert value == pytest.approx(float(penalty.value(w)), rel=1e-12)
        step = w - 0.1 * (gradient + penalty.gradient(w))
        assert np.allclose(after, step.numpy(), rtol=1e-12)
    assert set(out) == {"l2", "l1", "l1_l2"}


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("arguments", "context", "message"),
    [
        ((0.1, "torch.AdamX", "bridle.L2"), {}, "source is 'torch.AdamX'.*or 'torch.AdamW'"),
        ((0.1, "bridle.L2", "Ridge"), {}, "target is 'Ridge'.*'sklearn.Ridge'"),
        ((0.1, None, "bridle.L2"), {}, "source is None"),
        ((0.1, "bridle.L1", "torch.SGD"), {}, "'torch.SGD' has no L1 part.*0.1.*ElasticNet'"),
        ((0.1, "keras.l2", "sklearn.Lasso"), {}, "'sklearn.Lasso' has no L2 part.*l2 = 0.2"),
        ((0.1, "sklearn.Ridge", "keras.l2"), {}, "'sklearn.Ridge' needs rows, which is None"),
        ((0.1, "keras.l2", "torch.AdamW"), {}, "'torch.AdamW' needs learning_rate, which is None"),
        ((-0.1, "keras.l2", "bridle.L2"), {}, "l2 of 'keras.l2' is -0.1.*0 or more"),
        ((float("nan"), "torch.SGD", "bridle.L2"), {}, "weight_decay of 'torch.SGD' is nan"),
        ((float("inf"), "bridle.L1", "keras.l1"), {}, "strength of 'bridle.L1' is inf"),
        ((10**400, "bridle.L1", "keras.l1"), {}, "strength of 'bridle.L1' is 10+;"),
        (("0.1", "bridle.L1", "keras.l1"), {}, "is '0.1'; it must be one number"),
        ((True, "bridle.L1", "keras.l1"), {}, "is True; it must be one number"),
        (({"l1": 1.0}, "bridle.L1", "keras.l1"), {}, "is {'l1': 1.0}; it must be one number"),
        ((0.1, BOTH, "keras.l1"), {}, 'ElasticNet\' is 0.1; give {"l1": …, "l2": …}'),
        (({"l1": 1.0}, BOTH, "keras.l1"), {}, 'is {\'l1\': 1.0}; give {"l1": …, "l2": …}'),
        (({"l1": 1.0, "l2": -1.0}, BOTH, "keras.l1"), {}, "l2 of 'bridle.ElasticNet' is -1.0"),
        (
            ({"alpha": 1.0, "l1_ratio": 1.5}, "sklearn.ElasticNet", BOTH),
            {},
            "l1_ratio of 'sklearn.ElasticNet' is 1.5",
        ),
        ((20.0, "torch.AdamW", "bridle.L2"), {"learning_rate": 0.1}, "is 20.0.*= 10.0"),
        ((0.0, "bridle.L2", "sklearn.LogisticRegression"), {"rows": 9}, "C = 1/0"),
        ((0.0, "sklearn.LogisticRegression", "bridle.L2"), {"rows": 9}, "C of .* is 0.0"),
        ((1e-320, "bridle.L2", "sklearn.LogisticRegression"), {"rows": 1}, "no finite number"),
        ((1e308, "keras.l2", "bridle.L2"), {}, "1e\\+308.*no finite number in 'bridle.L2'"),
        ((0.1, "keras.l2", "bridle.L2"), {"rows": 0}, "rows is 0"),
        ((0.1, "keras.l2", "bridle.L2"), {"rows": 1.5}, "rows is 1.5"),
        ((0.1, "keras.l2", "bridle.L2"), {"learning_rate": 0.0}, "learning_rate is 0.0"),
        ((0.1, "keras.l2", "bridle.L2"), {"learning_rate": -1}, "learning_rate is -1"),
        ((0.1, "keras.l2", "bridle.L2"), {"squared_error": "whole"}, "squared_error is 'whole'"),
    ],
)
def test_errors_name_the_value_and_the_next_step(arguments, context, message):
    with pytest.raises(UsageError, match=message) as caught:
        convert_strength(*arguments, **context)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)
