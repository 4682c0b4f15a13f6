"""Uncertainty of an error on a test set: intervals, spread over seeds, paired tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binomtest, t as student
from torch import Tensor

from bridle import Network, predict, predict_gaussian
from bridle.statistics.scores import Estimate, judge_classes

__all__ = [
    "Paired",
    "classes_of",
    "error_of",
    "gaussian_probabilities",
    "mcnemar",
    "probabilities",
    "spread",
    "vote",
]

_ROWS_AT_ONCE = 500  # a large population has a wide layer for each member


def probabilities(network: Network, X: Tensor) -> Tensor:
    """Return the softmax of every member with noise off, float32 ``[members, rows, classes]``."""
    device = network.seeds.device
    parts = [predict(network, part.to(device)) for part in X.split(_ROWS_AT_ONCE)]
    return torch.cat(parts, dim=1).softmax(-1).cpu()


def gaussian_probabilities(network: Network, X: Tensor) -> Tensor:
    """Return the softmax of Wan's Gaussian inference, float32 ``[members, rows, classes]``."""
    X = X.to(network.seeds.device)
    return predict_gaussian(network, X, batch_rows=_ROWS_AT_ONCE).mean.softmax(-1).cpu()


def classes_of(probabilities: Tensor) -> Tensor:
    """Return the most probable class of each row."""
    return probabilities.argmax(-1)


def vote(probabilities: Tensor) -> Tensor:
    """Return the classes of the averaged probabilities of ``[members, rows, classes]``."""
    return probabilities.double().mean(0).argmax(-1)


def error_of(predicted: Tensor, truth: Tensor) -> Estimate:
    """Return the share of wrong rows in per cent, with Wilson's 95 % interval."""
    right = judge_classes(predicted.numpy(), truth.numpy()).interval()
    return Estimate(100 * (1 - right.value), 100 * (1 - right.high), 100 * (1 - right.low))


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean, the standard deviation, and the half width of Student's 95 % interval.

    The last two are NaN for one value.
    """
    found = np.asarray(values, dtype=np.float64)
    count = len(found)
    if count < 2:
        return float(found.mean()), math.nan, math.nan
    deviation = float(found.std(ddof=1))
    half = float(student.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return float(found.mean()), deviation, half


@dataclass(frozen=True)
class Paired:
    """McNemar's exact test of two columns on the same rows.

    Attributes
    ----------
    first_only, second_only : int
        Rows that only the first, or only the second, gets wrong.
    p_value : float
        Of the two-sided exact test that both are equally likely.
    """

    first_only: int
    second_only: int
    p_value: float


def mcnemar(first: Tensor, second: Tensor, truth: Tensor) -> Paired:
    """Compare two columns' classes in pairs (McNemar 1947, the exact form)."""
    first_wrong, second_wrong = first != truth, second != truth
    first_only = int((first_wrong & ~second_wrong).sum())
    second_only = int((second_wrong & ~first_wrong).sum())
    differ = first_only + second_only
    p_value = float(binomtest(first_only, differ, 0.5).pvalue) if differ else 1.0
    return Paired(first_only, second_only, p_value)
