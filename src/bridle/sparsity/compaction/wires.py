"""Units, and where they are: which entries of which tensors must stay or go together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Units", "Wire"]


@dataclass(frozen=True)
class Wire:
    """The units along one axis of an activation; ``ids`` is int64 ``[features]``."""

    axis: int
    ids: Tensor


class Units:
    """Numbers units, and joins the ones that only go together (union-find)."""

    def __init__(self) -> None:
        self._parent: list[int] = []

    def new(self, count: int) -> Tensor:
        """Return the ids of new units."""
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def find(self, unit: int) -> int:
        """Return the unit that stands for all that are joined with this one."""
        parent = self._parent
        while parent[unit] != unit:
            parent[unit] = parent[parent[unit]]
            unit = parent[unit]
        return unit

    def join(self, ours: Tensor, others: Tensor) -> None:
        """Join units pairwise."""
        for left, right in zip(ours.tolist(), others.tolist(), strict=True):
            first, second = self.find(left), self.find(right)
            self._parent[max(first, second)] = min(first, second)

    def join_all(self, ids: Tensor) -> None:
        """Join units into one."""
        self.join(ids[:-1], ids[1:])

    def roots(self) -> Tensor:
        """Return, for each id, the id that stands for it."""
        return torch.tensor([self.find(unit) for unit in range(len(self._parent))]).long()
