"""The data of a search: encoded rows, their target, and the fold that holds each row out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.encoded import EncodedRows

__all__ = ["DEVICES", "FOLDS", "SearchData", "check_device", "enough_folds", "fold_of_rows"]

IntArray = np.ndarray[Any, np.dtype[Any]]

DEVICES = ("auto", "cpu", "cuda")
FOLDS = 5
MAX_SCORED_ROWS = 20_000
"""If more rows are held out, scores are computed on a sample of them, to about 0.3 points."""
LARGE = 10_000
"""The rows from which on a table has fewer folds and more bins."""
ENOUGH_HELD_OUT = 5_000
"""The folds of a large table that are trained hold out this many rows together, or a few more."""


@dataclass(frozen=True, eq=False)
class SearchData:
    """Rows to cross-validate on.

    Attributes
    ----------
    inputs : dict of int to Tensor
        The rows in each encoding, float32 ``[rows, features]``. The key is the number of bins.
    y : Tensor
        ``[rows]``: int64 class codes, or the float32 target of a regression.
    fold : Tensor
        int64 ``[rows]``: the fold that holds the row out, or -1 if none does. If all are -1 there
        is one fold, which trains on every row.
    classes : int
        The number of classes; 0 for regression.
    device : str
        Where networks train. The tensors here stay on the CPU.
    trained : Tensor, optional
        bool ``[folds, rows]``: the rows that each fold trains on. None is all that it does not
        hold out.
    numbers : int
        How many of the first features are numerical, so that they can be embedded.
    encoded : dict of int to EncodedRows
        The short form of the rows in each encoding that has one, for quicker steps.
    """

    inputs: dict[int, Tensor]
    y: Tensor
    fold: Tensor
    classes: int
    device: str = "cpu"
    trained: Tensor | None = None
    numbers: int = 0
    encoded: dict[int, EncodedRows] = field(default_factory=dict)

    @property
    def folds(self) -> int:
        """The number of folds."""
        return max(1, int(self.fold.max()) + 1)

    @property
    def outputs(self) -> int:
        """The number of outputs that a network needs."""
        return self.classes or 1

    def on_device(self) -> SearchData:
        """Return a copy whose rows are on the device; the folds stay on the CPU."""
        inputs = {bins: rows.to(self.device) for bins, rows in self.inputs.items()}
        return replace(self, inputs=inputs, y=self.y.to(self.device))

    def rows_of(self, fold: int) -> tuple[Tensor, Tensor]:
        """Return the rows that a fold trains on, and the rows that it holds out."""
        held_out = self.fold == fold
        trained = ~held_out if self.trained is None else self.trained[fold]
        return trained.nonzero()[:, 0], held_out.nonzero()[:, 0]

    @cached_property
    def scored(self) -> Tensor:
        """Which rows are scored, bool ``[rows]``: all held-out rows, or a stratified sample."""
        held_out = self.fold >= 0
        parts = math.ceil(int(held_out.sum()) / MAX_SCORED_ROWS)
        if parts <= 1:
            return held_out
        part = fold_of_rows(self.y.cpu().numpy(), parts, self.classes, 0)
        return held_out & (torch.from_numpy(part) == 0)

    @cached_property
    def seen(self) -> Tensor:
        """Which rows the training score is computed on, bool ``[rows]``.

        These are the scored rows, on most of which each network was trained. If no fold holds out
        the others, they are as many of the others, on which every network was trained.
        """
        others = self.fold < 0
        if self.trained is not None or not others.any():
            return self.scored
        parts = max(1, int(others.sum()) // max(1, int(self.scored.sum())))
        part = fold_of_rows(self.y.cpu().numpy(), parts, self.classes, 0)
        return others & (torch.from_numpy(part) == 0)

    def without_folds(self) -> SearchData:
        """Return the data with one fold, which trains on every row."""
        return replace(self, fold=torch.full_like(self.fold, -1), trained=None)

    def scored_rows_of(self, fold: int) -> Tensor:
        """Return the scored rows among those that a fold holds out, int64."""
        return ((self.fold == fold) & self.scored).nonzero()[:, 0]


def check_device(device: str) -> str:
    """Return "cpu" or "cuda"; "auto" is "cuda" if there is a GPU.

    Raises
    ------
    UsageError
        If there is no such device.
    """
    if device not in DEVICES:
        raise UsageError(f"device is {device!r}; it must be one of {', '.join(map(repr, DEVICES))}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "device is 'cuda', but torch finds no GPU here: leave it out, or give 'cpu'"
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def fold_of_rows(y: IntArray, folds: int, classes: int, seed: int) -> IntArray:
    """Assign each row to the fold that holds it out, int64 ``[rows]``.

    Folds are of equal size, and stratified by class. A class with fewer rows than folds is held
    out by some folds only.
    """
    random = np.random.default_rng([seed, 0xF01D])
    order = random.permutation(len(y))
    if classes:
        order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), dtype=np.int64)
    fold[order] = np.arange(len(y)) % folds
    return fold


def enough_folds(y: IntArray, folds: int, classes: int, seed: int) -> IntArray:
    """Assign rows to folds as :func:`fold_of_rows` does, but those of a large table to fewer folds.

    From 10,000 rows on, only the first folds are kept, which hold out 5,000 rows together. The
    other rows get -1, so that every fold trains on them. From 25,000 rows on it is one fold.
    """
    if len(y) < LARGE:
        return fold_of_rows(y, folds, classes, seed)
    parts = max(folds, len(y) // ENOUGH_HELD_OUT)
    fold = fold_of_rows(y, parts, classes, seed)
    enough = math.ceil(ENOUGH_HELD_OUT * parts / len(y))
    return np.where(fold < enough, fold, -1)
