"""DropConnect of weights: the public functions, with checked arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import registry
from bridle.ops.arguments import as_population, keep_probabilities, row_addresses
from bridle.ops.dropout import dropout
from bridle.ops.sharding import is_sharded, over_shards

__all__ = ["drop_connect", "drop_connect_linear"]


def drop_connect(
    weight: Tensor,
    address: Tensor,
    keep_prob: float | Tensor,
    *,
    row: int = 0,
    inverted: bool = True,
) -> Tensor:
    """Set weights to zero at random, as DropConnect does in training.

    Follows Wan et al. (2013, ICML), with one mask for the whole batch. For the mask, the weights
    in their memory order are the units of one row.

    Parameters
    ----------
    weight : Tensor
        Any shape; ``[members, ...]`` if ``address`` has a row per member.
    address, keep_prob
        As in :func:`dropout`.
    row : int
        The row address of the mask; each process of distributed training uses its own.
    inverted : bool
        As in :func:`dropout`.

    Returns
    -------
    Tensor
        With the shape and dtype of ``weight``.

    Raises
    ------
    UsageError
        As in :func:`dropout`.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import address_of, drop_connect
    >>> drop_connect(torch.ones(2, 3), address_of(seed=0), 0.5)
    tensor([[0., 0., 0.],
            [0., 2., 0.]])
    """
    if is_sharded(weight):
        options: dict[str, Any] = {"row": row, "inverted": inverted}
        return over_shards(
            lambda whole, _: drop_connect(whole, address, keep_prob, **options), weight, None
        )
    leading = address.ndim - 1
    flat = weight.reshape(*weight.shape[:leading], 1, -1)
    if weight.numel() == 0:
        return weight
    rows = torch.tensor([row], device=weight.device) if row else None
    dropped = dropout(flat, address, keep_prob, rows=rows, inverted=inverted)
    return weight if dropped is flat else dropped.reshape(weight.shape)


def drop_connect_linear(
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    keep_prob: float | Tensor,
    *,
    rows: Tensor | None = None,
    inverted: bool = True,
) -> Tensor:
    """Multiply each example by the weights with a DropConnect mask of its own.

    Follows Wan et al. (2013, ICML), with one mask per example: ``y_r = x_r (m_r ∘ W)``. Masks are
    drawn inside the product, so that memory does not grow with the batch. The mask of row ``r``
    is that of :func:`drop_connect` at row ``r``.

    Parameters
    ----------
    x : Tensor
        ``[rows, inputs]``, or ``[members, rows, inputs]`` if ``address`` has a row per member.
    weight : Tensor
        ``[inputs, outputs]`` or ``[members, inputs, outputs]``, with the dtype of ``x``.
    address, keep_prob, rows, inverted
        As in :func:`dropout`.

    Returns
    -------
    Tensor
        ``[rows, outputs]`` or ``[members, rows, outputs]``, with the dtype of ``x``.

    Raises
    ------
    UsageError
        As in :func:`dropout`, or if the shapes or dtypes of ``x`` and ``weight`` do not fit.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import address_of, drop_connect_linear
    >>> drop_connect_linear(torch.ones(2, 3), torch.ones(3, 4), address_of(seed=0), 0.5)
    tensor([[2., 2., 4., 2.],
            [4., 0., 2., 2.]])
    """
    if is_sharded(x) or is_sharded(weight):
        raise UsageError(
            "drop_connect_linear takes no distributed tensors: give x.to_local() and the whole "
            "weights, weight.full_tensor()"
        )
    axes = address.ndim + 1
    fits = x.ndim == weight.ndim == axes and x.shape[-1] == weight.shape[-2]
    if not fits or x.dtype != weight.dtype or x.shape[: axes - 2] != weight.shape[: axes - 2]:
        raise UsageError(
            f"x of shape {list(x.shape)} and {x.dtype} does not fit weights of shape "
            f"{list(weight.shape)} and {weight.dtype}; give [rows, inputs] and [inputs, outputs], "
            "with [members] first if the address has members"
        )
    keep = keep_probabilities(keep_prob, x, address.ndim - 1)
    if keep is None:
        return x @ weight
    flat, address = as_population(x, address)
    weights = weight.reshape(flat.shape[0], *weight.shape[-2:])
    rows = row_addresses(rows, flat, address)
    y = registry.drop_connect_linear(flat, weights, address, rows, keep, inverted)
    return y.reshape(*x.shape[:-1], weight.shape[-1])
