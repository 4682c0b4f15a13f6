"""Scores with their uncertainty: of a network, of its gap, and of two networks compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from bridle.errors import DataError, UsageError
from bridle.statistics.comparison import SAME, Comparison
from bridle.statistics.estimate import Estimate
from bridle.statistics.grouped import FEWEST_GROUPS, effective_rows, error_of_mean, group_sums
from bridle.statistics.resampling import Studentized, difference_of_ratios, log_ratio
from bridle.statistics.shares import at_least, wilson

__all__ = [
    "SAME",
    "Comparison",
    "Estimate",
    "Judged",
    "compare",
    "gap_between",
    "judge_classes",
    "judge_values",
    "undefined_values",
]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[Any]]

_Z = float(ndtri(0.975))
_ONE_SIDE = 0.025
FEWEST = 4  # rows that an interval of R² needs: two or three say nothing
_LARGEST = 300.0  # of a logarithm, so that an interval stays finite


@dataclass(frozen=True, eq=False)
class Judged:
    """The score of one network on one part of the data, with its rows' contributions.

    Attributes
    ----------
    score_name : str
        "accuracy" or "R²".
    value : float
        The score.
    baseline : float
        The score of the best constant prediction on this part.
    rows : float64 ``[rows]``
        The contribution of each row. For accuracy it is 1 if the row is predicted correctly, else
        0. For R² it is the squared error divided by the target's variance.
    spread : float64 ``[rows]``
        For R², the squared distance of each row from the mean, divided by the variance; with
        groups times a factor above 1, by which the variance between new groups is larger. For
        accuracy, ones.
    groups : int64 ``[rows]``, optional
        The group of each row, if rows of one group depend on each other.
    offset : float64 ``[rows]``, optional
        For R² without groups: the distance of each row from the mean, in standard deviations.
    """

    score_name: str
    value: float
    baseline: float
    rows: FloatArray
    spread: FloatArray
    groups: IntArray | None = None
    offset: FloatArray | None = None

    @property
    def is_share(self) -> bool:
        """Whether the score is a proportion of rows, which has its own intervals."""
        return self.score_name == "accuracy"

    def interval(self) -> Estimate:
        """Return the score with its 95 % confidence interval for the population of rows.

        Accuracy has Wilson's interval (1927). R² has the interval of log(1 - R²), the logarithm of
        a ratio of means: a bootstrap-t, or Student's t if that is wider; NaN below 4 rows. With
        groups, Wilson's interval is that of :attr:`counts`, whole groups are resampled, and both
        are NaN below 5 groups.
        """
        if not self.has_interval:
            return Estimate(self.value, math.nan, math.nan)
        if self.is_share:
            return Estimate(self.value, *wilson(*self.counts))
        low, high = self.studentized.interval
        if low == high:
            return self.exact()
        return Estimate(self.value, 1 - math.exp(min(high, _LARGEST)), 1 - math.exp(low))

    @property
    def defined(self) -> bool:
        """Whether the score is defined; R² is not if all true values are equal."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether the score is defined, and there are 5 groups or more, or 4 rows for R²."""
        if self.groups is not None:
            return self.defined and self.units >= FEWEST_GROUPS
        return self.defined and (self.is_share or len(self.rows) >= FEWEST)

    @cached_property
    def units(self) -> int:
        """The number of groups, or of rows if there are no groups."""
        return len(self.rows) if self.groups is None else len(np.unique(self.groups))

    @cached_property
    def counts(self) -> tuple[float, float]:
        """For accuracy: the rows predicted correctly and all rows; effective ones with groups."""
        if self.groups is None:
            return float(self.rows.sum()), float(len(self.rows))
        total = effective_rows(self.rows, self.groups)
        return self.value * total, total

    @cached_property
    def studentized(self) -> Studentized:
        """For R²: log(1 - R²) with its sampling distribution."""
        return log_ratio(self._summed(self.rows), self._summed(self.spread), self.offset)

    def _summed(self, values: FloatArray) -> FloatArray:
        return values if self.groups is None else group_sums(values, self.groups)

    def exact(self) -> Estimate:
        """Return the score of exactly these rows, with an interval of no width."""
        return Estimate(self.value, self.value, self.value)

    def standard_error(self) -> float:
        """Return the standard error of the score, by the delta method."""
        influence = self.rows - self.rows.mean() * self.spread
        if self.groups is not None:
            return error_of_mean(influence, self.groups)
        return float(influence.std() / math.sqrt(len(influence)))


def judge_classes(codes: IntArray, truth: IntArray, groups: IntArray | None = None) -> Judged:
    """Score predicted classes by accuracy.

    Parameters
    ----------
    codes, truth : int64 ``[rows]``
        Predicted and true class codes, from 0.
    groups : int64 ``[rows]``, optional
        The group of each row, such as its patient. The intervals are then those of new groups.

    Returns
    -------
    Judged

    Raises
    ------
    UsageError
        If there are no rows, or the lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> judge_classes(np.array([0, 1, 1]), np.array([0, 1, 0])).value.__round__(3)
    0.667
    """
    _check_rows(codes, truth)
    right = (codes == truth).astype(np.float64)
    baseline = float(np.bincount(truth).max() / len(truth))
    return Judged("accuracy", float(right.mean()), baseline, right, np.ones_like(right), groups)


def judge_values(values: FloatArray, truth: FloatArray, groups: IntArray | None = None) -> Judged:
    """Score the predictions of a regression by R², ``1 - Σ(y - ŷ)² / Σ(y - ȳ)²``.

    Parameters
    ----------
    values, truth : float64 ``[rows]``
        Predicted and true values.
    groups : int64 ``[rows]``, optional
        The group of each row, such as its patient.

    Returns
    -------
    Judged

    Raises
    ------
    UsageError
        If there are no rows or the lengths differ.
    DataError
        If all true values are equal.

    Examples
    --------
    >>> import numpy as np
    >>> judged = judge_values(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    >>> print(f"{judged.value:.3f}")
    0.500
    """
    _check_rows(values, truth)
    values, truth = values.astype(np.float64), truth.astype(np.float64)
    if (truth == truth[0]).all():
        raise DataError(
            f"all {len(truth)} true values are {truth[0]:g}, so R² is undefined; "
            "give this part more rows"
        )
    unit = float(np.abs(truth).max())  # squares of a tiny or huge unit would leave the range
    values, truth = values / unit, truth / unit
    truth, values = truth - truth.mean(), values - truth.mean()
    unit = float(np.abs(truth).max())
    values, truth = values / unit, truth / unit
    from_mean = np.square(truth)
    variance = from_mean.mean()
    error = np.square(truth - values) / variance
    spread = from_mean / variance
    if groups is not None:  # the mean of few groups is close to their own values
        spread = spread * (1 + error_of_mean(truth, groups) ** 2 / variance)
    offset = truth / math.sqrt(variance) if groups is None else None
    return Judged("R²", float(1 - error.mean()), 0.0, error, spread, groups, offset)


def undefined_values(rows: int) -> Judged:
    """Return the R² of rows whose true values are all equal: it is undefined, NaN.

    Examples
    --------
    >>> undefined_values(4).defined
    False
    """
    nothing = np.full(rows, np.nan)
    return Judged("R²", math.nan, 0.0, nothing, nothing)


def _check_rows(predicted: IntArray, truth: IntArray) -> None:
    if len(truth) == 0 or len(predicted) != len(truth):
        raise UsageError(
            f"there are {len(predicted)} predictions for {len(truth)} rows; "
            "give one prediction per row, and at least one row"
        )


def gap_between(training: Judged, held_out: Judged) -> Estimate:
    """Return the gap, training score minus held-out score, with its 95 % interval.

    The true gap is the training score minus the score on the population of rows: the network's
    optimism (Efron 1983). The training score is known exactly. So the interval of the gap is that
    of the held-out score, mirrored.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([0, 1] * 50)
    >>> all_right, half_right = judge_classes(truth, truth), judge_classes(truth * 0, truth)
    >>> gap = gap_between(all_right, half_right)
    >>> f"{gap.value:.2f} from {gap.low:.2f} to {gap.high:.2f}"
    '0.50 from 0.40 to 0.60'
    """
    held = held_out.interval()
    return Estimate(
        training.value - held.value, training.value - held.high, training.value - held.low
    )


def compare(first: Judged, second: Judged) -> Comparison:
    """Compare two networks on the same rows, paired by row.

    For accuracy, only rows that exactly one network predicts correctly count, as in McNemar's test;
    half a row is added to each cell (Agresti & Min 2005). The interval excludes 0 only if McNemar's
    exact test rejects too; otherwise it ends at 0. For R² it is a bootstrap-t of the paired squared
    errors. With groups, whole groups count; see :attr:`Judged.counts`.

    Parameters
    ----------
    first, second : Judged
        The networks on the same rows in the same order.

    Returns
    -------
    Comparison
        Of the second with the first.

    Raises
    ------
    UsageError
        If the numbers of rows or the scores differ.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([0, 1] * 50)
    >>> compare(judge_classes(truth * 0, truth), judge_classes(truth, truth)).answer
    'better'
    >>> compare(judge_classes(truth, truth), judge_classes(truth, truth)).difference.value
    0.0
    """
    if len(first.rows) != len(second.rows) or first.score_name != second.score_name:
        raise UsageError(
            f"cannot pair {len(first.rows)} rows of {first.score_name} with "
            f"{len(second.rows)} rows of {second.score_name}; score both on the same rows"
        )
    if not (first.has_interval and second.has_interval):
        nan = math.nan
        return Comparison(Estimate(second.value - first.value, nan, nan), nan, nan, nan)
    if not first.is_share:
        return _compare_values(first, second)
    value = second.value - first.value
    changed = second.rows - first.rows
    gained, lost = int((changed == 1).sum()), int((changed == -1).sum())
    discordant: tuple[float, float] = (gained, lost)
    count = float(len(changed))
    if first.groups is not None:
        effective = effective_rows(changed, first.groups)
        discordant = (gained * effective / count, lost * effective / count)
        count = effective
    variance = (sum(discordant) + 1 - (value * count) ** 2 / (count + 2)) / (count + 2) ** 2
    error = math.sqrt(variance)
    worse = float(ndtr((-SAME - value) / error))
    better = float(ndtr((value - SAME) / error))
    low, high = value - _Z * error, value + _Z * error
    if low > 0 and at_least(discordant[0], sum(discordant), 0.5) > _ONE_SIDE:
        low = 0.0
    if high < 0 and at_least(discordant[1], sum(discordant), 0.5) > _ONE_SIDE:
        high = 0.0
    interval = Estimate(value, low, high)
    same = max(0.0, 1 - better - worse)
    return Comparison(interval, better, same, worse, discordant)


def _compare_values(first: Judged, second: Judged) -> Comparison:
    """Compare two R² by the paired differences of the squared errors."""
    sums = first._summed
    found = difference_of_ratios(sums(first.rows - second.rows), sums(first.spread), first.offset)
    if found.error == 0:
        better, worse = float(found.value > SAME), float(found.value < -SAME)
    else:
        possible = found.value - found.error * found.draws
        better, worse = float((possible > SAME).mean()), float((possible < -SAME).mean())
    low, high = found.interval
    interval = Estimate(second.value - first.value, low, high)
    return Comparison(interval, better, max(0.0, 1 - better - worse), worse)
