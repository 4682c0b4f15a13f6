"""A value with its interval."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes
    ----------
    value : float
        The estimate.
    low, high : float
        The bounds of the interval.
    """

    value: float
    low: float
    high: float

    @property
    def margin(self) -> float:
        """Half the width of the interval: the number after ±."""
        return (self.high - self.low) / 2

    def __neg__(self) -> Estimate:
        """Return the estimate of the opposite quantity."""
        return Estimate(-self.value, -self.high, -self.low)
