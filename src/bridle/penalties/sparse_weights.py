"""``SparseWeights``: the weights that a target sparsity acts on, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.penalties.groupings import Grouping
from bridle.penalties.target import Sparsity

__all__ = ["SparseWeights"]


class SparseWeights:
    """Weights with a target sparsity.

    It has no state but the number of steps and the groups of the last choice. Without these, as
    after a checkpoint, they are found again among the groups that are zero.

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
        self._chosen: list[Tensor] | None = None
        self._held: list[Tensor] | None = None

    @property
    def sizes(self) -> list[int]:
        """The number of weights in a group of each tensor."""
        return [groups.size(w) for w, groups in zip(self.weights, self.groupings, strict=True)]

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
        last = self.rule.last_choice(self.step)
        if last is None or self.rule.chooses(self.step + 1):
            self._held = None
            return
        zeros = self.zero_groups()
        if self._chosen is None:
            self._chosen = self._found_again(zeros, last)
        pairs = zip(zeros, self._chosen, strict=True)
        self._held = [zero & chosen.to(zero.device) for zero, chosen in pairs]

    @torch.no_grad()
    def after_step(self) -> None:
        """Set the groups that are due to zero, or keep those that were."""
        self.step += 1
        if self.rule.chooses(self.step):
            found = self.rule.apply(self.weights, self.groupings, self.step)
            self._chosen = [chosen for chosen, _ in found]
            self.threshold = max(threshold for _, threshold in found)
        elif self._held is not None:
            for w, groups, zero in zip(self.weights, self.groupings, self._held, strict=True):
                groups.clear(w, zero)
        self._held = None

    def moved_to(self, step: int) -> None:
        """Go on from another number of steps, as a checkpoint has it."""
        self.step, self._chosen = step, None

    def _found_again(self, zeros: list[Tensor], last: int) -> list[Tensor]:
        """Return the groups of the last choice: all zeros, or of too many the ones due."""
        sizes = self.sizes
        counts = [int(zero.sum()) * size for zero, size in zip(zeros, sizes, strict=True)]
        total = sum(w.numel() for w in self.weights)
        if sum(counts) <= self.rule.due(last) * total + max(sizes):
            return zeros
        return [due for due, _ in self.rule.thresholds(self.weights, self.groupings, last)]
