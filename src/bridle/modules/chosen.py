"""From rules to what acts: the penalties of single weights, joint penalties, target sparsities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from bridle.errors import UsageError
from bridle.modules.bound import BoundWeights, weights_for
from bridle.modules.joint import Joint
from bridle.modules.joint_penalty import JointPenalty, check_joint_rule
from bridle.modules.joint_weights import bind_joint
from bridle.modules.layout import groups_in
from bridle.modules.rules import Chosen, penalties_by_name
from bridle.modules.select import Selector
from bridle.modules.sparsity_target import SparsityTarget
from bridle.penalties import Sparsity
from bridle.penalties.annealing import kind_of_penalty

__all__ = ["ChosenRules", "chosen_rules"]


@dataclass(frozen=True)
class ChosenRules:
    """What acts on a model's parameters: the penalties and the decay of each, and what joins them.

    The joint penalties and the target sparsities are in the order in which they act.
    """

    single: Chosen
    joint: list[JointPenalty]
    targets: list[SparsityTarget]

    def penalties(self) -> Chosen:
        """Return the rules of each parameter without target sparsities, by its qualified name."""
        found = dict(self.single)
        for each in self.joint:
            for name in each.parameters:
                found[name] = (*found.get(name, ()), *each.rules)
        return found

    def by_name(self) -> dict[str, tuple[Any, ...]]:
        """Return all rules of each parameter, by its qualified name."""
        found: dict[str, tuple[Any, ...]] = dict(self.penalties())
        for target in self.targets:
            for name in target.parameters:
                found[name] = (*found.get(name, ()), target.rule)
        return found


def chosen_rules(
    model: nn.Module, rules: Any, *, mode: str = "proximal", metric: str = "euclidean"
) -> ChosenRules:
    """Return the rules of each parameter, and those of several.

    Raises
    ------
    UsageError
        As for :func:`bridle.attach`.
    """
    others, shares = _apart(rules)
    joint = {}
    if isinstance(others, dict):  # of anything else, penalties_by_name says what is wrong
        joint = {each: others.pop(each) for each in list(others) if isinstance(each, Joint)}
    single = penalties_by_name(model, others) if others or not (shares or joint) else {}
    return ChosenRules(single, _joint_of(model, joint, mode, metric), _targets_of(model, shares))


def _apart(rules: Any) -> tuple[dict[Selector, list[Any]], dict[Selector, Sparsity]]:
    """Return the penalties of rules, and their target sparsities.

    A target's penalty is among the penalties, and ends with the ramp.

    Raises
    ------
    UsageError
        If a selector has several targets.
    """
    if not rules or not hasattr(rules, "items"):
        return rules, {}
    penalties: dict[Selector, Any] = {}
    targets: dict[Selector, Sparsity] = {}
    for selector, given in rules.items():
        each = list(given) if isinstance(given, Sequence) and given else [given]
        for rule in each:
            if isinstance(rule, Sparsity):
                if selector in targets:
                    raise UsageError(f"{selector!r} has two target sparsities; give one")
                targets[selector] = rule
        others = [rule for rule in each if not isinstance(rule, Sparsity)]
        own = targets[selector].rule() if selector in targets else None
        others += [] if own is None else [own]
        if others:
            penalties[selector] = others
    return penalties, targets


def _joint_of(
    model: nn.Module, rules: Mapping[Joint, Sequence[Any]], mode: str, metric: str
) -> list[JointPenalty]:
    """Return the penalties of each joint selector.

    Raises
    ------
    UsageError
        If a rule is no penalty of joint groups, or a weight cannot be in one.
    """
    made = []
    for joint, each in rules.items():
        for rule in each:
            check_joint_rule(joint, rule, mode, metric)
        bound = bind_joint(joint, model, each[0])
        kinds = {kind_of_penalty(rule, 2): rule for rule in each}
        acting = JointPenalty(joint, [*kinds.values()], bound, mode=mode, metric=metric)
        acting.refuse_shapes()
        made.append(acting)
    return made


def _targets_of(model: nn.Module, targets: Mapping[Any, Sparsity]) -> list[SparsityTarget]:
    """Return each target sparsity on the weights that its selector matches.

    Raises
    ------
    UsageError
        If a weight cannot have exact zeros: it is frozen, distributed, or computed from others; if
        two targets match one weight, or if groups do not fit a weight.
    """
    made = []
    taken: dict[int, bool] = {}  # by the weight: whether its groups are joint
    for selector, rule in targets.items():
        joint = isinstance(selector, Joint)
        if joint != (rule.groups.name == "joint"):
            raise UsageError(
                f"{rule} for {selector!r}: groups='joint' belong to a bridle.Joint as the "
                "selector, and to nothing else"
            )
        bound = bind_joint(selector, model, rule) if joint else _bind(model, selector, rule)
        for name, weight in bound.parameters.items():
            # of two joint targets, each adds its own zeros to a weight that both act on
            if id(weight) in taken and not (joint and taken[id(weight)]):
                raise UsageError(
                    f"{name} has a target sparsity already, by another selector: leave it out of "
                    f"{rule}"
                )
        taken |= {id(weight): joint for weight in bound.parameters.values()}
        made.append(SparsityTarget(rule, bound, selector if joint else None))
    return made


def _bind(model: nn.Module, selector: Selector, rule: Sparsity) -> BoundWeights:
    """Return the weights that a selector matches, with their groups."""
    bound = BoundWeights()
    for name, place in weights_for(rule, model, selector).items():
        holder = model.get_submodule(place.path.rpartition(".")[0])
        groups = groups_in(rule.groups, name, place.module, place.parameter.ndim, holder)
        bound.add(name, place, groups)
    return bound
