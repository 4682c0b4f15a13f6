"""A paired comparison of two scores."""

from __future__ import annotations

from dataclasses import dataclass

from bridle.statistics.estimate import Estimate

__all__ = ["SAME", "Comparison"]

SAME = 0.01
"""Scores that differ by less are the same for practical purposes."""


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of two networks on the same rows.

    For accuracy the probabilities assume that the true difference is normally distributed around
    the measured one; for R² they come from a bootstrap-t. "Same" is a difference below one point.
    They are NaN if a score is undefined, or if there are fewer than 4 rows for R².

    Attributes
    ----------
    difference : Estimate
        The second score minus the first.
    better, same, worse : float
        The probabilities that the second is better, the same for practical purposes, or worse.
    answer : {"better", "same", "worse", "cannot tell"}
        The outcome whose probability is 0.95 or more, if the interval agrees: it is above 0, within
        one point of 0, or below 0. Otherwise "cannot tell".
    discordant : tuple of int, optional
        For accuracy: the rows that only the second predicts correctly, and those that only the
        first does. With groups, effective rows; see :attr:`bridle.statistics.Judged.counts`.
    """

    difference: Estimate
    better: float
    same: float
    worse: float
    discordant: tuple[float, float] | None = None

    @property
    def answer(self) -> str:
        """The outcome whose probability is 0.95 or more and that the interval shows too."""
        low, high = self.difference.low, self.difference.high
        shown = {"better": low > 0, "same": -SAME <= low <= high <= SAME, "worse": high < 0}
        for outcome, agrees in shown.items():
            if agrees and getattr(self, outcome) >= 0.95:
                return outcome
        return "cannot tell"
