"""The range of a strength in a search, apart from its check, which needs scipy and pandas."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Range"]


@dataclass(frozen=True)
class Range:
    """The range that a strength is sampled from, and the ends beyond which others lie.

    Attributes
    ----------
    low, high : float
    log : bool
        Whether it is sampled uniformly in its logarithm.
    edges : tuple of {"low", "high"}
        The ends that are edges. At the other end, the regularizer is nearly off.
    """

    low: float
    high: float
    log: bool
    edges: tuple[str, ...]
