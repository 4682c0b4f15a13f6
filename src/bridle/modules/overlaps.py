"""Penalties of one weight whose sum has no proximal step, found before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from bridle.errors import UsageError
from bridle.modules.decaying import penalties_among
from bridle.modules.joint_penalty import JointPenalty
from bridle.modules.rules import Chosen
from bridle.penalties import Penalty, at_step
from bridle.penalties.overlaps import in_order, refuse_overlap

__all__ = ["refuse_overlaps"]


def refuse_overlaps(
    parameters: Mapping[str, nn.Parameter],
    chosen: Chosen,
    joint: Sequence[JointPenalty],
    metric: str,
) -> None:
    """Refuse penalties of one weight whose proximal steps do not make the step of their sum.

    Raises
    ------
    UsageError
        If groups overlap and are not nested.
    """
    per_weight = metric == "adaptive"
    acting: dict[str, list[Penalty]] = {}
    for name, weight in parameters.items():
        acting[name] = list(at_step(penalties_among(chosen[name]), 0))
        try:
            in_order(acting[name], weight, per_weight=per_weight)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
    taken: dict[int, JointPenalty] = {}
    for each in joint:
        in_order(each.acting, each.table_like(), per_weight=per_weight)
        for name, weight in each.parameters.items():
            if id(weight) in taken:
                raise UsageError(
                    f"{name} is in groups of {taken[id(weight)]} and in other ones of {each}, and "
                    "the sum of overlapping norms has no closed-form proximal step: leave it out "
                    "of one of them, use Sparsity(groups='joint'), or mode='coupled'"
                )
            taken[id(weight)] = each
            _refuse_inside(name, weight, acting.get(name, []), each, per_weight=per_weight)


def _refuse_inside(
    name: str,
    weight: nn.Parameter,
    penalties: Sequence[Penalty],
    around: JointPenalty,
    *,
    per_weight: bool,
) -> None:
    """Refuse penalties of one weight that act before those of joint groups, and do not fit."""
    for outer in around.parts_of(name):
        for penalty in penalties:
            if penalty.constraint:
                continue
            try:
                refuse_overlap(penalty, outer, weight, per_weight=per_weight)
            except UsageError as error:
                raise UsageError(f"{name}, joined with others: {error}") from None
