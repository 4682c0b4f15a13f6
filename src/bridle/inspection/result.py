"""What was measured: each unit's removal alone, and in pairs."""

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

    With L(S) the mean loss per row without the units in S, and Δ(S) = L(S) − L(∅):

    - the interaction of a pair is I(i, j) = Δ(i, j) − Δ(i) − Δ(j), in units of loss. Below 0, the
      two need each other: without the one, the other is worth less. Above 0, they stand in for
      each other: both gone, more is lost than their removals alone tell.
    - ``share = Σ|I| / Σ(|I| + |Δ(i)| + |Δ(j)|)`` over the measured pairs, from 0 to 1: what part of
      the change of loss belongs to pairs and not to units. It is 0 where removals add up, has no
      unit, and does not change when the loss is multiplied by a number. It falls as a layer gets
      wider, since each unit then does less: compare networks of one width, on the same rows.

    Attributes
    ----------
    layer : str
        Whose units were removed.
    removed : {"zero", "mean"}
        What stood in a unit's place: 0, or its mean over the rows.
    loss : float
        L(∅), with every unit there.
    single : float64 ``[units]``
        Δ(i).
    pairs : int64 ``[pairs, 2]``
        The pairs that were measured, i < j.
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
        """How many units the layer has."""
        return len(self.single)

    @property
    def all_pairs(self) -> int:
        """How many pairs there are: units (units − 1) / 2."""
        return self.units * (self.units - 1) // 2

    @property
    def interaction(self) -> FloatArray:
        """I(i, j) of each measured pair, float64 ``[pairs]``."""
        return self.together - self.single[self.pairs].sum(1)

    @property
    def share(self) -> float:
        """``Σ|I| / Σ(|I| + |Δ(i)| + |Δ(j)|)``: the summary that compares networks."""
        return self.needing + self.standing_in

    @property
    def needing(self) -> float:
        """The part of ``share`` that negative interactions make: units that need each other."""
        return self._part(-self.interaction)

    @property
    def standing_in(self) -> float:
        """The part of ``share`` that positive interactions make: units that replace each other."""
        return self._part(self.interaction)

    @property
    def share_error(self) -> float:
        """The standard error of ``share`` from having sampled pairs; 0 where all were measured.

        That of a ratio of two sums over a simple random sample of the pairs without replacement
        (Cochran 1977, Sampling Techniques, section 6.4). It holds though pairs have units in
        common, and tells nothing of other rows or other networks.
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
        """Return the interactions as float64 ``[units, units]``: NaN where not measured.

        The diagonal has Δ(i).
        """
        matrix = np.full((self.units, self.units), np.nan)
        first, second = self.pairs.T
        matrix[first, second] = matrix[second, first] = self.interaction
        np.fill_diagonal(matrix, self.single)
        return matrix

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values that JSON has."""
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
            f"{100 * self.share:.1f}{sampled} % of the change belongs to pairs "
            f"({100 * self.needing:.1f} % need each other, "
            f"{100 * self.standing_in:.1f} % stand in for each other)"
        )
