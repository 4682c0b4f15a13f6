"""``Dataset`` and ``History``: the input and the result of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from bridle.errors import UsageError

__all__ = ["Dataset", "History"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Dataset:
    """Rows for training or evaluation.

    Attributes
    ----------
    X : Tensor
        float ``[rows, inputs]``.
    y : Tensor
        ``[rows]``: int64 class codes or float values.
    weight : Tensor, optional
        float ``[rows]``, 0 or more: the weight of each row in the loss.

    Raises
    ------
    UsageError
        If ``y`` or ``weight`` does not have one value per row of ``X``.
    """

    X: Tensor
    y: Tensor
    weight: Tensor | None = None

    def __post_init__(self) -> None:
        rows = self.X.shape[0]
        for name in ("y", "weight"):
            value = getattr(self, name)
            if value is not None and value.shape != (rows,):
                raise UsageError(
                    f"{name} has the shape {list(value.shape)}, but X has {rows} rows; "
                    f"give {name} the shape [{rows}]"
                )


@dataclass(frozen=True, eq=False)
class History:
    """Learning curves: one value per epoch and member, float64 ``[epochs, members]``.

    Training and held-out rows are evaluated alike: with the weights at the end of the epoch, noise
    off, and without the penalty. The training loss that is usually reported is the sum
    ``train_loss + noise + penalty``.

    Attributes
    ----------
    train_loss, held_out_loss
        The mean loss per row.
    train_score, held_out_score
        Accuracy, or R².
    noise
        What the noise adds to the training loss: the loss with noise on minus the loss with noise
        off, for one draw of the masks.
    penalty
        R(w); infinite if a constraint is violated.
    epochs_kept
        int64 ``[members]``: the epoch, from 1, whose weights were kept.
    score_name : str
        "accuracy" or "R²".
    rows : tuple of int
        The numbers of training and held-out rows.
    interrupted : bool
        Whether a KeyboardInterrupt ended the training.
    """

    train_loss: FloatArray
    train_score: FloatArray
    held_out_loss: FloatArray
    held_out_score: FloatArray
    noise: FloatArray
    penalty: FloatArray
    epochs_kept: np.ndarray[Any, np.dtype[np.int64]]
    score_name: str
    rows: tuple[int, int]
    interrupted: bool = False

    @property
    def reported_loss(self) -> FloatArray:
        """The training loss as usually reported: loss, noise and penalty added up."""
        return self.train_loss + self.noise + self.penalty

    @property
    def best_epochs(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The epoch, from 1, with each member's lowest held-out loss."""
        return self.held_out_loss.argmin(0) + 1
