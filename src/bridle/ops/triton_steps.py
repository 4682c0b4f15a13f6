"""Updates of weights as Triton kernels: proximal steps, Adam with penalties, max-norm."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from bridle.ops import reference

__all__ = ["ELEMENTS", "adam_step", "elastic_prox", "max_norm_step", "wide"]

ELEMENTS = 1024  # elements that one program of an elementwise kernel processes


def wide(dtype: torch.dtype) -> Any:
    """Return the dtype of the arithmetic for tensors of a dtype."""
    return tl.float64 if dtype == torch.float64 else tl.float32


@triton.jit
def _clipped(value, limit):
    return tl.where(value < -limit, -limit, tl.where(value > limit, limit, value))


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
        found = (value - _clipped(value, step * first.to(WIDE))) / (1 + step * second.to(WIDE))
    else:
        limit = (rate * first).to(WIDE)
        found = (value - _clipped(value, limit)) * (1 / (1 + rate * second)).to(WIDE)
    tl.store(out + at, found.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _adam_kernel(
    w, gradient, moment, square, average, strengths, per_member, tiles,
    HAS_AVERAGE: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0).to(tl.int64)
    member = pid // tiles
    place = pid % tiles * BLOCK + tl.arange(0, BLOCK)
    inside = place < per_member
    at = member * per_member + place
    own = strengths + 9 * member
    rate = tl.load(own).to(WIDE)
    beta1, beta2, eps = tl.load(own + 1), tl.load(own + 2), tl.load(own + 3).to(WIDE)
    correction1, correction2 = tl.load(own + 4).to(WIDE), tl.load(own + 5).to(WIDE)
    l1, l2 = tl.load(own + 6).to(WIDE), tl.load(own + 7).to(WIDE)
    slope = tl.load(gradient + at, mask=inside, other=0)
    first = tl.load(moment + at, mask=inside, other=0)
    second = tl.load(square + at, mask=inside, other=0)
    value = tl.load(w + at, mask=inside, other=0)
    first = first * beta1.to(WIDE) + (1 - beta1).to(WIDE) * slope
    second = second * beta2.to(WIDE) + (1 - beta2).to(WIDE) * (slope * slope)
    step = rate / (tl.sqrt(second * correction2) + eps)
    value -= step * (first * correction1)
    value = (value - _clipped(value, step * l1)) / (1 + step * l2)
    tl.store(moment + at, first, mask=inside)
    tl.store(square + at, second, mask=inside)
    tl.store(w + at, value, mask=inside)
    if HAS_AVERAGE:
        moved = (1 - tl.load(own + 8)).to(WIDE)
        old = tl.load(average + at, mask=inside, other=0)
        tl.store(average + at, old + moved * (value - old), mask=inside)


@triton.jit
def _max_norm_kernel(
    w, bound, inputs, outputs, tiles, WIDE: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr
):
    pid = tl.program_id(0).to(tl.int64)
    member = pid // tiles
    limit = tl.load(bound + member).to(WIDE)
    o = pid % tiles * OUTS + tl.arange(0, OUTS)
    own = w + member * inputs * outputs
    total = tl.zeros([OUTS], WIDE)
    for start in range(0, inputs, INS):
        i = start + tl.arange(0, INS)
        inside = (i[:, None] < inputs) & (o[None, :] < outputs)
        value = tl.load(own + i[:, None] * outputs + o[None, :], mask=inside, other=0)
        total += tl.sum(value * value, axis=0)
    norm = tl.sqrt(total)
    above = norm > limit
    factor = tl.where(above, limit / tl.where(above, norm, 1.0), 1.0)
    if tl.min(factor, axis=0) < 1.0:
        for start in range(0, inputs, INS):
            i = start + tl.arange(0, INS)
            inside = (i[:, None] < inputs) & (o[None, :] < outputs)
            at = own + i[:, None] * outputs + o[None, :]
            tl.store(at, tl.load(at, mask=inside, other=0) * factor[None, :], mask=inside)


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
    _prox_kernel[(triton.cdiv(size, ELEMENTS),)](
        w, moment, out, *strengths, numbers, size, size // w.shape[0], 1,
        HAS_MOMENT=second_moment is not None, WIDE=wide(w.dtype), BLOCK=ELEMENTS,
    )  # fmt: skip
    return out


def adam_step(
    w: Tensor,
    gradient: Tensor,
    moment: Tensor,
    square: Tensor,
    average: Tensor | None,
    strengths: Tensor,
) -> None:
    """As :func:`bridle.ops.reference.adam_step`; all tensors are contiguous."""
    size = w[0].numel()
    tiles = triton.cdiv(size, ELEMENTS)
    if not size:
        return
    _adam_kernel[(w.shape[0] * tiles,)](
        w, gradient, moment, square, w if average is None else average,
        strengths.to(w.device).contiguous(), size, tiles,
        HAS_AVERAGE=average is not None, WIDE=wide(w.dtype), BLOCK=ELEMENTS,
    )  # fmt: skip


def max_norm_step(w: Tensor, bound: Tensor) -> None:
    """As :func:`bridle.ops.reference.max_norm_step`; the weights are contiguous."""
    members, inputs, outputs = w.shape
    if not w.numel():
        return
    tiles = triton.cdiv(outputs, 32)
    _max_norm_kernel[(members * tiles,)](
        w, bound.to(w.device, torch.float64).contiguous(), inputs, outputs, tiles,
        WIDE=wide(w.dtype), INS=32, OUTS=32,
    )  # fmt: skip
