"""``compact``: checks the model and the example, compacts a copy, and reports the result."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from bridle.errors import UsageError
from bridle.modules.averaging import warn_of_lost_zeros
from bridle.networks.population import Network
from bridle.sparsity.compaction.cutting import Layer, cut_units, sizes_of, zero_units
from bridle.sparsity.compaction.graph import plan_of
from bridle.sparsity.compaction.network import compact_network
from bridle.sparsity.compaction.plan import Plan
from bridle.sparsity.compaction.pruning import Pruning
from bridle.sparsity.compaction.recognize import layer_label, user_name
from bridle.sparsity.compaction.result import (
    Compacted,
    CompactedLayer,
    count_parameters,
    keeps_dead,
)
from bridle.sparsity.compaction.select_inputs import dead_columns, select_inputs
from bridle.sparsity.compaction.tracing import Root, Untraceable
from bridle.sparsity.probing import copied, outputs_of

__all__ = ["compact"]

Example = Tensor | tuple[Tensor, ...]


def compact(model: nn.Module, example: Example) -> Compacted:
    """Return a smaller module with the same predictions, without dead units and dead inputs.

    A unit is an output of a Linear, a channel of a Conv2d, an entry of the vectors of an Embedding,
    or a head of attention. It is dead in two cases. Either all its outgoing weights are exactly
    zero, or all its incoming weights (or the γ of its batch normalization) are, so that its output
    is a constant ``c``. Dead units are removed; the contribution of constant units, ``Σ w c``, is
    added to the next layer's bias. This repeats until no unit is dead. For dead inputs of the first
    layer, a :class:`Select` in front of it drops them, so the module still takes the full input.
    The module ``name`` is then a Sequential of both, and the layer is ``name.layer``.

    Units that only go together are dead together: those that a residual connection adds, the two
    factors of a gated unit, the channels of a group of a convolution, the rows of a head, and
    whatever tied weights join. A LayerNorm or an RMSNorm over the units loses only units that are
    zero at its input, and then still divides by the original width. Units that the model returns,
    and those that an unknown operation reads, stay; the result names them with the reason.
    Predictions (``eval()`` mode) are equal up to rounding. This is checked on the example.

    The parameters of the new module are new ones. An optimizer that was made before does not have
    them: make a new one to train on.

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
        probe = copied(model).eval()
        before = outputs_of(probe, batch)
        if isinstance(model, Network):
            return compact_network(model)
        root = Root(probe, len(batch))
        try:
            plan = plan_of(root, batch)
        except Untraceable as reason:
            return _unchanged(model, f"the whole model: {reason}")
        result = _cut(model, root, plan, batch, before)
        if result is None and plan.recorded:  # a size may be a number in the source code
            result = _cut(model, root, plan_of(root, batch, fixed_sizes=True), batch, before)
        if result is None:  # the trace does not show all that forward does
            why = "its predictions change without its dead units"
            return _unchanged(model, f"the whole model: {why}")
        return result


def _cut(
    model: nn.Module, root: Root, plan: Plan, batch: tuple[Tensor, ...], before: Any
) -> Compacted | None:
    """Return the smaller model, or None if its predictions are others."""
    small = Root(copied(model), len(batch))
    pruning = Pruning(small, plan)
    kept = _kept(small, plan, pruning)
    cut_units(small, plan, pruning.cut)
    dead = {name: select_inputs(small, name) for name in plan.layers if name in plan.first}
    try:
        moved = _differs(before, outputs_of(copy.deepcopy(small.model).eval(), batch))
    except UsageError:
        moved = True
    if moved:
        return None
    layers = tuple(_layer(root, plan, pruning, name, dead.get(name, ())) for name in plan.layers)
    counts = count_parameters(model), count_parameters(small.model)
    return Compacted(small.model, layers, kept, *counts)


def _kept(small: nn.Module, plan: Plan, pruning: Pruning) -> tuple[str, ...]:
    lines = []
    for name, (units, inputs) in plan.layers.items():
        label = layer_label(name)
        noun = "head" if name in plan.groups else "unit"
        reason = pruning.why_kept(units)
        stay = pruning.why_dead_stay(units)
        if reason is not None:
            count = zero_units(small.get_submodule(name))
            also = f" ({count} of them with only zero weights)" if count else ""
            lines.append(f"{label} keeps its {len(units)} {noun}s{also}: {reason}")
        elif stay is not None:
            lines.append(f"{label} {keeps_dead(stay[0], noun)}: {stay[1]}")
        elif bool(pruning.gone[units].all()):
            lines.append(f"{label} keeps 1 {noun}, all zero: a layer has at least one")
        if inputs is not None and name not in plan.first and name not in plan.groups:
            lost = dead_columns(cast(Layer, small.get_submodule(name))) & ~pruning.gone[inputs]
            if lost.any():
                others = pruning.why_kept(inputs[lost][:1]) is None
                why = "other layers read them" if others else "the layer before it keeps its units"
                lines.append(f"{label} {keeps_dead(int(lost.sum()), 'input')}: {why}")
    return (*lines, *plan.others)


def _layer(
    model: nn.Module, plan: Plan, pruning: Pruning, name: str, dead: tuple[int, ...]
) -> CompactedLayer:
    """Return a layer's sizes; those of attention are its heads and its width."""
    units, inputs = plan.layers[name]
    module = model.get_submodule(name)
    before = len(inputs) if inputs is not None else sizes_of(module)[1]
    after = before if inputs is None else int((~pruning.cut[inputs]).sum())
    return CompactedLayer(
        user_name(name) if name != "model" else "",
        type(module).__name__,
        len(units),
        int((~pruning.cut[units]).sum()),
        before,
        max(after - len(dead), 1),
        dead,
    )


def _unchanged(model: nn.Module, reason: str) -> Compacted:
    count = count_parameters(model)
    return Compacted(copied(model), (), (reason,), count, count)


def _is_cache(output: Any) -> bool:
    """Whether an output is a cache of keys and values, of which fewer heads have less."""
    return type(output).__name__.endswith("Cache")


def _differs(before: Any, after: Any) -> bool:
    """Whether outputs differ by more than rounding: a final check."""
    pairs = [pytree.tree_leaves(outputs, is_leaf=_is_cache) for outputs in (before, after)]
    if len(pairs[0]) != len(pairs[1]):
        return True
    for old, new in zip(*pairs, strict=True):
        if not isinstance(old, Tensor):
            continue
        if old.shape != new.shape:
            return True
        if old.is_floating_point() and old.numel():
            # some norms compute in float32 whatever the type is
            slack = max(torch.finfo(old.dtype).eps ** 0.5, 1e-6)
            finite = old.double()[old.isfinite()].abs()
            scale = max(float(finite.max()) if finite.numel() else 0.0, slack)
            if not torch.allclose(new.double(), old.double(), 0.0, slack * scale, equal_nan=True):
                return True
    return False
