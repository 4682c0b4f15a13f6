"""Confidence intervals and p-values for a diagnosis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from bridle.errors import UsageError
from bridle.statistics.grouped import FEWEST_GROUPS, group_sums, widening
from bridle.statistics.resampling import difference_of_ratios, interval_with_unseen
from bridle.statistics.scores import Comparison, Estimate, Judged, compare
from bridle.statistics.shares import at_least, at_most, standing

__all__ = [
    "corrected_interval",
    "lead_p_values",
    "mcnemar_p_value",
    "mean_interval",
    "p_value_above",
    "p_value_below",
    "p_values_of_lead",
]

Array = np.ndarray[Any, np.dtype[Any]]

_MOST_UNSEEN = 2.5
"""The upper end for a kind of which no row is seen, as a number of rows (Jeffreys' prior)."""
_LITTLE = 0.25
"""What unseen rows may add at most, of a margin, is left out below this: it adds 3 %."""


def mean_interval(
    values: Array,
    groups: Array | None = None,
    unseen: float | None = None,
    *,
    least: float = -math.inf,
) -> Estimate:
    """Return a mean with its 95 % interval, corrected for skewness.

    Losses have a long right tail. Student's interval then misses the true mean more often on one
    side than on the other. This interval uses Hall's monotone cubic transformation of the
    studentized mean (1992, Journal of the Royal Statistical Society B 54:221). With groups it is
    the bootstrap-t of whole groups, widened for few groups, and NaN below 5 groups.

    Parameters
    ----------
    values : float64 ``[rows]``
    groups : int64 ``[rows]``, optional
    unseen : float, optional
        The value that further rows of a kind would have of which the sample has few or none, such
        as a rare class. The interval then contains that of
        :func:`bridle.statistics.resampling.interval_with_unseen`.
    least : float
        The smallest possible value, such as 0 for a loss: the interval does not go below it.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> import numpy as np
    >>> found = mean_interval(np.array([0.1, 0.2, 0.1, 0.3, 0.2, 4.0] * 20))
    >>> f"{found.value:.2f} from {found.low:.2f} to {found.high:.2f}"
    '0.82 from 0.58 to 1.11'
    """
    rows, mean = len(values), float(values.mean())
    if groups is not None:
        sizes = group_sums(np.ones(rows), groups)
        if len(sizes) < FEWEST_GROUPS:
            return Estimate(mean, math.nan, math.nan)
        low, high = difference_of_ratios(group_sums(values, groups), sizes).interval
        wider = widening(groups)
        low = mean - wider * (mean - low)
        return Estimate(mean, max(low, least), mean + wider * (high - mean))
    found = _hall(values)
    found = replace(found, low=max(found.low, least))
    if unseen is None or _MOST_UNSEEN * abs(unseen - mean) / rows < _LITTLE * found.margin:
        return found
    low, high = interval_with_unseen(values, unseen)
    return Estimate(mean, min(found.low, low), max(found.high, high))


def _hall(values: Array) -> Estimate:
    rows, mean = len(values), float(values.mean())
    spread = float(values.std(ddof=1)) if rows > 1 else 0.0
    if spread == 0:
        return Estimate(mean, mean, mean)
    skewness = float((((values - mean) / values.std()) ** 3).mean())
    root = math.sqrt(rows)
    quantile = float(stdtrit(rows - 1, 0.975))

    def inverse(at: float) -> float:
        """Return the studentized mean whose transform is ``at``."""
        target, curve = at - skewness / (6 * root), skewness / (3 * root)
        if abs(curve) < 1e-9:
            return target
        return float((np.cbrt(1 + 3 * curve * target) - 1) / curve)

    step = spread / root
    return Estimate(mean, mean - step * inverse(quantile), mean - step * inverse(-quantile))


def corrected_interval(folds: Sequence[float], held_out_share: float) -> Estimate:
    """Return the mean over folds with its 95 % interval, by the corrected resampled t-test.

    Folds share training rows, so that their sample variance is too small. Nadeau & Bengio (2003,
    Machine Learning 52:239) replace ``1/k`` by ``1/k + held-out rows / training rows``.

    Parameters
    ----------
    folds : sequence of float
        One value for each fold, at least two.
    held_out_share : float
        Held-out rows divided by training rows, such as 1 / 4 for five folds.

    Raises
    ------
    UsageError
        If there are fewer than two folds.

    Examples
    --------
    >>> found = corrected_interval([0.10, 0.12, 0.08, 0.11, 0.09], 1 / 4)
    >>> f"{found.value:.3f} ± {found.margin:.3f}"
    '0.100 ± 0.029'
    """
    if len(folds) < 2:
        raise UsageError(f"an interval needs 2 folds or more, not {len(folds)}; give more folds")
    mean, variance = float(np.mean(folds)), float(np.var(folds, ddof=1))
    error = math.sqrt((1 / len(folds) + held_out_share) * variance)
    wide = float(stdtrit(len(folds) - 1, 0.975)) * error
    return Estimate(mean, mean - wide, mean + wide)


def mcnemar_p_value(first: Judged, second: Judged) -> float:
    """Return the exact two-sided p-value of McNemar's test: two classifiers err equally often.

    Only rows that exactly one classifier predicts correctly count. Under the hypothesis, each
    classifier is that one with probability one half: a binomial test (McNemar 1947; Agresti 2013,
    11.1). With groups, effective rows count; NaN if there is no interval.

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics.scores import judge_classes
    >>> truth = np.zeros(10, dtype=int)
    >>> one, other = (np.arange(10) < 6).astype(int), (np.arange(10) >= 9).astype(int)
    >>> mcnemar_p_value(judge_classes(one, truth), judge_classes(other, truth))
    0.125
    """
    pair = compare(first, second).discordant
    if pair is None:
        return math.nan
    return min(1.0, 2 * at_most(min(pair), sum(pair), 0.5)) if sum(pair) else 1.0


def p_value_below(judged: Judged, bound: float) -> float:
    """Return the p-value of the hypothesis that the true score is ``bound`` or above.

    Accuracy has the exact binomial test, whose error rate is at most the level, and the test that
    Wilson's interval comes from; the larger p-value counts. :func:`bridle.statistics.claims.gap_of`
    is the interval that this test inverts. R² has the test that its interval comes from.
    """
    if judged.is_share:
        (right, rows), share = judged.counts, min(max(bound, 0.0), 1.0)
        return max(at_most(right, rows, share), float(ndtr(standing(right, rows, share))))
    if not judged.defined:
        return 1.0
    return 1.0 if bound >= 1 else judged.studentized.p_value_above(math.log(1 - bound))


def p_value_above(judged: Judged, bound: float) -> float:
    """Return the p-value of the hypothesis that the true score is ``bound`` or below."""
    if judged.is_share:
        if bound < 0:
            return 0.0  # no share is below 0
        (right, rows), share = judged.counts, min(bound, 1.0)
        return max(at_least(right, rows, share), float(ndtr(-standing(right, rows, share))))
    if not judged.defined:
        return 1.0
    return 1.0 if bound >= 1 else judged.studentized.p_value_below(math.log(1 - bound))


def lead_p_values(difference: Estimate, bound: float) -> tuple[float, float]:
    """Return the p-values that a true difference is at most, and at least, ``bound``.

    An interval that is not symmetric has an error of its own on each side.
    """
    quantile = float(ndtri(0.975))
    away = difference.value - bound
    below, above = difference.value - difference.low, difference.high - difference.value
    error = (below if away > 0 else above) / quantile
    if error == 0:
        return (0.0, 1.0) if away > 0 else (1.0, 0.0)
    standing = away / error
    return float(ndtr(-standing)), float(ndtr(standing))


def p_values_of_lead(comparison: Comparison, bound: float) -> tuple[float, float]:
    """Return the p-values that a lead is at most, and at least, ``bound``, which is 0 or more.

    For accuracy the exact one-sided test of McNemar counts too: a lead above the bound is above 0.
    With few rows the normal approximation alone finds leads that do not exist.
    """
    below, above = lead_p_values(comparison.difference, bound)
    if comparison.discordant is not None:
        gained, lost = comparison.discordant
        exact = at_least(gained, gained + lost, 0.5) if gained + lost else 1.0
        below = max(below, exact)
    return below, above
