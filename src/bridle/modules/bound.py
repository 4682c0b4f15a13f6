"""``BoundWeights``: parameters that rules act on, with the groups and the places that they have."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bridle.errors import UsageError
from bridle.modules.effective import effective_weights
from bridle.modules.select import Place, Selector, select_places
from bridle.ops.sharding import is_sharded
from bridle.penalties import Grouping, Sparsity

__all__ = ["BoundWeights", "weights_for"]


@dataclass
class BoundWeights:
    """Parameters by qualified name, in one order."""

    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    groupings: dict[str, Grouping] = field(default_factory=dict)
    places: dict[str, tuple[nn.Module, str]] = field(default_factory=dict)
    """Each parameter's module and its name there."""

    def add(self, name: str, place: Place, groups: Grouping) -> None:
        """Add the parameter at a place.

        Raises
        ------
        UsageError
            If the groups do not fit its shape.
        """
        try:
            groups.view(place.parameter.detach())
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
        self.parameters[name], self.groupings[name] = place.parameter, groups
        self.places[name] = place.module, place.name

    @torch.compiler.disable(reason="guards of compiled code do not see new layers")  # type: ignore[untyped-decorator]
    def refuse_replaced(self, rule: Any) -> None:
        """Raise a UsageError if a module has another parameter now."""
        for name, (module, attribute) in self.places.items():
            if module._parameters.get(attribute) is not self.parameters[name]:
                raise UsageError(
                    f"{name} has been replaced, pruned or parametrized since {rule} was "
                    "attached to it: detach it, build the optimizer from the model's parameters, "
                    "and attach it again"
                )


def weights_for(rule: Any, model: nn.Module, selector: Selector) -> dict[str, Place]:
    """Return where the weights are that a selector matches, each once, by qualified name.

    Parameters
    ----------
    rule : Sparsity, Penalty or Annealed
        For the message.
    model : torch.nn.Module
    selector : Selector

    Raises
    ------
    UsageError
        If a weight cannot have exact zeros of the rule: it is frozen, distributed, or computed from
        others.
    """
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    computed = {name for each in effective_weights(model) for name in each.sources}
    found: dict[str, Place] = {}
    for place in select_places(model, selector):
        name = first[id(place.parameter)]
        if name not in found:
            _refuse_weight(name, place.parameter, rule, computed)
            found[name] = place
    return found


def _refuse_weight(name: str, weight: nn.Parameter, rule: Any, computed: AbstractSet[str]) -> None:
    reason = ""
    if name in computed:
        reason = "is what a pruned or parametrized weight is computed from, whose zeros differ"
    elif is_sharded(weight):
        what = (
            "target sparsity does" if isinstance(rule, Sparsity) else "groups of several weights do"
        )
        reason = f"is distributed over processes, which {what} not support"
    elif not weight.is_floating_point() or weight.layout != torch.strided:
        reason = "has no dense real numbers"
    elif not weight.requires_grad:
        reason = "is frozen (requires_grad is False)"
    if reason:
        raise UsageError(f"{name} {reason}: leave it out of {rule}")
