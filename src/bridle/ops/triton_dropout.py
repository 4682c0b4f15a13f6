"""Dropout of units as Triton kernels: forward, with bias and ReLU, and its backward."""

from __future__ import annotations

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
    rows_on_device,
    threshold_and_scale,
)
from bridle.ops.triton_steps import ELEMENTS, wide

__all__ = ["dropout", "relu_dropout", "relu_dropout_backward"]

_GROUPS = 16  # groups of 128 units that one program of dropout processes


@triton.jit
def _dropout_kernel(
    x, bias, out, address, rows, keep,
    count, units, row_tiles, unit_tiles,
    x_member, x_row, bias_member, row_member, row_step, keep_step,
    HAS_ROWS: tl.constexpr, HAS_BIAS: tl.constexpr, RELU: tl.constexpr, INVERTED: tl.constexpr,
    WIDE: tl.constexpr, ROWS: tl.constexpr, GROUPS: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0).to(tl.int64)
    member = pid // unit_tiles // row_tiles
    index = (pid // unit_tiles % row_tiles * ROWS + tl.arange(0, ROWS))[:, None]
    there = index < count
    row = index
    if HAS_ROWS:
        row = tl.load(rows + member * row_member + index * row_step, mask=there, other=0)
    k0, k1 = key_of(address, member)
    limit, scale = threshold_and_scale(keep, member, keep_step, INVERTED)
    factor = scale.to(WIDE)
    block = (pid % unit_tiles * 16 * GROUPS + tl.arange(0, 16 * GROUPS))[None, :]
    zero = tl.zeros([ROWS, 16 * GROUPS], tl.uint32)
    words = philox_impl(
        zero + low_word(block), zero + high_word(block),
        zero + low_word(row), zero + high_word(row), zero + k0, zero + k1, 10,
    )  # fmt: skip
    first = (block // 16) * 128 + block % 16
    for lane in tl.static_range(8):
        unit = first + 16 * lane
        inside = there & (unit < units)
        bits = (words[lane // 2] >> (16 * (lane % 2))) & 0xFFFF
        value = tl.load(x + member * x_member + index * x_row + unit, mask=inside, other=0).to(WIDE)
        if HAS_BIAS:
            added = tl.load(bias + member * bias_member + unit, mask=unit < units, other=0)
            value += added.to(WIDE)
        if RELU:
            value = tl.where(value < 0, 0.0, value)
        kept = tl.where(bits < limit, value * factor, 0.0)
        place = (member * count + index) * units + unit
        tl.store(out + place, kept.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _relu_backward_kernel(
    grad, y, out, keep, per_member, tiles, keep_step,
    INVERTED: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0).to(tl.int64)
    member = pid // tiles
    _, scale = threshold_and_scale(keep, member, keep_step, INVERTED)
    place = pid % tiles * BLOCK + tl.arange(0, BLOCK)
    inside = place < per_member
    at = member * per_member + place
    above = tl.load(grad + at, mask=inside, other=0).to(WIDE)
    below = tl.load(y + at, mask=inside, other=0).to(WIDE)
    passed = tl.where(below <= 0, 0.0, above * scale.to(WIDE))
    tl.store(out + at, passed.to(out.dtype.element_ty), mask=inside)


def _dropout(
    x: Tensor,
    bias: Tensor | None,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
    relu: bool,
) -> Tensor:
    x = x if x.stride(2) == 1 else x.contiguous()
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    if not out.numel():
        return out
    members, count, units = x.shape
    place = address.to(x.device).contiguous()
    keep, keep_step = keep_on_device(keep_prob, x.device)
    given, row_member, row_step = rows_on_device(rows, place)
    added = x if bias is None else bias.contiguous()
    bias_member = 0 if bias is None or bias.shape[0] == 1 else bias.shape[1]
    groups = min(_GROUPS, triton.next_power_of_2(triton.cdiv(units, 128)))
    row_tiles = triton.cdiv(count, _GROUPS // groups)
    unit_tiles = triton.cdiv(units, 128 * groups)
    _dropout_kernel[(members * row_tiles * unit_tiles,)](
        x, added, out, place, given, keep,
        count, units, row_tiles, unit_tiles,
        x.stride(0), x.stride(1), bias_member, row_member, row_step, keep_step,
        HAS_ROWS=rows is not None, HAS_BIAS=bias is not None, RELU=relu, INVERTED=inverted,
        WIDE=wide(x.dtype), ROWS=_GROUPS // groups, GROUPS=groups,
    )  # fmt: skip
    return out


def dropout(
    x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> Tensor:
    """As :func:`bridle.ops.reference.dropout`."""
    return _dropout(x, None, address, rows, keep_prob, inverted, False)


def relu_dropout(
    x: Tensor,
    bias: Tensor | None,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """As :func:`bridle.ops.reference.relu_dropout`."""
    return _dropout(x, bias, address, rows, keep_prob, inverted, True)


def relu_dropout_backward(grad: Tensor, y: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    """As :func:`bridle.ops.reference.relu_dropout_backward`."""
    grad, y = grad.contiguous(), y.contiguous()
    out = torch.empty_like(grad)
    if not out.numel():
        return out
    keep, keep_step = keep_on_device(keep_prob, grad.device)
    size = grad[0].numel()
    tiles = triton.cdiv(size, ELEMENTS)
    _relu_backward_kernel[(grad.shape[0] * tiles,)](
        grad, y, out, keep, size, tiles, keep_step,
        INVERTED=inverted, WIDE=wide(grad.dtype), BLOCK=ELEMENTS,
    )  # fmt: skip
    return out
