"""Penalties of bridle's own weights ``[members, in, out]``: which axes their groups have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bridle.errors import UsageError
from bridle.penalties.annealing import Annealed, Scaled, inside
from bridle.penalties.constraints import NOfM
from bridle.penalties.grouped import Grouped, SparseGroupLasso
from bridle.penalties.groupings import Grouping
from bridle.penalties.nuclear import NuclearNorm
from bridle.penalties.protocol import Penalty
from bridle.penalties.sorted_l1 import SortedL1
from bridle.penalties.target import Sparsity

__all__ = ["groups_of_members", "of_members", "penalties_of_members"]

_AXES = {"units": (-2,), "inputs": (-1,), "whole": (-2, -1)}


def groups_of_members(groups: Grouping) -> Grouping:
    """Return a grouping with its axes in ``[members, in, out]``; each member has its own groups.

    Raises
    ------
    UsageError
        If such weights have no such groups.
    """
    if groups.name == "heads":
        raise UsageError(
            "the weights of a bridle.Network have no attention heads: give other groups"
        )
    return Grouping.along(_AXES[groups.name]) if groups.name in _AXES else groups


def of_members(penalty: Penalty) -> Penalty:
    """Return a penalty with its axes in ``[members, in, out]``."""
    if isinstance(penalty, Scaled):
        changed = of_members(penalty.penalty)
        return penalty if changed is penalty.penalty else Scaled(changed, penalty.factor)
    if isinstance(penalty, Grouped | SparseGroupLasso):
        groups = groups_of_members(penalty.groups)
        return penalty if groups is penalty.groups else penalty.by(groups)
    if isinstance(penalty, NOfM) and penalty.dim is None:
        return NOfM(penalty.n, penalty.m, dim=-2)
    if isinstance(penalty, NuclearNorm) and not penalty.batched:
        return NuclearNorm(penalty.strength, batched=True)
    if isinstance(penalty, SortedL1) and not penalty.batched:
        return penalty.of_members()
    return penalty


def penalties_of_members(penalties: Iterable[Any]) -> tuple[Penalty | Annealed, ...]:
    """Return the penalties of a network's training, with their axes in ``[members, in, out]``.

    Raises
    ------
    UsageError
        If there is a target sparsity among them.

    Examples
    --------
    >>> import bridle
    >>> penalties_of_members([bridle.L2(0.1), bridle.Grouped(bridle.L1(0.1), "units")])
    (L2(0.1), Grouped(L1(0.1), Grouping.along((-2,))))
    """
    given = tuple(penalties)
    for each in given:
        if isinstance(each, Sparsity):
            raise UsageError(
                f"{each} is no penalty: attach it to the optimizer, as in bridle.attach(optimizer, "
                "{'*': rule}, model=network), and give that optimizer"
            )
    return tuple(inside(each, of_members) for each in given)
