"""Training steps of one perceptron in one call, as scikit-learn's estimators take them.

Two kernels train networks. :func:`bridle.ops.population.population_steps` trains many small ones,
one thread each: ReLU, float32, Adam. The one here trains one network by all threads: float32 or
float64, each activation, loss and solver of the estimators. Both multiply by the same products and
draw the same masks.

A call makes the steps of some epochs, or of a part of one, so that neither Python nor torch costs
time between steps. It ends where the loss of an epoch has not fallen for long enough. In a step,
each thread takes its rows of the batch through the network and back. After all have met, each takes
its rows of every layer's weights: their gradient and their update.
Threads meet twice a step. One thread sums an element of a gradient, in the order of the batch, so
that the result does not depend on the number of threads. Blocks of 256 rows are added in double
precision, so that rounding does not grow with the batch.

:class:`bridle.estimators.epochs.Batches` decides what goes here. All else takes torch's operations,
and the numbers are the same to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import cpu

__all__ = ["ACTIVATIONS", "LOSSES", "SOLVERS", "PerceptronState", "Plateau", "perceptron_steps"]

ACTIVATIONS = ("identity", "relu", "tanh", "logistic")
"""The activations, by their numbers in ``native/kernels.h``."""

LOSSES = ("identity", "exp", "logistic", "softmax")
"""The output activations, by the numbers of their losses in ``native/kernels.h``."""

SOLVERS = ("adam", "sgd")
"""The solvers, by their numbers in ``native/perceptron.h``."""


@dataclass(frozen=True)
class PerceptronState:
    """The tensors that training changes, ``[parameters]``: all weights, and then the biases.

    Attributes
    ----------
    parameters, gradient : Tensor
        The parameters, and their last gradient.
    moment, square : Tensor
        Adam's moments. SGD has its velocity in ``moment``, and ``square`` is the same tensor.
    """

    parameters: Tensor
    gradient: Tensor
    moment: Tensor
    square: Tensor

    @property
    def all(self) -> tuple[Tensor, ...]:
        """The four tensors."""
        return self.parameters, self.gradient, self.moment, self.square


@dataclass(frozen=True)
class Plateau:
    """When training stops: after more than ``most`` epochs in a row without improvement.

    Attributes
    ----------
    waited : int
        The epochs without improvement so far.
    most : float
        How many there may be.
    best : float
        The lowest loss of an epoch so far.
    tol : float
        A loss improves if it is not above ``best - tol``.
    """

    waited: int = 0
    most: float = math.inf
    best: float = math.inf
    tol: float = 0.0

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """The attributes, as the kernel takes them."""
        return self.waited, self.most, self.best, self.tol


_NO_PLATEAU = Plateau()


def perceptron_steps(
    state: PerceptronState,
    *,
    sizes: Sequence[int],
    activation: str,
    out_activation: str,
    solver: str,
    X: Tensor,
    y: Tensor,
    weight: Tensor | None,
    order: Tensor,
    batch_size: int,
    strengths: Tensor,
    alpha: float,
    l1: float,
    max_norm: float,
    keep_probs: tuple[float, float, float],
    seed: int,
    first_step: int,
    epochs: int = 1,
    plateau: Plateau = _NO_PLATEAU,
) -> Tensor:
    """Make the training steps of one network; return the loss of each, float64 ``[steps]``.

    A loss is the mean of a batch, with noise, L2 and L1, before the step. The masks are those of
    :class:`bridle.Network` with inverted scaling. All tensors must be on the CPU, contiguous, and
    of the dtype of the parameters unless stated; shapes and indices are not checked.

    Parameters
    ----------
    state : PerceptronState
        float32 or float64; changed in place.
    sizes : sequence of int
        Number of units of each layer, with inputs and outputs.
    activation : {"identity", "relu", "tanh", "logistic"}
    out_activation : {"identity", "exp", "logistic", "softmax"}
        The output activation, which sets the loss; see :class:`~bridle.estimators.MLPClassifier`.
    solver : {"adam", "sgd"}
    X : Tensor
        ``[all rows, inputs]``.
    y : Tensor
        ``[all rows, outputs]``; bool for targets of 0 and 1, which takes less memory.
    weight : Tensor, optional
        Weights of the rows, ``[all rows]``.
    order : Tensor
        int64 ``[epochs * rows]``: the rows of the batches, one after another.
    batch_size : int
        The last batch of an epoch may be smaller.
    strengths : Tensor
        float64 ``[steps, 9]``: of Adam, see :func:`~bridle.ops.stepping.adam_strengths`; of SGD,
        rate, momentum, threshold of the proximal step of L1, and 1 with Nesterov's momentum.
        Biases have no penalty.
    alpha : float
        L2 of a batch, divided by its weight.
    l1 : float
        L1 in the loss; ``strengths`` have its step.
    max_norm : float
        Bound of the norm of a unit's weights; infinity means no bound.
    keep_probs : tuple of float
        Keep probabilities of inputs, hidden units and weights.
    seed, first_step : int
        In the addresses of the masks.
    epochs : int
        Each has as many rows.
    plateau : Plateau
        Where it is reached, no further epoch begins, and there are fewer losses.

    Raises
    ------
    UsageError
        If a tensor has the wrong dtype, is not on the CPU, or is not contiguous.
    """
    dtype = state.parameters.dtype
    for each in (*state.all, X, *(() if weight is None else (weight,))):
        check(each, dtype)
    flags = y.dtype == torch.bool
    check(y, torch.bool if flags else dtype)
    check(order, torch.int64)
    check(strengths, torch.float64)
    losses = torch.empty(strengths.shape[0], dtype=torch.float64)
    done = cpu.perceptron_steps(
        dtype,
        sizes,
        (ACTIVATIONS.index(activation), LOSSES.index(out_activation), SOLVERS.index(solver), flags),
        (epochs, order.shape[0] // epochs, batch_size, first_step, seed),
        (X, y, weight, order, *state.all, strengths, losses),
        (alpha, l1, max_norm, *keep_probs, *plateau.numbers),
    )
    return losses[: len(losses) // epochs * done]


def check(tensor: Tensor, dtype: torch.dtype) -> None:
    """Refuse a tensor that a kernel would misread."""
    if tensor.dtype != dtype or not tensor.is_cpu or not tensor.is_contiguous():
        raise UsageError(
            f"a tensor is {tensor.dtype} {list(tensor.shape)} with strides {tensor.stride()} on "
            f"{tensor.device}; give {dtype} on the CPU, contiguous"
        )
