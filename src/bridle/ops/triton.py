"""The ops as Triton kernels, for GPUs: the same addresses, hence the same masks.

Nothing here waits for the device: the key of a mask is computed where the mask is drawn. With
``TRITON_INTERPRET=1`` set before the first import, the kernels run on CPU tensors, slowly; so they
are tested where there is no GPU.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language.random import philox_impl

from bridle.ops.reference import row_steps, soft_threshold
from bridle.ops.triton_steps import (
    ELEMENTS,
    adam_step,
    elastic_prox,
    max_norm_step,
    wide,
)

__all__ = [
    "adam_step",
    "drop_connect_linear",
    "drop_connect_linear_backward",
    "dropout",
    "elastic_prox",
    "max_norm_step",
    "relu_dropout",
    "relu_dropout_backward",
    "soft_threshold",
]

_GROUPS = 16  # of 128 units, that one program of dropout does


@triton.jit
def _low(x):
    return (x & 0xFFFFFFFF).to(tl.uint32)


@triton.jit
def _high(x):
    return ((x >> 32) & 0xFFFFFFFF).to(tl.uint32)


@triton.jit
def _key(address, member):
    seed = tl.load(address + 3 * member)
    stream = tl.load(address + 3 * member + 1)
    step = tl.load(address + 3 * member + 2)
    k0, k1, _, _ = philox_impl(
        _low(stream), _high(stream), _low(step), _high(step), _low(seed), _high(seed), 10
    )
    return k0, k1


@triton.jit
def _row_of(rows, member, index, row_member, row_step, HAS_ROWS: tl.constexpr):
    if HAS_ROWS:
        row = tl.load(rows + member * row_member + index * row_step)
    else:
        row = index.to(tl.int64)
    return row


@triton.jit
def _odds(keep, member, keep_step, INVERTED: tl.constexpr):
    """Return :func:`bridle.ops.reference.threshold_of` of a member, and its scale."""
    share = tl.load(keep + member * keep_step) * 65536.0
    whole = tl.floor(share + 0.5)
    odd = whole - 2.0 * tl.floor(0.5 * whole)
    whole = whole - tl.where(whole - share == 0.5, odd, 0.0)  # a half goes to the even one
    whole = tl.minimum(tl.maximum(whole, 1.0), 65536.0)
    if INVERTED:
        scale = 65536.0 / whole
    else:
        scale = whole * 0.0 + 1.0
    return whole.to(tl.uint32), scale


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
    k0, k1 = _key(address, member)
    limit, scale = _odds(keep, member, keep_step, INVERTED)
    factor = scale.to(WIDE)
    block = (pid % unit_tiles * 16 * GROUPS + tl.arange(0, 16 * GROUPS))[None, :]
    zero = tl.zeros([ROWS, 16 * GROUPS], tl.uint32)
    words = philox_impl(
        zero + _low(block), zero + _high(block), zero + _low(row), zero + _high(row),
        zero + k0, zero + k1, 10,
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
    _, scale = _odds(keep, member, keep_step, INVERTED)
    place = pid % tiles * BLOCK + tl.arange(0, BLOCK)
    inside = place < per_member
    at = member * per_member + place
    above = tl.load(grad + at, mask=inside, other=0).to(WIDE)
    below = tl.load(y + at, mask=inside, other=0).to(WIDE)
    passed = tl.where(below <= 0, 0.0, above * scale.to(WIDE))
    tl.store(out + at, passed.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _kept(unit, row, k0, k1, limit):
    """Whether each unit of a row is kept; every unit draws its own block."""
    block = unit // 128 * 16 + unit % 16
    lane = unit % 128 // 16
    zero = (block * 0).to(tl.uint32)
    w0, w1, w2, w3 = philox_impl(
        _low(block), _high(block), zero + _low(row), zero + _high(row), zero + k0, zero + k1, 10
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
    row = _row_of(rows, member, index, row_member, row_step, HAS_ROWS)
    k0, k1 = _key(address, member)
    limit, scale = _odds(keep, member, keep_step, INVERTED)
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
    row = _row_of(rows, member, index, row_member, row_step, HAS_ROWS)
    k0, k1 = _key(address, member)
    limit, scale = _odds(keep, member, keep_step, INVERTED)
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
    k0, k1 = _key(address, member)
    limit, scale = _odds(keep, member, keep_step, INVERTED)
    total = tl.zeros([INS, OUTS], WIDE)
    for index in range(count):
        line = member * count + index
        row = _row_of(rows, member, line - member * count, row_member, row_step, HAS_ROWS)
        value = tl.load(x + line * inputs + i, mask=i < inputs, other=0).to(WIDE)
        above = tl.load(grad + line * outputs + o, mask=o < outputs, other=0).to(WIDE)
        slope = value[:, None] * above[None, :]
        total += tl.where(_kept(unit, row, k0, k1, limit), slope, 0.0)
    total *= scale.to(WIDE)
    at = out + member * inputs * outputs + unit
    tl.store(at, total.to(out.dtype.element_ty), mask=inside)


def _keep(keep_prob: Tensor, device: torch.device) -> tuple[Tensor, int]:
    """Return the probabilities on the device, and the step from one member's to the next."""
    return keep_prob.to(device, torch.float64).contiguous(), 1 if keep_prob.shape[0] > 1 else 0


def _rows(rows: Tensor | None, like: Tensor) -> tuple[Tensor, int, int]:
    if rows is None:
        return like, 0, 0
    rows = rows.to(like.device)
    return rows, *row_steps(rows)


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
    keep, keep_step = _keep(keep_prob, x.device)
    given, row_member, row_step = _rows(rows, place)
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
    keep, keep_step = _keep(keep_prob, grad.device)
    size = grad[0].numel()
    tiles = triton.cdiv(size, ELEMENTS)
    _relu_backward_kernel[(grad.shape[0] * tiles,)](
        grad, y, out, keep, size, tiles, keep_step,
        INVERTED=inverted, WIDE=wide(grad.dtype), BLOCK=ELEMENTS,
    )  # fmt: skip
    return out


def _product(
    kernel: Any, first: Tensor, second: Tensor, out: Tensor, sizes: tuple[int, ...],
    grid: tuple[int, int], address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool,
) -> Tensor:  # fmt: skip
    if not out.numel():
        return out
    place = address.to(out.device).contiguous()
    keep, keep_step = _keep(keep_prob, out.device)
    given, row_member, row_step = _rows(rows, place)
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
