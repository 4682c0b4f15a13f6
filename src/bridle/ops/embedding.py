"""Periodic embeddings of numbers at prediction, without a gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.ops import cpu

__all__ = ["can_embed", "embed"]


def can_embed(x: Tensor, parameters: Sequence[Tensor]) -> bool:
    """Whether :func:`embed` supports these tensors, which no gradient must need."""
    return (
        x.device.type == "cpu"
        and cpu.multiplies()
        and all(each.dtype == torch.float32 and each.is_contiguous() for each in parameters)
        and x.dtype == torch.float32
        and not torch.compiler.is_compiling()
    )


def embed(x: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Return rows with the embeddings of their first numbers after them.

    Parameters
    ----------
    x : Tensor
        float32 ``[members, rows, inputs]``.
    parameters : sequence of Tensor
        float32 frequencies and shifts ``[members, numbers, waves]``, weights ``[members, numbers,
        waves, outputs]`` and biases ``[members, numbers, 1, outputs]``.

    Returns
    -------
    Tensor
        float32 ``[members, rows, inputs + numbers * outputs]``.
    """
    members, rows, inputs = x.shape
    _, numbers, waves, outputs = parameters[2].shape
    found = x.new_empty(members, rows, inputs + numbers * outputs)
    found[..., :inputs] = x
    cpu.embed_rows((numbers, waves, outputs), [each.detach() for each in parameters], found)
    return found
