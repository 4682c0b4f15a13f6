"""The ops as users and the layers above call them.

Each is registered with torch.library (with a fake kernel and autograd), so that torch.compile
keeps one graph, and so that a kernel for a device is one registration more. Backward recomputes
the mask from its address, or reads it off the output: a mask is never stored.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import reference

__all__ = ["drop_connect", "dropout", "soft_threshold"]


@torch.library.custom_op("bridle::dropout", mutates_args=())
def _dropout(x: Tensor, address: Tensor, rows: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    return reference.dropout(x, address, rows, keep_prob, inverted)


@torch.library.custom_op("bridle::relu_dropout", mutates_args=())
def _relu_dropout(
    x: Tensor, address: Tensor, rows: Tensor, keep_prob: Tensor, inverted: bool
) -> Tensor:
    return reference.relu_dropout(x, address, rows, keep_prob, inverted)


@torch.library.custom_op("bridle::relu_dropout_backward", mutates_args=())
def _relu_dropout_backward(grad: Tensor, y: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    return reference.relu_dropout_backward(grad, y, keep_prob, inverted)


@torch.library.custom_op("bridle::soft_threshold", mutates_args=())
def _soft_threshold(w: Tensor, threshold: Tensor) -> Tensor:
    return reference.soft_threshold(w, threshold)


def _fake_like_first(first: Tensor, *_: Any) -> Tensor:
    return torch.empty(first.shape, dtype=first.dtype, device=first.device)


for _op in (_dropout, _relu_dropout, _relu_dropout_backward, _soft_threshold):
    _op.register_fake(_fake_like_first)


def _save_address(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, address, rows, keep_prob, ctx.inverted = inputs
    ctx.save_for_backward(address, rows, keep_prob)


def _dropout_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # dropout is linear in x: its gradient is the same op on the gradient
    return _dropout(grad, *ctx.saved_tensors, ctx.inverted), None, None, None, None


_dropout.register_autograd(_dropout_backward, setup_context=_save_address)


def _save_output(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.inverted = inputs[4]
    ctx.save_for_backward(output, inputs[3])


def _relu_dropout_grad(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return _relu_dropout_backward(grad, *ctx.saved_tensors, ctx.inverted), None, None, None, None


_relu_dropout.register_autograd(_relu_dropout_grad, setup_context=_save_output)


def _save_for_second(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, y, keep_prob, ctx.inverted = inputs
    ctx.save_for_backward(y, keep_prob)


def _relu_dropout_grad_grad(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # linear in the gradient; in y it is a step function, flat almost everywhere
    return _relu_dropout_backward(grad, *ctx.saved_tensors, ctx.inverted), None, None, None


_relu_dropout_backward.register_autograd(_relu_dropout_grad_grad, setup_context=_save_for_second)


def _save_weights(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _soft_threshold_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    w, threshold = ctx.saved_tensors
    passed = grad * (w.abs() > threshold)
    grad_threshold = None
    if ctx.needs_input_grad[1]:
        grad_threshold = (-passed * w.sign()).sum_to_size(threshold.shape).to(threshold.dtype)
    return passed, grad_threshold


_soft_threshold.register_autograd(_soft_threshold_backward, setup_context=_save_weights)


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
    shape = x.shape if leading else (1, *x.shape)
    units = 1
    for size in shape[2:]:
        units *= size
    return x.reshape(shape[0], shape[1], units), address.reshape(-1, 3)


def dropout(
    x: Tensor,
    address: Tensor,
    keep_prob: float | Tensor,
    *,
    rows: Tensor | None = None,
    inverted: bool = True,
    relu: bool = False,
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
    if isinstance(keep_prob, (int, float)):
        if not 0 < keep_prob <= 1:
            raise UsageError(f"keep_prob is {keep_prob}; it must be above 0 and at most 1")
        if keep_prob == 1:
            return x.relu() if relu else x
        keep_prob = torch.tensor([keep_prob], dtype=torch.float64)
    flat, address = _as_population(x, address)
    if rows is None:
        rows = torch.arange(flat.shape[1], device=x.device)
    rows = rows[None] if rows.ndim == 1 else rows
    fits = rows.ndim == 2 and all(
        given in (1, wanted) for given, wanted in zip(rows.shape, flat.shape[:2], strict=True)
    )
    if not fits:
        raise UsageError(
            f"rows has the shape {list(rows.shape)}; x has {flat.shape[0]} members of "
            f"{flat.shape[1]} rows: give a row address for each row, or one for all"
        )
    op = _relu_dropout if relu else _dropout
    return op(flat, address, rows, keep_prob, inverted).reshape(x.shape)


def drop_connect(
    weight: Tensor, address: Tensor, keep_prob: float | Tensor, *, inverted: bool = True
) -> Tensor:
    """Set weights to zero at random, as DropConnect does in training.

    Follows Wan et al. (2013, ICML), with one mask for the whole batch. A weight is addressed as
    row 0, unit ``i``, where ``i`` counts the weights of the tensor in their order.

    Parameters
    ----------
    weight : Tensor
        Any shape; with ``[members, ...]`` first when ``address`` has a row per member.
    address, keep_prob, inverted
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
    dropped = dropout(flat, address, keep_prob, inverted=inverted)
    return weight if dropped is flat else dropped.reshape(weight.shape)


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
    return _soft_threshold(w, threshold)
