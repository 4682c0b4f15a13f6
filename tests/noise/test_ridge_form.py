"""Dropout in linear regression is a ridge penalty (Wager et al. 2013): an exact expectation."""

import itertools

import numpy as np
import pytest
import torch

from bridle import address_of
from bridle.ops import dropout


@pytest.fixture
def regression(rng):
    X = rng.normal(size=(9, 4))
    return X, X @ rng.normal(size=4) + rng.normal(size=9), rng.normal(size=4)


def _ridge_form(X, y, w, p):
    """‖y - Xw‖² + (1-p)/p · Σ_j (XᵀX)_jj w_j²  (Wager et al. 2013)."""
    return ((y - X @ w) ** 2).sum() + (1 - p) / p * (np.diag(X.T @ X) * w**2).sum()


@pytest.mark.parametrize("p", [0.25, 0.5, 0.75])
def test_expected_loss_of_linear_regression_is_the_ridge_form(regression, p):
    """Exactly: the expectation over all 2⁴ masks of each row, through bridle's own scaling."""
    X, y, w = regression
    expected = 0.0
    for row, target in zip(X, y, strict=True):
        for kept in itertools.product((0.0, 1.0), repeat=4):
            mask = np.array(kept)
            chance = np.prod(np.where(mask == 1, p, 1 - p))
            expected += chance * (target - (row * mask / p) @ w) ** 2
    assert expected == pytest.approx(_ridge_form(X, y, w, p), rel=1e-12)
    draws = []
    for step in range(4000):
        noisy = dropout(torch.from_numpy(X), address_of(2, step=step), p).numpy()
        draws.append(((y - noisy @ w) ** 2).sum())
    error = np.std(draws) / np.sqrt(len(draws))
    assert np.mean(draws) == pytest.approx(_ridge_form(X, y, w, p), abs=5 * error)
