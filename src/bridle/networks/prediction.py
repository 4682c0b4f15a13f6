"""``predict``: the outputs of a population with noise off."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["predict"]


@torch.no_grad()
def predict(network: Callable[..., Tensor], X: Tensor, *, batch_rows: int = 4096) -> Tensor:
    """Return the outputs of every member with noise off.

    Parameters
    ----------
    network : Network
        In ``train()`` or ``eval()`` mode; the mode does not change.
    X : Tensor
        ``[rows, inputs]`` or ``[members, rows, inputs]``.
    batch_rows : int
        Rows per forward pass; bounds the memory.

    Returns
    -------
    Tensor
        ``[members, rows, outputs]``: logits, or predictions for regression.

    Raises
    ------
    UsageError
        If the shape of ``X`` does not fit the network.

    Examples
    --------
    >>> import torch, bridle
    >>> network = bridle.Network([4, 8, 3])
    >>> bridle.predict(network, torch.zeros(2, 4))
    tensor([[[0., 0., 0.],
             [0., 0., 0.]]])
    """
    if X.shape[-2] <= batch_rows:
        return network(X, noise=False)
    return torch.cat([network(part, noise=False) for part in X.split(batch_rows, dim=-2)], dim=1)
