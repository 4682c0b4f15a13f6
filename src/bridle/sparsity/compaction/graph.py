"""Reads the traced forward pass: which units go together, and which cannot be removed."""

from __future__ import annotations

import operator
from collections import defaultdict

from torch import Tensor, fx, nn

from bridle.sparsity.compaction.context import Context
from bridle.sparsity.compaction.modules import cut_batch_norm, read_module
from bridle.sparsity.compaction.operations import (
    chunks,
    combined,
    concatenated,
    is_binary,
    is_concatenation,
    moved,
)
from bridle.sparsity.compaction.plan import Plan
from bridle.sparsity.compaction.recognize import (
    Barrier,
    is_layer,
    is_norm,
    layer_label,
    node_name,
    quoted,
    reads_only_other_sizes,
    recognize,
)
from bridle.sparsity.compaction.stages import Normalize, Pool
from bridle.sparsity.compaction.steps import Chunk, Held, Through
from bridle.sparsity.compaction.tracing import Root, trace
from bridle.sparsity.compaction.wires import Wire

__all__ = ["plan_of", "read"]


def plan_of(root: Root, example: tuple[Tensor, ...], *, fixed_sizes: bool = False) -> Plan:
    """Return which units of a model can be removed, in prediction and in training.

    Parameters
    ----------
    root : Root
        A wrapped copy of the model; its training mode is changed.
    example : tuple of Tensor
        The model's arguments.
    fixed_sizes : bool
        Whether each size that is a number in a recorded reshape is one in the source code, too.

    Returns
    -------
    Plan

    Raises
    ------
    Untraceable
        If the forward pass depends on the data, or cannot be traced.
    """
    return read(root, example, fixed_sizes=fixed_sizes).plan


def read(root: Root, example: tuple[Tensor, ...], *, fixed_sizes: bool = False) -> Context:
    """Read a model's graph node by node; arguments and errors as in :func:`plan_of`."""
    traced = trace(root, example)
    context = Context(root, traced)
    context.plan.recorded = traced.recorded
    context.fixed_sizes = fixed_sizes or not traced.recorded
    for node in context.traced.prediction.nodes:
        try:
            wire = _wire(context, node)
        except Barrier as barrier:
            context.block(node, str(barrier))
            continue
        if wire is not None:
            context.wires[node] = wire
            context.plan.ids[node] = wire.ids
            if not node.users:
                context.pin(wire.ids, "nothing reads them")
    _pin_shared(context)
    _first_layers(context)
    _unused(context)
    return context


def _wire(context: Context, node: fx.Node) -> Wire | None:
    if node.op == "placeholder":
        return None
    if node.op == "output":
        raise Barrier("the model returns them")
    if node.op == "get_attr":
        return _held(context, node)
    if node.op == "call_module":
        known, wire = read_module(context, node)
        if known:
            return wire
    tracked = [source for source in node.all_input_nodes if source in context.wires]
    return _operation(context, node, tracked) if tracked else None


def _held(context: Context, node: fx.Node) -> Wire | None:
    """Return the units of a parameter or buffer that forward uses directly."""
    owner, _, name = str(node.target).rpartition(".")
    if str(node.target).startswith("_constant"):
        return None
    module = context.root.get_submodule(owner)
    tensor = {**module._buffers, **module._parameters}.get(name)
    if tensor is None or not tensor.is_floating_point() or is_layer(module):
        return None
    wide = [place for place, size in enumerate(tensor.shape) if size > 1]
    if not wide:
        return None
    axis = wide[-1]
    ids = context.axis(owner, name, axis)
    node.meta.setdefault("shape", tuple(tensor.shape))
    context.plan.steps.append(Held(node, axis))
    return Wire(axis, ids)


def _operation(context: Context, node: fx.Node, tracked: list[fx.Node]) -> Wire | None:
    source, wire = tracked[0], context.wires[tracked[0]]
    if source in context.parts:
        return _chunk(context, node, source)
    if "shape" not in source.meta:
        return _part_of_attention(context, node, source, wire)
    ndim = len(source.meta["shape"])
    if len(tracked) == 1 and reads_only_other_sizes(node, wire.axis, ndim):
        return None
    parts = chunks(node, source, wire, context.plan.units)
    if parts is not None:
        context.parts[node] = parts
        return wire
    found = None
    if is_binary(node):
        found = combined(node, context.wires, context.plan.units)
    elif is_concatenation(node):
        found = concatenated(node, context.wires, context.plan)
    elif len(tracked) == 1:
        found = moved(node, source, wire, fixed=context.fixed_sizes)
    if found is not None:
        context.plan.steps.append(found[1])
        return found[0]
    stage, axis = recognize(node, source, wire.axis, len(wire.ids), context.root)
    if isinstance(stage, Normalize):
        cut_batch_norm(context, stage, wire)
    context.plan.steps.append(Through(node, source, stage))
    return Wire(axis, wire.ids.repeat_interleave(stage.factor))


def _chunk(context: Context, node: fx.Node, source: fx.Node) -> Wire:
    """Return the units of one part of a chunked tensor."""
    parts, place = context.parts[source], node.args[1] if len(node.args) > 1 else None
    if node.target is not operator.getitem or not isinstance(place, int):
        raise Barrier(f"{quoted(node_name(node))} reads them")
    part, count = parts[place], len(parts[place].ids)
    whole = source.all_input_nodes[0]
    context.plan.steps.append(Chunk(node, whole, place % len(parts) * count, count))
    return part


def _part_of_attention(context: Context, node: fx.Node, source: fx.Node, wire: Wire) -> Wire | None:
    """Return the units of an attention's outputs, the first of the tuple that it returns."""
    if node.args[1:] == (0,):
        context.plan.steps.append(Through(node, source, Pool(node_name(node))))
        return wire
    if node.args[1:] != (1,) or node.users:
        heads = context.plan.groups.get(str(source.target))
        context.pin(None if heads is None else heads.queries.flatten(), "their weights are read")
        raise Barrier(f"{quoted(node_name(source))} also returns attention weights, which are read")
    return None


def _pin_shared(context: Context) -> None:
    """Keep the units of parameters that a module holds which the trace does not show."""
    places: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    objects: defaultdict[int, set[int]] = defaultdict(set)
    for owner, module in context.root.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.numel():
                places[parameter.data_ptr()].append((owner, name))
                objects[parameter.data_ptr()].add(id(parameter))
    cut = {place[:2] for place in context.plan.cuts}
    for pointer, holders in places.items():
        if len(holders) > 1 and (len(objects[pointer]) > 1 or not cut.issuperset(holders)):
            for place, ids in context.plan.cuts.items():
                if place[:2] in holders:
                    context.pin(ids, "it shares parameters with another module")
                    context.shared.add(place[0])


def _first_layers(context: Context) -> None:
    """Find the layers whose inputs are the model's, at most reshaped or mapped elementwise."""
    for node in context.traced.prediction.nodes:
        name = str(node.target)
        if node.op != "call_module" or context.plan.layers.get(name, (None, None))[1] is None:
            continue
        if not is_layer(context.root.get_submodule(name)) or context.repeated(name):
            continue
        alone = name not in context.shared and context.holders(name) == 1
        if alone and _reads_input(context.root, node):
            context.plan.first.add(name)


def _reads_input(root: nn.Module, node: fx.Node) -> bool:
    while True:
        # nodes of sizes are sources too; they have no shape
        sources = [s for s in node.all_input_nodes if s.op == "placeholder" or "shape" in s.meta]
        if len(sources) != 1:
            return False
        node = sources[0]
        if node.op in ("placeholder", "get_attr"):
            return node.op == "placeholder"
        if node.op == "call_module":
            module = root.get_submodule(str(node.target))
            if any(True for _ in module.parameters()) and not is_norm(module):
                return False


def _unused(context: Context) -> None:
    """Report the layers that prediction never calls."""
    called = list(context.calls[0])
    for name, module in context.root.named_modules():
        if is_layer(module) and not any(
            name == other or name.startswith(f"{other}.") for other in called
        ):
            direct = name in context.touched
            what = "has weights that forward uses directly" if direct else "is not called"
            context.plan.others.append(f"{layer_label(name)} {what} at prediction")
