"""Rows that dominate R²: a wrong value makes up most of the squared error or of the variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bridle.statistics.resampling import DOMINATING, FloatArray
from bridle.statistics.scores import Judged
from bridle.statistics.wording import TOLERANCE

__all__ = ["DOMINATES", "Dominant", "dominant_rows", "several_dominate"]

DOMINATES = "of the new rows make"
"""In a reason, where rows dominate."""

_MANY_ROWS = 30
_NEARLY_ALL = 0.9
"""Below 30 rows, good rows too make up a third; only one row with this share then dominates."""


def several_dominate(reason: str) -> bool:
    """Return whether a reason says that several rows dominate, not one.

    Examples
    --------
    >>> several_dominate("three of the new rows make up 60 % of the variance")
    True
    """
    return f"three {DOMINATES}" in reason


@dataclass(frozen=True)
class Dominant:
    """The rows, one or three, that dominate a sum.

    Attributes
    ----------
    rows : tuple of int
        Their positions, the largest first.
    share : float
        Their share of the sum.
    what : {"squared error", "variance"}
    """

    rows: tuple[int, ...]
    share: float
    what: str

    @property
    def text(self) -> str:
        """What they do, for a reason."""
        who = f"one {DOMINATES}s" if len(self.rows) == 1 else f"three {DOMINATES}"
        share = "more than 99" if self.share > 0.99 else f"{100 * self.share:.0f}"
        return f"{who} up {share} % of the {self.what}"


def dominant_rows(judged: Judged) -> Dominant | None:
    """Return the rows that dominate R²; None if no rows do, or if R² hardly changes without them.

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics import judge_values
    >>> truth = np.append(np.arange(50.0), 1e6)
    >>> dominant_rows(judge_values(np.arange(51.0), truth)).rows
    (50,)
    >>> dominant_rows(judge_values(np.arange(51.0), np.arange(51.0) + 0.1)) is None
    True
    """
    if judged.is_share or not judged.has_interval:
        return None
    for what, values in (("squared error", judged.rows), ("variance", judged.spread)):
        found = _largest(values, what)
        if found is None:
            continue
        error, spread = (np.delete(each, found.rows) for each in (judged.rows, judged.spread))
        without = 1 - float(error.sum()) / float(spread.sum()) if spread.any() else -np.inf
        if abs(without - judged.value) > TOLERANCE:
            return found
    return None


def _largest(values: FloatArray, what: str) -> Dominant | None:
    total = float(values.sum())
    if total == 0:
        return None
    order = np.argsort(-values, kind="stable")
    for count, least in DOMINATING.items():
        rows = tuple(order[:count].tolist())
        share = float(values[list(rows)].sum()) / total
        nearly_all = count == 1 and share > _NEARLY_ALL
        if share > least and (nearly_all or len(values) >= _MANY_ROWS):
            return Dominant(rows, share, what)
    return None
