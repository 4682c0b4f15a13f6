"""Which penalties act together: in which order their proximal steps make the step of the sum."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.penalties.annealing import Scaled
from bridle.penalties.constraints import NOfM, NonNegative
from bridle.penalties.grouped import Grouped, GroupLasso, SparseGroupLasso
from bridle.penalties.groupings import Grouping
from bridle.penalties.l1_l2 import L1
from bridle.penalties.nonconvex import MCP, SCAD, LogSum, RootNorm
from bridle.penalties.nuclear import NuclearNorm
from bridle.penalties.protocol import Penalty, Strength, per_member
from bridle.penalties.sorted_l1 import SortedL1
from bridle.penalties.weighted import WeightedL1

__all__ = ["in_order", "l2_of", "refuse_order", "refuse_overlap", "rests", "shortened"]

_SINGLE = (WeightedL1, MCP, SCAD, RootNorm, LogSum)


def in_order(penalties: Sequence[Penalty], weight: Tensor, *, per_weight: bool) -> list[Penalty]:
    """Return penalties, without L1 and L2, in the order in which their steps act.

    Norms of small groups come before those of larger ones that contain them: then the steps one by
    one are the proximal step of the sum (Jenatton et al. 2011). The outermost penalty may be any
    function of the norms. ``NonNegative`` and ``NOfM`` come before groups, whose shrinking keeps
    them, and other constraints at the end. What has the strength 0 is left out.

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
    if len(penalties) < 2:
        return [penalty for penalty in penalties if penalty.elastic is None]
    present = [penalty for penalty in penalties if not rests(penalty)]
    others = [penalty for penalty in present if penalty.elastic is None]
    singular = [penalty for penalty in others if _is_spectral(penalty)]
    if len(others) < 2 and not singular:
        return others
    shaped = torch.empty(weight.shape, device="meta")
    ordered = sorted(others, key=lambda penalty: _place(penalty, shaped))
    for spectral in singular:
        for other in present:
            refuse_overlap(other, spectral, shaped, per_weight=per_weight)
    acting = [each for each in ordered if not each.constraint and _groups_of(each) is not None]
    for inner, outer in pairwise(acting):
        refuse_overlap(inner, outer, shaped, per_weight=per_weight)
    return ordered


def refuse_overlap(inner: Penalty, outer: Penalty, weight: Tensor, *, per_weight: bool) -> None:
    """Raise a UsageError if the step of one penalty after another is not the step of their sum."""
    weight = torch.empty(weight.shape, device="meta")
    if any(map(_is_spectral, (inner, outer))):
        _refuse_spectral(inner, outer)
    inside, around = _groups_of(inner), _groups_of(outer)
    if inside is None or around is None:
        return
    single = inside.size(weight) == 1
    reason = ""
    ranks = any(isinstance(_plain(each), SortedL1) for each in (inner, outer))
    if ranks and any(_plain(each).elastic is not None for each in (inner, outer)):
        return  # L1 lowers all ranks alike
    if ranks:
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


def refuse_order(first: Penalty, then: Penalty, weight: Tensor, *, per_weight: bool) -> None:
    """Raise a UsageError if a step that is made after another one belongs before it."""
    weight = torch.empty(weight.shape, device="meta")
    if any(_plain(each).elastic is not None and not _l1_of(each) for each in (first, then)):
        return  # norms and L2 may change places
    inner, outer = sorted((first, then), key=lambda penalty: _place(penalty, weight))
    refuse_overlap(inner, outer, weight, per_weight=per_weight)
    known = _groups_of(inner) is not None and not isinstance(_plain(outer), SortedL1)
    if known and inner is then:
        raise UsageError(
            f"{then} would act after {first}, so that the steps are not the proximal step of "
            "their sum: give both in one call"
        )


def _l1_of(penalty: Penalty) -> bool:
    pair = _plain(penalty).elastic
    return pair is not None and _any(pair[0])


def _refuse_spectral(inner: Penalty, outer: Penalty) -> None:
    """Refuse a nuclear norm beside a penalty of entries or groups, except L2."""
    other = inner if _is_spectral(outer) else outer
    only_l2 = _plain(other).elastic is not None and not _l1_of(other)
    if _groups_of(other) is None or other.constraint or only_l2:
        return
    raise UsageError(
        f"{inner} and {outer} act on singular values and on entries, so that their sum has no "
        "closed-form proximal step: leave out one of them, or use mode='coupled'"
    )


def l2_of(penalty: Penalty) -> Strength:
    """Return λ of the term ``½ λ Σw²`` of a penalty, which may be scaled or of a pruned weight."""
    if penalty.elastic is not None:
        return penalty.elastic[1]
    if isinstance(penalty, Scaled):
        return penalty.factor * l2_of(penalty.penalty)
    plain = _plain(penalty)
    return 0.0 if plain is penalty else l2_of(plain)


def shortened(step: float | Tensor, l2: Strength, weight: Tensor) -> float | Tensor:
    """Return the step size t / (1 + t λ) of what acts after L2.

    Of ``R(u) + ½ λ |u|² + |u - w|² / 2t``, the square is completed at ``w / (1 + t λ)``, the step
    of L2. With a λ for each member, there is a step size for each, ``[members, 1, ...]``.
    """
    if not _any(l2):
        return step
    if isinstance(l2, Tensor):
        members = l2.flatten()
        l2 = float(members[0]) if bool((members == members[0]).all()) else per_member(l2, weight)
    if isinstance(step, Tensor):
        return 1 / (1 / step + l2)
    return step / (1 + step * l2)


def _any(strength: Strength) -> bool:
    return bool(strength.any()) if isinstance(strength, Tensor) else bool(strength)


def rests(penalty: Penalty) -> bool:
    """Whether a penalty has the strength 0."""
    if isinstance(penalty, Scaled) and not penalty.factor:
        return True
    plain = _plain(penalty)
    if isinstance(plain, Grouped):
        plain = plain.penalty
    if isinstance(plain, SparseGroupLasso):
        return not (_any(plain.l1) or _any(plain.group))
    if isinstance(plain, SortedL1):
        return not (plain.strength or plain.pairwise)
    known = isinstance(plain, (GroupLasso, NuclearNorm, L1, *_SINGLE))
    return known and not _any(plain.strength)


def _is_spectral(penalty: Penalty) -> bool:
    return isinstance(_plain(penalty), NuclearNorm)


def _place(penalty: Penalty, weight: Tensor) -> tuple[bool, int, int]:
    """Return what penalties are sorted by: small groups first, and other constraints last."""
    plain = _plain(penalty)
    if isinstance(plain, NonNegative | NOfM):  # after what acts on single weights
        return False, 1, 3 + isinstance(plain, NOfM)
    groups = _groups_of(penalty)
    rank = 0 if isinstance(plain, SparseGroupLasso) else 2 - _is_norm(penalty)
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
