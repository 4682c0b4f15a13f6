"""scikit-learn's strengths: its solvers rest, or step, where bridle's objective says."""

import numpy as np
import pytest
import torch
from dialect_helpers import BOTH, SIDES, VALUES, objective_gradient, penalty_of
from sklearn import linear_model, neural_network
from torch.nn import functional as F  # noqa: N812

from bridle import L2
from bridle.dialects.convert import convert_strength
from bridle.networks.objectives import OBJECTIVES


def _table(rng, rows=60):
    X = rng.normal(size=(rows, 6))
    y = X @ np.array([2.0, -1.0, 0.5, 0.0, 0.0, 0.0]) + 0.3 * rng.normal(size=rows) + 1.0
    return X, y


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
    w, gradient, at_bias = objective_gradient(
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
    w, gradient, at_bias = objective_gradient(model.coef_, model.intercept_, X, labels)
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
        w, gradient, at_bias = objective_gradient(model.coef_, model.intercept_, one, label)
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
    penalty = penalty_of(7.0, "sklearn.MLPClassifier", rows=len(X))

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
    penalty = penalty_of(7.0, "sklearn.MLPRegressor", rows=len(X), squared_error=squared_error)
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
