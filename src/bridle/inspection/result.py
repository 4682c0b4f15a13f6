"""``CoAdaptation``: the result of ``co_adaptation``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CoAdaptation"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class CoAdaptation:
    """How much the loss rises when units of one layer are removed, alone and in pairs.

    Let L(S) be the mean loss per row without the units in S, and Δ(S) = L(S) − L(∅).

    - The interaction of a pair is I(i, j) = Δ(i, j) − Δ(i) − Δ(j), in units of loss. If it is
      negative, the two units need each other: without one, the other contributes less. If it is
      positive, they stand in for each other: without both, the loss rises by more than the sum of
      the two single removals.
    - ``share = Σ|I| / Σ(|I| + |Δ(i)| + |Δ(j)|)`` over the measured pairs, from 0 to 1, is the part
      of the change in loss that comes from pairs. It is 0 if the effects of removals add up. It is
      dimensionless, and scaling the loss does not change it. It decreases with the width of the
      layer, since each unit then contributes less. So compare networks of the same width, on the
      same rows.

    Attributes
    ----------
    layer : str
        The layer whose units were removed.
    removed : {"zero", "mean"}
        The value that replaced a removed unit: 0, or its mean over the rows.
    loss : float
        L(∅), the loss with all units.
    single : float64 ``[units]``
        Δ(i).
    pairs : int64 ``[pairs, 2]``
        The measured pairs, i < j.
    together : float64 ``[pairs]``
        Δ(i, j).
    """

    layer: str
    removed: str
    loss: float
    single: FloatArray
    pairs: IntArray
    together: FloatArray

    @property
    def units(self) -> int:
        """The number of units of the layer."""
        return len(self.single)

    @property
    def all_pairs(self) -> int:
        """The number of all pairs: units (units − 1) / 2."""
        return self.units * (self.units - 1) // 2

    @property
    def interaction(self) -> FloatArray:
        """I(i, j) of each measured pair, float64 ``[pairs]``."""
        return self.together - self.single[self.pairs].sum(1)

    @property
    def share(self) -> float:
        """``Σ|I| / Σ(|I| + |Δ(i)| + |Δ(j)|)``: a summary for comparing networks."""
        return self.needing + self.standing_in

    @property
    def needing(self) -> float:
        """The part of ``share`` from negative interactions: units that need each other."""
        return self._part(-self.interaction)

    @property
    def standing_in(self) -> float:
        """The part of ``share`` from positive interactions: units that replace each other."""
        return self._part(self.interaction)

    @property
    def share_error(self) -> float:
        """The standard error of ``share`` from sampling pairs; 0 if all pairs were measured.

        This is the standard error of a ratio of two sums, over a simple random sample of the pairs
        without replacement (Cochran 1977, Sampling Techniques, section 6.4). It is valid although
        pairs share units. It does not cover the variation between rows or between networks.
        """
        count = len(self.pairs)
        whole = self._whole()
        if count == self.all_pairs or not whole.any():
            return 0.0
        residual = np.abs(self.interaction) - self.share * whole
        variance = (1 - count / self.all_pairs) * np.square(residual).sum() / (count - 1) / count
        return float(math.sqrt(variance) / whole.mean())

    def _whole(self) -> FloatArray:
        return np.abs(self.interaction) + np.abs(self.single[self.pairs]).sum(1)

    def _part(self, interaction: FloatArray) -> float:
        whole = self._whole().sum()
        return float(interaction.clip(min=0).sum() / whole) if whole else 0.0

    def matrix(self) -> FloatArray:
        """Return the interactions, float64 ``[units, units]``; NaN for pairs not measured.

        The diagonal contains Δ(i).
        """
        matrix = np.full((self.units, self.units), np.nan)
        first, second = self.pairs.T
        matrix[first, second] = matrix[second, first] = self.interaction
        np.fill_diagonal(matrix, self.single)
        return matrix

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-compatible values."""
        return {
            "layer": self.layer,
            "removed": self.removed,
            "loss": self.loss,
            "share": self.share,
            "share_error": self.share_error,
            "needing": self.needing,
            "standing_in": self.standing_in,
            "single": self.single.tolist(),
            "pairs": self.pairs.tolist(),
            "together": self.together.tolist(),
        }

    def __str__(self) -> str:
        of = "all" if len(self.pairs) == self.all_pairs else f"{len(self.pairs)} of the"
        sampled = f" ± {100 * self.share_error:.1f}" if self.share_error else ""
        return (
            f"{self.layer}: {self.units} units, {of} {self.all_pairs} pairs, loss {self.loss:.4g}; "
            f"{100 * self.share:.1f}{sampled} % of the change in loss comes from pairs "
            f"({100 * self.needing:.1f} % from units that need each other, "
            f"{100 * self.standing_in:.1f} % from units that stand in for each other)"
        )
