"""The ops on a CPU: the compiled kernels where they are, else plain torch.

The fastest variant that the processor runs is taken; the environment variable ``BRIDLE_CPU``
forces one: ``avx512``, ``avx2``, ``neon``, ``plain``, or ``torch`` for no compiled code at all.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import reference
from bridle.ops.philox import BLOCKS_AT_ONCE, GROUP_BLOCKS, WORDS, drawn_words
from bridle.ops.reference import row_steps

try:
    from bridle.ops import _native
except ImportError:  # installed where there was no compiler
    _native = None  # type: ignore[assignment]

__all__ = [
    "adam_step",
    "drop_connect_linear",
    "drop_connect_linear_backward",
    "dropout",
    "elastic_prox",
    "gaussian_dropout",
    "max_norm_step",
    "multiplies",
    "population_steps",
    "relu_dropout",
    "relu_dropout_backward",
    "soft_threshold",
    "take_blocks",
    "uniform_like",
    "use_variant",
    "variant",
    "variants",
]

PLAIN_TORCH = "torch"

_CPU = torch.device("cpu")
_CODES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}
_chosen = PLAIN_TORCH
_missing = False  # whether it is still to be said that there are no kernels


def variants() -> list[str]:
    """Return the names of the variants that run here, fastest first.

    Examples
    --------
    >>> from bridle.ops import cpu
    >>> cpu.variants()[-1]
    'torch'
    """
    return [*(_native.variants() if _native is not None else ()), PLAIN_TORCH]


def variant() -> str:
    """Return the name of the variant in use.

    Examples
    --------
    >>> from bridle.ops import cpu
    >>> cpu.variant() in cpu.variants()
    True
    """
    return _chosen


def use_variant(name: str) -> None:
    """Use a variant from now on, in the whole process.

    Parameters
    ----------
    name : str
        One of :func:`variants`.

    Raises
    ------
    UsageError
        If it does not run here.

    Examples
    --------
    >>> from bridle.ops import cpu
    >>> before = cpu.variant()
    >>> cpu.use_variant("torch")
    >>> cpu.use_variant(before)
    """
    global _chosen, _missing
    if name != PLAIN_TORCH and not (_native is not None and _native.use(name)):
        raise UsageError(
            f"the CPU kernels {name!r} do not run here; BRIDLE_CPU can be "
            f"{', '.join(map(repr, variants()))}, or unset for the fastest"
        )
    _chosen = name
    _missing = False  # who chooses knows


def _compiled(x: Tensor) -> bool:
    """Whether the compiled kernels do this tensor; says once that there are none."""
    global _missing
    if _missing:
        _missing = False
        warnings.warn(
            "bridle was installed without its compiled kernels, since no C++ compiler was found: "
            "it runs on plain torch code, with the same results, slower; to have them, install a "
            "compiler and then bridle again (BRIDLE_CPU=torch silences this)",
            RuntimeWarning,
            stacklevel=2,
        )
    return _chosen != PLAIN_TORCH and x.dtype in _CODES


def _mask(
    address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> tuple[tuple[int, ...], tuple[Tensor | None, ...]]:
    """Return the arguments that say which mask, and the tensors to hold until the kernel has run.

    The arguments are places and strides, so the tensors are first made what the kernels read.
    """
    address = address.to(_CPU, torch.int64).contiguous()
    keep_prob = keep_prob.to(_CPU, torch.float64).contiguous()
    rows = None if rows is None else rows.to(_CPU, torch.int64)
    places = (address.data_ptr(), 0 if rows is None else rows.data_ptr(), *row_steps(rows))
    keep = (keep_prob.data_ptr(), keep_prob.shape[0] > 1, inverted)
    return (*places, *keep), (address, rows, keep_prob)


def _dropout(
    x: Tensor,
    bias: Tensor | None,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
    relu: bool,
) -> Tensor:
    mask, _held = _mask(address, rows, keep_prob, inverted)
    if x.stride(2) != 1:
        x = x.contiguous()
    place, step = 0, 0
    if bias is not None:
        bias = bias.to(x.dtype).contiguous()
        place, step = bias.data_ptr(), bias.shape[1] if bias.shape[0] > 1 else 0
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    _native.dropout(
        _CODES[x.dtype],
        *x.shape,
        x.data_ptr(),
        x.stride(0),
        x.stride(1),
        place,
        step,
        out.data_ptr(),
        *mask,
        relu,
        torch.get_num_threads(),
    )
    return out


def dropout(
    x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> Tensor:
    """As :func:`bridle.ops.reference.dropout`."""
    if not _compiled(x):
        return reference.dropout(x, address, rows, keep_prob, inverted)
    return _dropout(x, None, address, rows, keep_prob, inverted, False)


def relu_dropout(
    x: Tensor,
    bias: Tensor | None,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """As :func:`bridle.ops.reference.relu_dropout`."""
    if not _compiled(x):
        return reference.relu_dropout(x, bias, address, rows, keep_prob, inverted)
    return _dropout(x, bias, address, rows, keep_prob, inverted, True)


def relu_dropout_backward(grad: Tensor, y: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    """As :func:`bridle.ops.reference.relu_dropout_backward`."""
    if not _compiled(grad) or grad.dtype != y.dtype:
        return reference.relu_dropout_backward(grad, y, keep_prob, inverted)
    grad, y = grad.contiguous(), y.contiguous()
    keep_prob = keep_prob.to(_CPU, torch.float64).contiguous()
    out = torch.empty_like(grad)
    _native.relu_backward(
        _CODES[grad.dtype],
        grad.shape[0],
        grad[0].numel() if grad.shape[0] else 0,
        grad.data_ptr(),
        y.data_ptr(),
        out.data_ptr(),
        keep_prob.data_ptr(),
        1 if keep_prob.shape[0] > 1 else 0,
        inverted,
        torch.get_num_threads(),
    )
    return out


def _drawn_words(address: Tensor, rows: Tensor, groups: int) -> Iterator[tuple[slice, Tensor]]:
    """As :func:`bridle.ops.philox.drawn_words`: drawn at once, and given out in parts."""
    address, rows = address.to(_CPU, torch.int64).contiguous(), rows.to(torch.int64)
    members, count = address.shape[0], rows.shape[1]
    words = torch.empty(members * count, groups, WORDS, GROUP_BLOCKS, dtype=torch.int32)
    if not words.numel():
        return
    _native.draw_words(
        members,
        count,
        groups,
        words.data_ptr(),
        address.data_ptr(),
        rows.data_ptr(),
        *row_steps(rows),
        torch.get_num_threads(),
    )
    chunk = max(1, BLOCKS_AT_ONCE // (groups * GROUP_BLOCKS))
    for start in range(0, members * count, chunk):
        part = slice(start, min(start + chunk, members * count))
        yield part, words[part]


def gaussian_dropout(x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor) -> Tensor:
    """As :func:`bridle.ops.reference.gaussian_dropout`."""
    source = _drawn_words if _compiled(x) else drawn_words
    return reference.gaussian_dropout(x, address, rows, keep_prob, source=source)


def uniform_like(x: Tensor, address: Tensor, rows: Tensor | None) -> Tensor:
    """As :func:`bridle.ops.reference.uniform_like`."""
    source = _drawn_words if _compiled(x) else drawn_words
    return reference.uniform_like(x, address, rows, source=source)


def soft_threshold(w: Tensor, threshold: Tensor) -> Tensor:
    """As :func:`bridle.ops.reference.soft_threshold`."""
    if threshold.numel() != 1 or threshold.ndim > w.ndim or not _compiled(w):
        return reference.soft_threshold(w, threshold)
    limit = threshold.to(w.dtype).double().view(1)
    return elastic_prox(w.reshape(1, -1), None, limit, torch.zeros_like(limit), 1.0, 0.0, 1.0).view(
        w.shape
    )


def elastic_prox(
    w: Tensor,
    second_moment: Tensor | None,
    l1: Tensor,
    l2: Tensor,
    rate: float,
    eps: float,
    correction: float,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """As :func:`bridle.ops.reference.elastic_prox`; ``out`` may be ``w``, contiguous."""
    fits = second_moment is None or second_moment.dtype == w.dtype
    if not fits or not _compiled(w):
        return reference.elastic_prox(w, second_moment, l1, l2, rate, eps, correction, out=out)
    w = w.contiguous()
    out = torch.empty_like(w) if out is None else out
    moment = None if second_moment is None else second_moment.contiguous()
    members = w.shape[0]
    strengths = [
        strength.to(_CPU, torch.float64).expand(members).contiguous() for strength in (l1, l2)
    ]
    _native.prox(
        _CODES[w.dtype],
        members,
        w.numel() // max(1, members),
        w.data_ptr(),
        0 if moment is None else moment.data_ptr(),
        out.data_ptr(),
        rate,
        eps,
        correction,
        *(strength.data_ptr() for strength in strengths),
        torch.get_num_threads(),
    )
    return out


def adam_step(
    w: Tensor,
    gradient: Tensor,
    moment: Tensor,
    square: Tensor,
    average: Tensor | None,
    strengths: Tensor,
) -> None:
    """As :func:`bridle.ops.reference.adam_step`."""
    if not _compiled(w):
        reference.adam_step(w, gradient, moment, square, average, strengths)
        return
    members = w.shape[0]
    strengths = strengths.contiguous()
    _native.adam(
        _CODES[w.dtype],
        members,
        w.numel() // max(1, members),
        *(each.data_ptr() for each in (w, gradient, moment, square)),
        0 if average is None else average.data_ptr(),
        strengths.data_ptr(),
        torch.get_num_threads(),
    )


def max_norm_step(w: Tensor, bound: Tensor) -> None:
    """As :func:`bridle.ops.reference.max_norm_step`."""
    if not _compiled(w):
        reference.max_norm_step(w, bound)
        return
    bound = bound.contiguous()
    threads = torch.get_num_threads()
    _native.max_norm(_CODES[w.dtype], *w.shape, w.data_ptr(), bound.data_ptr(), threads)


def multiplies() -> bool:
    """Whether the variant in use multiplies matrices, as :func:`population_steps` needs.

    Examples
    --------
    >>> from bridle.ops import cpu
    >>> cpu.multiplies() == (cpu.variant() in ("avx512", "avx2", "neon"))
    True
    """
    return _chosen != PLAIN_TORCH and _native.multiplies()


def population_steps(
    sizes: Sequence[int],
    groups: Sequence[Sequence[Tensor]],
    classes: int,
    data: Sequence[Tensor | None],
    first_step: int,
) -> None:
    """:func:`bridle.ops.population.population_steps` on a CPU."""
    steps, folds, batch = data[2].shape  # type: ignore[union-attr]
    _native.population_steps(
        groups[0][0].shape[0],
        folds,
        steps,
        batch,
        first_step,
        list(sizes),
        [[each.data_ptr() for each in group] for group in groups],
        classes,
        [0 if each is None else each.data_ptr() for each in data],
        torch.get_num_threads(),
    )


def drop_connect_linear(
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    """As :func:`bridle.ops.reference.drop_connect_linear`."""
    if not _compiled(x):
        return reference.drop_connect_linear(x, weight, address, rows, keep_prob, inverted)
    dtype = torch.promote_types(x.dtype, torch.float32)
    wide, weights = x.to(dtype).contiguous(), weight.to(dtype).contiguous()
    mask, _held = _mask(address, rows, keep_prob, inverted)
    y = torch.zeros(*x.shape[:2], weight.shape[2], dtype=dtype)
    _native.masked_forward(
        _CODES[dtype],
        *x.shape,
        weight.shape[2],
        wide.data_ptr(),
        weights.data_ptr(),
        y.data_ptr(),
        *mask,
        torch.get_num_threads(),
    )
    return y.to(x.dtype)


def drop_connect_linear_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> tuple[Tensor, Tensor]:
    """As :func:`bridle.ops.reference.drop_connect_linear_backward`."""
    if not _compiled(x):
        return reference.drop_connect_linear_backward(
            grad, x, weight, address, rows, keep_prob, inverted
        )
    dtype = torch.promote_types(x.dtype, torch.float32)
    above, wide, weights = (part.to(dtype).contiguous() for part in (grad, x, weight))
    mask, _held = _mask(address, rows, keep_prob, inverted)
    grad_x, grad_weight = torch.zeros_like(wide), torch.zeros_like(weights)
    _native.masked_backward(
        _CODES[dtype],
        *x.shape,
        weight.shape[2],
        wide.data_ptr(),
        weights.data_ptr(),
        above.data_ptr(),
        grad_x.data_ptr(),
        grad_weight.data_ptr(),
        *mask,
        torch.get_num_threads(),
    )
    return grad_x.to(x.dtype), grad_weight.to(weight.dtype)


def take_blocks(
    weight: Tensor, lines: Tensor, columns: Tensor, factors: Tensor, out: Tensor
) -> Tensor:
    """As :func:`bridle.ops.reference.take_blocks`."""
    if weight.dtype not in (torch.float32, torch.float64) or not _compiled(weight):
        return reference.take_blocks(weight, lines, columns, factors, out)
    if weight.stride(-1) != 1:
        weight = weight.contiguous()
    lines, columns, factors = (each.contiguous() for each in (lines, columns, factors))
    _native.take_blocks(
        _CODES[weight.dtype],
        *out.shape,
        weight.data_ptr(),
        weight.stride(0) if weight.ndim == 3 else 0,
        weight.stride(-2),
        *(each.data_ptr() for each in (lines, columns, factors, out)),
        torch.get_num_threads(),
    )
    return out


use_variant(os.environ.get("BRIDLE_CPU") or variants()[0])
_missing = "BRIDLE_CPU" not in os.environ and variants() == [PLAIN_TORCH]
