"""Removes units and inputs from modules, in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bridle.sparsity.compaction.graph import Link
from bridle.sparsity.compaction.recognize import layer_label, quoted
from bridle.sparsity.compaction.result import keeps_dead
from bridle.sparsity.compaction.stages import Constants

__all__ = [
    "Select",
    "dead_columns",
    "dead_rows",
    "layer_of",
    "select_inputs",
    "shrink",
    "sizes_of",
    "why_dead_units_stay",
]

Layer = nn.Linear | nn.Conv2d


class Select(nn.Module):
    """Selects entries along one axis for the layer after it.

    Parameters
    ----------
    index : Tensor
        int64: the indices to select, stored as a buffer.
    dim : int
        The axis.

    Examples
    --------
    >>> import torch
    >>> Select(torch.tensor([0, 2]), dim=-1)(torch.tensor([[5.0, 6.0, 7.0]]))
    tensor([[5., 7.]])
    """

    index: Tensor

    def __init__(self, index: Tensor, dim: int) -> None:
        super().__init__()
        self.register_buffer("index", index)
        self.dim = dim

    def extra_repr(self) -> str:
        """Return the number of selected entries, and the axis."""
        return f"{len(self.index)} entries, dim={self.dim}"

    def forward(self, X: Tensor) -> Tensor:
        """Return the selected entries."""
        return X.index_select(self.dim, self.index)


def layer_of(model: nn.Module, name: str) -> Layer:
    """Return a layer by its name."""
    return cast(Layer, model.get_submodule(name))


def dead_rows(layer: Layer) -> Tensor:
    """Return which units have only zero weights: bool ``[units]``, on the CPU."""
    return (layer.weight == 0).flatten(1).all(1).cpu()


def dead_columns(layer: Layer) -> Tensor:
    """Return which inputs no weight reads: bool ``[inputs]``, on the CPU."""
    return (layer.weight == 0).transpose(0, 1).flatten(1).all(1).cpu()


def sizes_of(layer: Layer) -> tuple[int, int]:
    """Return the numbers of units and of inputs."""
    return layer.weight.shape[0], layer.weight.shape[1]


@dataclass(frozen=True)
class _DeadUnits:
    """The dead units of a link's producer, and what to fold into its consumer; on the CPU.

    ``removable`` and ``dead`` are ``[units]``; ``folded`` and ``value`` are ``[features]`` of the
    consumer.
    """

    removable: Tensor
    dead: Tensor
    folded: Tensor
    value: Tensor
    reason: str


def _find_dead_units(model: nn.Module, link: Link) -> _DeadUnits:
    producer, consumer = layer_of(model, link.producer), layer_of(model, link.consumer)
    units, reason = sizes_of(producer)[0], ""
    bias = torch.zeros(units) if producer.bias is None else producer.bias.detach().cpu()
    constants, factor = Constants(dead_rows(producer), bias.double()), 1
    once_known = constants.known
    for stage in link.stages:
        pushed = stage.push(constants, model)
        before = constants.known.repeat_interleave(stage.factor)
        if not reason and bool((before & ~pushed.known).any()):
            reason = f"{quoted(stage.name)} makes constants vary"
        constants, factor = pushed, factor * stage.factor
        once_known = once_known.repeat_interleave(stage.factor) | constants.known
    known, value = constants
    foldable = known & value.isfinite()
    if isinstance(consumer, nn.Conv2d) and _pads_with_zeros(consumer):
        foldable &= value == 0
        padded = f"{layer_label(link.consumer)} pads with zeros, and the constants are not 0"
        reason = reason or padded
    unread = dead_columns(consumer)

    def by_unit(features: Tensor) -> Tensor:
        return features.view(units, factor).all(1)

    removable = by_unit(unread | foldable)
    dead = by_unit(unread | once_known)
    folded = foldable & ~unread & removable.repeat_interleave(factor)
    reason = reason or "the constants are not finite"
    return _DeadUnits(removable, dead, folded, value, reason)


def why_dead_units_stay(model: nn.Module, link: Link) -> str | None:
    """Return why a link's producer keeps dead units, or None if it keeps none."""
    found = _find_dead_units(model, link)
    count = int((found.dead & ~found.removable).sum())
    if count:
        return f"{keeps_dead(count, 'unit')}: {found.reason}"
    if bool(found.removable.all()):
        return "keeps 1 unit, all zero: a layer has at least one"
    return None


def shrink(model: nn.Module, link: Link) -> bool:
    """Remove a producer's dead units, and add their constant part to the consumer's bias.

    Returns
    -------
    bool
        Whether anything has changed.
    """
    found = _find_dead_units(model, link)
    if not found.removable.any():
        return False
    producer, consumer = layer_of(model, link.producer), layer_of(model, link.consumer)
    keep = ~found.removable
    stub = not bool(keep.any())
    if stub:
        keep[0] = True  # torch layers have at least one unit
    changed = not bool(keep.all())
    if found.folded.any():
        _fold(consumer, found.folded, found.value)
    if changed:
        _cut_rows(producer, keep)
        for stage in link.stages:
            keep = keep.repeat_interleave(stage.factor)
            stage.shrink(model, keep)
        _cut_columns(consumer, keep)
    if stub:
        # all its weights become zero, so the units before it are dead as well
        for tensor in (producer.weight, producer.bias, consumer.weight):
            if tensor is not None and bool(tensor.any()):
                tensor.zero_()
                changed = True
    return changed


def _pads_with_zeros(layer: nn.Conv2d) -> bool:
    # torch stores the padding of 'same' and 'valid' here
    padded = any(layer._reversed_padding_repeated_twice)
    return layer.padding_mode == "zeros" and padded


def _fold(layer: Layer, features: Tensor, value: Tensor) -> None:
    weight = layer.weight.detach().cpu().double()[:, features]
    added = weight.flatten(2).sum(2) if weight.ndim > 2 else weight
    added = added @ value[features]
    if layer.bias is None:
        _set(layer, "bias", added, like=layer.weight)
    else:
        _set(layer, "bias", layer.bias.detach().cpu().double() + added, like=layer.bias)


def _set(layer: Layer, name: str, value: Tensor, *, like: Tensor) -> None:
    value = value.to(like.device, like.dtype)
    setattr(layer, name, nn.Parameter(value, requires_grad=like.requires_grad))


def _cut_rows(layer: Layer, keep: Tensor) -> None:
    index = keep.nonzero().flatten()
    for name in ("weight", "bias"):
        tensor = getattr(layer, name)
        if tensor is not None:
            _set(layer, name, tensor.detach().index_select(0, index.to(tensor.device)), like=tensor)
    setattr(layer, "out_features" if isinstance(layer, nn.Linear) else "out_channels", len(index))


def _cut_columns(layer: Layer, keep: Tensor) -> None:
    index, weight = keep.nonzero().flatten(), layer.weight
    _set(layer, "weight", weight.detach().index_select(1, index.to(weight.device)), like=weight)
    setattr(layer, "in_features" if isinstance(layer, nn.Linear) else "in_channels", len(index))


def select_inputs(model: nn.Module, name: str) -> tuple[int, ...]:
    """Remove a layer's dead inputs, and put a :class:`Select` in front of it.

    Returns
    -------
    tuple of int
        The dead inputs.
    """
    layer = layer_of(model, name)
    dead = dead_columns(layer)
    places = tuple(dead.nonzero().flatten().tolist())
    keep = ~dead
    if not keep.any():
        keep[0] = True  # torch layers have at least one input
    if keep.all():
        return places
    index = keep.nonzero().flatten().to(layer.weight.device)
    _cut_columns(layer, keep)
    selected = nn.Sequential()
    selected.add_module("select", Select(index, dim=-1 if isinstance(layer, nn.Linear) else -3))
    selected.add_module("layer", layer)
    selected.train(layer.training)
    for parent in list(model.modules()):
        for key, child in parent._modules.items():
            if child is layer:  # under each of its names
                parent._modules[key] = selected
    return places
