"""Exchanges Linear layers of a copy of a model for other forms, and measures what it changes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils import _pytree as pytree

from bridle.errors import UsageError
from bridle.modules.select import Selector, select_modules
from bridle.sparsity.exported import Exported, ExportedLayer, bytes_of
from bridle.sparsity.probing import copied, outputs_of

__all__ = ["Left", "exchange_linears", "relative"]

Convert = Callable[[nn.Linear], tuple[nn.Module, str, float]]
"""From a layer to its new form, the form in words, and the relative change of the weight."""

_READERS = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
"""Modules that use the weights of their Linear layers without calling these."""


class Left(Exception):  # noqa: N818
    """Raised where a layer keeps its form; the message is the reason."""


def exchange_linears(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    convert: Convert,
    *,
    layers: Selector,
    note: str,
    exact: bool,
) -> Exported:
    """Return a copy of a model with its Linear layers converted, where that is possible.

    Parameters
    ----------
    model : torch.nn.Module
    example : Tensor or tuple of Tensor
        The arguments of the model's forward, for the final comparison in evaluation mode.
    convert : callable
        Raises :class:`Left` with the reason if a layer keeps its form.
    layers : Selector
        The layers to convert.
    note : str
        What the new layers can and cannot do.
    exact : bool
        Whether predictions must be equal to rounding; if they are not, nothing is converted.

    Raises
    ------
    UsageError
        If the model is no module, cannot be copied, or fails on the example.
    """
    if not isinstance(model, nn.Module):
        raise UsageError(f"model is a {type(model).__name__}; give a torch.nn.Module")
    given = example if isinstance(example, tuple) else (example,)
    if not all(isinstance(part, Tensor) for part in given):
        kinds = ", ".join(type(part).__name__ for part in given)
        raise UsageError(f"the example is of {kinds}; give a Tensor or a tuple of Tensors")
    new = copied(model)
    before = _predicted(model, given)
    done, kept = [], []
    chosen = None if layers == "*" else set(select_modules(model, layers))
    for name, module in list(new.named_modules()):
        if (chosen is not None and name not in chosen) or not _has_matrix(module):
            continue
        try:
            layer = _plain(name, module, new)
            made, form, error = convert(layer)
        except Left as reason:
            kept.append(f"layer {name!r} stays as it is: {reason}")
            continue
        made.train(layer.training)
        new = _exchanged(new, layer, made)
        sizes = layer.in_features, layer.out_features, bytes_of(layer), bytes_of(made)
        done.append(ExportedLayer(name, form, *sizes, error))
    try:
        change = relative(before, _predicted(new, given))
    except UsageError as error:
        raise UsageError(
            f"the model fails with its new layers ({error}); it may read their weights itself: "
            "leave such layers out with layers="
        ) from error
    size = bytes_of(model)
    if exact and not change <= _slack(before):
        why = f"the whole model: its outputs would change by {change:.2g}"
        return Exported(copied(model), (), (why,), size, size, 0.0, note)
    return Exported(new, tuple(done), tuple(kept), size, bytes_of(new), change, note)


def relative(before: Any, after: Any) -> float:
    """Return the norm of the change of outputs, divided by their norm."""
    pairs = list(zip(_numbers(before), _numbers(after), strict=True))
    change = sum(float((new.double() - old.double()).norm() ** 2) for old, new in pairs)
    size = sum(float(old.double().norm() ** 2) for old, _ in pairs)
    return (change / size) ** 0.5 if size else float(change > 0)


def _numbers(outputs: Any) -> list[Tensor]:
    leaves = pytree.tree_leaves(outputs)
    return [each for each in leaves if isinstance(each, Tensor) and each.is_floating_point()]


def _slack(outputs: Any) -> float:
    return max([torch.finfo(each.dtype).eps ** 0.5 for each in _numbers(outputs)], default=0.0)


def _has_matrix(module: nn.Module) -> bool:
    own = [*module.parameters(recurse=False), *parametrized(module)]
    return any(each.ndim > 1 for each in own)


def parametrized(module: nn.Module) -> Iterator[Tensor]:
    """Yield the parametrized tensors of a module."""
    if parametrize.is_parametrized(module):
        for name in module.parametrizations:  # type: ignore[union-attr]
            yield getattr(module, name)


def _plain(name: str, module: nn.Module, model: nn.Module) -> nn.Linear:
    """Return a plain Linear layer that only its own forward uses; raise Left for another module."""
    if not isinstance(module, nn.Linear) or type(module).forward is not nn.Linear.forward:
        raise Left(f"it is a {type(module).__name__}, and only Linear layers are converted")
    if nn.parameter.is_lazy(module.weight):
        raise Left("it has no shape yet: run a batch through the model first")
    if parametrize.is_parametrized(module) or "weight" not in module._parameters:
        raise Left("its weight is computed: remove the parametrization or the pruning first")
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    hooks += (module._backward_hooks, module._backward_pre_hooks)  # type: ignore[assignment]
    if any(hooks):
        raise Left("it has hooks, such as noise: remove them first, with receipt.undo()")
    if not module.weight.is_floating_point() or module.weight.layout != torch.strided:
        raise Left(f"its weight is {module.weight.dtype} in the layout {module.weight.layout}")
    around = _owner(model, name)
    if isinstance(around, _READERS):
        raise Left(f"{type(around).__name__} reads its weight without calling it")
    others = [
        each
        for each, value in model.named_parameters(remove_duplicate=False)
        if any(value is mine for mine in module.parameters(recurse=False))
        and _owner(model, each) is not module
    ]
    if others:
        raise Left(f"it shares its parameters with {', '.join(others[:3])}")
    return module


def _owner(model: nn.Module, name: str) -> nn.Module:
    return model.get_submodule(name.rpartition(".")[0])


def _exchanged(model: nn.Module, old: nn.Module, new: nn.Module) -> nn.Module:
    """Put a module in the place of another, wherever that stands."""
    if model is old:
        return new
    for around in model.modules():
        for name, child in around._modules.items():
            if child is old:
                around._modules[name] = new
    return model


def _predicted(model: nn.Module, batch: tuple[Tensor, ...]) -> Any:
    """Return a copy's outputs in evaluation mode."""
    return outputs_of(copy.deepcopy(model).eval(), batch)
