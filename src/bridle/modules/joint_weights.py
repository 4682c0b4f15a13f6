"""The weights that a joint selector joins: their groups, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.bound import BoundWeights, weights_for
from bridle.modules.joint import Joint
from bridle.modules.layout import groups_in, is_own
from bridle.modules.select import Place
from bridle.penalties import Grouping

__all__ = ["bind_joint", "gather", "scatter"]


def bind_joint(joint: Joint, model: nn.Module, rule: Any) -> BoundWeights:
    """Return the weights of a joint selector in a model, with their groups.

    Raises
    ------
    UsageError
        As for :class:`Joint`.
    """
    bound = BoundWeights()
    for selector, groups in joint.parts:
        for name, place in weights_for(rule, model, selector).items():
            if name in bound.parameters:
                raise UsageError(f"{name} is in two parts of {joint}: leave it out of one")
            bound.add(name, place, _groups_of(groups, name, place, model))
    counts = {
        name: len(groups.table(bound.parameters[name].detach()))
        for name, groups in bound.groupings.items()
    }
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise UsageError(f"{joint} joins different numbers of groups: {shown}")
    devices = {w.device for w in bound.parameters.values()}
    if len(devices) > 1:
        raise UsageError(f"{joint} joins weights on {' and '.join(map(str, devices))}: move them")
    return bound


def _groups_of(groups: Grouping, name: str, place: Place, model: nn.Module) -> Grouping:
    holder = model.get_submodule(place.path.rpartition(".")[0])
    axes = place.parameter.ndim
    own = is_own(place.module, holder)
    if axes - own != 1 or not (groups.by_module or groups.name == "whole"):
        return groups_in(groups, name, place.module, axes, holder)
    if groups.name == "inputs":
        raise UsageError(f"{name} is a vector, and has no inputs: give 'units', or leave it out")
    if groups.name == "whole":
        return Grouping.along(-1)
    if groups.name == "units":
        return Grouping.elements()
    parts = 3 if isinstance(place.module, nn.MultiheadAttention) else 1
    heads = getattr(place.module, "num_heads", None)
    if parts == 1 or not place.name.startswith("in_proj"):
        raise UsageError(f"bridle does not know the heads of {name}: give Grouping.heads(count)")
    return Grouping.heads(heads, parts=parts)


def gather(bound: BoundWeights, values: Sequence[Tensor] | None = None) -> Tensor:
    """Return ``[groups, size]``: the groups of all weights, or of values shaped like them."""
    given = bound.parameters.values() if values is None else values
    pairs = zip(bound.groupings.values(), given, strict=True)
    return torch.cat([groups.table(each.detach()) for groups, each in pairs], 1)


def scatter(table: Tensor, bound: BoundWeights) -> list[Tensor]:
    """Return the values, shaped like the weights, of such a table: undoes :func:`gather`."""
    weights = list(bound.parameters.values())
    pairs = list(zip(bound.groupings.values(), weights, strict=True))
    parts = table.split([groups.size(w) for groups, w in pairs], 1)
    return [
        groups.restore(part, w).to(w.dtype) for part, (groups, w) in zip(parts, pairs, strict=True)
    ]
