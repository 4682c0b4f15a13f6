"""torch's dropout functions, computed with masks at addresses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bridle.noise import AlphaDropout, Dropout, FeatureAlphaDropout, Multiplier, SpatialDropout
from bridle.ops.dropout import uniform_like

__all__ = ["KINDS", "addressed_dropout", "addressed_rrelu", "make_noise"]

_NOISES: dict[str, type[Multiplier]] = {
    "dropout": Dropout,
    "dropout1d": SpatialDropout,
    "dropout2d": SpatialDropout,
    "dropout3d": SpatialDropout,
    "feature_dropout": SpatialDropout,
    "alpha_dropout": AlphaDropout,
    "feature_alpha_dropout": FeatureAlphaDropout,
}
KINDS: dict[type[nn.Module], str] = {
    nn.Dropout: "dropout",
    nn.Dropout1d: "dropout1d",
    nn.Dropout2d: "dropout2d",
    nn.Dropout3d: "dropout3d",
    nn.AlphaDropout: "alpha_dropout",
    nn.FeatureAlphaDropout: "feature_alpha_dropout",
}
"""torch's modules of dropout, and the functions that they call."""

_UNBATCHED = {"dropout1d": 2, "dropout3d": 4}  # axes of an input without a batch axis


def make_noise(kind: str, p: float) -> Multiplier:
    """Return the noise that equals one of torch's dropout functions.

    Parameters
    ----------
    kind : str
        The name of the function in ``torch.nn.functional``, or ``"feature_dropout"``.
    p : float
        The probability to drop, from 0 to below 1.

    Returns
    -------
    Multiplier

    Examples
    --------
    >>> make_noise("dropout2d", 0.25)
    SpatialDropout(keep_prob=0.75, scaling='inverted')
    """
    return _NOISES[kind](drop_prob=p)


def addressed_dropout(
    kind: str,
    x: Tensor,
    p: float,
    address: Tensor,
    rows: Tensor | None = None,
    made: Multiplier | None = None,
) -> Tensor:
    """Return what one of torch's dropout functions returns in training, with bridle's masks.

    Parameters
    ----------
    kind : str
        As in :func:`make_noise`.
    x : Tensor
        As torch's function takes it, floating.
    p : float
        The probability to drop, from 0 to 1.
    address : Tensor
        int64 ``[3]``; see :func:`bridle.address_of`.
    rows : Tensor, optional
        int64, one for each index of the first axis; see :func:`bridle.ops.dropout`.
    made : Multiplier, optional
        What :func:`make_noise` returned for this kind and rate.

    Returns
    -------
    Tensor
        With the shape and dtype of ``x``. For ``p=1``, zeros.

    Examples
    --------
    >>> import torch, bridle
    >>> addressed_dropout("dropout", torch.ones(1, 5), 0.5, bridle.address_of(seed=0, step=3))
    tensor([[0., 2., 0., 0., 2.]])
    """
    if p == 0 or x.numel() == 0:
        return x
    if p == 1:
        return x.masked_fill(torch.ones((), dtype=torch.bool, device=x.device), 0)
    noise: Any = make_noise(kind, p) if made is None else made
    if x.ndim == _UNBATCHED.get(kind) or x.ndim < 2:
        return noise.train(x.reshape(1, *(x.shape or (1,))), address).reshape(x.shape)
    return noise.train(x, address, rows=rows)


def addressed_rrelu(
    x: Tensor, lower: float, upper: float, address: Tensor, rows: Tensor | None = None
) -> Tensor:
    """Return what ``torch.nn.functional.rrelu`` returns in training, with slopes at an address."""
    flat = x.reshape(1, *(x.shape or (1,))) if x.ndim < 2 else x
    drawn = uniform_like(flat, address, rows=rows if x.ndim > 1 else None).reshape(x.shape)
    return torch.where(x < 0, x * (lower + (upper - lower) * drawn).to(x.dtype), x)
