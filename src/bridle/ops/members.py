"""Strengths and probabilities of several members as text, for ``repr`` and messages."""

from __future__ import annotations

from torch import Tensor

__all__ = ["shown"]


def shown(value: float | Tensor) -> str:
    """Return a number as text; for a tensor with a number for each member, their range.

    Examples
    --------
    >>> import torch
    >>> shown(0.5), shown(torch.tensor([1e-4])), shown(torch.tensor([0.0, 1e-3, 1e-4]))
    ('0.5', '0.0001', '0 to 0.001 for 3 members')
    """
    if not isinstance(value, Tensor):
        return str(value)
    low, high = float(value.min()), float(value.max())
    if value.numel() == 1:
        return f"{low:g}"
    between = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{between} for {value.numel()} members"
