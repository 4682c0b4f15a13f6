"""Gaussian dropout and alpha dropout: their moments, and torch's own alpha dropout."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn

import bridle

FAR = norm.isf(1e-6)  # how many standard errors a mean may be off
KEEPS = [0.2, 0.5, 0.9]


# ------------------------------------------------------------------ Gaussian dropout


@pytest.mark.parametrize("keep", KEEPS)
def test_gaussian_dropout_has_mean_one_and_the_variance_of_dropout(keep):
    y = bridle.GaussianDropout(keep_prob=keep).train(
        torch.ones(512, 1024, dtype=torch.float64), bridle.address_of(1)
    )
    variance = (1 - keep) / keep
    assert abs(float(y.mean()) - 1) < FAR * math.sqrt(variance / y.numel())
    assert abs(float(y.var()) / variance - 1) < FAR * math.sqrt(2 / y.numel())


def test_gaussian_dropout_has_the_loss_of_dropout_in_linear_regression():
    """Wager et al. (2013): the ridge form needs no more than mean 1 and that variance."""
    generator = torch.Generator().manual_seed(0)
    X, y, w = (
        torch.randn(size, dtype=torch.float64, generator=generator) for size in ((9, 4), (9,), (4,))
    )
    keep = 0.6
    noise = bridle.GaussianDropout(keep_prob=keep)
    expected = (y - X @ w).square().sum() + (1 - keep) / keep * (X.square().sum(0) * w**2).sum()
    many = noise.train(X.repeat(4000, 1), bridle.address_of(2)) @ w
    draws = (y - many.view(4000, 9)).square().sum(1)
    assert abs(float(draws.mean() - expected)) < 5 * float(draws.std()) / math.sqrt(len(draws))


def test_units_of_a_linear_layer_agree_with_numpys_moments():
    """Means of what a layer makes of Gaussian dropout are those of a normal sum, by hand."""
    x, w = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.7, -1.1])
    noise = bridle.GaussianDropout(keep_prob=0.5)
    rows = torch.from_numpy(np.tile(x, (20_000, 1)))
    drawn = (noise.train(rows, bridle.address_of(9)) @ torch.from_numpy(w)).numpy()
    spread = np.sqrt(((x * w) ** 2).sum())  # (1 - p) / p is 1
    assert abs(drawn.mean() - x @ w) < FAR * spread / np.sqrt(len(drawn))
    assert abs(drawn.std() / spread - 1) < FAR / np.sqrt(2 * len(drawn))


# ------------------------------------------------------------------ alpha dropout


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
@pytest.mark.parametrize("keep", KEEPS)
def test_alpha_dropout_keeps_mean_zero_and_variance_one(name, keep):
    """The first moments of standard normal units, with the standard errors of the draws."""
    x = torch.randn(1024, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = getattr(bridle, name)(keep_prob=keep).train(x, bridle.address_of(3))
    for values, expected in ((y, 0.0), (y.square(), 1.0)):
        error = float(values.std()) / math.sqrt(y.numel())
        assert abs(float(values.mean()) - expected) < FAR * error


def test_a_self_normalising_network_stays_so():
    """Klambauer's reason for it: SELU layers with alpha dropout, and their moments far down."""
    torch.manual_seed(0)
    x = torch.randn(512, 256)
    noise = bridle.AlphaDropout(keep_prob=0.9)
    for layer in range(16):
        weight = torch.randn(256, 256) / 16
        x = noise.train(nn.functional.selu(x @ weight), bridle.address_of(1, stream=layer))
        assert abs(float(x.mean())) < 0.1
        assert abs(float(x.var()) - 1) < 0.2


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("kind", ["AlphaDropout", "FeatureAlphaDropout"])
def test_alpha_dropout_is_torchs_but_for_the_mask(kind, keep):
    """The kept values, the lowest value and the moments are those of torch's module."""
    torch.manual_seed(1)
    x = torch.randn(64, 32, 4, 4)
    theirs = getattr(nn, kind)(p=1 - keep)(x)
    ours = getattr(bridle, kind)(keep_prob=keep).train(x, bridle.address_of(3))
    q, s = keep, -1.7580993408473766
    scale = (q + s * s * q * (1 - q)) ** -0.5
    lowest = scale * s - scale * (1 - q) * s
    dropped = [(y - lowest).abs() < 1e-3 for y in (theirs, ours)]
    both = ~(dropped[0] | dropped[1])
    assert both.float().mean() > 0.5 * keep**2
    assert torch.allclose(theirs[both], ours[both], atol=1e-3)
    draws = x.numel() if kind == "AlphaDropout" else x[..., 0, 0].numel()
    for each in dropped:
        share = float(each.float().mean())
        assert abs(share - (1 - keep)) < FAR * math.sqrt(keep * (1 - keep) / draws) + 1e-3
    slack = FAR * math.sqrt(2 * 4 / draws)
    assert float(theirs.mean()) == pytest.approx(float(ours.mean()), abs=slack)
    assert float(theirs.var()) == pytest.approx(float(ours.var()), abs=2 * slack)
