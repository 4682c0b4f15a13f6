"""Confidence intervals and p-values for a diagnosis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binom, norm, t as student

from bridle.errors import UsageError
from bridle.statistics.scores import Estimate, Judged

__all__ = [
    "corrected_interval",
    "lead_p_values",
    "mcnemar_p_value",
    "mean_interval",
    "p_value_above",
    "p_value_below",
]

Array = np.ndarray[Any, np.dtype[Any]]


def mean_interval(values: Array) -> Estimate:
    """Return a mean with its 95 % interval, corrected for skewness.

    Losses have a long right tail. Student's interval then misses the true mean more often on one
    side than on the other. This interval uses Hall's monotone cubic transformation of the
    studentized mean (1992, Journal of the Royal Statistical Society B 54:221).

    Parameters
    ----------
    values : float64 ``[rows]``

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
    spread = float(values.std(ddof=1)) if rows > 1 else 0.0
    if spread == 0:
        return Estimate(mean, mean, mean)
    skewness = float((((values - mean) / values.std()) ** 3).mean())
    root = math.sqrt(rows)
    quantile = float(student.ppf(0.975, rows - 1))

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
    wide = float(student.ppf(0.975, len(folds) - 1)) * error
    return Estimate(mean, mean - wide, mean + wide)


def mcnemar_p_value(first: Judged, second: Judged) -> float:
    """Return the exact two-sided p-value of McNemar's test: two classifiers err equally often.

    Only rows that exactly one classifier predicts correctly count. Under the hypothesis, each
    classifier is that one with probability one half: a binomial test (McNemar 1947; Agresti 2013,
    11.1).

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics.scores import judge_classes
    >>> truth = np.zeros(10, dtype=int)
    >>> one, other = (np.arange(10) < 6).astype(int), (np.arange(10) >= 9).astype(int)
    >>> mcnemar_p_value(judge_classes(one, truth), judge_classes(other, truth))
    0.125
    """
    only_first = int(((first.rows == 1) & (second.rows == 0)).sum())
    only_second = int(((first.rows == 0) & (second.rows == 1)).sum())
    both = only_first + only_second
    return float(min(1.0, 2 * binom.cdf(min(only_first, only_second), both, 0.5))) if both else 1.0


def p_value_below(judged: Judged, bound: float) -> float:
    """Return the p-value of the hypothesis that the true score is ``bound`` or above.

    Accuracy has the exact binomial test, whose error rate is at most the level. R² has the t-test
    on log(1 - R²), which its interval comes from.
    """
    if judged.is_share:
        share = min(max(bound, 0.0), 1.0)
        return float(binom.cdf(int(judged.rows.sum()), len(judged.rows), share))
    return float(student.cdf(_studentized(judged, bound), max(1, len(judged.rows) - 1)))


def p_value_above(judged: Judged, bound: float) -> float:
    """Return the p-value of the hypothesis that the true score is ``bound`` or below."""
    if judged.is_share:
        share = min(max(bound, 0.0), 1.0)
        return float(binom.sf(int(judged.rows.sum()) - 1, len(judged.rows), share))
    return float(student.sf(_studentized(judged, bound), max(1, len(judged.rows) - 1)))


def _studentized(judged: Judged, bound: float) -> float:
    """Return the distance of the score above a bound, in standard errors of log(1 - R²)."""
    left, allowed = 1 - judged.value, 1 - bound
    error = judged.standard_error() / left if left > 0 else 0.0
    if allowed <= 0 or left <= 0 or error == 0:
        return math.copysign(math.inf, judged.value - bound)
    return (math.log(allowed) - math.log(left)) / error


def lead_p_values(difference: Estimate, bound: float) -> tuple[float, float]:
    """Return the p-values that a true difference is at most, and at least, ``bound``."""
    error = difference.margin / float(norm.ppf(0.975))
    if error == 0:
        above = difference.value > bound
        return (0.0, 1.0) if above else (1.0, 0.0)
    standing = (difference.value - bound) / error
    return float(norm.sf(standing)), float(norm.cdf(standing))
