"""``compact``: checks the model and the example, compacts a copy, and reports the result."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from bridle.errors import UsageError
from bridle.modules.averaging import warn_of_lost_zeros
from bridle.networks.population import Network
from bridle.sparsity.compaction.graph import Plan, Root, Untraceable, plan_of
from bridle.sparsity.compaction.network import compact_network
from bridle.sparsity.compaction.recognize import layer_label
from bridle.sparsity.compaction.result import (
    Compacted,
    CompactedLayer,
    count_parameters,
    keeps_dead,
)
from bridle.sparsity.compaction.surgery import (
    dead_columns,
    dead_rows,
    layer_of,
    select_inputs,
    shrink,
    sizes_of,
    why_dead_units_stay,
)

__all__ = ["compact"]

Example = Tensor | tuple[Tensor, ...]


def compact(model: nn.Module, example: Example) -> Compacted:
    """Return a smaller module with the same predictions, without dead units and dead inputs.

    A unit of a Linear or a Conv2d is dead in two cases. Either all its outgoing weights are exactly
    zero, or all its incoming weights (or the γ of its batch normalization) are, so that its output
    is a constant ``c``. Dead units are removed; the contribution of constant units, ``Σ w c``, is
    added to the next layer's bias. This repeats until no unit is dead. For dead inputs of the first
    layer, a :class:`Select` in front of it drops them, so the module still takes the full input.
    The module ``name`` is then a Sequential of both, and the layer is ``name.layer``.

    A layer's units can be removed if exactly one Linear or Conv2d reads them, directly or through
    activations, dropout, batch normalization, pooling and flattening. Other layers do not change;
    the result names them with the reason. Predictions (``eval()`` mode) are equal up to rounding.
    This is checked on the example.

    Parameters
    ----------
    model : torch.nn.Module
        It is not changed. A :class:`bridle.Network` must have one member, and keeps its inputs.
    example : Tensor or tuple of Tensor
        A batch, or the tuple of arguments that ``model`` takes, for shapes and for the final check.

    Returns
    -------
    Compacted
        The new module, in the mode of the given one, with the sizes of its layers and the reasons
        why units were kept.

    Raises
    ------
    UsageError
        If ``model`` is not a module or cannot be copied, if it is a Network with several members,
        or if it fails on the example.

    Warns
    -----
    RegularizationWarning
        If the weights are a plain average over training, which has few exact zeros.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> with torch.no_grad():
    ...     _ = model[0].weight[:6].zero_(), model[0].weight[:, 3].zero_()
    >>> compacted = compact(model, torch.zeros(5, 4))
    >>> print(compacted)
    layer  kind    units  inputs
    0      Linear  8 → 2  4 → 3
    2      Linear  3      8 → 2
    parameters: 67 → 17
    layer '2' keeps its 3 units: the model returns them
    >>> X = torch.randn(5, 4)
    >>> torch.allclose(compacted.model(X), model(X), atol=1e-6)
    True
    """
    if not isinstance(model, nn.Module):
        raise UsageError(f"model is a {type(model).__name__}; give a torch.nn.Module")
    given = example if isinstance(example, tuple) else (example,)
    for part in given:
        if not isinstance(part, Tensor):
            raise UsageError(
                f"the example has a {type(part).__name__}; give a Tensor or a tuple of Tensors"
            )
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        raise UsageError(
            f"{type(model).__name__} has lazy parameters without a shape; run a batch through it"
        )
    warn_of_lost_zeros(model)
    batch = tuple(part.detach().clone() for part in given)  # forward may change its input in place
    places = [*model.parameters(), *model.buffers(), *batch]
    devices = sorted({t.device.index for t in places if t.device.type == "cuda"})
    with torch.no_grad(), torch.random.fork_rng(devices):
        probe = _copy(model).eval()
        before = _outputs(probe, batch)
        if isinstance(model, Network):
            return compact_network(model)
        return _compact_module(model, probe, batch, before)


def _compact_module(
    model: nn.Module, probe: nn.Module, batch: tuple[Tensor, ...], before: Any
) -> Compacted:
    root = Root(probe, len(batch))
    try:
        plan = plan_of(root, batch)
    except Untraceable as reason:
        return _unchanged(model, f"the whole model: {reason}")
    small = Root(_copy(model), len(batch))
    sizes = {name: sizes_of(layer_of(small, name)) for name in plan.layers}
    while any(shrink(small, link) for link in reversed(plan.links)):
        pass
    kept = _kept(small, plan)
    after = {name: layer_of(small, name) for name in plan.layers}
    dead: dict[str, tuple[int, ...]] = {}
    for name in plan.layers:
        if name in plan.first:
            dead[name] = select_inputs(small, name)
    try:
        moved = _differs(before, _outputs(copy.deepcopy(small.model).eval(), batch))
    except UsageError:
        moved = True
    if moved:  # the trace does not show all that forward does
        return _unchanged(model, "the whole model: its predictions change without its dead units")
    layers = tuple(
        CompactedLayer(
            name.removeprefix("model").removeprefix("."),
            type(layer).__name__,
            sizes[name][0],
            sizes_of(layer)[0],
            sizes[name][1],
            sizes_of(layer)[1],
            dead.get(name, ()),
        )
        for name, layer in after.items()
    )
    counts = count_parameters(model), count_parameters(small.model)
    return Compacted(small.model, layers, kept, *counts)


def _kept(small: nn.Module, plan: Plan) -> tuple[str, ...]:
    lines = []
    linked = {link.producer: link for link in plan.links}
    fed = {link.consumer for link in plan.links} | plan.first
    for name in plan.layers:
        layer = layer_of(small, name)
        reason = why_dead_units_stay(small, linked[name]) if name in linked else None
        if reason is not None:
            lines.append(f"{layer_label(name)} {reason}")
        if name in plan.barriers:
            count = int(dead_rows(layer).sum())
            also = f" ({count} of them with only zero weights)" if count else ""
            units = f"its {len(layer.weight)} units{also}"
            lines.append(f"{layer_label(name)} keeps {units}: {plan.barriers[name]}")
        count = int(dead_columns(layer).sum())
        if count and name not in fed:
            dead = keeps_dead(count, "input")
            lines.append(f"{layer_label(name)} {dead}: the layer before it keeps its units")
    return (*lines, *plan.others)


def _unchanged(model: nn.Module, reason: str) -> Compacted:
    count = count_parameters(model)
    return Compacted(_copy(model), (), (reason,), count, count)


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise UsageError(
            f"{type(model).__name__} cannot be copied ({_first_line(error)}); if "
            "torch.nn.utils.prune made its zeros, call prune.remove on its layers first"
        ) from error


def _outputs(model: nn.Module, batch: tuple[Tensor, ...]) -> Any:
    # restore the random state, in case the forward pass is random
    with torch.random.fork_rng(sorted({t.device.index for t in batch if t.is_cuda})):
        try:
            return model(*(part.clone() for part in batch))
        except Exception as error:  # user code can raise anything
            shapes = ", ".join(str(list(part.shape)) for part in batch)
            raise UsageError(
                f"the example of shape {shapes} does not fit the model ({_first_line(error)}); "
                "give a batch as its forward takes it, a Tensor or a tuple of Tensors"
            ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _differs(before: Any, after: Any) -> bool:
    """Whether outputs differ by more than rounding: a final check."""
    pairs = [pytree.tree_leaves(outputs) for outputs in (before, after)]
    if len(pairs[0]) != len(pairs[1]):
        return True
    for old, new in zip(*pairs, strict=True):
        if not isinstance(old, Tensor):
            continue
        if old.shape != new.shape:
            return True
        if old.is_floating_point() and old.numel():
            slack = torch.finfo(old.dtype).eps ** 0.5
            finite = old.double()[old.isfinite()].abs()
            scale = max(float(finite.max()) if finite.numel() else 0.0, slack)
            if not torch.allclose(new.double(), old.double(), 0.0, slack * scale, equal_nan=True):
                return True
    return False
