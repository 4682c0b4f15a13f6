"""Proximal steps of L1 and the elastic net: the public functions, with checked arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import registry
from bridle.ops.sharding import is_sharded, like_local, local_of

__all__ = ["elastic_prox", "soft_threshold"]


def soft_threshold(w: Tensor, threshold: float | Tensor) -> Tensor:
    """Move every entry towards zero by ``threshold``; smaller entries become zero.

    The result is ``sign(w) max(|w| - threshold, 0)``, the proximal operator of ``threshold · |w|``
    (Parikh & Boyd 2014, section 6.5.2).

    Parameters
    ----------
    w : Tensor
        Any shape, any floating dtype.
    threshold : float or Tensor
        0 or more; a Tensor broadcasts with ``w``.

    Returns
    -------
    Tensor
        With the shape and dtype of ``w``, and exact zeros.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import soft_threshold
    >>> soft_threshold(torch.tensor([-2.0, -0.5, 0.25, 3.0]), 1.0)
    tensor([-1.,  0.,  0.,  2.])
    """
    if is_sharded(w):
        limit = local_of(threshold, w) if isinstance(threshold, Tensor) else threshold
        return like_local(soft_threshold(local_of(w, w), limit), w)
    if not isinstance(threshold, Tensor):
        threshold = torch.tensor(threshold, dtype=w.dtype, device=w.device)
    return registry.soft_threshold(w, threshold)


def elastic_prox(
    w: Tensor,
    l1: Tensor,
    l2: Tensor,
    *,
    rate: float,
    second_moment: Tensor | None = None,
    eps: float = 0.0,
    correction: float = 1.0,
    in_place: bool = False,
) -> Tensor:
    """Make the proximal step of ``l1 Σ|w| + ½ l2 Σw²``, in one pass.

    The result is ``soft(w, step l1) / (1 + step l2)`` (Parikh & Boyd 2014, section 6.5.3). The step
    is ``rate``. With Adam's second moments ``v``, each weight has the step
    ``rate / (√(correction v) + eps)``.

    Parameters
    ----------
    w : Tensor
        ``[members, ...]``, any floating dtype.
    l1, l2 : Tensor
        float64 ``[members]``, or ``[1]`` for all.
    rate : float
        The learning rate.
    second_moment : Tensor, optional
        With the shape of ``w``.
    eps, correction : float
        Adam's eps, and its bias correction ``1 / (1 - β₂^t)``.
    in_place : bool
        Overwrite ``w`` with the result.

    Returns
    -------
    Tensor
        With the shape and dtype of ``w``, and exact zeros. It has no gradient.

    Raises
    ------
    UsageError
        If the shapes of the second moments and the weights differ.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import elastic_prox
    >>> w = torch.tensor([[-2.0, 0.25, 3.0]])
    >>> elastic_prox(w, torch.tensor([1.0]), torch.tensor([2.0]), rate=0.5)
    tensor([[-0.7500,  0.0000,  1.2500]])
    """
    if second_moment is not None and second_moment.shape != w.shape:
        raise UsageError(
            f"the second moments have the shape {list(second_moment.shape)} and the weights "
            f"{list(w.shape)}; give the optimizer's second moments of these weights"
        )
    if is_sharded(w):
        if max(l1.numel(), l2.numel()) > 1:
            raise UsageError(
                "distributed weights have one strength for all; give l1 and l2 of shape [1]"
            )
        moment = None if second_moment is None else local_of(second_moment, w)
        step: dict[str, Any] = {
            "rate": rate,
            "eps": eps,
            "correction": correction,
            "in_place": in_place,
        }
        part = elastic_prox(local_of(w.detach(), w), l1, l2, second_moment=moment, **step)
        return w if in_place else like_local(part, w)
    arguments = (second_moment, l1, l2, float(rate), float(eps), float(correction))
    if not in_place:
        return registry.elastic_prox(w.detach(), *arguments)
    registry.elastic_prox_(w.detach() if w.requires_grad else w, *arguments)
    return w
