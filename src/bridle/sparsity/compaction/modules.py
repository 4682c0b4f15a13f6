"""Reads the calls of modules with weights: layers, embeddings, norms and attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from bridle.networks.population import Network
from bridle.sparsity.compaction.attention import Heads, describe, is_attention, sources_of
from bridle.sparsity.compaction.context import Context
from bridle.sparsity.compaction.norms import is_width_norm
from bridle.sparsity.compaction.plan import Group, Reader
from bridle.sparsity.compaction.recognize import (
    Barrier,
    is_embedding,
    is_layer,
    is_norm,
    label,
    quoted,
    user_name,
)
from bridle.sparsity.compaction.stages import Normalize
from bridle.sparsity.compaction.steps import Attended, Convolved, Normed, Written
from bridle.sparsity.compaction.wires import Wire

__all__ = ["cut_batch_norm", "read_module"]


def read_module(context: Context, node: fx.Node) -> tuple[bool, Wire | None]:
    """Return whether a module is of a kind known here, and the units in its output."""
    name = str(node.target)
    module = context.root.get_submodule(name)
    if is_layer(module):
        return True, _layer(context, node, name, module)
    if is_embedding(module):
        return True, _embedding(context, node, name, module)
    if is_attention(module):
        return True, _attention(context, node, name, module)
    if is_width_norm(module) and context.wires.get(_source(node)) is not None:
        return True, _width_norm(context, node, name, module)
    if not (is_norm(module) or is_width_norm(module)) and any(True for _ in module.parameters()):
        line = f"module {label(node)}: {type(module).__name__} is not supported"
        if isinstance(module, Network):
            line = f"module {label(node)}: compact a bridle Network by itself"
        if line not in context.plan.others:
            context.plan.others.append(line)
    return False, None


def _source(node: fx.Node) -> Any:
    return node.args[0] if node.args else next(iter(node.kwargs.values()))


def _layer(context: Context, node: fx.Node, name: str, module: Any) -> Wire | None:
    axis = -3 if isinstance(module, nn.Conv2d) else -1
    if fault := context.fault(name):
        context.block(node, f"{label(node)}, which reads them, {fault}")
        if name not in context.plan.layers:
            rows = context.plan.units.new(len(module.weight))
            context.plan.layers[name] = rows, None
            context.pin(rows, f"it {fault}")
        return _output(node, context.plan.layers[name][0], axis)
    rows = context.rows(name)
    context.check_output(node, name, rows)
    if isinstance(module, nn.Conv2d) and module.groups != 1:
        context.plan.layers[name] = rows, None
        _grouped(context, node, name, module, rows)
    else:
        columns = context.axis(name, "weight", 1)
        context.plan.layers[name] = rows, columns
        context.plan.steps.append(Written(node, name, 0))
        context.read(_source(node), name, columns, axis)
    return _output(node, rows, axis)


def _output(node: fx.Node, ids: Tensor, axis: int) -> Wire | None:
    return Wire(len(node.meta["shape"]) + axis, ids) if "shape" in node.meta else None


def _grouped(context: Context, node: fx.Node, name: str, module: nn.Conv2d, rows: Tensor) -> None:
    """Join all inputs and units of a group: they only go together."""
    source = _source(node)
    wire = context.wires.get(source)
    if wire is None:
        context.pin(rows, f"it has {module.groups} groups, and reads {label(source)}")
        context.plan.steps.append(Written(node, name, 0))
        return
    if wire.axis != len(source.meta["shape"]) - 3 or len(wire.ids) != module.in_channels:
        context.pin(wire.ids, f"{label(node)} reads another axis")
        context.pin(rows, f"it has {module.groups} groups, and reads another axis")
        context.plan.steps.append(Written(node, name, 0))
        return
    inputs, outputs = wire.ids.view(module.groups, -1), rows.view(module.groups, -1)
    for group in range(module.groups):
        context.plan.units.join_all(torch.cat([inputs[group], outputs[group]]))
    context.plan.steps.append(Convolved(node, source, name))


def _embedding(context: Context, node: fx.Node, name: str, module: Any) -> Wire | None:
    rows = context.axis(name, "weight", 0)
    columns = context.axis(name, "weight", 1)
    context.pin(rows, "indices select them")
    fault = context.fault(name) or ("has max_norm" if module.max_norm is not None else None)
    if fault is not None:
        context.pin(columns, f"it {fault}")
    context.plan.layers[name] = columns, None
    context.check_output(node, name, columns)
    context.plan.steps.append(Written(node, name, 1))
    return _output(node, columns, -1)


def _width_norm(context: Context, node: fx.Node, name: str, module: nn.Module) -> Wire | None:
    source = _source(node)
    wire = context.wires[source]
    if wire.axis != len(source.meta["shape"]) - 1:
        context.pin(wire.ids, f"{label(node)} normalizes another axis")
        return None
    if fault := (context.fault(name) if module._parameters.get("weight") is not None else None):
        context.pin(wire.ids, f"{quoted(user_name(name))} {fault}")
    for part, parameter in module.named_parameters(recurse=False):
        if len(parameter) == len(wire.ids):
            context.plan.units.join(wire.ids, context.axis(name, part, 0))
    context.plan.norms[name] = wire.ids
    context.plan.mixers.append((wire.ids, source, user_name(name)))
    context.check_output(node, name, wire.ids)
    context.plan.steps.append(Normed(node, source, name))
    return wire


def cut_batch_norm(context: Context, stage: Normalize, wire: Wire) -> None:
    """Cut the parameters and statistics of a batch normalization with the units.

    Raises
    ------
    Barrier
        If they cannot be cut.
    """
    module = context.root.get_submodule(stage.target)
    if any(True for _ in module.parameters()) and (fault := context.fault(stage.target)):
        raise Barrier(f"{quoted(stage.name)} {fault}")
    for part in ("weight", "bias", "running_mean", "running_var"):
        if getattr(module, part) is not None:
            context.plan.units.join(wire.ids, context.axis(stage.target, part, 0))


def _attention(context: Context, node: fx.Node, name: str, module: Any) -> Wire | None:
    try:
        heads = describe(module, name)
        parts = {heads.query.module, heads.key.module, heads.value.module, heads.output or name}
        for part in sorted(parts):
            inner = context.root.get_submodule(part)
            fault = context.fault(part) if is_layer(inner) else None
            if fault or part in context.touched:
                raise Barrier(f"{fault or 'has parameters that forward uses directly'}")
    except Barrier as barrier:
        context.block(node, f"{label(node)}, which reads them, {barrier}")
        line = f"module {label(node)} keeps its heads: it {barrier}"
        if line not in context.plan.others:
            context.plan.others.append(line)
        return None
    sources = sources_of(node, module)
    mixed = _heads(context, node, name, heads, sources)
    if heads.output is None:
        context.check_output(node, name, mixed, parts=True)
        return Wire(len(sources[0].meta["shape"]) - 1, mixed)
    columns = context.axis(heads.output, "weight", 1)
    context.plan.units.join(mixed, columns)
    context.plan.ids[node, "heads"] = mixed
    context.plan.readers.append(
        Reader(
            heads.output,
            *("weight", "bias"),
            slice(None),
            columns,
            (node, "heads"),
            folds=not context.repeated(name),
        )
    )
    rows = context.rows(heads.output)
    context.plan.layers[heads.output] = rows, columns
    context.check_output(node, name, rows, parts=True)
    context.plan.steps.append(Written(node, heads.output, 0))
    return Wire(len(sources[0].meta["shape"]) - 1, rows)


def _heads(
    context: Context, node: fx.Node, name: str, heads: Heads, sources: list[fx.Node]
) -> Tensor:
    """Join the rows of each head, and return the ids of the heads' outputs."""
    units = context.plan.units
    parts = []
    for part, source, count in zip(
        (heads.query, heads.key, heads.value),
        sources,
        (heads.heads, heads.groups, heads.groups),
        strict=True,
    ):
        rows = slice(part.first, part.first + count * heads.dim)
        ids = context.rows(part.module, part.weight, part.bias)
        columns = context.axis(part.module, part.weight, 1)
        if part.module != name:
            context.plan.layers[part.module] = ids, columns
        names = part.weight, part.bias
        context.read(source, part.module, columns, -1, rows=rows, names=names, caller=name)
        parts.append(ids[rows].view(count, heads.dim))
    query, key, value = parts
    repeats = heads.heads // heads.groups
    for head in range(heads.heads):
        units.join_all(query[head])
    for group in range(heads.groups):
        units.join_all(torch.cat([key[group], value[group]]))
        if repeats == 1:
            units.join(query[group, :1], key[group, :1])
    queries = query[:, 0].view(heads.groups, repeats)
    context.plan.groups[name] = Group(queries, key[:, 0])
    first = context.axis(heads.query.module, heads.query.weight, 1)
    context.plan.layers[name] = queries.flatten(), first
    step = Attended(
        (node, "heads") if heads.output else node,
        heads.value.module,
        (heads.value.weight, heads.value.bias),
        heads.value.first,
        heads.groups,
        repeats,
        heads.dim,
    )
    context.plan.steps.append(step)
    return query.flatten()
