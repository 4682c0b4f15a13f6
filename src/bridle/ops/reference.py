"""Every op in plain torch: the reference that each kernel is tested against.

Shapes are those of the ops in :mod:`bridle.ops.registry`: ``x`` is ``[members, rows, units]``,
``address`` int64 ``[members, 3]``, ``rows`` int64 ``[1 or members, 1 or rows]`` or None for
0, 1, 2, …, and ``keep_prob`` float64 ``[1 or members]``. The arithmetic is in single precision or
higher, and the result is rounded once to its dtype.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bridle.ops.masks import RESOLUTION, Source, drawn_words, keep_mask, normals, uniforms

__all__ = [
    "adam_step",
    "drop_connect_linear",
    "drop_connect_linear_backward",
    "dropout",
    "elastic_prox",
    "gaussian_dropout",
    "max_norm_step",
    "relu_dropout",
    "relu_dropout_backward",
    "row_steps",
    "soft_threshold",
    "take_blocks",
    "threshold_of",
    "uniform_like",
]


def threshold_of(keep_prob: Tensor) -> Tensor:
    """Return the lane threshold, int64: ``keep_prob`` in units of 1/65536, at least one."""
    return (keep_prob.double() * RESOLUTION).round().clamp(1, RESOLUTION).to(torch.int64)


def row_steps(rows: Tensor | None) -> tuple[int, int]:
    """Return the strides of row addresses by member and by row; 0 if one address serves all."""
    if rows is None:
        return 0, 0
    by_member, by_row = (rows.stride(axis) if rows.shape[axis] > 1 else 0 for axis in (0, 1))
    return by_member, by_row


def _scale(keep_prob: Tensor, inverted: bool, like: Tensor) -> Tensor:
    """Return the factor of a kept unit, ``[1 or members, 1, 1]``."""
    if not inverted:
        return torch.ones((1, 1, 1), dtype=torch.float64, device=like.device)
    return (RESOLUTION / threshold_of(keep_prob).double()).view(-1, 1, 1).to(like.device)


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _scaled(x: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    wide = _wide(x)
    return (wide * scale.to(wide.dtype)).to(dtype)


def _mask(x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor, units: int) -> Tensor:
    """Return which units are kept: bool ``[members, 1 or rows, units]``."""
    if rows is None:
        rows = torch.arange(x.shape[1], device=x.device)[None]
    return keep_mask(address, rows.to(x.device), units, threshold_of(keep_prob).to(x.device))


def _zero(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.zeros((), dtype=dtype, device=device)


def dropout(
    x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> Tensor:
    """Return ``x`` with units dropped; a dropped unit is 0 even if it was infinite or NaN."""
    kept = _mask(x, address, rows, keep_prob, x.shape[2])
    scaled = _scaled(x, _scale(keep_prob, inverted, x), x.dtype)
    return torch.where(kept, scaled, _zero(x.dtype, x.device)).contiguous()


def relu_dropout(
    x: Tensor,
    bias: Tensor | None,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """Return ``dropout(relu(x + bias))``, the bias ``[1 or members, units]``."""
    wide = _wide(x) if bias is None else _wide(x) + _wide(bias)[:, None]
    kept = _mask(x, address, rows, keep_prob, x.shape[2])
    scaled = _scaled(wide.relu(), _scale(keep_prob, inverted, x), x.dtype)
    return torch.where(kept, scaled, _zero(x.dtype, x.device)).contiguous()


def relu_dropout_backward(grad: Tensor, y: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    """Return the gradient of ``relu_dropout`` from its output ``y``, without the mask.

    A unit has a gradient exactly if its output is positive (or NaN, as in torch's ReLU).
    """
    scaled = _scaled(grad, _scale(keep_prob, inverted, grad), grad.dtype)
    return torch.where(y <= 0, _zero(grad.dtype, grad.device), scaled).contiguous()


def gaussian_dropout(
    x: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    *,
    source: Source = drawn_words,
) -> Tensor:
    """Return ``x (1 + σ n)``: ``n`` standard normal, σ² = (1 - p) / p."""
    wide = _wide(x)
    keep = keep_prob.double()
    deviation = ((1 - keep) / keep).sqrt().view(-1, 1, 1).to(wide)
    places = _rows(x, rows).to(x.device)
    noise = normals(address, places, x.shape[2], wide.dtype, source=source)
    return (wide * (1 + deviation * noise)).to(x.dtype).contiguous()


def uniform_like(
    x: Tensor, address: Tensor, rows: Tensor | None, *, source: Source = drawn_words
) -> Tensor:
    """Return a uniform random number for each entry of ``x``, float64."""
    places = _rows(x, rows).to(x.device)
    return uniforms(address, places, x.shape[2], source=source).expand(x.shape).contiguous()


def soft_threshold(w: Tensor, threshold: Tensor) -> Tensor:
    """Return ``sign(w) max(|w| - threshold, 0)``, in the dtype of ``w``."""
    limit = threshold.to(w.dtype)
    return (w - torch.clamp(w, -limit, limit)).contiguous()


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
    """Return ``soft(w, step l1) / (1 + step l2)``, ``w`` ``[members, …]``, ``l1`` ``[members]``.

    The step is ``rate``; with Adam's second moments ``v`` it is ``rate / (√(correction v) + eps)``.
    ``out`` may be ``w``.
    """
    wide = _wide(w)
    shape = (-1, *[1] * (w.ndim - 1))
    first, second = (strength.double().view(shape).to(w.device) for strength in (l1, l2))
    if second_moment is None:
        # computed in float64 per member, then rounded once to the precision of the weights
        limit, factor = (rate * first).to(wide.dtype), (1 / (1 + rate * second)).to(wide.dtype)
        found = (wide - torch.clamp(wide, -limit, limit)) * factor
    else:
        root = (_wide(second_moment) * correction).sqrt()
        step = rate / (root + eps)
        limit = step * first.to(wide.dtype)
        found = (wide - torch.clamp(wide, -limit, limit)) / (1 + step * second.to(wide.dtype))
    return found.to(w.dtype) if out is None else out.copy_(found)


def adam_step(
    w: Tensor,
    gradient: Tensor,
    moment: Tensor,
    square: Tensor,
    average: Tensor | None,
    strengths: Tensor,
) -> None:
    """Make Adam's step and the proximal step in its metric, in place.

    ``strengths`` is float64 ``[members, 9]``: rate, β₁, β₂, eps, the two bias corrections, l1, l2,
    and the decay of the average.
    """
    shape = (-1, *[1] * (w.ndim - 1))
    columns = strengths.to(w.device, w.dtype).unbind(1)
    rate, beta1, beta2, eps, correction1, correction2, l1, l2, _ = (c.view(shape) for c in columns)
    rest1, rest2, moved = (
        (1 - strengths[:, place]).to(w.device, w.dtype).view(shape) for place in (1, 2, 8)
    )
    moment.mul_(beta1).add_(rest1 * gradient)
    square.mul_(beta2).add_(rest2 * gradient.square())
    step = rate / ((square * correction2).sqrt() + eps)
    w.sub_(step * (moment * correction1))
    if bool((l1 != 0).any()) or bool((l2 != 0).any()):
        limit = step * l1
        w.sub_(torch.clamp(w, -limit, limit)).div_(1 + step * l2)
    if average is not None:
        average.add_(moved * (w - average))


def max_norm_step(w: Tensor, bound: Tensor) -> None:
    """Scale columns of ``w`` ``[members, in, out]`` down to ``bound`` ``[members]``, in place."""
    limit = bound.to(w.device, w.dtype)[:, None, None]
    norm = torch.linalg.vector_norm(w, dim=1, keepdim=True)
    w.mul_(torch.where(norm > limit, limit / norm, torch.ones_like(norm)))


def _masked_weight(
    weight: Tensor, index: int, address: Tensor, rows: Tensor, keep_prob: Tensor, scale: Tensor
) -> Tensor:
    """Return every member's weights with the mask of one example, scaled."""
    members = weight.shape[0]
    row = rows[:, [index if rows.shape[1] > 1 else 0]]
    count = weight[0].numel()
    kept = keep_mask(address, row, count, threshold_of(keep_prob).to(weight.device))
    kept = kept.view(members, *weight.shape[1:])
    return torch.where(kept, weight * scale.to(weight.dtype), _zero(weight.dtype, weight.device))


def _rows(x: Tensor, rows: Tensor | None) -> Tensor:
    return torch.arange(x.shape[1], device=x.device)[None] if rows is None else rows


def drop_connect_linear(
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """Return ``x[r] @ (mask of row r ∘ weight)``, with one mask in memory at a time.

    ``x`` is ``[members, rows, inputs]`` and ``weight`` ``[members, inputs, outputs]``. For the
    mask, the weights in their memory order are the units of a row.
    """
    scale, rows = _scale(keep_prob, inverted, weight), _rows(x, rows)
    y = x.new_empty(x.shape[0], x.shape[1], weight.shape[2])
    for index in range(x.shape[1]):
        masked = _masked_weight(weight, index, address, rows, keep_prob, scale)
        y[:, index] = torch.bmm(x[:, index : index + 1], masked)[:, 0]
    return y


def drop_connect_linear_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> tuple[Tensor, Tensor]:
    """Return the gradients of ``drop_connect_linear`` with respect to ``x`` and ``weight``."""
    scale, rows = _scale(keep_prob, inverted, weight), _rows(x, rows)
    grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    grad_weight = torch.zeros_like(weight, memory_format=torch.contiguous_format)
    ones = torch.ones_like(weight)
    for index in range(x.shape[1]):
        above = grad[:, index : index + 1]
        masked = _masked_weight(weight, index, address, rows, keep_prob, scale)
        grad_x[:, index] = torch.bmm(above, masked.mT)[:, 0]
        mask = _masked_weight(ones, index, address, rows, keep_prob, scale)
        grad_weight += torch.where(mask > 0, x[:, index, :, None] * above * mask, 0)
    return grad_x, grad_weight


def take_blocks(
    weight: Tensor, lines: Tensor, columns: Tensor, factors: Tensor, out: Tensor
) -> Tensor:
    """Write ``factors[n, i] * weight[n, lines[n, i], columns[n, j]]`` to ``out[n, i, j]``.

    Here n numbers the blocks. ``weight`` is ``[in, out]``, the same for all blocks, or
    ``[blocks, in, out]``. ``lines`` and ``columns`` are int64 indices ``[blocks, …]``, which are
    not checked. ``factors`` and ``out`` have the dtype of ``weight``.
    """
    places = lines[:, :, None], columns[:, None, :]
    if weight.ndim == 3:
        block = torch.arange(len(weight), device=weight.device)[:, None, None]
        return torch.mul(weight[block, *places], factors[:, :, None], out=out)
    return torch.mul(weight[places], factors[:, :, None], out=out)
