"""``SparsityTarget``: a target sparsity that acts through an optimizer's step hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from bridle.errors import UsageError
from bridle.modules.effective import effective_weights
from bridle.modules.layout import groups_in
from bridle.modules.rules import Chosen, penalties_by_name
from bridle.modules.select import Selector, select_places
from bridle.modules.step_hooks import was_skipped
from bridle.ops.sharding import is_sharded
from bridle.penalties import Grouping, Sparsity
from bridle.penalties.sparse_weights import SparseWeights

__all__ = ["SparsityTarget", "chosen_rules"]


class SparsityTarget:
    """A :class:`bridle.Sparsity` on parameters of a model, at every step of an optimizer.

    :func:`bridle.attach` makes it; it is in ``attachment.sparsity``. It has no state but the number
    of steps, and the groups that it chose last: these stay zero.

    Attributes
    ----------
    rule : Sparsity
    parameters : dict of str to Parameter
        The selected weights, by qualified name.
    groupings : dict of str to Grouping
        The groups of each weight.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Linear(4, 5)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> rule = bridle.Sparsity(0.4, groups="units", ramp=2)
    >>> target = bridle.attach(optimizer, {"weight": rule}, model=model).sparsity[0]
    >>> for _ in range(2):
    ...     model(torch.ones(1, 4)).sum().backward()
    ...     optimizer.step()
    >>> target, round(target.reached, 6), target.zero_groups
    (Sparsity(0.4, ramp=2, groups='units'), 0.4, {'weight': 2})
    """

    def __init__(
        self,
        rule: Sparsity,
        parameters: Mapping[str, nn.Parameter],
        groupings: Mapping[str, Grouping],
        places: Mapping[str, tuple[nn.Module, str]],
    ) -> None:
        self.rule = rule
        self.parameters = dict(parameters)
        self.groupings = dict(groupings)
        self._weights = SparseWeights(rule, [*parameters.values()], [*groupings.values()])
        self._places = dict(places)

    def __repr__(self) -> str:
        return repr(self.rule)

    @property
    def step(self) -> int:
        """The number of optimizer steps since the attachment."""
        return self._weights.step

    @step.setter
    def step(self, value: int) -> None:
        self._weights.moved_to(value)

    @property
    def threshold(self) -> float:
        """The largest root mean square of a group that was set to zero by the last choice.

        With ``shrink`` and SGD, divided by the learning rate it is λ.
        """
        return self._weights.threshold

    @property
    def due(self) -> float:
        """The share of zero weights that is due now."""
        return self.rule.due(self.step)

    @property
    def phase(self) -> str:
        """The phase of the last step: "dense", "ramp" or "healing"."""
        return self.rule.phase(self.step)

    @property
    def reached(self) -> float:
        """The share of exact zeros in the selected weights."""
        return self._weights.reached

    @property
    def zeros(self) -> dict[str, float]:
        """The share of exact zeros in each selected weight."""
        return {name: float((w == 0).double().mean()) for name, w in self.parameters.items()}

    @property
    def zero_groups(self) -> dict[str, int]:
        """The number of groups of zeros in each selected weight."""
        counts = [int(each.sum()) for each in self._weights.zero_groups()]
        return dict(zip(self.parameters, counts, strict=True))

    def before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:  # noqa: ARG002
        """Remember the groups that must stay zero in this step."""
        for name, (module, attribute) in self._places.items():
            if module._parameters.get(attribute) is not self.parameters[name]:
                raise UsageError(
                    f"{name} has been replaced, pruned or parametrized since {self.rule} was "
                    "attached to it: detach it, build the optimizer from the model's parameters, "
                    "and attach it again"
                )
        self._weights.before_step()

    def after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Set the groups that are due to zero, or keep those that were."""
        if not was_skipped(optimizer):
            self._weights.after_step()


def chosen_rules(model: nn.Module, rules: Any) -> tuple[Chosen, list[SparsityTarget]]:
    """Return the penalties and the decay of each parameter, and the target sparsities.

    Raises
    ------
    UsageError
        As for :func:`bridle.attach`.
    """
    others, shares = _apart(rules)
    chosen = penalties_by_name(model, others) if others or not shares else {}
    return chosen, _targets_of(model, shares)


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


def _targets_of(model: nn.Module, targets: Mapping[Selector, Sparsity]) -> list[SparsityTarget]:
    """Return each target sparsity on the weights that its selector matches.

    Raises
    ------
    UsageError
        If a weight cannot have exact zeros: it is frozen, distributed, or computed from others; if
        two targets match one weight, or if groups do not fit a weight.
    """
    made = []
    taken: dict[int, str] = {}
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    computed = {name for each in effective_weights(model) for name in each.sources}
    for selector, rule in targets.items():
        parameters: dict[str, nn.Parameter] = {}
        groupings: dict[str, Grouping] = {}
        places: dict[str, tuple[nn.Module, str]] = {}
        for place in select_places(model, selector):
            name = first[id(place.parameter)]
            if name in parameters:
                continue
            _check(name, place.parameter, rule, computed, taken)
            taken[id(place.parameter)] = name
            holder = model.get_submodule(place.path.rpartition(".")[0])
            axes = place.parameter.ndim
            groups = groups_in(rule.groups, name, place.module, axes, holder)
            try:
                groups.view(place.parameter.detach())
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from None
            parameters[name], groupings[name] = place.parameter, groups
            places[name] = (place.module, place.name)
        made.append(SparsityTarget(rule, parameters, groupings, places))
    return made


def _check(
    name: str, weight: nn.Parameter, rule: Sparsity, computed: set[str], taken: dict[int, str]
) -> None:
    reason = ""
    if id(weight) in taken:
        reason = "has a target sparsity already, by another selector"
    elif name in computed:
        reason = "is what a pruned or parametrized weight is computed from, whose zeros differ"
    elif is_sharded(weight):
        reason = "is distributed over processes, which target sparsity does not support"
    elif not weight.is_floating_point() or weight.layout != torch.strided:
        reason = "has no dense real numbers"
    elif not weight.requires_grad:
        reason = "is frozen (requires_grad is False)"
    if reason:
        raise UsageError(f"{name} {reason}: leave it out of {rule}")
