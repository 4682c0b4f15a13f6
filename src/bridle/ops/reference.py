"""Every op in plain torch: the definition that each kernel is tested against.

Shapes are the ones of :mod:`bridle.ops.dispatch`'s registered ops: ``x`` is
``[members, rows, units]``, ``address`` int64 ``[members, 3]``, ``rows`` int64
``[1 or members, 1 or rows]`` and ``keep_prob`` float64 ``[1 or members]``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bridle.ops.philox import RESOLUTION, keep_mask

__all__ = ["dropout", "relu_dropout", "relu_dropout_backward", "soft_threshold", "threshold_of"]


def threshold_of(keep_prob: Tensor) -> Tensor:
    """Return the lane threshold, int64: ``keep_prob`` in units of 1/65536, at least one."""
    return (keep_prob.double() * RESOLUTION).round().clamp(1, RESOLUTION).to(torch.int64)


def _scale(keep_prob: Tensor, inverted: bool, like: Tensor) -> Tensor:
    """Return what a kept unit is multiplied by, ``[1 or members, 1, 1]``."""
    if not inverted:
        return torch.ones((1, 1, 1), dtype=torch.float64, device=like.device)
    return (RESOLUTION / threshold_of(keep_prob).double()).view(-1, 1, 1).to(like.device)


def _scaled(x: Tensor, scale: Tensor) -> Tensor:
    """Multiply in at least single precision and round once to the dtype of ``x``."""
    wide = torch.promote_types(x.dtype, torch.float32)
    return (x.to(wide) * scale.to(wide)).to(x.dtype)


def dropout(x: Tensor, address: Tensor, rows: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    """Return ``x`` with units dropped; a dropped unit is 0 whatever it held."""
    kept = keep_mask(address, rows.to(x.device), x.shape[2], threshold_of(keep_prob).to(x.device))
    scaled = _scaled(x, _scale(keep_prob, inverted, x))
    return torch.where(kept, scaled, torch.zeros((), dtype=x.dtype, device=x.device)).contiguous()


def relu_dropout(
    x: Tensor, address: Tensor, rows: Tensor, keep_prob: Tensor, inverted: bool
) -> Tensor:
    """Return ``dropout(relu(x))``."""
    return dropout(x.relu(), address, rows, keep_prob, inverted)


def relu_dropout_backward(grad: Tensor, y: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    """Return the gradient of ``relu_dropout``, read off its output ``y``: no mask is needed.

    A unit passed exactly when its output is positive (or not a number, as in torch's ReLU).
    """
    scaled = _scaled(grad, _scale(keep_prob, inverted, grad))
    zero = torch.zeros((), dtype=grad.dtype, device=grad.device)
    return torch.where(y <= 0, zero, scaled).contiguous()


def soft_threshold(w: Tensor, threshold: Tensor) -> Tensor:
    """Return ``sign(w) max(|w| - threshold, 0)``, in the dtype of ``w``."""
    limit = threshold.to(w.dtype)
    return (w - torch.clamp(w, -limit, limit)).contiguous()
