"""Training steps of a whole population in one call, with per-member hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import cpu
from bridle.ops.encoded import EncodedRows
from bridle.ops.perceptron import check

__all__ = ["PopulationState", "can_step", "population_outputs", "population_steps"]

_NO_BLOCKS: tuple[list[list[int]], int, list[int]] = ([[], [], []], 0, [0, 0])
_ROWS_AT_ONCE = 512  # whose activations stay in the core's cache


@dataclass(frozen=True)
class PopulationState:
    """The tensors that training changes, float32 ``[members, ...]``.

    They are the weights, the biases, and the parameters of an embedding.

    Attributes
    ----------
    values, moments, squares, averages : list of Tensor
        The parameters, Adam's first and second moments, and the averaged parameters; ``averages``
        may be empty.
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
    """Whether :func:`population_steps` supports a device: a CPU with kernels for products."""
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
    shared: int = 1,
    embedding: tuple[int, int, int] | None = None,
    encoded: EncodedRows | None = None,
) -> None:
    """Make training steps of ReLU networks: forward, backward, Adam, penalties, average, max-norm.

    Each member trains on one thread, so that its weights stay in the core's cache between steps.
    The result of a member does not depend on the other members or on the number of threads. It does
    not depend on the processor either, if products are fused (AVX-512, AVX2, NEON). Masks are those
    of :class:`bridle.Network` with inverted scaling. The update is :func:`adam_step` followed by
    :func:`max_norm_step`. All tensors must be on the CPU and contiguous; shapes are not checked.

    Parameters
    ----------
    state : PopulationState
        Changed in place.
    sizes : sequence of int
        Number of units of each layer, with inputs and outputs.
    classes : int
        Number of classes; the loss is the mean cross-entropy. 0 means the mean squared error.
    X : Tensor
        float32 ``[all rows, inputs]``.
    y : Tensor
        int64 class codes or float32 targets, ``[all rows]``.
    rows : Tensor
        int64 ``[steps, folds, batch]``: row indices; member ``m`` uses fold ``m % folds``.
    shares : Tensor, optional
        float32 ``[steps, members]``, for mixup: the weight of a row and its target; the previous
        row of the batch has the rest. None turns mixup off.
    strengths : Tensor
        float64 ``[steps, members, 9]``; see :func:`adam_strengths`. Biases have no penalty.
    smoothing : Tensor
        float32 ``[members]``: label smoothing, the share of a target spread over all classes.
    class_weight : Tensor
        float32 ``[members, classes]``.
    bounds : Tensor
        float64 ``[members]``: max-norm of a unit's incoming weights; infinity means no bound.
    seeds : Tensor
        int64 ``[members]``.
    keeps : Tensor
        float64 ``[3, members]``: keep probabilities of inputs, hidden units and weights.
    first_step : int
        The step in the address of the first masks.
    shared : int
        The number of networks that share a member's weights, as in
        :class:`bridle.networks.shared_members.SharedNetwork`, whose parameters ``state`` has. The
        loss is their mean, and ``seeds`` are ``[members · shared]``. All their rows go through one
        product with a layer's weights, unless DropConnect masks them.
    embedding : tuple of int, optional
        How many of the first inputs a :class:`bridle.networks.PeriodicEmbedding` embeds, with the
        waves and the outputs of each. Its parameters have no penalty.
    encoded : EncodedRows, optional
        ``X`` in its short form. The first layer of a member without a mask of inputs is then
        computed by sums of few rows of its weights, which gives the same results to rounding.
        Networks that share weights do not use it.

    Raises
    ------
    UsageError
        If a tensor has the wrong dtype, is not on the CPU, or is not contiguous; if ``encoded`` has
        other rows or inputs than ``X``; or if networks that share weights have an embedding.
    """
    if shared > 1 and embedding is not None:
        raise UsageError(
            f"{shared} networks share weights and have an embedding {embedding}, which the kernel "
            "does not train; give shared=1 or no embedding"
        )
    if encoded is not None:
        encoded.check(X)
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
                check(each, dtype)
    numbers, _, outputs = embedding = embedding or (0, 0, 0)
    cpu.population_steps(
        [sizes[0] + numbers * outputs, *sizes[1:]],
        state.groups,
        classes,
        (X, y, rows, shares, strengths, smoothing, class_weight, bounds, seeds, keeps),
        first_step,
        shared,
        embedding,
        _NO_BLOCKS if encoded is None else encoded.arguments,
    )


def population_outputs(
    values: Sequence[Tensor],
    *,
    sizes: Sequence[int],
    X: Tensor,
    rows: Tensor,
    embedding: tuple[int, int, int] | None = None,
    encoded: EncodedRows | None = None,
) -> Tensor:
    """Return the outputs of ReLU networks without noise, as :class:`bridle.Network` does.

    Each member predicts on one thread. Its outputs do not depend on the other members or on the
    number of threads.

    Parameters
    ----------
    values : sequence of Tensor
        The parameters, float32 ``[members, ...]``: weights, then biases, then those of an
        embedding.
    sizes, X, embedding, encoded
        As in :func:`population_steps`.
    rows : Tensor
        int64 ``[folds, count]``: row indices; member ``m`` uses fold ``m % folds``.

    Returns
    -------
    Tensor
        float32 ``[members, count, outputs]``.

    Raises
    ------
    UsageError
        As in :func:`population_steps`.
    """
    if encoded is not None:
        encoded.check(X)
    for each in (*values, X):
        check(each, torch.float32)
    check(rows, torch.int64)
    out = torch.empty(len(values[0]), rows.shape[1], sizes[-1])
    if out.numel():
        blocks = _NO_BLOCKS if encoded is None else encoded.arguments
        numbers, _, outputs = embedding = embedding or (0, 0, 0)
        sizes = [sizes[0] + numbers * outputs, *sizes[1:]]
        # equal parts, since the last one overlaps the one before
        batch = -(-rows.shape[1] // -(-rows.shape[1] // _ROWS_AT_ONCE))
        cpu.population_outputs(sizes, values, (X, rows, out), embedding, blocks, batch)
    return out
