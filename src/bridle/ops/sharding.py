"""Distributed tensors: the ops act on a process's shard as they do on the whole tensor.

A mask is a pure function of the row and the unit, so each process draws the mask of its own shard
of the whole tensor, without communication. torch keeps one random state in step over the processes
instead, and gives each shard an offset into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError

__all__ = [
    "Axis",
    "as_sharded",
    "full_of",
    "is_sharded",
    "like_local",
    "local_of",
    "on_shard",
    "over_shards",
    "rows_at",
]

Axis = tuple[int, int]
"""How many entries of the whole tensor precede and follow the shard along an axis."""


def is_sharded(x: Any) -> bool:
    """Whether ``x`` is a distributed tensor (``torch.distributed.tensor.DTensor``)."""
    return hasattr(type(x), "device_mesh") and isinstance(x, Tensor)


def on_shard(
    function: Callable[[Tensor, int], Tensor],
    local: Tensor,
    axes: Sequence[Axis],
    rows_axis: int | None = 0,
) -> Tensor:
    """Return this shard of ``function(whole, first_row)``, where the other shards are not needed.

    Parameters
    ----------
    function : callable
        Elementwise up to what it draws for each row and unit. It gets the tensor with zeros in the
        place of the other shards, and the address of its first row.
    local : Tensor
        This process's shard.
    axes : sequence of (before, after)
        The place of the shard along each axis.
    rows_axis : int or None
        The axis of the rows, which needs no zeros, since rows have addresses.
    """
    padded = [(0, 0) if axis == rows_axis else each for axis, each in enumerate(axes)]
    first_row = 0 if rows_axis is None else axes[rows_axis][0]
    whole = local
    if any(before or after for before, after in padded):
        whole = nn.functional.pad(local, [size for each in reversed(padded) for size in each])
    result = function(whole, first_row)
    for axis, (before, after) in enumerate(padded):
        if before or after:
            result = result.narrow(axis, before, local.shape[axis])
    return result


def over_shards(
    function: Callable[[Tensor, int], Tensor], x: Any, rows_axis: int | None = 0
) -> Tensor:
    """Return the distributed tensor of ``function`` of the whole tensor, shard by shard.

    See :func:`on_shard`. Partial sums are added up first.
    """
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    x = _plainly_placed(x)
    sizes, offsets = compute_local_shape_and_global_offset(x.shape, x.device_mesh, x.placements)
    axes = [
        (start, whole - start - size) if size else (0, 0)
        for start, size, whole in zip(offsets, sizes, x.shape, strict=True)
    ]
    local = x.to_local()
    return like_local(on_shard(function, local, axes, rows_axis) if local.numel() else local, x)


def like_local(local: Tensor, like: Any) -> Tensor:
    """Return the distributed tensor with the parts ``local``, placed like another of its shape."""
    from torch.distributed.tensor import DTensor

    mesh, placements = like.device_mesh, like.placements
    return DTensor.from_local(
        local, mesh, placements, run_check=False, shape=like.shape, stride=like.stride()
    )


def _plainly_placed(x: Any) -> Any:
    """Return a distributed tensor whose placements are replicas and even slices only."""
    from torch.distributed.tensor import Replicate, Shard

    plain = [each if type(each) in (Replicate, Shard) else Replicate() for each in x.placements]
    return x if plain == list(x.placements) else x.redistribute(placements=plain)


def as_sharded(whole: Tensor, like: Any) -> Tensor:
    """Return a tensor that every process has as a distributed tensor placed like another."""
    from torch.distributed.tensor import DTensor, Replicate

    mesh = like.device_mesh
    replicas = DTensor.from_local(whole, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return replicas.redistribute(placements=like.placements)


def full_of(x: Any) -> Tensor:
    """Return the whole tensor on every process; ``x`` itself unless it is distributed."""
    whole: Tensor = x.full_tensor() if is_sharded(x) else x
    return whole


def local_of(x: Any, like: Any) -> Tensor:
    """Return this process's part of ``x`` where the distributed tensor ``like`` has its own.

    It shares memory with ``x``, if ``x`` is placed like that.

    Raises
    ------
    UsageError
        If ``x`` is distributed over other processes, or holds partial sums.
    """
    if not is_sharded(x):
        placed: Any = x if x.ndim == 0 else as_sharded(x, like)
        return placed.to_local() if placed is not x else x
    if x.device_mesh != like.device_mesh or any(each.is_partial() for each in x.placements):
        raise UsageError(
            f"a tensor is placed as {x.placements} on {x.device_mesh}, and the weight as "
            f"{like.placements} on {like.device_mesh}; place both alike"
        )
    placed = x if x.placements == like.placements else x.redistribute(placements=like.placements)
    local: Tensor = placed.to_local()
    return local


def rows_at(rows: Tensor | None, first: int, count: int, device: torch.device) -> Tensor | None:
    """Return the addresses of ``count`` of the whole tensor's rows, from the row ``first``."""
    if rows is None:
        return torch.arange(first, first + count, device=device) if first else None
    return rows if rows.shape[-1] == 1 else rows[..., first : first + count]
