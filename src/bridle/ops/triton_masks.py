"""Helpers that the Triton kernels share: the key of a mask, its rows, its threshold and scale."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language.random import philox_impl

from bridle.ops.reference import row_steps

__all__ = [
    "high_word",
    "keep_on_device",
    "key_of",
    "low_word",
    "row_of",
    "rows_on_device",
    "threshold_and_scale",
]


@triton.jit
def low_word(x):
    """Return the low 32 bits."""
    return (x & 0xFFFFFFFF).to(tl.uint32)


@triton.jit
def high_word(x):
    """Return the high 32 bits."""
    return ((x >> 32) & 0xFFFFFFFF).to(tl.uint32)


@triton.jit
def key_of(address, member):
    """Return :func:`bridle.ops.masks.mask_key` of a member's address."""
    seed = tl.load(address + 3 * member)
    stream = tl.load(address + 3 * member + 1)
    step = tl.load(address + 3 * member + 2)
    k0, k1, _, _ = philox_impl(
        low_word(stream),
        high_word(stream),
        low_word(step),
        high_word(step),
        low_word(seed),
        high_word(seed),
        10,
    )
    return k0, k1


@triton.jit
def row_of(rows, member, index, row_member, row_step, HAS_ROWS: tl.constexpr):
    """Return the address of a row: its index where none are given."""
    if HAS_ROWS:
        row = tl.load(rows + member * row_member + index * row_step)
    else:
        row = index.to(tl.int64)
    return row


@triton.jit
def threshold_and_scale(keep, member, keep_step, INVERTED: tl.constexpr):
    """Return a member's lane threshold (:func:`bridle.ops.reference.threshold_of`) and scale."""
    share = tl.load(keep + member * keep_step) * 65536.0
    whole = tl.floor(share + 0.5)
    odd = whole - 2.0 * tl.floor(0.5 * whole)
    whole = whole - tl.where(whole - share == 0.5, odd, 0.0)  # ties round to even
    whole = tl.minimum(tl.maximum(whole, 1.0), 65536.0)
    if INVERTED:
        scale = 65536.0 / whole
    else:
        scale = whole * 0.0 + 1.0
    return whole.to(tl.uint32), scale


def keep_on_device(keep_prob: Tensor, device: torch.device) -> tuple[Tensor, int]:
    """Return the probabilities on the device, and their stride by member (0 if one serves all)."""
    return keep_prob.to(device, torch.float64).contiguous(), 1 if keep_prob.shape[0] > 1 else 0


def rows_on_device(rows: Tensor | None, like: Tensor) -> tuple[Tensor, int, int]:
    """Return the row addresses on the device, and their strides by member and by row."""
    if rows is None:
        return like, 0, 0
    rows = rows.to(like.device)
    return rows, *row_steps(rows)
