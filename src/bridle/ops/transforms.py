"""The ops under ``torch.func`` transforms and in forward-mode differentiation.

Here an op consists of torch's own operations, which every transform knows, and of a tensor of
random factors. Only the factors are drawn by bridle's ops, on ones, which have no derivative. So
any order of ``grad``, ``vjp``, ``jvp``, ``vmap`` and dual numbers is right. The results are those
of the kernels, bit for bit; but the factors are kept for the backward pass.

A mask is a pure function of its address. ``vmap(..., randomness=...)`` decides what the elements of
its batch have in common:

- "same": the mask. This is also the result of a loop over the elements.
- "different": nothing. Element ``b`` of ``B`` has the rows ``row * B + b``. With one row for each
  element, these are the masks of one pass over the whole batch.
- "error", the default: an error.

If the address or the row addresses are batched, they alone decide.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch as functorch
from torch._functorch.predispatch import _add_batch_dim
from torch._functorch.vmap import _chunked_vmap
from torch.autograd import forward_ad

from bridle.errors import UsageError

__all__ = [
    "drop_connect_linear",
    "drop_connect_linear_backward",
    "dropout",
    "gaussian_dropout",
    "is_several_gradients",
    "is_transformed",
    "members_of_batch",
    "relu_dropout",
    "rows_in_batch",
    "unwrapped",
]


def is_transformed() -> bool:
    """Whether a ``torch.func`` transform or forward-mode differentiation is active."""
    return forward_ad._current_level >= 0 or functorch.get_dynamic_layer_stack_depth() > 0


def is_several_gradients(x: Tensor) -> bool:
    """Whether ``torch.autograd.grad`` makes several backward passes at once: is_grads_batched."""
    return not torch.compiler.is_compiling() and functorch.is_legacy_batchedtensor(x)


# ------------------------------------------------------------------ the batch of vmap


def _vmap_levels() -> tuple[tuple[int, int, str], ...]:
    """Return level, batch size and randomness of each active ``vmap``, outermost first."""
    found = []
    for interpreter in functorch.get_interpreter_stack() or ():
        if interpreter.key() == functorch.TransformType.Vmap:
            vmap = functorch.CVmapInterpreterPtr(interpreter)
            found.append((vmap.level(), vmap.batchSize(), vmap.randomness().name.lower()))
    return tuple(found)


_vmap_levels._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _is_batched(tensor: Tensor | None, level: int) -> bool:
    """Whether the elements of a ``vmap`` have different values of a tensor."""
    while tensor is not None and functorch.is_functorch_wrapped_tensor(tensor):
        if functorch.is_batchedtensor(tensor) and functorch.maybe_get_level(tensor) == level:
            return True
        tensor = functorch.get_unwrapped(tensor)
    return False


def _is_in_chunks() -> bool:
    """Whether ``vmap`` was given a chunk size, so that it calls the function several times."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code is _chunked_vmap.__code__:
            return True
    return False


def rows_in_batch(rows: Tensor | None, x: Tensor, address: Tensor) -> Tensor | None:
    """Return row addresses that follow the randomness of each active ``vmap``.

    Parameters
    ----------
    rows : Tensor, optional
        int64 ``[1 or members, 1 or rows]``, or None for 0, 1, 2, ….
    x : Tensor
        ``[members, rows, units]``.
    address : Tensor
        int64 ``[members, 3]``.

    Raises
    ------
    UsageError
        If the randomness is "error", or if ``vmap`` has a chunk size.
    """
    levels = _vmap_levels()
    if levels and torch.compiler.is_compiling():
        torch._dynamo.graph_break()  # what follows looks at wrappers, which no graph can
    for level, size, randomness in levels:
        if _is_batched(address, level) or _is_batched(rows, level):
            continue
        if randomness == "error":
            # jacfwd and hessian differentiate one pass in all directions: a batch of tangents
            if forward_ad._current_level >= 0 and not _is_batched(x, level):
                continue
            raise UsageError(
                "vmap cannot decide whether the elements of its batch share a noise's mask: call "
                "torch.func.vmap with randomness='different' for a mask of each element, or with "
                "randomness='same' for one mask; model.eval() turns the noise off"
            )
        if _is_in_chunks():
            raise UsageError(
                "vmap with a chunk_size runs the function once for each chunk, so noise cannot "
                f"have randomness={randomness!r} over the whole batch: leave chunk_size out, and "
                "call torch.func.vmap for each part of the batch, such as x.split(64)"
            )
        if randomness == "different":
            if rows is None:
                rows = torch.arange(x.shape[1], device=x.device)[None]
            rows = rows * size + _elements(size, level, x.device)
    return rows


def _elements(size: int, level: int, device: torch.device) -> Tensor:
    """Return the index of each element in the batch of a ``vmap``."""
    return _add_batch_dim(unwrapped(torch.arange(size, device=device)), 0, level)


def unwrapped(tensor: Tensor) -> Tensor:
    """Return a tensor without the wrappers of the transforms in which it was made.

    Such a wrapper is wrong in any other transform, so a value that outlives the function which
    is transformed, or belongs to an outer one, needs this.
    """
    for level in range(functorch.get_dynamic_layer_stack_depth(), 0, -1):
        tensor = functorch._unwrap_for_grad(tensor, level)
    return tensor


def members_of_batch(op: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, int]]:
    """Return the batching rule of an op that draws: a batch of populations is a larger one."""

    def rule(
        info: Any,
        in_dims: tuple[int | None, ...],
        x: Tensor,
        address: Tensor,
        rows: Tensor | None,
        *options: Any,
    ) -> tuple[Tensor, int]:
        size = info.batch_size

        def merged(tensor: Any, dim: int | None, *, shared: bool = False) -> Any:
            if not isinstance(tensor, Tensor) or (shared and dim is None and len(tensor) == 1):
                return tensor
            batch = tensor[None] if dim is None else tensor.movedim(dim, 0)
            batch = batch.expand(size, members, *batch.shape[2:])
            return batch.reshape(size * members, *batch.shape[2:])

        members = x.shape[0 if in_dims[0] is None else int(in_dims[0] == 0)]
        operands = zip((rows, *options), in_dims[2:], strict=True)
        y = op(
            merged(x, in_dims[0]),
            merged(address, in_dims[1]),
            *(merged(tensor, dim, shared=True) for tensor, dim in operands),
        )
        return y.reshape(size, members, *y.shape[1:]), 0

    return rule


# ------------------------------------------------------------------ the ops in torch's operations


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _factors(
    draw: Any, shape: Sequence[int], like: Tensor, mask: Sequence[Any], *options: Any
) -> Tensor:
    """Return what an op multiplies each entry of a tensor ``[members, rows, units]`` by."""
    address, rows, keep_prob = mask
    ones = torch.ones(shape, dtype=_wide(like.dtype), device=like.device)
    return draw(ones, address, rows, keep_prob.detach(), *options)


def _times(x: Tensor, factors: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the product, rounded once; 0 where a factor is 0, even if ``x`` is infinite."""
    zero = torch.zeros((), dtype=dtype, device=x.device)
    return torch.where(factors > 0, (x * factors).to(dtype), zero)


def dropout(
    x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> Tensor:
    """As :func:`bridle.ops.reference.dropout`."""
    mask = (address, rows, keep_prob)
    factors = _factors(torch.ops.bridle.dropout, x.shape, x, mask, inverted)
    return _times(x, factors, x.dtype)


def gaussian_dropout(x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor) -> Tensor:
    """As :func:`bridle.ops.reference.gaussian_dropout`."""
    mask = (address, rows, keep_prob)
    return (x * _factors(torch.ops.bridle.gaussian_dropout, x.shape, x, mask)).to(x.dtype)


def relu_dropout(
    x: Tensor,
    bias: Tensor | None,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """As :func:`bridle.ops.reference.relu_dropout`."""
    wide = x.to(_wide(x.dtype))
    if bias is not None:
        wide = wide + bias.to(wide.dtype)[:, None]
    mask = (address, rows, keep_prob)
    factors = _factors(torch.ops.bridle.dropout, x.shape, x, mask, inverted)
    return _times(wide.relu(), factors, x.dtype)


def _weight_factors(x: Tensor, weight: Tensor, mask: Sequence[Any], inverted: bool) -> Tensor:
    """Return the factors of all examples' weights: ``[members, rows, inputs, outputs]``."""
    shape = (*x.shape[:2], weight.shape[1] * weight.shape[2])
    factors = _factors(torch.ops.bridle.dropout, shape, x, mask, inverted)
    return factors.view(*x.shape[:2], *weight.shape[1:])


def drop_connect_linear(
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """As :func:`bridle.ops.reference.drop_connect_linear`, with all masks in memory."""
    factors = _weight_factors(x, weight, (address, rows, keep_prob), inverted)
    masked = _times(weight[:, None], factors, factors.dtype)
    return (x.to(masked.dtype)[:, :, None] @ masked)[:, :, 0].to(x.dtype)


def drop_connect_linear_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> tuple[Tensor, Tensor]:
    """As :func:`bridle.ops.reference.drop_connect_linear_backward`, with all masks in memory."""
    factors = _weight_factors(x, weight, (address, rows, keep_prob), inverted)
    above, wide = grad.to(factors.dtype), x.to(factors.dtype)
    masked = _times(weight[:, None], factors, factors.dtype)
    grad_x = (masked @ above[..., None])[..., 0]
    outer = wide[..., None] * above[:, :, None]
    grad_weight = _times(outer, factors, factors.dtype).sum(1)
    return grad_x.to(x.dtype), grad_weight.to(weight.dtype)
