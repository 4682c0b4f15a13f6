"""Steps of training of a whole population, each member with its own strengths, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import cpu

__all__ = ["PopulationState", "can_step", "population_steps"]


@dataclass(frozen=True)
class PopulationState:
    """What training changes: lists of float32 ``[members, ...]``, weights first, then biases.

    Attributes
    ----------
    values, moments, squares, averages : list of Tensor
        The parameters; Adam's first and second moments; the averaged parameters.
    """

    values: Sequence[Tensor]
    moments: Sequence[Tensor]
    squares: Sequence[Tensor]
    averages: Sequence[Tensor]

    @property
    def groups(self) -> tuple[Sequence[Tensor], ...]:
        """The four lists."""
        return self.values, self.moments, self.squares, self.averages


def can_step(device: torch.device) -> bool:
    """Whether :func:`population_steps` runs there: on a CPU whose kernels multiply matrices."""
    return device.type == "cpu" and cpu.multiplies()


def population_steps(
    state: PopulationState,
    *,
    sizes: Sequence[int],
    classes: int,
    X: Tensor,
    y: Tensor,
    rows: Tensor,
    shares: Tensor | None,
    strengths: Tensor,
    smoothing: Tensor,
    class_weight: Tensor,
    bounds: Tensor,
    seeds: Tensor,
    keeps: Tensor,
    first_step: int,
) -> None:
    """Make steps of networks with ReLU: forward, backward, Adam, penalties, average, max-norm.

    Each member trains on one thread, with its weights in the core's cache from step to step; its
    numbers do not depend on who else is in the population, on the threads, nor, where products are
    fused (AVX-512, AVX2, NEON), on the processor. Masks are those of :class:`bridle.Network`
    (inverted scaling), the update is :func:`adam_step` and then :func:`max_norm_step`. All tensors
    lie on the CPU without gaps; shapes are not looked at.

    Parameters
    ----------
    state : PopulationState
        Written to.
    sizes : sequence of int
        Units of each layer, inputs and outputs included.
    classes : int
        The loss is the mean cross-entropy of so many classes; of 0, the mean squared error.
    X : Tensor
        float32 ``[all rows, inputs]``.
    y : Tensor
        int64 classes, or float32 values, ``[all rows]``.
    rows : Tensor
        int64 ``[steps, folds, batch]``; member ``m`` takes those of fold ``m % folds``.
    shares : Tensor, optional
        float32 ``[steps, members]``: what is kept of a row and its target as it is mixed with the
        row before it in the batch (mixup); None mixes none.
    strengths : Tensor
        float64 ``[steps, members, 9]``; see :func:`adam_strengths`. Biases have no penalty.
    smoothing : Tensor
        float32 ``[members]``: the share of a target that is spread over the classes.
    class_weight : Tensor
        float32 ``[members, classes]``.
    bounds : Tensor
        float64 ``[members]``, on the norm of a unit's weights; infinity is none.
    seeds : Tensor
        int64 ``[members]``.
    keeps : Tensor
        float64 ``[3, members]``: the probability to keep an input, a hidden unit, a weight.
    first_step : int
        The step of the first masks.

    Raises
    ------
    UsageError
        If a tensor has another dtype, lies elsewhere, or has gaps.
    """
    of_y = torch.int64 if classes else torch.float32
    kinds: dict[torch.dtype, list[Tensor | None]] = {
        torch.float32: [*chain(*state.groups), X, shares, smoothing, class_weight],
        torch.float64: [strengths, bounds, keeps],
        torch.int64: [rows, seeds],
    }
    kinds[of_y].append(y)
    for dtype, tensors in kinds.items():
        for each in tensors:
            if each is not None:
                _check(each, dtype)
    cpu.population_steps(
        sizes,
        state.groups,
        classes,
        (X, y, rows, shares, strengths, smoothing, class_weight, bounds, seeds, keeps),
        first_step,
    )


def _check(tensor: Tensor, dtype: torch.dtype) -> None:
    """Refuse what the kernel would read as something else."""
    if tensor.dtype != dtype or tensor.device.type != "cpu" or not tensor.is_contiguous():
        raise UsageError(
            f"a tensor is {tensor.dtype} {list(tensor.shape)} with strides {tensor.stride()} on "
            f"{tensor.device}; give {dtype} on the CPU, contiguous"
        )
