"""What a search trains on: encoded rows, folds, and the score that it selects by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.errors import UsageError

__all__ = ["DEVICES", "Task", "check_device", "fold_of_rows"]

IntArray = np.ndarray[Any, np.dtype[Any]]

DEVICES = ("auto", "cpu", "cuda")
MOST_JUDGED = 20_000
"""Where more rows are held out, a share of them is judged: a score is then known to 0.3 points."""


@dataclass(frozen=True, eq=False)
class Task:
    """Rows to search on.

    Attributes
    ----------
    inputs : dict of int to Tensor
        The encoded rows by the bins of the encoding, float32 ``[rows, features]``.
    y : Tensor
        ``[rows]``: int64 class codes or float32 values.
    fold : Tensor
        int64 ``[rows]``: the fold that holds the row out; -1 where none does. If all are -1 there
        is one fold, which trains on every row.
    classes : int
        How many classes there are; 0 for values.
    device : str
        Where networks train on it; the tensors themselves wait on the CPU.
    """

    inputs: dict[int, Tensor]
    y: Tensor
    fold: Tensor
    classes: int
    device: str = "cpu"

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return max(1, int(self.fold.max()) + 1)

    @property
    def outputs(self) -> int:
        """How many outputs a network needs."""
        return self.classes or 1

    def placed(self) -> Task:
        """Return the same task with its rows on the device; the folds stay on the CPU."""
        inputs = {bins: rows.to(self.device) for bins, rows in self.inputs.items()}
        return replace(self, inputs=inputs, y=self.y.to(self.device))

    def rows_of(self, fold: int) -> tuple[Tensor, Tensor]:
        """Return the rows that a fold trains on, and those that it holds out."""
        held_out = self.fold == fold
        return (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]

    @cached_property
    def judged(self) -> Tensor:
        """The held-out rows that scores are of, bool ``[rows]``: all, or 20,000 of all classes."""
        held_out = self.fold >= 0
        parts = math.ceil(int(held_out.sum()) / MOST_JUDGED)
        if parts <= 1:
            return held_out
        part = fold_of_rows(self.y.cpu().numpy(), parts, self.classes, 0)
        return held_out & (torch.from_numpy(part) == 0)

    def judged_rows_of(self, fold: int) -> Tensor:
        """Return the rows that a fold holds out and that are judged, int64."""
        return ((self.fold == fold) & self.judged).nonzero()[:, 0]


def check_device(device: str) -> str:
    """Return "cpu" or "cuda"; "auto" is a GPU where there is one.

    Raises
    ------
    UsageError
        If there is no such device.
    """
    if device not in DEVICES:
        raise UsageError(f"device is {device!r}; it is one of {', '.join(map(repr, DEVICES))}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device is 'cuda', and torch finds no GPU here: leave it out, or 'cpu'")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def fold_of_rows(y: IntArray, folds: int, classes: int, seed: int) -> IntArray:
    """Return the fold that holds each row out, int64 ``[rows]``: even, and even in each class.

    A class of fewer rows than folds is held out by some folds only.
    """
    random = np.random.default_rng([seed, 0xF01D])
    order = random.permutation(len(y))
    if classes:
        order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), dtype=np.int64)
    fold[order] = np.arange(len(y)) % folds
    return fold
