"""Products with a weight mask for each example, as Triton kernels: forward and both gradients."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language.random import philox_impl

from bridle.ops.triton_masks import (
    high_word,
    keep_on_device,
    key_of,
    low_word,
    row_of,
    rows_on_device,
    threshold_and_scale,
)
from bridle.ops.triton_steps import wide

__all__ = ["drop_connect_linear", "drop_connect_linear_backward"]


@triton.jit
def _kept(unit, row, k0, k1, limit):
    """Return whether each unit of a row is kept; every unit computes its own block."""
    block = unit // 128 * 16 + unit % 16
    lane = unit % 128 // 16
    zero = (block * 0).to(tl.uint32)
    w0, w1, w2, w3 = philox_impl(
        low_word(block),
        high_word(block),
        zero + low_word(row),
        zero + high_word(row),
        zero + k0,
        zero + k1,
        10,
    )
    pair = lane // 2
    word = tl.where(pair < 2, tl.where(pair == 0, w0, w1), tl.where(pair == 2, w2, w3))
    return ((word >> (16 * (lane % 2)).to(tl.uint32)) & 0xFFFF) < limit


@triton.jit
def _product_kernel(
    x, w, y, address, rows, keep,
    count, inputs, outputs, row_member, row_step, keep_step,
    HAS_ROWS: tl.constexpr, INVERTED: tl.constexpr,
    WIDE: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    line = tl.program_id(0).to(tl.int64)
    member, index = line // count, line % count
    row = row_of(rows, member, index, row_member, row_step, HAS_ROWS)
    k0, k1 = key_of(address, member)
    limit, scale = threshold_and_scale(keep, member, keep_step, INVERTED)
    o = tl.program_id(1).to(tl.int64) * OUTS + tl.arange(0, OUTS)
    total = tl.zeros([OUTS], WIDE)
    for start in range(0, inputs, INS):
        i = start + tl.arange(0, INS)
        inside = (i[:, None] < inputs) & (o[None, :] < outputs)
        unit = i[:, None] * outputs + o[None, :]
        weight = tl.load(w + member * inputs * outputs + unit, mask=inside, other=0).to(WIDE)
        value = tl.load(x + line * inputs + i, mask=i < inputs, other=0).to(WIDE)
        kept = tl.where(_kept(unit, row, k0, k1, limit), weight, 0.0)
        total += tl.sum(kept * value[:, None], axis=0)
    total *= scale.to(WIDE)
    tl.store(y + line * outputs + o, total.to(y.dtype.element_ty), mask=o < outputs)


@triton.jit
def _product_by_x_kernel(
    grad, w, out, address, rows, keep,
    count, inputs, outputs, row_member, row_step, keep_step,
    HAS_ROWS: tl.constexpr, INVERTED: tl.constexpr,
    WIDE: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    line = tl.program_id(0).to(tl.int64)
    member, index = line // count, line % count
    row = row_of(rows, member, index, row_member, row_step, HAS_ROWS)
    k0, k1 = key_of(address, member)
    limit, scale = threshold_and_scale(keep, member, keep_step, INVERTED)
    i = tl.program_id(1).to(tl.int64) * INS + tl.arange(0, INS)
    total = tl.zeros([INS], WIDE)
    for start in range(0, outputs, OUTS):
        o = start + tl.arange(0, OUTS)
        inside = (i[:, None] < inputs) & (o[None, :] < outputs)
        unit = i[:, None] * outputs + o[None, :]
        weight = tl.load(w + member * inputs * outputs + unit, mask=inside, other=0).to(WIDE)
        above = tl.load(grad + line * outputs + o, mask=o < outputs, other=0).to(WIDE)
        kept = tl.where(_kept(unit, row, k0, k1, limit), weight, 0.0)
        total += tl.sum(kept * above[None, :], axis=1)
    total *= scale.to(WIDE)
    tl.store(out + line * inputs + i, total.to(out.dtype.element_ty), mask=i < inputs)


@triton.jit
def _product_by_weight_kernel(
    grad, x, out, address, rows, keep,
    count, inputs, outputs, row_member, row_step, keep_step,
    HAS_ROWS: tl.constexpr, INVERTED: tl.constexpr,
    WIDE: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    tiles = tl.cdiv(inputs, INS)
    member = (tl.program_id(0) // tiles).to(tl.int64)
    i = (tl.program_id(0) % tiles).to(tl.int64) * INS + tl.arange(0, INS)
    o = tl.program_id(1).to(tl.int64) * OUTS + tl.arange(0, OUTS)
    inside = (i[:, None] < inputs) & (o[None, :] < outputs)
    unit = i[:, None] * outputs + o[None, :]
    k0, k1 = key_of(address, member)
    limit, scale = threshold_and_scale(keep, member, keep_step, INVERTED)
    total = tl.zeros([INS, OUTS], WIDE)
    for index in range(count):
        line = member * count + index
        row = row_of(rows, member, line - member * count, row_member, row_step, HAS_ROWS)
        value = tl.load(x + line * inputs + i, mask=i < inputs, other=0).to(WIDE)
        above = tl.load(grad + line * outputs + o, mask=o < outputs, other=0).to(WIDE)
        slope = value[:, None] * above[None, :]
        total += tl.where(_kept(unit, row, k0, k1, limit), slope, 0.0)
    total *= scale.to(WIDE)
    at = out + member * inputs * outputs + unit
    tl.store(at, total.to(out.dtype.element_ty), mask=inside)


def _product(
    kernel: Any, first: Tensor, second: Tensor, out: Tensor, sizes: tuple[int, ...],
    grid: tuple[int, int], address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool,
) -> Tensor:  # fmt: skip
    if not out.numel():
        return out
    place = address.to(out.device).contiguous()
    keep, keep_step = keep_on_device(keep_prob, out.device)
    given, row_member, row_step = rows_on_device(rows, place)
    kernel[grid](
        first.contiguous(), second.contiguous(), out, place, given, keep,
        *sizes, row_member, row_step, keep_step,
        HAS_ROWS=rows is not None, INVERTED=inverted, WIDE=wide(out.dtype), INS=16, OUTS=64,
    )  # fmt: skip
    return out


def drop_connect_linear(
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """As :func:`bridle.ops.reference.drop_connect_linear`."""
    members, count, inputs = x.shape
    outputs = weight.shape[2]
    y = x.new_empty(members, count, outputs)
    grid = (members * count, triton.cdiv(outputs, 64))
    mask = (address, rows, keep_prob, inverted)
    return _product(_product_kernel, x, weight, y, (count, inputs, outputs), grid, *mask)


def drop_connect_linear_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> tuple[Tensor, Tensor]:
    """As :func:`bridle.ops.reference.drop_connect_linear_backward`."""
    members, count, inputs = x.shape
    outputs = weight.shape[2]
    sizes, mask = (count, inputs, outputs), (address, rows, keep_prob, inverted)
    by_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    by_weight = torch.empty_like(weight, memory_format=torch.contiguous_format)
    tiles = triton.cdiv(inputs, 16)
    grid = (members * count, tiles)
    _product(_product_by_x_kernel, grad, weight, by_x, sizes, grid, *mask)
    grid = (members * tiles, triton.cdiv(outputs, 64))
    _product(_product_by_weight_kernel, grad, x, by_weight, sizes, grid, *mask)
    return by_x, by_weight
