"""``SparseWeights``: the weights that a target sparsity acts on, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.penalties.groupings import Grouping
from bridle.penalties.target import Sparsity

__all__ = ["SparseWeights"]


class SparseWeights:
    """Weights with a target sparsity. It has no state but the number of steps.

    Attributes
    ----------
    rule : Sparsity
    weights : list of Tensor
        Changed in place.
    groupings : list of Grouping
        The groups of each weight.
    step : int
        The number of steps so far.
    threshold : float
        The root mean square of the largest group that was set to zero, when groups were last
        chosen.
    """

    def __init__(
        self, rule: Sparsity, weights: Sequence[Tensor], groupings: Sequence[Grouping]
    ) -> None:
        rule.check_reachable(weights, groupings)
        self.rule = rule
        self.weights = list(weights)
        self.groupings = list(groupings)
        self.step = 0
        self.threshold = 0.0
        self._zeros: list[Tensor] | None = None

    @property
    def reached(self) -> float:
        """The share of exact zeros."""
        zeros = sum(int((w == 0).sum()) for w in self.weights)
        return zeros / sum(w.numel() for w in self.weights)

    def zero_groups(self) -> list[Tensor]:
        """Return whether each group of each weight is zero."""
        pairs = zip(self.weights, self.groupings, strict=True)
        return [groups.norms(w.detach()) == 0 for w, groups in pairs]

    def before_step(self) -> None:
        """Remember the groups that must stay zero in the next step."""
        steps = self.step + 1
        stay = steps > self.rule.begin and not self.rule.chooses(steps)
        self._zeros = self.zero_groups() if stay else None

    @torch.no_grad()
    def after_step(self) -> None:
        """Set the groups that are due to zero, or keep those that were."""
        self.step += 1
        if self.rule.chooses(self.step):
            self.threshold = self.rule.apply(self.weights, self.groupings, self.step)
        elif self._zeros is not None:
            for w, groups, zero in zip(self.weights, self.groupings, self._zeros, strict=True):
                w.masked_fill_(groups.times(torch.ones_like(w), zero) > 0, 0.0)
        self._zeros = None
