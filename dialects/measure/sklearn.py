# /// script
# requires-python = ">=3.11"
# dependencies = ["scikit-learn==1.9.1"]
# ///
"""Measures the record of scikit-learn."""

import warnings

import numpy as np
import probes
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore")
ONE = np.ones((4, 1))  # four rows whose target is 1: the weight is a function of the strength
TARGET = np.ones(4)


def weight(model, x=ONE, y=TARGET):
    return float(np.ravel(model.set_params(fit_intercept=False).fit(x, y).coef_)[0])


def mlp(function, rows=10, **options):
    """Return how much the penalty moves a weight in one step of SGD with a batch of rows."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 2)), rng.integers(0, 2, rows)
    found = []
    for alpha in (0.0, 1.0):
        model = function(
            hidden_layer_sizes=(2,),
            solver="sgd",
            alpha=alpha,
            batch_size=rows,
            learning_rate_init=1e-3,
            momentum=0.0,
            max_iter=1,
            random_state=0,
            shuffle=False,
            **options,
        )
        model.fit(x, y)
        found.append((model.coefs_, model.intercepts_, model.loss_))
    (before, bias, loss), (after, same, penalized) = found
    return before[0] - after[0], after[0] / (1 - 1e-3 / rows), bias, same, penalized - loss


def of_mlp(function):
    drop, _, bias, same, extra = mlp(function)
    more = mlp(function, rows=20)[0]
    start = function(
        hidden_layer_sizes=(2,),
        solver="sgd",
        alpha=0.0,
        max_iter=1,
        random_state=0,
        learning_rate_init=1e-12,
        batch_size=10,
    )
    rng = np.random.default_rng(0)
    start.fit(rng.normal(size=(10, 2)), rng.integers(0, 2, 10))
    ratio = np.median(drop / start.coefs_[0]) / 1e-3  # gradient of the penalty over the weight
    return {
        "norm": "l2",
        "factor": round(float(ratio) * 10 / 2, 3),
        "divided_by": "batch_rows" if abs(np.median(drop / more) - 2) < 0.1 else "nothing",
        "biases": not all(np.allclose(a, b) for a, b in zip(bias, same, strict=True)),
        "in_reported_loss": "always" if extra > 0 else "never",
        "default": probes.default(function, "alpha"),
    }


def ridge():
    # rows * (w - 1)^2 + alpha w^2 has its least value at rows / (rows + alpha)
    found = weight(Ridge(alpha=1.0))
    return {
        "norm": "l2",
        "factor": round((4 / found - 4), 3),
        "divided_by": "rows"
        if weight(Ridge(alpha=1.0), np.ones((8, 1)), np.ones(8)) > found
        else "nothing",
        "default": probes.default(Ridge, "alpha"),
    }


def lasso():
    # (w - 1)^2 / 2 + alpha |w| has its least value at 1 - alpha
    found = weight(Lasso(alpha=0.25))
    longer = weight(Lasso(alpha=0.25), np.ones((8, 1)), np.ones(8))
    return {
        "norm": "l1",
        "factor": round((1 - found) / 0.25, 3),
        "divided_by": "nothing" if abs(longer - found) < 1e-6 else "rows",
        "exact_zeros": weight(Lasso(alpha=2.0)) == 0.0,
        "default": probes.default(Lasso, "alpha"),
    }


def elastic():
    # with l1_ratio 0, (w - 1)^2 / 2 + factor alpha w^2 is least at 1 / (1 + 2 factor alpha)
    found = weight(ElasticNet(alpha=1.0, l1_ratio=1e-9, tol=1e-12))
    return {
        "norm": "elastic",
        "factor": round((1 / found - 1) / 2, 3),
        "exact_zeros": weight(ElasticNet(alpha=4.0)) == 0.0,
        "default": probes.default(ElasticNet, "alpha"),
    }


def logistic():
    x, y = np.array([[1.0], [1.0], [1.0], [-1.0]]), np.array([1, 1, 0, 0])
    model = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-12, max_iter=1000).fit(x, y)
    found = float(model.coef_[0, 0])
    slope = float((x[:, 0] * (1 / (1 + np.exp(-found * x[:, 0])) - y)).sum())
    return {  # sum of the losses' slopes + 2 factor w / C = 0
        "norm": "l2",
        "factor": round(-slope * 2.0 / found / 2, 3),
        "inverse": True,
        "default": probes.default(LogisticRegression, "C"),
    }


def sgd(function):
    return {"default": probes.default(function, "alpha")}


probes.report(
    "sklearn",
    MLPClassifier=of_mlp(MLPClassifier),
    MLPRegressor=of_mlp(MLPRegressor),
    Ridge=ridge(),
    Lasso=lasso(),
    ElasticNet=elastic(),
    LogisticRegression=logistic(),
    SGDClassifier=sgd(SGDClassifier),
    SGDRegressor=sgd(SGDRegressor),
)
