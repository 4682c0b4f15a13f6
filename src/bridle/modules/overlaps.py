"""Penalties of one weight whose sum has no proximal step, found before the first step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from bridle.errors import UsageError
from bridle.modules.attachment import Attachment
from bridle.modules.decaying import penalties_among
from bridle.modules.joint_penalty import JointPenalty
from bridle.modules.rules import Chosen, plain
from bridle.penalties import Annealed, Penalty, at_step
from bridle.penalties.overlaps import in_order, refuse_order, refuse_overlap, rests

__all__ = ["refuse_overlaps"]

Rule = Penalty | Annealed


def refuse_overlaps(
    parameters: Mapping[str, nn.Parameter],
    chosen: Chosen,
    joint: Sequence[JointPenalty],
    metric: str,
    earlier: Iterable[Attachment],
) -> None:
    """Refuse penalties of one weight whose proximal steps do not make the step of their sum.

    Raises
    ------
    UsageError
        If groups overlap and are not nested, also with those of earlier attachments.
    """
    per_weight = metric == "adaptive"
    acting: dict[str, list[Penalty]] = {}
    for name, weight in parameters.items():
        rules = penalties_among(chosen[name])
        acting[name] = _at_factor_1(rules)
        try:
            for step in _steps_of(rules):
                in_order(at_step(rules, step), weight, per_weight=per_weight)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
    taken: dict[int, JointPenalty] = {}
    before = [each for each in earlier if each.mode == "proximal"]
    for other in before:
        taken |= {id(w): each for each in other.joint for w in each.parameters.values()}
        per_step = per_weight or other.metric == "adaptive"
        for name, penalties in acting.items():
            for first in _on(parameters[name], other):
                for then in penalties:
                    _refuse_later(name, first, then, parameters[name], per_weight=per_step)
    for each in joint:
        for step in _steps_of(each.rules):
            in_order(each.acting_at(step), each.table_like(), per_weight=per_weight)
        for name, weight in each.parameters.items():
            if id(weight) in taken:
                raise UsageError(
                    f"{name} is in groups of {taken[id(weight)]} and in other ones of {each}, and "
                    "the sum of overlapping norms has no closed-form proximal step: leave it out "
                    "of one of them, use Sparsity(groups='joint'), or mode='coupled'"
                )
            taken[id(weight)] = each
            inside = [penalty for other in before for penalty in _single_on(weight, other)]
            inside += acting.get(name, [])
            _refuse_inside(name, weight, inside, each, per_weight=per_weight)


def _at_factor_1(rules: Iterable[Rule]) -> list[Penalty]:
    """Return the penalties of rules, annealed or not, that can act."""
    return [penalty for penalty in map(plain, rules) if not rests(penalty)]


def _steps_of(rules: Sequence[Rule]) -> tuple[int, ...]:
    """Return steps at which rules are checked; at each step, they are checked again."""
    schedules = [type(rule.schedule) for rule in rules if isinstance(rule, Annealed)]
    known = schedules and all(each.__module__.startswith("bridle.") for each in schedules)
    return (0, *(10**power for power in range(8))) if known else (0,)


def _single_on(weight: nn.Parameter, other: Attachment) -> list[Penalty]:
    """Return the penalties that an attachment has on a weight, without those of joint groups."""
    names = [name for name, each in other.parameters.items() if each is weight]
    return [
        penalty
        for name in names
        if name in other.rules
        for penalty in _at_factor_1(penalties_among(other.rules[name]))
    ]


def _on(weight: nn.Parameter, other: Attachment) -> list[Penalty]:
    """Return the penalties that an attachment has on a weight."""
    parts = [
        penalty
        for each in other.joint
        for name, joined in each.parameters.items()
        if joined is weight
        for penalty in each.parts_of(name)
    ]
    return [*_single_on(weight, other), *parts]


def _refuse_later(
    name: str, first: Penalty, then: Penalty, weight: nn.Parameter, *, per_weight: bool
) -> None:
    """Refuse a penalty that acts after one of an earlier attachment, and does not fit."""
    if first.constraint or then.constraint:
        return
    try:
        refuse_order(first, then, weight, per_weight=per_weight)
    except UsageError as error:
        raise UsageError(f"{name}, with an earlier attachment: {error}") from None


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
