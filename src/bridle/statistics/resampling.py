"""Studentized estimates with a long tail: the bootstrap-t for R² and for differences of R²."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy.special import pdtr, stdtr, stdtrit

__all__ = [
    "DOMINATING",
    "Studentized",
    "difference_of_ratios",
    "interval_with_unseen",
    "is_dominated",
    "log_ratio",
]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

RESAMPLES = 999
_AT_ONCE = 111  # a divisor of RESAMPLES
_FEW_ROWS = 1000
_MOST_COUNT = 16  # of a row in a sample: more has a probability of 1e-15
_SEED = 0x5EED
_WIDEST = 3.0
"""The bootstrap's quantiles are cut off at this multiple of Student's: few rows, long tails."""

_LOST = 1e-12  # of two numbers, whose difference then has few digits left
_FARTHEST = 1e9  # of a studentized estimate: a bootstrap sample may have no spread

DOMINATING = {1: 1 / 3, 3: 1 / 2}
"""The share of a sum above which one row, or three rows, dominate it.

A sample lacks three given rows with a probability of exp(-3), 5 %, and four with 1.8 %, which is
below the 2.5 % of an end of an interval.
"""


@dataclass(frozen=True, eq=False)
class Studentized:
    """An estimate with its standard error, and how far such estimates are from the truth.

    Two distributions of (estimate - truth) / standard error are used, and on each side the one
    with the longer tail counts. The first is the bootstrap-t (Hall 1988), which knows the skewness.
    The second is Student's t with Satterthwaite's (1946) degrees of freedom for the variance of
    rows with this kurtosis. It knows that few rows determine the standard error.

    Where one to three rows dominate a sum, both fail: the standard error is that of these rows, and
    samples without them are many standard errors away. The interval then contains the percentile
    bootstrap's interval too, which knows such samples.

    Attributes
    ----------
    value, error : float
        The estimate, and its standard error by the delta method.
    freedom : float
        Degrees of freedom of Student's t.
    draws : float64 ``[resamples]``
        Sorted: the studentized estimates of the bootstrap samples.
    resampled : float64 ``[resamples]``, optional
        The estimates of the bootstrap samples themselves, where few rows dominate.
    excess : float
        By how much the estimate is expected to be above the truth. The lower end of the interval is
        lower by it. The upper end is not, since an estimate with a long tail is more often below
        the truth.
    """

    value: float
    error: float
    freedom: float
    draws: FloatArray
    resampled: FloatArray | None = None
    excess: float = 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the true value."""
        if self.error == 0:
            return self.value, self.value
        wide = float(stdtrit(self.freedom, 0.975))
        below, above = np.quantile(self.draws, [0.025, 0.975])
        low = min(max(float(above), wide), _WIDEST * wide)
        high = min(max(float(-below), wide), _WIDEST * wide)
        low = self.value - self.excess - self.error * low
        high = self.value + self.error * high
        if self.resampled is not None:
            least, most = np.quantile(self.resampled, [0.025, 0.975])
            low, high = min(low, float(least)), max(high, float(most))
        return low, high

    def p_value_above(self, bound: float) -> float:
        """Return the p-value of the hypothesis that the true value is at most ``bound``.

        It is at most 0.025 if and only if the interval is above the bound.
        """
        if self.value < bound:
            return 1 - self.p_value_below(bound)
        beyond = None if self.resampled is None else self.resampled <= bound
        holds = self.interval[0] > bound
        distance = self.value - self.excess - bound
        return self._p_value(distance, self.draws, beyond, holds=holds)

    def p_value_below(self, bound: float) -> float:
        """Return the p-value of the hypothesis that the true value is at least ``bound``."""
        if self.value >= bound:
            return 1 - self.p_value_above(bound)
        beyond = None if self.resampled is None else self.resampled >= bound
        holds = self.interval[1] < bound
        return self._p_value(bound - self.value, -self.draws, beyond, holds=holds)

    def _p_value(
        self, distance: float, draws: FloatArray, beyond: BoolArray | None, *, holds: bool
    ) -> float:
        if self.error == 0:
            return float(not holds)
        at = distance / self.error
        share = (int((draws >= at).sum()) + 1) / (len(draws) + 1)
        if beyond is not None:
            share = max(share, float(beyond.mean()))
        found = min(max(share, float(stdtr(self.freedom, -at))), 0.5)
        return min(found, 0.025) if holds else max(found, float(np.nextafter(0.025, 1)))


def _weights(rows: int) -> Iterator[FloatArray]:
    """Yield how often each row is in each bootstrap sample, a few samples ``[count, rows]`` a time.

    From 1000 rows on, the counts are Poisson, which is the same in the limit and much faster.
    """
    if rows < _FEW_ROWS:
        yield from np.array_split(_counts(rows).astype(np.float64), RESAMPLES // _AT_ONCE)
        return
    random = np.random.default_rng(_SEED)
    below = pdtr(np.arange(_MOST_COUNT), 1)  # Poisson's distribution
    table = np.searchsorted(below, (np.arange(2**16) + 0.5) / 2**16).astype(np.float64)
    for _ in range(RESAMPLES // _AT_ONCE):
        yield table[random.integers(2**16, size=(_AT_ONCE, rows), dtype=np.uint16)]


@lru_cache(maxsize=8)
def _counts(rows: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return the multinomial counts ``[resamples, rows]``: the same for all of these rows."""
    random = np.random.default_rng(_SEED)
    return random.multinomial(rows, np.full(rows, 1 / rows), size=RESAMPLES).astype(np.uint16)


def _studentized(
    value: float,
    influence: FloatArray,
    top: FloatArray,
    bottom: FloatArray,
    offset: FloatArray | None,
    *,
    log: bool,
) -> Studentized:
    """Resample the ratio mean(top) / mean(bottom), or its logarithm.

    If ``bottom`` is the square of an offset from the mean, the mean is that of each sample where
    few rows dominate: without them it is far from that of all rows.
    """
    rows = len(top)
    square = float(np.square(influence).mean())
    error = math.sqrt(square / max(1, rows - 1))
    if rows < 2 or error == 0:
        return Studentized(value, 0.0, 1.0, np.zeros(1))
    kurtosis = float((influence**4).mean()) / square**2
    freedom = min(rows - 1, max(1.0, 2 * rows / max(kurtosis - 1, 1e-9)))
    moments = np.stack([top, bottom, top * top, top * bottom, bottom * bottom], axis=1)
    few = is_dominated(np.abs(top)) or is_dominated(bottom)
    found, resampled = [], []
    for weights in _weights(rows):
        a, b, aa, ab, bb = (weights @ moments / weights.sum(1, keepdims=True)).T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = a / b
            variance = (aa - 2 * ratio * ab + ratio**2 * bb) / b**2
            if log:
                ratio, variance = np.log(ratio), variance / ratio**2
            draws = (ratio - value) / np.sqrt(np.maximum(variance, 0) / (rows - 1))
        found.append(_finite(draws, 0.0))
        if few and offset is not None:
            rest = b - np.square(weights @ offset / weights.sum(1))
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = a / np.where(rest > _LOST * b, rest, b)
                ratio = np.log(ratio) if log else ratio
        if few:
            resampled.append(_finite(ratio, value))
    return Studentized(
        value,
        error,
        freedom,
        np.sort(np.concatenate(found)),
        np.concatenate(resampled) if few else None,
    )


def _finite(values: FloatArray, unknown: float) -> FloatArray:
    finite: FloatArray = np.nan_to_num(values, nan=unknown, posinf=_FARTHEST, neginf=-_FARTHEST)
    return finite


def is_dominated(values: FloatArray) -> bool:
    """Return whether one row makes up more than a third of a sum, or three rows more than half.

    Examples
    --------
    >>> is_dominated(np.ones(100)), is_dominated(np.append(np.ones(100), 1000.0))
    (False, True)
    """
    total = float(values.sum())
    largest = np.sort(values)[::-1]
    return any(float(largest[:few].sum()) > share * total for few, share in DOMINATING.items())


def log_ratio(top: FloatArray, bottom: FloatArray, offset: FloatArray | None = None) -> Studentized:
    """Return log(mean(top) / mean(bottom)), both positive; of a perfect prediction minus infinity.

    If ``bottom`` is the square of an ``offset`` from the mean of these rows, its mean is their
    variance by n, not by n - 1: the ratio is too large by n / (n - 1).

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> found = log_ratio(random.exponential(size=100), np.ones(100))
    >>> found.interval[0] < 0 < found.interval[1]
    True
    """
    above, below = float(top.mean()), float(bottom.mean())
    if above == 0:
        return Studentized(-math.inf, 0.0, 1.0, np.zeros(1))
    influence = top / above - bottom / below
    found = _studentized(math.log(above / below), influence, top, bottom, offset, log=True)
    rows = len(top)
    return found if offset is None else replace(found, excess=math.log(rows / (rows - 1)))


def difference_of_ratios(
    top: FloatArray, bottom: FloatArray, offset: FloatArray | None = None
) -> Studentized:
    """Return mean(top) / mean(bottom), where ``top`` is a difference of errors.

    Examples
    --------
    >>> import numpy as np
    >>> difference_of_ratios(np.array([1.0, -1.0, 0.5, -0.5]), np.ones(4)).value
    0.0
    """
    below = float(bottom.mean())
    value = float(top.mean()) / below
    return _studentized(value, (top - value * bottom) / below, top, bottom, offset, log=False)


def interval_with_unseen(values: FloatArray, unseen: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean of which one kind of rows may be missing in the sample.

    It is the Bayesian bootstrap (Rubin 1981) with one further value, whose weight has half the
    expectation of that of a row. For values of 0 and ``unseen`` it is the interval of Jeffreys'
    prior.

    Parameters
    ----------
    values : float64 ``[rows]``
    unseen : float
        The value that rows of the missing kind would have.

    Examples
    --------
    >>> low, high = interval_with_unseen(np.zeros(100), 1.0)
    >>> round(high, 2)  # of 0 successes in 100
    0.02
    """
    random = np.random.default_rng(_SEED)
    means = []
    for _ in range(RESAMPLES // _AT_ONCE):
        weights = random.standard_exponential((_AT_ONCE, len(values)))
        further = random.standard_gamma(0.5, _AT_ONCE)
        means.append((weights @ values + further * unseen) / (weights.sum(1) + further))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)
