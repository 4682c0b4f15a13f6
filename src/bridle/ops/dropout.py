"""Dropout and Gaussian dropout of units: the public functions, with checked arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import registry
from bridle.ops.arguments import as_bias, as_population, keep_probabilities, row_addresses
from bridle.ops.sharding import is_sharded, over_shards, rows_at

__all__ = ["dropout", "gaussian_dropout", "uniform_like"]


def dropout(
    x: Tensor,
    address: Tensor,
    keep_prob: float | Tensor,
    *,
    rows: Tensor | None = None,
    inverted: bool = True,
    relu: bool = False,
    bias: Tensor | None = None,
) -> Tensor:
    """Set units to zero at random, as dropout does in training.

    Follows Srivastava et al. (2014, JMLR 15:1929): ``y = m ∘ x`` with ``m ~ Bernoulli(keep_prob)``,
    divided by the keep probability if ``inverted``. The mask is a pure function of its address,
    which :mod:`bridle.ops.masks` defines. A dropped unit is 0 even where ``x`` is infinite or NaN.

    Parameters
    ----------
    x : Tensor
        ``[rows, ...]``, or ``[members, rows, ...]`` if ``address`` has a row per member. The axes
        after the rows are flattened to units. Any floating dtype.
    address : Tensor
        int64 ``[3]`` or ``[members, 3]``: (seed, stream, step); see :func:`bridle.ops.address_of`.
    keep_prob : float or Tensor
        Above 0, at most 1; a Tensor has one per member. Rounded to a multiple of 1/65536, and at
        least that. The scale uses the rounded value, so that the mean is unbiased.
    rows : Tensor, optional
        The row addresses: int64 ``[rows]`` or ``[members, rows]``, or a single row for one mask
        that the whole batch shares. Default: ``0, 1, 2, ...``.
    inverted : bool
        Divide kept units by the keep probability.
    relu : bool
        Apply ``max(x, 0)`` first, in the same pass.
    bias : Tensor, optional
        ``[units]`` or ``[members, units]``: added before the ReLU, in the same pass.

    Returns
    -------
    Tensor
        With the shape and dtype of ``x``. For ``keep_prob=1.0``, ``x`` itself (or its ReLU).

    Raises
    ------
    UsageError
        If the keep probability is out of range or the shapes do not agree.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import address_of, dropout
    >>> dropout(torch.ones(2, 5), address_of(seed=0), 0.5)
    tensor([[0., 0., 0., 0., 2.],
            [2., 0., 0., 0., 2.]])
    """
    if bias is not None and not relu:
        raise UsageError("bias needs a ReLU after it; give relu=True, or add the bias to x")
    if is_sharded(x):
        options = {"inverted": inverted, "relu": relu, "bias": bias}
        return _on_shards(dropout, x, address, keep_prob, rows=rows, **options)
    keep = keep_probabilities(keep_prob, x, address.ndim - 1)
    if keep is None and bias is None:
        return x.relu() if relu else x
    flat, address = as_population(x, address)
    added = None if bias is None else as_bias(bias, flat.shape[0], flat.shape[2])
    if keep is None:
        return (flat if added is None else flat + added[:, None]).relu().reshape(x.shape)
    rows = row_addresses(rows, flat, address)
    if relu:
        y = registry.relu_dropout(flat, added, address, rows, keep, inverted)
    else:
        y = registry.dropout(flat, address, rows, keep, inverted)
    return y if flat is x else y.reshape(x.shape)


def gaussian_dropout(
    x: Tensor, address: Tensor, keep_prob: float | Tensor, *, rows: Tensor | None = None
) -> Tensor:
    """Multiply units by random numbers of mean 1, as Gaussian dropout does in training.

    Follows Srivastava et al. (2014, JMLR 15:1929, section 10): ``y = x ∘ r`` with
    ``r ~ N(1, (1 - p) / p)``, which is the variance of the multiplier of inverted dropout. The
    numbers are a pure function of their address, which :mod:`bridle.ops.masks` defines. The
    backward pass draws the same numbers again.

    Parameters
    ----------
    x, address
        As in :func:`dropout`.
    keep_prob : float or Tensor
        Above 0, at most 1; a Tensor has one per member.
    rows : Tensor, optional
        As in :func:`dropout`.

    Returns
    -------
    Tensor
        With the shape and dtype of ``x``. For ``keep_prob=1.0``, ``x`` itself.

    Raises
    ------
    UsageError
        As in :func:`dropout`.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import address_of, gaussian_dropout
    >>> gaussian_dropout(torch.ones(2, 3), address_of(seed=0), 0.9)
    tensor([[1.1341, 1.0558, 1.0941],
            [1.1810, 0.5792, 1.1698]])
    """
    if is_sharded(x):
        return _on_shards(gaussian_dropout, x, address, keep_prob, rows=rows)
    keep = keep_probabilities(keep_prob, x, address.ndim - 1)
    if keep is None:
        return x
    flat, address = as_population(x, address)
    y = registry.gaussian_dropout(flat, address, row_addresses(rows, flat, address), keep)
    return y.reshape(x.shape)


def uniform_like(x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
    """Return a uniform random number for each unit, a pure function of the address.

    Parameters
    ----------
    x, address, rows
        As in :func:`dropout`; only the shape of ``x`` is used.

    Returns
    -------
    Tensor
        float64, with the shape of ``x``: above 0 and below 1, without rounding
        (see :mod:`bridle.ops.masks`).

    Raises
    ------
    UsageError
        As in :func:`dropout`.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import address_of, uniform_like
    >>> uniform_like(torch.ones(1, 3), address_of(seed=0))
    tensor([[0.8307, 0.8833, 0.7297]], dtype=torch.float64)
    """
    if is_sharded(x):
        return _on_shards(uniform_like, x.detach(), address, rows=rows)
    flat, address = as_population(x.detach(), address)
    return registry.uniform_like(flat, address, row_addresses(rows, flat, address)).reshape(x.shape)


def _on_shards(
    op: Callable[..., Tensor],
    x: Tensor,
    address: Tensor,
    *others: Any,
    rows: Tensor | None,
    **options: Any,
) -> Tensor:
    """Apply an op to a distributed tensor, with the masks of the whole tensor."""
    axis = address.ndim - 1

    def on_part(part: Tensor, first_row: int) -> Tensor:
        here = rows_at(rows, first_row, part.shape[axis], part.device)
        return op(part, address, *others, rows=here, **options)

    return over_shards(on_part, x, axis)
