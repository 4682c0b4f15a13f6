"""Scaled dot-product attention as torch defines it, with a given dropout of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["attend", "weights_of"]


def weights_of(scores: Tensor) -> Tensor:
    """Return the softmax of scores; 0 for a query that may attend to no key, with scores -∞."""
    nowhere = (scores == -math.inf).all(-1, keepdim=True)
    return scores.masked_fill(nowhere, 0).softmax(-1).masked_fill(nowhere, 0)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    drop: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return ``drop(softmax(query keyᵀ scale + mask)) value``.

    Parameters
    ----------
    query, key, value, attn_mask, is_causal, scale, enable_gqa
        As in ``torch.nn.functional.scaled_dot_product_attention``.
    drop : callable
        Takes and returns the weights, ``[..., queries, keys]``.

    Returns
    -------
    Tensor
        ``[..., queries, features]``. As in torch, 0 for a query that may attend to no key.

    Examples
    --------
    >>> import torch
    >>> q, k, v = torch.randn(3, 2, 4, 5).unbind()
    >>> y = attend(q, k, v, drop=lambda weights: weights)
    >>> wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    >>> torch.allclose(y, wanted, atol=1e-6)
    True
    """
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], dim=-3)
    if is_causal:
        shape = query.shape[-2], key.shape[-2]
        attn_mask = torch.ones(shape, dtype=torch.bool, device=query.device).tril()
    scores = query @ key.mT * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return drop(weights_of(scores)) @ value
