"""Updates of weights on a CPU: proximal steps, Adam's and max-norm's, and whole training steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.ops import reference
from bridle.ops.cpu_variants import DTYPE_CODES, native, runs_compiled

__all__ = [
    "adam_step",
    "elastic_prox",
    "embed_rows",
    "max_norm_step",
    "perceptron_steps",
    "population_outputs",
    "population_steps",
    "soft_threshold",
    "take_blocks",
]

CPU = torch.device("cpu")


def soft_threshold(w: Tensor, threshold: Tensor) -> Tensor:
    """As :func:`bridle.ops.reference.soft_threshold`."""
    if threshold.numel() != 1 or threshold.ndim > w.ndim or not runs_compiled(w):
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
    if not fits or not runs_compiled(w):
        return reference.elastic_prox(w, second_moment, l1, l2, rate, eps, correction, out=out)
    w = w.contiguous()
    out = torch.empty_like(w) if out is None else out
    moment = None if second_moment is None else second_moment.contiguous()
    members = w.shape[0]
    strengths = [
        strength.to(CPU, torch.float64).expand(members).contiguous() for strength in (l1, l2)
    ]
    native.prox(
        DTYPE_CODES[w.dtype],
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
    if not runs_compiled(w):
        reference.adam_step(w, gradient, moment, square, average, strengths)
        return
    members = w.shape[0]
    strengths = strengths.contiguous()
    native.adam(
        DTYPE_CODES[w.dtype],
        members,
        w.numel() // max(1, members),
        *(each.data_ptr() for each in (w, gradient, moment, square)),
        0 if average is None else average.data_ptr(),
        strengths.data_ptr(),
        torch.get_num_threads(),
    )


def max_norm_step(w: Tensor, bound: Tensor) -> None:
    """As :func:`bridle.ops.reference.max_norm_step`."""
    if not runs_compiled(w):
        reference.max_norm_step(w, bound)
        return
    bound = bound.contiguous()
    threads = torch.get_num_threads()
    native.max_norm(DTYPE_CODES[w.dtype], *w.shape, w.data_ptr(), bound.data_ptr(), threads)


def population_steps(
    sizes: Sequence[int],
    groups: Sequence[Sequence[Tensor]],
    classes: int,
    data: Sequence[Tensor | None],
    first_step: int,
    shared: int,
    embedding: Sequence[int],
    blocks: tuple[list[list[int]], int, list[int]],
) -> None:
    """As :func:`bridle.ops.population.population_steps`, without checks."""
    steps, folds, batch = data[2].shape  # type: ignore[union-attr]
    native.population_steps(
        groups[0][0].shape[0],
        folds,
        steps,
        batch,
        first_step,
        list(sizes),
        [[each.data_ptr() for each in group] for group in groups],
        classes,
        [0 if each is None else each.data_ptr() for each in data],
        shared,
        torch.get_num_threads(),
        list(embedding),
        *blocks,
    )


def embed_rows(shape: Sequence[int], parameters: Sequence[Tensor], x: Tensor) -> None:
    """As :func:`bridle.ops.embedding.embed`, in rows ``[members, rows, inputs and outputs]``."""
    native.embed_rows(
        len(x),
        [*x.shape[1:], *shape],
        [each.data_ptr() for each in parameters],
        x.data_ptr(),
        torch.get_num_threads(),
    )


def population_outputs(
    sizes: Sequence[int],
    values: Sequence[Tensor],
    data: Sequence[Tensor],
    embedding: Sequence[int],
    blocks: tuple[list[list[int]], int, list[int]],
    batch: int,
) -> None:
    """As :func:`bridle.ops.population.population_outputs`, without checks; ``data`` has ``out``."""
    folds, count = data[1].shape
    native.population_outputs(
        len(values[0]),
        folds,
        count,
        batch,
        list(sizes),
        [each.data_ptr() for each in values],
        [each.data_ptr() for each in data],
        torch.get_num_threads(),
        list(embedding),
        *blocks,
    )


def perceptron_steps(
    dtype: torch.dtype,
    sizes: Sequence[int],
    kinds: tuple[int, int, int, bool],
    places: tuple[int, int, int, int, int],
    data: Sequence[Tensor | None],
    numbers: Sequence[float],
) -> int:
    """As :func:`bridle.ops.perceptron.perceptron_steps`, without checks; return the epochs."""
    return native.perceptron_steps(
        DTYPE_CODES[dtype],
        list(sizes),
        *kinds,
        *places,
        [0 if each is None else each.data_ptr() for each in data],
        list(numbers),
        torch.get_num_threads(),
    )


def take_blocks(
    weight: Tensor, lines: Tensor, columns: Tensor, factors: Tensor, out: Tensor
) -> Tensor:
    """As :func:`bridle.ops.reference.take_blocks`."""
    if weight.dtype not in (torch.float32, torch.float64) or not runs_compiled(weight):
        return reference.take_blocks(weight, lines, columns, factors, out)
    if weight.stride(-1) != 1:
        weight = weight.contiguous()
    lines, columns, factors = (each.contiguous() for each in (lines, columns, factors))
    native.take_blocks(
        DTYPE_CODES[weight.dtype],
        *out.shape,
        weight.data_ptr(),
        weight.stride(0) if weight.ndim == 3 else 0,
        weight.stride(-2),
        *(each.data_ptr() for each in (lines, columns, factors, out)),
        torch.get_num_threads(),
    )
    return out
