"""Rows in groups, such as several rows of one patient: they say less than as many single rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

__all__ = ["FEWEST_GROUPS", "effective_rows", "error_of_mean", "group_sums", "widening"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[Any]]

FEWEST_GROUPS = 5
"""Groups that an interval needs: with fewer, the spread between groups is a guess."""

_Z = float(ndtri(0.975))
_CAUTION = 1.5
"""Degrees of freedom are divided by this: they are estimated from the same few groups."""


def group_sums(values: FloatArray, groups: IntArray) -> FloatArray:
    """Return the sum of a value over the rows of each group, float64 ``[groups]``.

    Examples
    --------
    >>> group_sums(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 1])).tolist()
    [1.0, 6.0]
    """
    _, codes = np.unique(groups, return_inverse=True)
    sums: FloatArray = np.bincount(codes, weights=values).astype(np.float64)
    return sums


def _influences(values: FloatArray, groups: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return how far the mean moves if a group is left out, and the number of rows of each."""
    sizes = group_sums(np.ones(len(values)), groups)
    others = np.maximum(len(values) - sizes, 1)  # the only group has no influence
    return group_sums(values - values.mean(), groups) / others, sizes


def error_of_mean(values: FloatArray, groups: IntArray) -> float:
    """Return the standard error of a mean over rows, by leaving out one group at a time.

    Examples
    --------
    >>> values = np.repeat([0.0, 1.0, 0.0, 1.0, 1.0, 0.0], 8)
    >>> groups = np.arange(6).repeat(8)
    >>> print(f"{error_of_mean(values, groups):.3f}")  # of rows that were independent: 0.072
    0.224
    """
    moved, sizes = _influences(values, groups)
    count = len(sizes)
    return float(np.sqrt((count - 1) / count * np.square(moved).sum()))


def effective_rows(values: FloatArray, groups: IntArray) -> float:
    """Return the number of independent rows whose mean would be as uncertain.

    It is the number of rows, divided by the ratio of the jackknife variance over groups to the
    variance that independent rows would have (the design effect, Kish 1965), if that is above 1.
    Then it is reduced, as by Korn & Graubard (1998), by the square of the ratio of the normal to
    Student's quantile. The degrees of freedom are Satterthwaite's (1946) for groups with this
    kurtosis and no more than the groups, weighted by their size, or the groups in which the values
    differ from the most frequent one. It is at least the number of groups, weighted by their size,
    and exactly that if all values are equal: no dependence is stronger than that of equal values.

    Parameters
    ----------
    values : float64 ``[rows]``
        0 or 1 for a proportion; -1, 0 or 1 for a difference of two.
    groups : int64 ``[rows]``

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> groups = np.arange(100).repeat(8)
    >>> alike = (random.random(100) < 0.7).astype(float).repeat(8)
    >>> alone = (random.random(800) < 0.7).astype(float)
    >>> f"{effective_rows(alike, groups):.0f} and {effective_rows(alone, groups):.0f} of 800"
    '100 and 770 of 800'
    """
    moved, sizes = _influences(values, groups)
    rows, count = len(values), len(sizes)
    weighted = rows**2 / float(np.square(sizes).sum())
    plain = float(values.var()) / rows
    if plain == 0 or count < 2:
        return min(float(rows), weighted)
    square = float(np.square(moved).mean())
    variance = (count - 1) * square
    kurtosis = float((moved**4).mean()) / square**2 if square > 0 else 1.0
    distinct, counts = np.unique(values, return_counts=True)
    rare = values != distinct[counts.argmax()]
    differing = int((group_sums(rare.astype(np.float64), groups) > 0).sum())
    freedom = min(count - 1, 2 * count / max(kurtosis - 1, 1e-9), weighted - 1, differing - 1)
    freedom = max(1.0, freedom / _CAUTION)
    narrowed = (_Z / float(stdtrit(freedom, 0.975))) ** 2
    return max(min(float(rows), weighted), rows / max(1.0, variance / plain) * narrowed)


def widening(groups: IntArray) -> float:
    """Return by what a bootstrap of whole groups must be widened: Student's quantile / the normal.

    Examples
    --------
    >>> print(f"{widening(np.arange(5)):.2f} {widening(np.arange(500)):.2f}")
    1.74 1.00
    """
    sizes = group_sums(np.ones(len(groups)), groups)
    weighted = len(groups) ** 2 / float(np.square(sizes).sum())
    return float(stdtrit(max(1.0, (weighted - 1) / _CAUTION), 0.975)) / _Z
