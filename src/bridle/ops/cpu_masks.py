"""Masks and random numbers on a CPU: dropout, Gaussian dropout and DropConnect."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bridle.ops import reference
from bridle.ops.cpu_variants import DTYPE_CODES, native, runs_compiled
from bridle.ops.masks import BLOCKS_AT_ONCE, GROUP_BLOCKS, WORDS, drawn_words
from bridle.ops.reference import row_steps

__all__ = [
    "drop_connect_linear",
    "drop_connect_linear_backward",
    "dropout",
    "gaussian_dropout",
    "relu_dropout",
    "relu_dropout_backward",
    "uniform_like",
]

CPU = torch.device("cpu")


def mask_arguments(
    address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> tuple[tuple[int, ...], tuple[Tensor | None, ...]]:
    """Return a kernel's arguments for a mask, and tensors to keep alive until the kernel has run.

    The arguments are pointers and strides, so the tensors are first converted to the layout that
    the kernels read.
    """
    address = address.to(CPU, torch.int64).contiguous()
    keep_prob = keep_prob.to(CPU, torch.float64).contiguous()
    rows = None if rows is None else rows.to(CPU, torch.int64)
    places = (address.data_ptr(), 0 if rows is None else rows.data_ptr(), *row_steps(rows))
    keep = (keep_prob.data_ptr(), keep_prob.shape[0] > 1, inverted)
    return (*places, *keep), (address, rows, keep_prob)


def _dropout(
    x: Tensor,
    bias: Tensor | None,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
    relu: bool,
) -> Tensor:
    mask, _held = mask_arguments(address, rows, keep_prob, inverted)
    if x.stride(2) != 1:
        x = x.contiguous()
    place, step = 0, 0
    if bias is not None:
        bias = bias.to(x.dtype).contiguous()
        place, step = bias.data_ptr(), bias.shape[1] if bias.shape[0] > 1 else 0
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    native.dropout(
        DTYPE_CODES[x.dtype],
        *x.shape,
        x.data_ptr(),
        x.stride(0),
        x.stride(1),
        place,
        step,
        out.data_ptr(),
        *mask,
        relu,
        torch.get_num_threads(),
    )
    return out


def dropout(
    x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> Tensor:
    """As :func:`bridle.ops.reference.dropout`."""
    if not runs_compiled(x):
        return reference.dropout(x, address, rows, keep_prob, inverted)
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
    if not runs_compiled(x):
        return reference.relu_dropout(x, bias, address, rows, keep_prob, inverted)
    return _dropout(x, bias, address, rows, keep_prob, inverted, True)


def relu_dropout_backward(grad: Tensor, y: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    """As :func:`bridle.ops.reference.relu_dropout_backward`."""
    if not runs_compiled(grad) or grad.dtype != y.dtype:
        return reference.relu_dropout_backward(grad, y, keep_prob, inverted)
    grad, y = grad.contiguous(), y.contiguous()
    keep_prob = keep_prob.to(CPU, torch.float64).contiguous()
    out = torch.empty_like(grad)
    native.relu_backward(
        DTYPE_CODES[grad.dtype],
        grad.shape[0],
        grad[0].numel() if grad.shape[0] else 0,
        grad.data_ptr(),
        y.data_ptr(),
        out.data_ptr(),
        keep_prob.data_ptr(),
        1 if keep_prob.shape[0] > 1 else 0,
        inverted,
        torch.get_num_threads(),
    )
    return out


def _native_words(address: Tensor, rows: Tensor, groups: int) -> Iterator[tuple[slice, Tensor]]:
    """As :func:`bridle.ops.masks.drawn_words`: one kernel draws all, and parts are yielded."""
    address, rows = address.to(CPU, torch.int64).contiguous(), rows.to(torch.int64)
    members, count = address.shape[0], rows.shape[1]
    words = torch.empty(members * count, groups, WORDS, GROUP_BLOCKS, dtype=torch.int32)
    if not words.numel():
        return
    native.draw_words(
        members,
        count,
        groups,
        words.data_ptr(),
        address.data_ptr(),
        rows.data_ptr(),
        *row_steps(rows),
        torch.get_num_threads(),
    )
    chunk = max(1, BLOCKS_AT_ONCE // (groups * GROUP_BLOCKS))
    for start in range(0, members * count, chunk):
        part = slice(start, min(start + chunk, members * count))
        yield part, words[part]


def gaussian_dropout(x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor) -> Tensor:
    """As :func:`bridle.ops.reference.gaussian_dropout`."""
    source = _native_words if runs_compiled(x) else drawn_words
    return reference.gaussian_dropout(x, address, rows, keep_prob, source=source)


def uniform_like(x: Tensor, address: Tensor, rows: Tensor | None) -> Tensor:
    """As :func:`bridle.ops.reference.uniform_like`."""
    source = _native_words if runs_compiled(x) else drawn_words
    return reference.uniform_like(x, address, rows, source=source)


def drop_connect_linear(
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """As :func:`bridle.ops.reference.drop_connect_linear`."""
    if not runs_compiled(x):
        return reference.drop_connect_linear(x, weight, address, rows, keep_prob, inverted)
    dtype = torch.promote_types(x.dtype, torch.float32)
    wide, weights = x.to(dtype).contiguous(), weight.to(dtype).contiguous()
    mask, _held = mask_arguments(address, rows, keep_prob, inverted)
    y = torch.zeros(*x.shape[:2], weight.shape[2], dtype=dtype)
    native.masked_forward(
        DTYPE_CODES[dtype],
        *x.shape,
        weight.shape[2],
        wide.data_ptr(),
        weights.data_ptr(),
        y.data_ptr(),
        *mask,
        torch.get_num_threads(),
    )
    return y.to(x.dtype)


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
    if not runs_compiled(x):
        return reference.drop_connect_linear_backward(
            grad, x, weight, address, rows, keep_prob, inverted
        )
    dtype = torch.promote_types(x.dtype, torch.float32)
    above, wide, weights = (part.to(dtype).contiguous() for part in (grad, x, weight))
    mask, _held = mask_arguments(address, rows, keep_prob, inverted)
    grad_x, grad_weight = torch.zeros_like(wide), torch.zeros_like(weights)
    native.masked_backward(
        DTYPE_CODES[dtype],
        *x.shape,
        weight.shape[2],
        wide.data_ptr(),
        weights.data_ptr(),
        above.data_ptr(),
        grad_x.data_ptr(),
        grad_weight.data_ptr(),
        *mask,
        torch.get_num_threads(),
    )
    return grad_x.to(x.dtype), grad_weight.to(weight.dtype)
