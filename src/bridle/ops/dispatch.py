"""The ops as users and the layers above call them: arguments checked, shapes made one."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import registry

__all__ = [
    "drop_connect",
    "drop_connect_linear",
    "dropout",
    "elastic_prox",
    "gaussian_dropout",
    "soft_threshold",
    "uniform_like",
]


def _as_population(x: Tensor, address: Tensor) -> tuple[Tensor, Tensor]:
    """View ``x`` as ``[members, rows, units]`` and the address as ``[members, 3]``."""
    leading = address.ndim - 1
    if address.ndim not in (1, 2) or address.shape[-1] != 3:
        raise UsageError(
            f"an address has the shape [3] or [members, 3], not {list(address.shape)}; "
            "build it with bridle.ops.address_of(seed, stream, step)"
        )
    if x.ndim < leading + 1:
        raise UsageError(
            f"x of shape {list(x.shape)} has no rows; it needs {leading + 1} dimensions or more"
        )
    if leading and x.shape[0] != address.shape[0]:
        raise UsageError(
            f"x has {x.shape[0]} members and the address {address.shape[0]}; give one address each"
        )
    if leading and x.ndim == 3:
        return x, address
    shape = x.shape if leading else (1, *x.shape)
    units = 1
    for size in shape[2:]:
        units *= size
    return x.reshape(shape[0], shape[1], units), address.reshape(-1, 3)


def _tensor(value: float, device: str | torch.device = "cpu") -> Tensor:
    with torch.inference_mode(False):  # so that it can be saved for backward
        return torch.tensor([value], dtype=torch.float64, device=device)


_kept_tensor = lru_cache(maxsize=256)(_tensor)


def _keep_probs(keep_prob: float | Tensor, x: Tensor, leading: int) -> Tensor | None:
    """Return the probabilities as a tensor, None for exactly 1."""
    if isinstance(keep_prob, Tensor):
        members = x.shape[0] if leading else 1
        if keep_prob.ndim != 1 or keep_prob.shape[0] not in (1, members):
            raise UsageError(
                f"keep_prob has the shape {list(keep_prob.shape)} for {members} members; "
                "give a number, or one for each member"
            )
        return keep_prob
    if not 0 < keep_prob <= 1:
        raise UsageError(f"keep_prob is {keep_prob}; it must be above 0 and at most 1")
    if keep_prob == 1:
        return None
    if registry.is_eager(x):
        return _kept_tensor(float(keep_prob), x.device)
    return _tensor(float(keep_prob))  # made while a graph is traced, it belongs to that graph


def _as_bias(bias: Tensor, members: int, units: int) -> Tensor:
    if bias.numel() not in (units, members * units):
        raise UsageError(
            f"the bias has the shape {list(bias.shape)}; x has {members} members of {units} units: "
            "give one number for each unit"
        )
    return bias.reshape(-1, units)


def _row_addresses(rows: Tensor | None, x: Tensor) -> Tensor | None:
    if rows is None:
        return None
    rows = rows[None] if rows.ndim == 1 else rows
    fits = rows.ndim == 2 and all(
        given in (1, wanted) for given, wanted in zip(rows.shape, x.shape[:2], strict=True)
    )
    if not fits:
        raise UsageError(
            f"rows has the shape {list(rows.shape)}; x has {x.shape[0]} members of "
            f"{x.shape[1]} rows: give a row address for each row, or one for all"
        )
    return rows


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
    divided by the keep probability when ``inverted``. The mask is the pure function of its address
    that :mod:`bridle.ops.philox` defines; a dropped unit is 0 even where ``x`` is infinite or NaN.

    Parameters
    ----------
    x : Tensor
        ``[rows, ...]``, or ``[members, rows, ...]`` when ``address`` has a row per member. What
        follows the rows is one run of units. Any floating dtype.
    address : Tensor
        int64 ``[3]`` or ``[members, 3]``: (seed, stream, step); see :func:`bridle.ops.address_of`.
    keep_prob : float or Tensor
        Above 0, at most 1; a Tensor holds one per member. Rounded to a multiple of 1/65536 (at
        least one of them); the scale uses the rounded value, so that the mean is unbiased.
    rows : Tensor, optional
        int64 ``[rows]``, ``[members, rows]``, or with a single row for a mask that the whole batch
        shares. Default: ``0, 1, 2, ...``.
    inverted : bool
        Divide what is kept by the keep probability.
    relu : bool
        Take ``max(x, 0)`` first, in the same pass.
    bias : Tensor, optional
        ``[units]``, or ``[members, units]``: added before the ReLU, in the same pass.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. With ``keep_prob=1.0``, ``x`` itself (or its ReLU).

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
        raise UsageError("a bias is added before a ReLU: give relu=True, or add it yourself")
    keep = _keep_probs(keep_prob, x, address.ndim - 1)
    if keep is None and bias is None:
        return x.relu() if relu else x
    flat, address = _as_population(x, address)
    added = None if bias is None else _as_bias(bias, flat.shape[0], flat.shape[2])
    if keep is None:
        return (flat if added is None else flat + added[:, None]).relu().reshape(x.shape)
    rows = _row_addresses(rows, flat)
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
    ``r ~ N(1, (1 - p) / p)``, the variance of inverted dropout's multiplier. The numbers are the
    pure function of their address that :mod:`bridle.ops.philox` defines, and backward draws them
    again.

    Parameters
    ----------
    x, address
        As in :func:`dropout`.
    keep_prob : float or Tensor
        Above 0, at most 1; a Tensor holds one per member.
    rows : Tensor, optional
        As in :func:`dropout`.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. With ``keep_prob=1.0``, ``x`` itself.

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
    keep = _keep_probs(keep_prob, x, address.ndim - 1)
    if keep is None:
        return x
    flat, address = _as_population(x, address)
    y = registry.gaussian_dropout(flat, address, _row_addresses(rows, flat), keep)
    return y.reshape(x.shape)


def uniform_like(x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
    """Return a uniform random number for each unit: the pure function of its address.

    Parameters
    ----------
    x, address, rows
        As in :func:`dropout`; of ``x`` only the shape counts.

    Returns
    -------
    Tensor
        float64, of the shape of ``x``: above 0 and below 1, and exact
        (:mod:`bridle.ops.philox`).

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
    flat, address = _as_population(x.detach(), address)
    return registry.uniform_like(flat, address, _row_addresses(rows, flat)).reshape(x.shape)


def drop_connect(
    weight: Tensor,
    address: Tensor,
    keep_prob: float | Tensor,
    *,
    row: int = 0,
    inverted: bool = True,
) -> Tensor:
    """Set weights to zero at random, as DropConnect does in training.

    Follows Wan et al. (2013, ICML), with one mask for the whole batch. A weight is addressed as
    unit ``i`` of a row, where ``i`` counts the weights of the tensor in their order.

    Parameters
    ----------
    weight : Tensor
        Any shape; with ``[members, ...]`` first when ``address`` has a row per member.
    address, keep_prob
        As in :func:`dropout`.
    row : int
        The row of the mask; processes that train together take one each.
    inverted : bool
        As in :func:`dropout`.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``weight``.

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
    """Multiply each example with weights under a DropConnect mask of its own.

    Follows Wan et al. (2013, ICML), who draw one mask for each example: ``y_r = x_r (m_r ∘ W)``.
    The masks are drawn where they are used, so that memory does not grow with the batch. The
    mask of row ``r`` is the one that :func:`drop_connect` would draw at row ``r``: unit ``i`` is
    the ``i``-th weight.

    Parameters
    ----------
    x : Tensor
        ``[rows, inputs]``, or ``[members, rows, inputs]`` when ``address`` has a row per member.
    weight : Tensor
        ``[inputs, outputs]``, or ``[members, inputs, outputs]``, of the dtype of ``x``.
    address, keep_prob, rows, inverted
        As in :func:`dropout`.

    Returns
    -------
    Tensor
        ``[rows, outputs]`` or ``[members, rows, outputs]``, of the dtype of ``x``.

    Raises
    ------
    UsageError
        As in :func:`dropout`, and if ``x`` and ``weight`` do not fit.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import address_of, drop_connect_linear
    >>> drop_connect_linear(torch.ones(2, 3), torch.ones(3, 4), address_of(seed=0), 0.5)
    tensor([[2., 2., 4., 2.],
            [4., 0., 2., 2.]])
    """
    axes = address.ndim + 1
    fits = x.ndim == weight.ndim == axes and x.shape[-1] == weight.shape[-2]
    if not fits or x.dtype != weight.dtype or x.shape[: axes - 2] != weight.shape[: axes - 2]:
        raise UsageError(
            f"x of shape {list(x.shape)} and {x.dtype} does not fit weights of shape "
            f"{list(weight.shape)} and {weight.dtype}; give [rows, inputs] and [inputs, outputs], "
            "with [members] first when the address has it"
        )
    keep = _keep_probs(keep_prob, x, address.ndim - 1)
    if keep is None:
        return x @ weight
    flat, address = _as_population(x, address)
    weights = weight.reshape(flat.shape[0], *weight.shape[-2:])
    rows = _row_addresses(rows, flat)
    y = registry.drop_connect_linear(flat, weights, address, rows, keep, inverted)
    return y.reshape(*x.shape[:-1], weight.shape[-1])


def soft_threshold(w: Tensor, threshold: float | Tensor) -> Tensor:
    """Move every value towards zero by ``threshold``, and those nearer than that onto zero.

    ``sign(w) max(|w| - threshold, 0)``: the proximal operator of ``threshold · |w|`` (Parikh &
    Boyd 2014, section 6.5.2).

    Parameters
    ----------
    w : Tensor
        Any shape, any floating dtype.
    threshold : float or Tensor
        Not negative; a Tensor broadcasts against ``w``.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``w``, with exact zeros.

    Examples
    --------
    >>> import torch
    >>> from bridle.ops import soft_threshold
    >>> soft_threshold(torch.tensor([-2.0, -0.5, 0.25, 3.0]), 1.0)
    tensor([-1.,  0.,  0.,  2.])
    """
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
    """Take the proximal step of ``l1 Σ|w| + ½ l2 Σw²``, in one pass.

    ``soft(w, step l1) / (1 + step l2)`` (Parikh & Boyd 2014, section 6.5.3), where the step is
    ``rate``; or, given Adam's second moments ``v``, ``rate / (√(correction v) + eps)`` for each
    weight by itself.

    Parameters
    ----------
    w : Tensor
        ``[members, ...]``, any floating dtype.
    l1, l2 : Tensor
        float64 ``[members]``, or ``[1]`` for all.
    rate : float
        The learning rate.
    second_moment : Tensor, optional
        Of the shape of ``w``.
    eps, correction : float
        Adam's eps, and ``1 / (1 - β₂^t)``.
    in_place : bool
        Write the result over ``w``.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``w``, with exact zeros; no gradient goes through it.

    Raises
    ------
    UsageError
        If the second moments are not of the shape of the weights.

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
            f"{list(w.shape)}; give the optimizer's own for these weights"
        )
    arguments = (second_moment, l1, l2, float(rate), float(eps), float(correction))
    if not in_place:
        return registry.elastic_prox(w.detach(), *arguments)
    registry.elastic_prox_(w.detach() if w.requires_grad else w, *arguments)
    return w
