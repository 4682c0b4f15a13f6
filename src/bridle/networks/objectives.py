"""Objectives: the loss per row that training minimizes, and the score that is reported."""

from __future__ import annotations

from typing import Protocol, final, runtime_checkable

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.errors import UsageError

__all__ = ["OBJECTIVES", "CrossEntropy", "Objective", "SquaredError", "objective_of"]


@runtime_checkable
class Objective(Protocol):
    """A loss per row, and a score per member (higher is better)."""

    name: str
    score_name: str

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each row, ``[members, rows]``."""

    def score(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the score of each member, ``[members]``."""


@final
class CrossEntropy:
    """Classification: softmax cross-entropy in nats, scored by accuracy.

    Targets are int64 class codes ``[rows]`` or ``[members, rows]``.

    Examples
    --------
    >>> import torch
    >>> outputs, y = torch.zeros(1, 3, 2), torch.tensor([0, 0, 1])
    >>> CrossEntropy().loss(outputs, y)
    tensor([[0.6931, 0.6931, 0.6931]])
    >>> CrossEntropy().score(outputs, y)
    tensor([0.6667])
    """

    name = "cross_entropy"
    score_name = "accuracy"

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the cross-entropy of each row, ``[members, rows]``."""
        codes = y.expand(outputs.shape[:2])
        rows = F.cross_entropy(outputs.flatten(0, 1), codes.reshape(-1), reduction="none")
        return rows.view(codes.shape)

    def score(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the fraction of correctly classified rows, ``[members]``."""
        return (outputs.argmax(-1) == y).float().mean(1)


@final
class SquaredError:
    """Regression: the squared error, scored by R² (the explained share of the variance).

    Targets are floats ``[rows]`` or ``[members, rows]``; the network has one output.

    Examples
    --------
    >>> import torch
    >>> outputs, y = torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([1.0, 2.0, 3.0])
    >>> SquaredError().loss(outputs, y)
    tensor([[0., 0., 1.]])
    >>> SquaredError().score(outputs, y)
    tensor([0.5000])
    """

    name = "squared_error"
    score_name = "R²"

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the squared error of each row, ``[members, rows]``."""
        return (outputs[..., 0] - y).square()

    def score(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return ``1 - Σ(y - ŷ)² / Σ(y - ȳ)²`` of each member, ``[members]``."""
        target = y.expand(outputs.shape[:2])
        spread = (target - target.mean(1, keepdim=True)).square().sum(1)
        return 1 - self.loss(outputs, y).sum(1) / spread


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective for objective in (CrossEntropy(), SquaredError())
}


def objective_of(objective: str | Objective) -> Objective:
    """Return an objective by its name, or the objective itself.

    Raises
    ------
    UsageError
        If the name is unknown.

    Examples
    --------
    >>> objective_of("squared_error").score_name
    'R²'
    """
    if not isinstance(objective, str):
        return objective
    if objective not in OBJECTIVES:
        raise UsageError(
            f"the objective is {objective!r}; it must be one of {', '.join(map(repr, OBJECTIVES))}"
        )
    return OBJECTIVES[objective]
