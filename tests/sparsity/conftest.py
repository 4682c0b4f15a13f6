"""Rows that the tests of λ paths share."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    X = (X - X.mean(0)) / X.std(0)
    y = (y - y.mean()) / y.std()
    return X, y


@pytest.fixture(scope="module")
def rows(diabetes):
    return tuple(torch.from_numpy(part) for part in diabetes)


@pytest.fixture(scope="module")
def rate(diabetes):
    """Just under 1 / L, of the loss's Hessian."""
    X, _ = diabetes
    return 0.99 / float(np.linalg.eigvalsh(X.T @ X / len(X)).max())


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X[:300] / 16).float(), torch.from_numpy(y[:300])
    return (X[:200], y[:200]), (X[200:], y[200:])
