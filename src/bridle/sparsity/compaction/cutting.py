"""Cuts removed units out of parameters and buffers, and adapts the modules to their new sizes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from torch import Tensor, nn

from bridle.sparsity.compaction.attention import finish
from bridle.sparsity.compaction.norms import narrow_norm, width_of
from bridle.sparsity.compaction.plan import Plan

__all__ = ["Layer", "cut_units", "replace_module", "set_tensor", "sizes_of", "zero_units"]

Layer = nn.Linear | nn.Conv2d


def cut_units(model: nn.Module, plan: Plan, cut: Tensor) -> None:
    """Remove units from a model, in place.

    Parameters
    ----------
    model : torch.nn.Module
    plan : Plan
    cut : Tensor
        bool, by id.
    """
    changed = {target for (target, _, _), ids in plan.cuts.items() if bool(cut[ids].any())}
    widths = {name: width_of(model.get_submodule(name)) for name in plan.norms}
    _cut_tensors(model, plan, cut)
    for name in changed:
        _resize(model.get_submodule(name))
    for name, ids in plan.norms.items():
        if bool(cut[ids].any()):
            norm = model.get_submodule(name)
            replace_module(model, norm, narrow_norm(norm, widths[name]))
    for name, group in plan.groups.items():
        inside = {other for other in changed if other == name or other.startswith(f"{name}.")}
        if inside:
            module = model.get_submodule(name)
            kept = (~cut[group.queries.flatten()]).nonzero().flatten()
            groups = int((~cut[group.shared]).sum())
            replace_module(model, module, finish(module, kept, groups))


def _cut_tensors(model: nn.Module, plan: Plan, cut: Tensor) -> None:
    axes: defaultdict[int, dict[int, Tensor]] = defaultdict(dict)
    for (target, name, axis), ids in plan.cuts.items():
        if bool(cut[ids].any()):
            axes[id(getattr(model.get_submodule(target), name))][axis] = (~cut[ids]).nonzero()
    small: dict[int, Tensor] = {}
    for module in list(model.modules()):
        for store in (module._parameters, module._buffers):
            for name, tensor in store.items():
                if tensor is not None and id(tensor) in axes:
                    if id(tensor) not in small:
                        small[id(tensor)] = _narrow(tensor, axes[id(tensor)])
                    cast(Any, store)[name] = small[id(tensor)]


def _narrow(tensor: Tensor, axes: dict[int, Tensor]) -> Tensor:
    part = tensor.detach()
    for axis, places in axes.items():
        part = part.index_select(axis, places.flatten().to(part.device))
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(part, requires_grad=tensor.requires_grad)
    return part


def _resize(module: Any) -> None:
    """Set the sizes that a module states to those of its weight."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Conv2d):
        before = module.out_channels
        module.out_channels = len(module.weight)
        if module.groups != 1:
            module.groups = module.groups * module.out_channels // before
        module.in_channels = module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Embedding):
        module.embedding_dim = module.weight.shape[1]
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        tensors = (module.weight, module.running_mean)
        module.num_features = next(len(part) for part in tensors if part is not None)


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in place of another, under each of its names."""
    if new is old:
        return
    for name, hooks in vars(old).items():
        if name.endswith(("_hooks", "_with_kwargs", "_always_called")):
            vars(new)[name] = hooks
    for parent in list(model.modules()):
        for key, child in parent._modules.items():
            if child is old:
                parent._modules[key] = new


def sizes_of(module: Any) -> tuple[int, int]:
    """Return the numbers of units and of inputs; an attention module's are heads and width."""
    if isinstance(module, nn.Conv2d):
        return module.out_channels, module.in_channels
    if isinstance(module, nn.Embedding):
        return module.embedding_dim, module.num_embeddings
    return cast("tuple[int, int]", tuple(module.weight.shape[:2]))


def zero_units(module: Any) -> int:
    """Return how many units of a layer have only zero weights; 0 for an attention module."""
    if not isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
        return 0
    weight = module.weight.T if isinstance(module, nn.Embedding) else module.weight
    return int((weight == 0).flatten(1).all(1).sum())


def set_tensor(layer: nn.Module, name: str, value: Tensor, *, like: Tensor) -> None:
    """Replace a parameter by a value of its device and type."""
    value = value.to(like.device, like.dtype)
    setattr(layer, name, nn.Parameter(value, requires_grad=like.requires_grad))
