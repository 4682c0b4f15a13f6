"""What the losses did over training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bridle.errors import UsageError
from bridle.networks.history import History

__all__ = ["Curves", "curves_of", "curves_of_configuration", "member_of"]

Array = np.ndarray[Any, np.dtype[Any]]

_FEWEST_LOOKS = 5


@dataclass(frozen=True)
class Curves:
    """What the losses did over the epochs of training.

    Attributes
    ----------
    epochs : tuple of int
        The epochs (or steps) that were looked at.
    unit : {"epoch", "step"}
    train_loss, held_out_loss, train_score, held_out_score : tuple of float, optional
        A value for each epoch; None where it was not written down.
    best_epoch, last_epoch, kept_epoch : int
        Of the lowest held-out loss, the last one, and the one whose weights the subject has.
    excess : float
        The held-out loss at the last epoch less the lowest.
    train_slope, held_out_slope : float, optional
        Change of loss per epoch over the last quarter of training (five looks at least), by least
        squares.
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
    """Return the member to look at.

    Raises
    ------
    UsageError
        If there are several and none was named, or there is no such member.
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
    """Return the curves of a configuration of a search, which was looked at now and then."""
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
    """Return the least-squares slope of the last quarter, of five looks at least."""
    looks = max(_FEWEST_LOOKS, len(values) // 4)
    if len(values) < _FEWEST_LOOKS:
        return None
    return float(np.polyfit(at[-looks:].astype(np.float64), values[-looks:], 1)[0])
