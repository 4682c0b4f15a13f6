"""Training curves of a diagnosis, from a history or a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bridle.errors import UsageError
from bridle.networks.history import History

__all__ = ["Curves", "curves_of", "curves_of_configuration", "member_of"]

Array = np.ndarray[Any, np.dtype[Any]]

_MIN_EVALUATIONS = 5


@dataclass(frozen=True)
class Curves:
    """Losses and scores over the course of training.

    Attributes
    ----------
    epochs : tuple of int
        The epochs (or steps) at which the model was evaluated.
    unit : {"epoch", "step"}
    train_loss, held_out_loss, train_score, held_out_score : tuple of float, optional
        One value per evaluation; None if not recorded.
    best_epoch, last_epoch, kept_epoch : int
        The epoch with the lowest held-out loss, the last epoch, and the epoch of the final weights.
    excess : float
        The held-out loss at the last epoch minus the lowest held-out loss.
    train_slope, held_out_slope : float, optional
        Change of the loss per epoch, by least squares over the last quarter of the evaluations (at
        least five).
    """

    epochs: tuple[int, ...]
    unit: str
    train_loss: tuple[float, ...] | None
    held_out_loss: tuple[float, ...]
    train_score: tuple[float, ...] | None
    held_out_score: tuple[float, ...]
    best_epoch: int
    last_epoch: int
    kept_epoch: int
    excess: float
    train_slope: float | None
    held_out_slope: float | None


def member_of(history: History, member: int | None) -> int:
    """Return the index of the member to diagnose.

    Raises
    ------
    UsageError
        If there are several members and none was chosen, or the index is out of range.
    """
    members = history.held_out_loss.shape[1]
    if member is None and members == 1:
        return 0
    if member is None or not 0 <= member < members:
        raise UsageError(
            f"the history has {members} members and member is {member}; "
            f"give member= from 0 to {members - 1}"
        )
    return member


def curves_of(history: History, member: int) -> Curves:
    """Return the curves of one member of a history."""
    losses = history.held_out_loss[:, member]
    epochs = np.arange(1, len(losses) + 1)
    train_loss = history.train_loss[:, member]
    return Curves(
        epochs=tuple(epochs.tolist()),
        unit="epoch",
        train_loss=tuple(train_loss.tolist()),
        held_out_loss=tuple(losses.tolist()),
        train_score=tuple(history.train_score[:, member].tolist()),
        held_out_score=tuple(history.held_out_score[:, member].tolist()),
        best_epoch=int(history.best_epochs[member]),
        last_epoch=len(losses),
        kept_epoch=int(history.epochs_kept[member]),
        excess=float(losses[-1] - losses.min()),
        train_slope=_slope(epochs, train_loss),
        held_out_slope=_slope(epochs, losses),
    )


def curves_of_configuration(steps: Array, losses: Array, scores: Array) -> Curves:
    """Return the curves of a configuration of a search."""
    best = int(losses.argmin())
    return Curves(
        epochs=tuple(int(step) for step in steps),
        unit="step",
        train_loss=None,
        held_out_loss=tuple(losses.tolist()),
        train_score=None,
        held_out_score=tuple(scores.tolist()),
        best_epoch=int(steps[best]),
        last_epoch=int(steps[-1]),
        kept_epoch=int(steps[best]),
        excess=float(losses[-1] - losses[best]),
        train_slope=None,
        held_out_slope=_slope(steps, losses),
    )


def _slope(at: Array, values: Array) -> float | None:
    """Return the least-squares slope over the last quarter, at least five values."""
    count = max(_MIN_EVALUATIONS, len(values) // 4)
    if len(values) < _MIN_EVALUATIONS:
        return None
    return float(np.polyfit(at[-count:].astype(np.float64), values[-count:], 1)[0])
