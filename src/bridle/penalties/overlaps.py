"""Which penalties act together: in which order their proximal steps make the step of the sum."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.penalties.grouped import Grouped, GroupLasso, SparseGroupLasso
from bridle.penalties.groupings import Grouping
from bridle.penalties.l1_l2 import L1
from bridle.penalties.nonconvex import MCP, SCAD, LogSum, RootNorm
from bridle.penalties.protocol import Penalty
from bridle.penalties.sorted_l1 import SortedL1
from bridle.penalties.weighted import WeightedL1

__all__ = ["in_order", "refuse_overlap"]

_SINGLE = (WeightedL1, MCP, SCAD, RootNorm, LogSum)


def in_order(penalties: Sequence[Penalty], weight: Tensor, *, per_weight: bool) -> list[Penalty]:
    """Return penalties, without L1 and L2, in the order in which their steps act.

    Norms of small groups come before those of larger ones that contain them: then the steps one by
    one are the proximal step of the sum (Jenatton et al. 2011). The outermost penalty may be any
    function of the norms. Constraints hold at the end.

    Parameters
    ----------
    penalties : sequence of Penalty
    weight : Tensor
        What they act on; only its shape matters.
    per_weight : bool
        Whether each weight has a step size of its own.

    Raises
    ------
    UsageError
        If groups of two penalties overlap and are not nested, or if the steps one by one are not
        the step of the sum for another reason.

    Examples
    --------
    >>> import torch, bridle
    >>> from bridle.penalties.overlaps import in_order
    >>> tensor, rows = bridle.Grouped(bridle.L1(1.0), "whole"), bridle.GroupLasso(1.0)
    >>> in_order([tensor, rows], torch.zeros(2, 3), per_weight=False)
    [GroupLasso(1.0), Grouped(L1(1.0), 'whole')]
    """
    others = [penalty for penalty in penalties if penalty.elastic is None]
    if len(others) < 2:
        return others
    ordered = sorted(others, key=lambda penalty: _place(penalty, weight))
    acting = [each for each in ordered if not each.constraint and _groups_of(each) is not None]
    for inner, outer in pairwise(acting):
        refuse_overlap(inner, outer, weight, per_weight=per_weight)
    return ordered


def refuse_overlap(inner: Penalty, outer: Penalty, weight: Tensor, *, per_weight: bool) -> None:
    """Raise a UsageError if the step of one penalty after another is not the step of their sum."""
    inside, around = _groups_of(inner), _groups_of(outer)
    if inside is None or around is None:
        return
    single = inside.size(weight) == 1
    reason = ""
    if any(isinstance(_plain(each), SortedL1) for each in (inner, outer)):
        reason = "act on ranks, and on other groups"
    elif not _nested(inside, around, weight.shape):
        reason = "have groups that overlap"
    elif not _is_norm(inner):
        reason = "are not both norms"
    elif not single and isinstance(_plain(outer), SparseGroupLasso):
        reason = "would act on single weights after whole groups"
    elif not single and per_weight:
        reason = "act on groups in groups, with a step size for each weight"
    if reason:
        raise UsageError(
            f"{inner} and {outer} {reason}, so that their sum has no closed-form proximal step: "
            "leave out one of them, choose groups one inside the other, or use mode='coupled'"
            + (" or metric='euclidean'" if per_weight and "step size" in reason else "")
        )


def _place(penalty: Penalty, weight: Tensor) -> tuple[bool, int, int]:
    """Return what penalties are sorted by: constraints last, and small groups first."""
    groups = _groups_of(penalty)
    rank = 0 if isinstance(_plain(penalty), SparseGroupLasso) else 2 - _is_norm(penalty)
    return penalty.constraint, 0 if groups is None else groups.size(weight), rank


def _plain(penalty: Any) -> Any:
    """Return the penalty inside a scaled one, or inside one of a pruned weight."""
    while not isinstance(penalty, Grouped) and hasattr(penalty, "penalty"):
        if not type(penalty).__module__.startswith("bridle."):
            break  # one's own penalty, which may be anything
        penalty = penalty.penalty
    return penalty


def _groups_of(penalty: Penalty) -> Grouping | None:
    """Return the groups of a penalty that is a sum over groups; None if that is not known."""
    plain = _plain(penalty)
    if isinstance(plain, Grouped | GroupLasso | SparseGroupLasso):
        return plain.groups
    if isinstance(plain, SortedL1):
        return Grouping.whole()
    single = isinstance(plain, _SINGLE) or plain.elastic is not None
    return Grouping.elements() if single else None


def _is_norm(penalty: Penalty) -> bool:
    """Whether a penalty may act before one of larger groups: a sum of norms, or L1 and L2."""
    plain = _plain(penalty)
    if isinstance(plain, Grouped):
        plain = plain.penalty
        return isinstance(plain, L1 | WeightedL1)
    return isinstance(plain, GroupLasso | SparseGroupLasso | WeightedL1) or (
        plain.elastic is not None
    )


@lru_cache(maxsize=256)
def _nested(inner: Grouping, outer: Grouping, shape: torch.Size) -> bool:
    """Whether each group of one grouping is within one group of another."""
    weight = torch.empty(shape, device="meta")
    if inner.size(weight) == 1:
        return True
    view, axes = outer.view(weight)
    kept = [1 if axis in axes else size for axis, size in enumerate(view.shape)]
    count = int(torch.Size(kept).numel())
    group = torch.arange(count, dtype=torch.int32).view(kept).expand(view.shape).reshape(shape)
    table = inner.table(group)
    return bool((table == table[:, :1]).all())
