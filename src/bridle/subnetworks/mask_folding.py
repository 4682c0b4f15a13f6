"""Masks folded into the weights beside them, so that dropped units can be removed."""

from __future__ import annotations

import copy
from typing import cast

from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.noise_hooks import UnitNoise
from bridle.sparsity.compaction import compact
from bridle.sparsity.compaction.chains import Chains
from bridle.sparsity.compaction.recognize import is_layer
from bridle.sparsity.compaction.stages import Flatten, Pool

__all__ = ["FixedMask", "PlacedMask", "fold_masks"]

PlacedMask = tuple[str, UnitNoise, Tensor]
"""The module's path, its noise, and the mask."""


class FixedMask(nn.Module):
    """Multiplies its input by a constant mask.

    Parameters
    ----------
    mask : Tensor
        ``[1, ...]``: the mask of one row, stored as a buffer.

    Examples
    --------
    >>> import torch
    >>> FixedMask(torch.tensor([[0.0, 2.0]]))(torch.ones(3, 2))[0]
    tensor([0., 2.])
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, X: Tensor) -> Tensor:
        """Return the input times the mask."""
        return X * self.mask


def fold_masks(
    model: nn.Module, masks: list[PlacedMask], batch: tuple[Tensor, ...]
) -> nn.Module | None:
    """Fold masks into a model's weights where possible, and remove the dropped units.

    Parameters
    ----------
    model : torch.nn.Module
        A copy, which is changed.
    masks : list of PlacedMask
    batch : tuple of Tensor
        Arguments of the model's forward.

    Returns
    -------
    torch.nn.Module or None
        None if the result does not run.
    """
    chains = Chains(copy.deepcopy(model), batch)
    modules, whole = dict(model.named_modules()), model
    for path, place, mask in masks:
        module = modules[path]
        if _fold(modules, chains, path, place.where, mask):
            continue
        both = nn.Sequential()
        parts = [("layer", module), ("mask", FixedMask(mask))]
        for name, part in parts if place.where == "after" else reversed(parts):
            both.add_module(name, part)
        if module is model:
            whole = both
        for parent in list(model.modules()):
            for key, child in parent._modules.items():
                if child is module and parent is not both:
                    parent._modules[key] = both
    try:
        return compact(whole, batch).model
    except UsageError:  # forward may read attributes that the Sequential does not have
        return None


def _fold(
    modules: dict[str, nn.Module], chains: Chains, path: str, where: str, mask: Tensor
) -> bool:
    """Multiply the weights beside a mask by it; return False if that is impossible."""
    layer = modules[path]
    if _plain_layer(layer):
        if where == "after":
            return _scale(layer, 0, _by_unit(mask))
        return _scale(layer, 1, _by_unit(mask))
    found = chains.behind(path, itself=where == "before")
    if found is None:
        return False
    behind, consumer = found
    if not all(isinstance(each, Pool | Flatten) for each in behind):
        return False  # a factor does not pass through an activation or a norm
    factors = _by_unit(mask)
    if factors is None and all(isinstance(each, Flatten) for each in behind):
        factors = mask.flatten()
    elif factors is not None:
        for each in behind:
            factors = factors.repeat_interleave(each.factor)
    return _scale(modules[consumer.removeprefix("model").removeprefix(".")], 1, factors)


def _plain_layer(module: nn.Module) -> bool:
    return is_layer(module) and set(module._parameters) == {"weight", "bias"}


def _by_unit(mask: Tensor) -> Tensor | None:
    """Return a mask's factor for each unit, or None if it differs within a unit."""
    if mask.ndim == 4:
        flat = mask[0].flatten(1)
        return flat[:, 0].clone() if bool((flat == flat[:, :1]).all()) else None
    flat = mask.reshape(-1, mask.shape[-1])
    return flat[0].clone() if bool((flat == flat[:1]).all()) else None


def _scale(layer: nn.Module, axis: int, factors: Tensor | None) -> bool:
    """Multiply a layer's rows (and bias) or columns; return False if that is impossible."""
    weight = cast(Tensor, layer.weight)
    grouped = isinstance(layer, nn.Conv2d) and layer.groups != 1 and axis == 1
    if factors is None or grouped or len(factors) != weight.shape[axis]:
        return False
    shape = [1] * weight.ndim
    shape[axis] = -1
    bias = cast("Tensor | None", layer.bias)
    for name, value, factor in (
        ("weight", weight, factors.view(shape)),
        ("bias", bias, factors),
    ):
        if value is not None and (name == "weight" or axis == 0):
            scaled = nn.Parameter(value.detach() * factor, requires_grad=value.requires_grad)
            setattr(layer, name, scaled)  # a new parameter, because the weight may be tied
    return True
