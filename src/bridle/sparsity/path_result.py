"""``LambdaPath``: the networks of a path, one for each strength."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import nn

from bridle.errors import UsageError
from bridle.penalties.protocol import is_number

__all__ = ["LambdaPath"]


@dataclass(frozen=True, eq=False)
class LambdaPath:
    """The result of :func:`lambda_path`: one entry for each strength, from the largest down.

    Attributes
    ----------
    strengths, held_out_loss, training_loss, held_out_score : tuple of float
        Losses and scores are computed without noise and without the penalty. ``held_out_score`` is
        None if no score was given.
    zeros : tuple of dict of str to float
        The share of exact zeros in each selected parameter.
    dead_units, dead_inputs : tuple of dict of str to int
        Counts for each linear or convolutional layer: units (channels) whose incoming weights are
        all zero, and inputs (channels) whose outgoing weights in that layer are all zero.
    states : tuple of dict
        The ``state_dict()`` at each strength, on the CPU.
    epochs : tuple of int
        The number of training epochs at each strength.
    """

    strengths: tuple[float, ...]
    held_out_loss: tuple[float, ...]
    training_loss: tuple[float, ...]
    held_out_score: tuple[float, ...] | None
    zeros: tuple[dict[str, float], ...]
    dead_units: tuple[dict[str, int], ...]
    dead_inputs: tuple[dict[str, int], ...]
    states: tuple[dict[str, Any], ...] = field(repr=False)
    epochs: tuple[int, ...]
    _original: nn.Module = field(repr=False)

    @property
    def best(self) -> int:
        """The index of the lowest held-out loss. On ties, the largest strength wins."""
        return self.held_out_loss.index(min(self.held_out_loss))

    @property
    def sparsity(self) -> tuple[float, ...]:
        """The share of exact zeros in all selected parameters, at each strength."""
        return tuple(
            float(torch.cat([state[name].flatten() == 0 for name in names]).double().mean())
            for state, names in zip(self.states, self.zeros, strict=True)
        )

    def at_sparsity(self, target: float) -> int:
        """Return the index of the lowest held-out loss among entries with so many zeros.

        Parameters
        ----------
        target : float
            The least share of exact zeros in the selected parameters.

        Raises
        ------
        UsageError
            If no entry has so many, or if ``target`` is no share.
        """
        if not is_number(target) or not 0 <= target <= 1:
            raise UsageError(f"target is {target!r}; it must be a share of zeros, from 0 to 1")
        shares = self.sparsity
        enough = [at for at, share in enumerate(shares) if share >= target]
        if not enough:
            raise UsageError(
                f"no strength has {target:.2%} of zeros, the most are {max(shares):.2%}: give "
                "larger strengths, or train with bridle.Sparsity"
            )
        return min(enough, key=lambda at: self.held_out_loss[at])

    def model(self, index: int) -> nn.Module:
        """Return a copy of the given model, in its original mode, with the weights of an entry."""
        count = len(self.strengths)
        if not -count <= index < count:
            raise UsageError(f"index is {index}; the path has {count} strengths, 0 to {count - 1}")
        model = copy.deepcopy(self._original)
        model.load_state_dict(self.states[index])
        return model

    def __str__(self) -> str:
        """Return a table with one line for each strength. An asterisk marks the best one."""
        heads = ["", "λ", "training loss", "held-out loss", "held-out score"]
        table = [[*heads, "zeros", "dead units", "dead inputs", "epochs"]]
        for at, zero in enumerate(self.sparsity):
            numbers = [self.strengths[at], self.training_loss[at], self.held_out_loss[at]]
            score = "-" if self.held_out_score is None else f"{self.held_out_score[at]:.4g}"
            dead = [sum(each[at].values()) for each in (self.dead_units, self.dead_inputs)]
            cells = ["*" * (at == self.best), *(f"{x:.5g}" for x in numbers), score, f"{zero:.1%}"]
            table.append([*cells, *map(str, dead), str(self.epochs[at])])
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join("  ".join(map(str.rjust, line, widths)) for line in table)

    def to_dict(self) -> dict[str, Any]:
        """Return everything except the weights, as JSON values."""
        names = [each.name for each in fields(self) if each.name not in ("states", "_original")]
        values = {name: copy.deepcopy(list(getattr(self, name) or ())) for name in names}
        # a score may be NaN (R² of one row), and JSON has no NaN
        scores = [value if math.isfinite(value) else None for value in values["held_out_score"]]
        more = {"sparsity": list(self.sparsity), "best": self.best}
        return values | {"held_out_score": scores or None} | more
