"""Losses, models and a network's path for the tests of λ paths."""

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import nn
from torch.nn import functional as F  # noqa: N812

from bridle.sparsity.lambda_path import lambda_path


def half_squares(model, batch):
    X, y = batch
    return 0.5 * (model(X)[:, 0] - y).square().mean()


def cross_entropy(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1])


def accuracy(model, batch):
    return (model(batch[0]).argmax(1) == batch[1]).double().mean()


def linear():
    model = nn.Linear(8, 1, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model


def mlp(seed=0):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 10))


def digits_path(digits, model=None, **settings):
    defaults = {
        "strengths": [3e-2, 1e-2, 1e-3],
        "epochs": 15,
        "batch_size": 32,
        "learning_rate": 0.2,
    }
    settings = defaults | settings
    return lambda_path(model or mlp(), *digits, loss=cross_entropy, score=accuracy, **settings)


def diabetes_arrays():
    """Return scikit-learn's diabetes table, standardized.

    Two columns of blood serum are left out: the others nearly give them, and gradient descent takes
    tens of thousands of steps.
    """
    X, y = load_diabetes(return_X_y=True)
    X = np.delete(X, [4, 5], axis=1)
    X = (X - X.mean(0)) / X.std(0)
    y = (y - y.mean()) / y.std()
    return X, y


def digits_parts():
    """Return a training part and a held-out part of scikit-learn's digits."""
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X[:300] / 16).float(), torch.from_numpy(y[:300])
    return (X[:200], y[:200]), (X[200:], y[200:])
