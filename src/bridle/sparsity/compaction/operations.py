"""Operations between layers that have several inputs, or that move the units to another axis."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from bridle.sparsity.compaction.plan import Plan
from bridle.sparsity.compaction.recognize import Barrier, label, node_name, quoted
from bridle.sparsity.compaction.stages import Pool
from bridle.sparsity.compaction.steps import Combined, Concatenated, Step, Through
from bridle.sparsity.compaction.wires import Units, Wire

__all__ = ["chunks", "combined", "concatenated", "is_binary", "is_concatenation", "moved"]

Wires = dict[fx.Node, Wire]

_BINARY: dict[object, Callable[[Tensor, Tensor], Tensor]] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), torch.add),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub, "sub", "sub_"), torch.sub),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, "mul", "mul_"), torch.mul),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div, "div", "div_"), torch.div),
}
_CONCATENATIONS: set[object] = {torch.cat, torch.concat, torch.concatenate}
_TRANSPOSES: set[object] = {torch.transpose, "transpose", torch.swapaxes, "swapaxes"}
_PERMUTES: set[object] = {torch.permute, "permute"}
_RESHAPES: set[object] = {"view", "reshape", torch.reshape}


def is_binary(node: fx.Node) -> bool:
    """Whether a node adds, subtracts, multiplies or divides two tensors."""
    tensors = [part for part in node.args[:2] if isinstance(part, fx.Node)]
    return node.op != "call_module" and node.target in _BINARY and len(tensors) == 2


def combined(node: fx.Node, wires: Wires, units: Units) -> tuple[Wire, Step]:
    """Join the units of two tensors that an operation combines entry by entry.

    Raises
    ------
    Barrier
        If the other tensor has entries along the units' axis that are not units.
    """
    name = quoted(node_name(node))
    if node.kwargs:
        raise Barrier(f"{name} has other arguments")
    parts = [part for part in node.args[:2] if isinstance(part, fx.Node)]
    ndim = len(node.meta["shape"])
    places = {part: _place(part, wires[part]) for part in parts if part in wires}
    place = next(iter(places.values()))
    ids = next(wires[part].ids for part in parts if part in wires)
    sources: list[fx.Node | None] = []
    for part in parts:
        if part not in wires:
            shape = part.meta.get("shape")
            if shape is None or (len(shape) >= -place and shape[place] != 1):
                raise Barrier(f"{name} also reads {label(part)}")
            sources.append(None)
            continue
        own = wires[part].ids
        if places[part] != place or len(own) != len(ids):
            raise Barrier(f"{name} combines them with another axis")
        units.join(ids, own)
        sources.append(part)
    return Wire(ndim + place, ids), Combined(node, _BINARY[node.target], *sources)


def _place(node: fx.Node, wire: Wire) -> int:
    """Return the units' axis, counted from the last: tensors are aligned there."""
    return wire.axis - len(node.meta["shape"])


def is_concatenation(node: fx.Node) -> bool:
    """Whether a node concatenates tensors."""
    return node.op == "call_function" and node.target in _CONCATENATIONS


def concatenated(node: fx.Node, wires: Wires, plan: Plan) -> tuple[Wire, Step]:
    """Return the units of a concatenation; entries that are no units must stay.

    Raises
    ------
    Barrier
        If it is along another axis, and a part has no units.
    """
    name = quoted(node_name(node))
    given: Any = node.args[0] if node.args else node.kwargs["tensors"]
    dim: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    parts = list(given)
    axes = {wires[part].axis for part in parts if part in wires}
    if len(axes) > 1:
        raise Barrier(f"{name} combines them with another axis")
    axis = axes.pop()
    joined = dim % len(node.meta["shape"]) == axis
    ids, sources = list[Tensor](), list[fx.Node | int]()
    for part in parts:
        if part in wires:
            ids.append(wires[part].ids)
            sources.append(part)
        elif joined and "shape" in part.meta:
            count = part.meta["shape"][axis]
            ids.append(plan.units.new(count))
            plan.pins.append((ids[-1], f"{label(part)} has no units"))
            sources.append(count)
        else:
            raise Barrier(f"{name} also reads {label(part)}")
    if not joined:
        for other in ids[1:]:
            plan.units.join(ids[0], other)
    wire = Wire(axis, torch.cat(ids) if joined else ids[0])
    return wire, Concatenated(node, tuple(sources), joined)


def chunks(node: fx.Node, source: fx.Node, wire: Wire, units: Units) -> list[Wire] | None:
    """Return the units of each part of :func:`torch.chunk` along their axis, or None.

    The parts must keep equal sizes, so units at the same place in them go together.
    """
    if node.op == "call_module" or node.target not in (torch.chunk, "chunk"):
        return None
    count = node.args[1] if len(node.args) > 1 else node.kwargs.get("chunks")
    dim: Any = node.args[2] if len(node.args) > 2 else node.kwargs.get("dim", 0)
    along = dim % len(source.meta["shape"]) == wire.axis
    if not along or not isinstance(count, int) or len(wire.ids) % count:
        return None
    parts = list(wire.ids.chunk(count))
    for other in parts[1:]:
        units.join(parts[0], other)
    return [Wire(wire.axis, part) for part in parts]


def moved(node: fx.Node, source: fx.Node, wire: Wire, *, fixed: bool) -> tuple[Wire, Step] | None:
    """Return the units behind an operation that only moves axes or drops entries, else None.

    Parameters
    ----------
    node, source : torch.fx.Node
    wire : Wire
        The units in ``source``.
    fixed : bool
        Whether a size that is a number is one in the source code.

    Raises
    ------
    Barrier
        If it drops units, or has their number in a fixed size.
    """
    if node.op == "call_module" or "shape" not in node.meta:
        return None
    ndim, after = len(source.meta["shape"]), len(node.meta["shape"])
    name, what = quoted(node_name(node)), node.target
    arguments = _arguments(node)
    axis: int | None = None
    if what in _TRANSPOSES:
        first, second = (place % ndim for place in arguments)
        axis = {first: second, second: first}.get(wire.axis, wire.axis)
    elif what in _PERMUTES:
        axis = [place % ndim for place in arguments].index(wire.axis)
    elif what in (torch.unsqueeze, "unsqueeze"):
        axis = wire.axis + (arguments[0] % after <= wire.axis)
    elif what == "expand":
        axis = wire.axis + after - ndim
        _refuse_fixed(arguments[axis], name, fixed=fixed)
    elif what is operator.getitem:
        axis = _indexed(node.args[1], wire.axis, ndim, name)
    elif what in _RESHAPES:
        axis = _same_axis(source.meta["shape"], node.meta["shape"], wire.axis)
        if axis is not None:
            _refuse_fixed(arguments[axis], name, fixed=fixed)
    if axis is None:
        return None
    return Wire(axis, wire.ids), Through(node, source, Pool(name))


def _arguments(node: fx.Node) -> list[Any]:
    given = list(node.args[1:]) or list(node.kwargs.values())
    if len(given) == 1 and isinstance(given[0], tuple | list):
        return list(given[0])
    return given


def _refuse_fixed(size: object, name: str, *, fixed: bool) -> None:
    if fixed and isinstance(size, int) and size != -1:
        raise Barrier(f"{name} has fixed sizes: write flatten(1)")


def _indexed(index: Any, axis: int, ndim: int, name: str) -> int:
    parts = list(index) if isinstance(index, tuple) else [index]
    if any(not isinstance(part, int | slice | type(None) | type(Ellipsis)) for part in parts):
        raise Barrier(f"{name} selects some of them")
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        missing = ndim - sum(part is not None for part in parts) + 1
        parts[place : place + 1] = [slice(None)] * missing
    before, result = 0, 0
    for part in parts:
        if part is None:
            result += 1
            continue
        if before == axis:
            if part != slice(None):
                raise Barrier(f"{name} selects some of them")
            return result
        before += 1
        result += isinstance(part, slice)
    return result + axis - before


def _same_axis(before: tuple[int, ...], after: tuple[int, ...], axis: int) -> int | None:
    """Return which axis of a reshaped tensor is the given one, or None if it is split or merged."""
    leading = prod(before[:axis])
    for place, size in enumerate(after):
        if size == before[axis] and prod(after[:place]) == leading:
            return place
    return None
