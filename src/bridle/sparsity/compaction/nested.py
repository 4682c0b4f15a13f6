"""Nested tensors, which :class:`torch.nn.TransformerEncoder` makes of a batch with padding."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["lengths_of", "nest", "pad"]


def lengths_of(nested: Tensor) -> Tensor:
    """Return the number of places of each row, as int64."""
    return torch.tensor([len(row) for row in nested.unbind()], device=nested.device)


def pad(nested: Tensor) -> Tensor:
    """Return the rows as one Tensor ``[rows, places, width]``, with zeros after each row."""
    return nested.to_padded_tensor(0.0)


def nest(padded: Tensor, lengths: Tensor) -> Tensor:
    """Return a nested tensor of the places before the padding."""
    rows = zip(padded, lengths.tolist(), strict=True)
    return torch.nested.as_nested_tensor([row[:length] for row, length in rows])
