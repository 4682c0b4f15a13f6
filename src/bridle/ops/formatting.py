"""Strengths and probabilities as text, for ``repr`` and messages."""

from __future__ import annotations

from torch import Tensor

__all__ = ["format_value"]


def format_value(value: float | Tensor) -> str:
    """Return a number as text, or the range of the numbers of several members.

    Examples
    --------
    >>> import torch
    >>> format_value(0.5), format_value(torch.tensor([0.5]))
    ('0.5', '0.5')
    >>> format_value(torch.tensor([0.0, 1e-3, 1e-4]))
    '0 to 0.001 for 3 members'
    """
    if not isinstance(value, Tensor):
        return str(value)
    low, high = float(value.min()), float(value.max())
    text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return text if value.numel() == 1 else f"{text} for {value.numel()} members"
