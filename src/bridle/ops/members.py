"""Values in words, for printing and for messages."""

from __future__ import annotations

from torch import Tensor

__all__ = ["shown"]


def shown(value: float | Tensor) -> str:
    """Return a number, or of numbers by member the lowest, the highest and how many there are.

    Examples
    --------
    >>> import torch
    >>> shown(0.5), shown(torch.tensor([0.0, 1e-3, 1e-4]))
    ('0.5', '0 … 0.001 of 3 members')
    """
    if not isinstance(value, Tensor):
        return str(value)
    low, high = float(value.min()), float(value.max())
    between = f"{low:g}" if low == high else f"{low:g} … {high:g}"
    return f"{between} of {value.numel()} members"
