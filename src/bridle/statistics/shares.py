"""Intervals and tests of a proportion, also of effective counts, which are not whole numbers."""

from __future__ import annotations

import math

from scipy.special import betainc, betaincinv, ndtri

__all__ = ["at_least", "at_most", "exact", "standing", "wilson"]

_Z = float(ndtri(0.975))


def at_least(right: float, total: float, share: float) -> float:
    """Return the probability of ``right`` or more of ``total``, each with probability ``share``.

    It is the binomial tail, by the incomplete beta function, which has no need of whole numbers.

    Examples
    --------
    >>> round(at_least(2, 3, 0.5), 6), at_least(0, 3, 0.5)
    (0.5, 1.0)
    """
    return 1.0 if right <= 0 else float(betainc(right, total - right + 1, share))


def at_most(right: float, total: float, share: float) -> float:
    """Return the probability of ``right`` or less.

    Examples
    --------
    >>> round(at_most(1, 3, 0.5), 6), at_most(3, 3, 0.5)
    (0.5, 1.0)
    """
    return 1.0 if right >= total else float(betainc(total - right, right + 1, 1 - share))


def wilson(right: float, total: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval (1927).

    Examples
    --------
    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    share, square = right / total, _Z**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    wide = _Z * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    wide /= 1 + square / total
    low = 0.0 if right <= 0 else middle - wide
    return low, 1.0 if right >= total else middle + wide


def exact(right: float, total: float) -> tuple[float, float]:
    """Return the exact 95 % interval (Clopper & Pearson 1934).

    Examples
    --------
    >>> [round(end, 3) for end in exact(8, 10)]
    [0.444, 0.975]
    """
    low = 0.0 if right <= 0 else float(betaincinv(right, total - right + 1, 0.025))
    high = 1.0 if right >= total else float(betaincinv(right + 1, total - right, 0.975))
    return low, high


def standing(right: float, total: float, share: float) -> float:
    """Return the distance of a proportion from a possible one, in that one's standard errors."""
    error = math.sqrt(share * (1 - share) / total)
    away = right / total - share
    return away / error if error > 0 else math.copysign(math.inf, away) if away else 0.0
