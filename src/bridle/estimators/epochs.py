"""Epochs of mini-batch training, by the compiled steps where they fit, else by torch.

Both take the same steps, with the same numbers to rounding. The compiled ones are one call for the
whole epoch, for several short ones, or of a fraction of a second, so that an interrupt can act.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import gen_batches
from torch import Tensor

from bridle.estimators.optimizers import AdamOptimizer, SGDOptimizer
from bridle.estimators.perceptron import Masks, Perceptron
from bridle.estimators.prediction import row_loader
from bridle.estimators.tensors import with_positive_strides
from bridle.ops import max_norm_step
from bridle.ops.cpu import multiplies
from bridle.ops.perceptron import PerceptronState, Plateau, perceptron_steps
from bridle.penalties.sparse_weights import SparseWeights

__all__ = [
    "Batches",
    "Penalties",
    "epoch_losses",
    "epoch_means",
    "epochs_at_once",
    "losses_of_epochs",
]

Array = np.ndarray[Any, np.dtype[Any]]
# in products of a weight and a row, of which a call makes some 2**33 in a second
_PER_CALL, _PER_STEP = 2**30, 2**31
_PER_EPOCHS = 2**28  # of a call that makes several: so little is lost by an interrupt
_ORDERED = 2**17  # rows in all, so that their order takes 1 MiB at most
_PER_UNIT = 64  # the activation, the mask and the memory of a unit take as long as so many products
_MOST_WEIGHTS = 2**19  # with more, torch's libraries are faster


@dataclass(frozen=True)
class Penalties:
    """The strengths of the penalties, as the estimators name them."""

    alpha: float
    l1: float
    max_norm: float | None


@dataclass(frozen=True)
class Batches:
    """The training samples as tensors, with the batch size.

    Attributes
    ----------
    X : Tensor or callable
        ``[rows, inputs]``. If the compiled steps do not fit, a function from row indices to rows.
    y : Tensor
        ``[rows, outputs]``; for the compiled steps bool, if the targets are classes.
    weight : Tensor, optional
        Weights of the rows.
    size : int
        Rows of a batch.
    counts : array
        Rows of each batch; the last may have fewer.
    """

    X: Tensor | Callable[[Tensor], Tensor]
    y: Tensor
    weight: Tensor | None
    size: int
    counts: Array

    @cached_property
    def some_are_zero(self) -> bool:
        """Whether a row has no weight."""
        return self.weight is not None and not bool(self.weight.all())

    @classmethod
    def of(
        cls,
        network: Perceptron,
        X: Any,
        y: Array,
        weight: Array | None,
        size: int,
        *,
        compiled: bool = True,
    ) -> Batches:
        """Return the samples with the dtype and the device of the network's parameters.

        With ``compiled``, they are for the compiled steps where these fit.
        """
        like = network.flat
        fits = network.penalized <= _MOST_WEIGHTS and _work(network, size) <= _PER_STEP
        on_cpu = like.device.type == "cpu" and multiplies()
        compiled = compiled and fits and on_cpu and not scipy.sparse.issparse(X)
        return cls(
            _read_only(X, like) if compiled else row_loader(X, like),
            _flags(y) if compiled and y.dtype == bool else _copied(y, like),
            None if weight is None else _copied(weight, like),
            size,
            np.diff([*range(0, len(y), size), len(y)]).astype(np.float64),
        )

    def taken(self, order: Array) -> tuple[Array, Array]:
        """Return the rows of an epoch, and how many each batch has, without batches of no weight.

        There is nothing to learn from such a batch; its penalty is left out too.
        """
        if self.weight is None or not self.some_are_zero:
            return order, self.counts
        starts = np.arange(0, len(order), self.size)
        totals = np.add.reduceat(self.weight.cpu().numpy()[order], starts)
        if (totals > 0).all():
            return order, self.counts
        return order[np.repeat(totals > 0, self.counts.astype(np.intp))], self.counts[totals > 0]


def _work(network: Perceptron, rows: int) -> int:
    """Return the work of a step, in products of a weight and a row."""
    return rows * (network.penalized + _PER_UNIT * sum(network.sizes))


def _read_only(X: Array, like: Tensor) -> Tensor:
    """Return rows that nothing writes to, without a copy where that is possible."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(with_positive_strides(np.ascontiguousarray(X))).to(like)


def _flags(values: Array) -> Tensor:
    return torch.from_numpy(values.copy(order="C"))


def _copied(values: Array, like: Tensor) -> Tensor:
    """Return a contiguous copy in native byte order; a view of a read-only array would warn."""
    kind = str(like.dtype).removeprefix("torch.")
    return torch.from_numpy(values.astype(kind, order="C")).to(like)


def epoch_losses(
    network: Perceptron,
    optimizer: AdamOptimizer | SGDOptimizer,
    batches: Batches,
    order: Array,
    masks: Masks,
    penalties: Penalties,
    first_step: int,
    sparse: SparseWeights | None = None,
) -> Iterator[Tensor]:
    """Take the steps of one epoch; yield the losses of steps that were taken, penalties included.

    ``order`` has the row indices. ``first_step`` is in the address of the first masks. A target
    sparsity needs batches that are not for the compiled steps.
    """
    rows, data = torch.from_numpy(order), batches.X
    more = masks, penalties, first_step
    if isinstance(data, Tensor):
        yield from _compiled_steps(network, optimizer, batches, rows, *more)
    else:
        yield from _torch_steps(network, optimizer, batches, data, rows, *more, sparse)


def epochs_at_once(
    network: Perceptron, optimizer: AdamOptimizer | SGDOptimizer, batches: Batches, most: int
) -> int:
    """Return how many epochs, at most ``most``, :func:`losses_of_epochs` may take; at least 1."""
    compiled = isinstance(batches.X, Tensor) and optimizer.same_rate
    if not compiled or batches.some_are_zero:  # a batch of no weight is left out
        return 1
    rows = len(batches.y)
    return max(1, min(most, _PER_EPOCHS // _work(network, rows), _ORDERED // rows))


def losses_of_epochs(
    network: Perceptron,
    optimizer: AdamOptimizer | SGDOptimizer,
    batches: Batches,
    orders: Array,
    masks: Masks,
    penalties: Penalties,
    first_step: int,
    plateau: Plateau,
) -> Array:
    """Take epochs until a plateau; return the losses of the steps, ``[epochs taken, steps]``.

    ``orders`` has the row indices of each, ``[epochs, rows]``.
    """
    steps = len(batches.counts)
    losses = _compiled_call(
        network,
        optimizer,
        batches,
        torch.from_numpy(orders.reshape(-1)),
        steps * len(orders),
        masks,
        penalties,
        first_step,
        epochs=len(orders),
        plateau=plateau,
    )
    return losses.numpy().reshape(-1, steps)


def epoch_means(losses: Array, counts: Array) -> list[float]:
    """Return the mean of each row, added in order, as the compiled steps do to stop."""
    sums = np.cumsum(losses * counts, axis=1)[:, -1]
    means: list[float] = (sums / counts.sum()).tolist()
    return means


def _compiled_steps(
    network: Perceptron,
    optimizer: AdamOptimizer | SGDOptimizer,
    batches: Batches,
    order: Tensor,
    masks: Masks,
    penalties: Penalties,
    first_step: int,
) -> Iterator[Tensor]:
    at_once, end = (
        max(1, _PER_CALL // _work(network, batches.size)),
        -(-order.shape[0] // batches.size),
    )
    for start in range(0, end, at_once):
        steps = min(at_once, end - start)
        rows = order[start * batches.size : (start + steps) * batches.size]
        yield _compiled_call(
            network, optimizer, batches, rows, steps, masks, penalties, first_step + start
        )


def _compiled_call(
    network: Perceptron,
    optimizer: AdamOptimizer | SGDOptimizer,
    batches: Batches,
    order: Tensor,
    steps: int,
    masks: Masks,
    penalties: Penalties,
    first_step: int,
    **epochs: Any,
) -> Tensor:
    losses = perceptron_steps(
        PerceptronState(network.flat, network.gradient, *optimizer.state),
        sizes=network.sizes,
        activation=network.activation,
        out_activation=network.out_activation,
        solver=optimizer.name,
        X=cast(Tensor, batches.X),
        y=batches.y,
        weight=batches.weight,
        order=order,
        batch_size=batches.size,
        strengths=optimizer.strengths(steps, penalties.l1),
        alpha=penalties.alpha,
        l1=penalties.l1,
        max_norm=np.inf if penalties.max_norm is None else penalties.max_norm,
        keep_probs=(masks.input_keep_prob, masks.keep_prob, masks.drop_connect_keep_prob),
        seed=masks.seed,
        first_step=first_step,
        **epochs,
    )
    optimizer.count(len(losses))
    return losses


def _torch_steps(
    network: Perceptron,
    optimizer: AdamOptimizer | SGDOptimizer,
    batches: Batches,
    load: Callable[[Tensor], Tensor],
    order: Tensor,
    masks: Masks,
    penalties: Penalties,
    first_step: int,
    sparse: SparseWeights | None,
) -> Iterator[Tensor]:
    order = order.to(network.flat.device)
    penalized = network.flat[: network.penalized]
    gradient = network.gradient[: network.penalized]
    for step, part in enumerate(gen_batches(len(order), batches.size), first_step):
        batch = order[part]
        weight = None if batches.weight is None else batches.weight[batch]
        targets = batches.y.index_select(0, batch)
        loss = network.step_gradient(load(batch), targets, weight, masks, step)
        if penalties.alpha:
            strength = penalties.alpha / (len(batch) if weight is None else float(weight.sum()))
            loss.add_(penalized.dot(penalized), alpha=0.5 * strength)
            gradient.add_(penalized, alpha=strength)
        l1 = penalties.l1
        if sparse is not None:
            sparse.before_step()
            l1 *= sparse.step < sparse.rule.end  # the weights that are left heal without it
        if l1:
            loss.add_(penalized.abs().sum(), alpha=l1)
        optimizer.step(network, l1)
        if penalties.max_norm is not None:
            bound = torch.tensor([penalties.max_norm], dtype=torch.float64)
            for layer in network.weights:
                max_norm_step(layer[None], bound)
        if sparse is not None:
            sparse.after_step()
        yield loss[None]
