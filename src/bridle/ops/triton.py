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

from bridle.ops import reference
from bridle.ops.reference import row_steps, soft_threshold, threshold_of

__all__ = [
    "drop_connect_linear",
    "drop_connect_linear_backward",
    "dropout",
    "elastic_prox",
    "relu_dropout",
    "relu_dropout_backward",
    "soft_threshold",
]

_GROUPS = 16  # of 128 units, that one program of dropout does
_ELEMENTS = 1024  # that one program of an elementwise kernel does


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
def _dropout_kernel(
    x, bias, out, address, rows, threshold, scale,
    count, units, x_member, x_row, bias_member, row_member, row_step, keep_step,
    HAS_ROWS: tl.constexpr, HAS_BIAS: tl.constexpr, RELU: tl.constexpr,
    WIDE: tl.constexpr, GROUPS: tl.constexpr,
):  # fmt: skip
    line = tl.program_id(0).to(tl.int64)
    member, index = line // count, line % count
    row = _row_of(rows, member, index, row_member, row_step, HAS_ROWS)
    k0, k1 = _key(address, member)
    limit = tl.load(threshold + member * keep_step).to(tl.uint32)
    factor = tl.load(scale + member * keep_step).to(WIDE)
    place = tl.arange(0, 16 * GROUPS)
    block = tl.program_id(1).to(tl.int64) * 16 * GROUPS + place
    zero = tl.zeros([16 * GROUPS], tl.uint32)
    words = philox_impl(
        _low(block), _high(block), zero + _low(row), zero + _high(row), zero + k0, zero + k1, 10
    )
    first = (block // 16) * 128 + block % 16
    for lane in tl.static_range(8):
        unit = first + 16 * lane
        inside = unit < units
        bits = (words[lane // 2] >> (16 * (lane % 2))) & 0xFFFF
        value = tl.load(x + member * x_member + index * x_row + unit, mask=inside, other=0).to(WIDE)
        if HAS_BIAS:
            value += tl.load(bias + member * bias_member + unit, mask=inside, other=0).to(WIDE)
        if RELU:
            value = tl.where(value < 0, 0.0, value)
        kept = tl.where(bits < limit, value * factor, 0.0)
        tl.store(out + line * units + unit, kept.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _relu_backward_kernel(
    grad, y, out, scale, size, per_member, keep_step, WIDE: tl.constexpr, BLOCK: tl.constexpr
):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    factor = tl.load(scale + at // per_member * keep_step, mask=inside, other=0).to(WIDE)
    above = tl.load(grad + at, mask=inside, other=0).to(WIDE)
    below = tl.load(y + at, mask=inside, other=0).to(WIDE)
    passed = tl.where(below <= 0, 0.0, above * factor)
    tl.store(out + at, passed.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _prox_kernel(
    w, moment, out, l1, l2, numbers, size, per_member, strength_step,
    HAS_MOMENT: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    member = at // per_member * strength_step
    first = tl.load(l1 + member, mask=inside, other=0)
    second = tl.load(l2 + member, mask=inside, other=0)
    rate = tl.load(numbers)
    value = tl.load(w + at, mask=inside, other=0).to(WIDE)
    if HAS_MOMENT:
        square = tl.load(moment + at, mask=inside, other=0).to(WIDE)
        root = tl.sqrt(square * tl.load(numbers + 2).to(WIDE))
        step = rate.to(WIDE) / (root + tl.load(numbers + 1).to(WIDE))
        limit = step * first.to(WIDE)
        clipped = tl.where(value < -limit, -limit, tl.where(value > limit, limit, value))
        found = (value - clipped) / (1 + step * second.to(WIDE))
    else:
        limit = (rate * first).to(WIDE)
        clipped = tl.where(value < -limit, -limit, tl.where(value > limit, limit, value))
        found = (value - clipped) * (1 / (1 + rate * second)).to(WIDE)
    tl.store(out + at, found.to(out.dtype.element_ty), mask=inside)


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
    x, w, y, address, rows, threshold, scale,
    count, inputs, outputs, row_member, row_step, keep_step,
    HAS_ROWS: tl.constexpr, WIDE: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    line = tl.program_id(0).to(tl.int64)
    member, index = line // count, line % count
    row = _row_of(rows, member, index, row_member, row_step, HAS_ROWS)
    k0, k1 = _key(address, member)
    limit = tl.load(threshold + member * keep_step).to(tl.uint32)
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
    total *= tl.load(scale + member * keep_step).to(WIDE)
    tl.store(y + line * outputs + o, total.to(y.dtype.element_ty), mask=o < outputs)


@triton.jit
def _product_by_x_kernel(
    grad, w, out, address, rows, threshold, scale,
    count, inputs, outputs, row_member, row_step, keep_step,
    HAS_ROWS: tl.constexpr, WIDE: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    line = tl.program_id(0).to(tl.int64)
    member, index = line // count, line % count
    row = _row_of(rows, member, index, row_member, row_step, HAS_ROWS)
    k0, k1 = _key(address, member)
    limit = tl.load(threshold + member * keep_step).to(tl.uint32)
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
    total *= tl.load(scale + member * keep_step).to(WIDE)
    tl.store(out + line * inputs + i, total.to(out.dtype.element_ty), mask=i < inputs)


@triton.jit
def _product_by_weight_kernel(
    grad, x, out, address, rows, threshold, scale,
    count, inputs, outputs, row_member, row_step, keep_step,
    HAS_ROWS: tl.constexpr, WIDE: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
):  # fmt: skip
    tiles = tl.cdiv(inputs, INS)
    member = (tl.program_id(0) // tiles).to(tl.int64)
    i = (tl.program_id(0) % tiles).to(tl.int64) * INS + tl.arange(0, INS)
    o = tl.program_id(1).to(tl.int64) * OUTS + tl.arange(0, OUTS)
    inside = (i[:, None] < inputs) & (o[None, :] < outputs)
    unit = i[:, None] * outputs + o[None, :]
    k0, k1 = _key(address, member)
    limit = tl.load(threshold + member * keep_step).to(tl.uint32)
    total = tl.zeros([INS, OUTS], WIDE)
    for index in range(count):
        line = member * count + index
        row = _row_of(rows, member, line - member * count, row_member, row_step, HAS_ROWS)
        value = tl.load(x + line * inputs + i, mask=i < inputs, other=0).to(WIDE)
        above = tl.load(grad + line * outputs + o, mask=o < outputs, other=0).to(WIDE)
        slope = value[:, None] * above[None, :]
        total += tl.where(_kept(unit, row, k0, k1, limit), slope, 0.0)
    total *= tl.load(scale + member * keep_step).to(WIDE)
    at = out + member * inputs * outputs + unit
    tl.store(at, total.to(out.dtype.element_ty), mask=inside)


def _wide(dtype: torch.dtype) -> Any:
    return tl.float64 if dtype == torch.float64 else tl.float32


def _keep(keep_prob: Tensor, inverted: bool, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Return thresholds, scales and the step from one member's to the next, on the device."""
    threshold = threshold_of(keep_prob)
    scale = 65536 / threshold.double() if inverted else torch.ones_like(threshold).double()
    return threshold.to(device), scale.to(device), 1 if threshold.shape[0] > 1 else 0


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
    threshold, scale, keep_step = _keep(keep_prob, inverted, x.device)
    given, row_member, row_step = _rows(rows, place)
    added = x if bias is None else bias.contiguous()
    bias_member = 0 if bias is None or bias.shape[0] == 1 else bias.shape[1]
    grid = (members * count, triton.cdiv(units, 128 * _GROUPS))
    _dropout_kernel[grid](
        x, added, out, place, given, threshold, scale,
        count, units, x.stride(0), x.stride(1), bias_member, row_member, row_step, keep_step,
        HAS_ROWS=rows is not None, HAS_BIAS=bias is not None, RELU=relu,
        WIDE=_wide(x.dtype), GROUPS=_GROUPS,
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
    _, scale, keep_step = _keep(keep_prob, inverted, grad.device)
    size = grad.numel()
    _relu_backward_kernel[(triton.cdiv(size, _ELEMENTS),)](
        grad, y, out, scale, size, size // grad.shape[0], keep_step,
        WIDE=_wide(grad.dtype), BLOCK=_ELEMENTS,
    )  # fmt: skip
    return out


def elastic_prox(
    w: Tensor,
    second_moment: Tensor | None,
    l1: Tensor,
    l2: Tensor,
    rate: float,
    eps: float,
    correction: float,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """As :func:`bridle.ops.reference.elastic_prox`."""
    if not w.numel():
        return reference.elastic_prox(w, second_moment, l1, l2, rate, eps, correction, out=out)
    w = w.contiguous()
    out = torch.empty_like(w) if out is None else out
    moment = w if second_moment is None else second_moment.contiguous()
    strengths = [s.to(w.device, torch.float64).expand(w.shape[0]).contiguous() for s in (l1, l2)]
    numbers = torch.tensor([rate, eps, correction], dtype=torch.float64, device=w.device)
    size = w.numel()
    _prox_kernel[(triton.cdiv(size, _ELEMENTS),)](
        w, moment, out, *strengths, numbers, size, size // w.shape[0], 1,
        HAS_MOMENT=second_moment is not None, WIDE=_wide(w.dtype), BLOCK=_ELEMENTS,
    )  # fmt: skip
    return out


def _product(
    kernel: Any, first: Tensor, second: Tensor, out: Tensor, sizes: tuple[int, ...],
    grid: tuple[int, int], address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool,
) -> Tensor:  # fmt: skip
    if not out.numel():
        return out
    place = address.to(out.device).contiguous()
    threshold, scale, keep_step = _keep(keep_prob, inverted, out.device)
    given, row_member, row_step = _rows(rows, place)
    kernel[grid](
        first.contiguous(), second.contiguous(), out, place, given, threshold, scale,
        *sizes, row_member, row_step, keep_step,
        HAS_ROWS=rows is not None, WIDE=_wide(out.dtype), INS=16, OUTS=64,
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
