"""The records that training takes and gives: rows to learn from, and what happened."""

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
    """Rows to learn from or to be judged on.

    Attributes
    ----------
    X : Tensor
        float ``[rows, inputs]``.
    y : Tensor
        ``[rows]``: int64 class codes or float values.
    weight : Tensor, optional
        float ``[rows]``, not negative: how much each row counts in the loss.

    Raises
    ------
    UsageError
        If ``y`` or ``weight`` does not have a value for each row of ``X``.
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
                    f"{name} has the shape {list(value.shape)} and X {rows} rows; "
                    f"give {name} the shape [{rows}]"
                )


@dataclass(frozen=True, eq=False)
class History:
    """What happened in training, an entry per epoch and member, float64 ``[epochs, members]``.

    Losses and scores are honest: by the weights at the end of the epoch, noise off, penalty left
    out, the training part and the held-out part alike. The loss that is usually reported for
    training is the sum of three: ``train_loss + noise + penalty``.

    Attributes
    ----------
    train_loss, held_out_loss
        The data fit: mean loss per row.
    train_score, held_out_score
        Accuracy, or R².
    noise
        What the masks add to the training loss: the loss with noise on less the one with noise
        off, by one draw of the masks.
    penalty
        R(w); infinite outside a constraint.
    epochs_kept
        int64 ``[members]``: the epoch, from 1, whose weights the network has now.
    score_name : str
        What the scores are: "accuracy" or "R²".
    rows : tuple of int
        How many training and held-out rows there are.
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

    @property
    def reported_loss(self) -> FloatArray:
        """The training loss as it is usually reported: data fit, noise and penalty."""
        return self.train_loss + self.noise + self.penalty

    @property
    def best_epochs(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The epoch, from 1, of each member's lowest held-out loss."""
        return self.held_out_loss.argmin(0) + 1
