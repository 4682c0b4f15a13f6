"""Split the rows and columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError, UsageError, did_you_mean
from bridle.models.group_split import grouped_parts
from bridle.models.grouping import Grouping
from bridle.statistics.second_process import begin_call

__all__ = ["split_rows", "three_parts", "without_columns"]

MIN_ROWS = 10


def without_columns(frame: pd.DataFrame, drop: Sequence[str], target: str) -> pd.DataFrame:
    """Return a table without some of its columns, none of which may be the target."""
    for name in drop:
        if name not in frame.columns:
            raise DataError(f"no column {name!r} to drop; {did_you_mean(name, frame.columns)}")
        if name == target:
            raise UsageError(f"{name!r} is the target and cannot be dropped; leave it out of drop")
    return frame.drop(columns=list(drop))


def split_rows(
    rows: int, codes: Any, seed: int, grouping: Grouping | None = None
) -> list[np.ndarray[Any, Any]]:
    """Split off a fifth of the rows as the test set, stratified if the classes are large enough.

    With a grouping, no group is in both parts, and later rows come after earlier ones; see
    :func:`bridle.models.group_split.grouped_parts`.

    Returns
    -------
    list of two int64 arrays
        The other rows, and the test set.
    """
    if rows < MIN_ROWS:
        raise DataError(
            f"{rows} rows are too few for a training set and a test set; give {MIN_ROWS} or more"
        )
    if grouping is not None:
        return grouped_parts(grouping, codes, 1, seed)
    every, kept = _without_rare(rows, codes, 2)
    rest, test = _two_parts(every, codes, rows // 5, seed)
    return [np.sort(np.concatenate([rest, kept])), np.sort(test)]


def three_parts(
    rows: int, codes: Any, seed: int, grouping: Grouping | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the rows of each part, stratified if the classes are large enough.

    The held-out set and the test set are a fifth of the rows each. With a grouping, no group is in
    two parts, and later rows come after earlier ones; see
    :func:`bridle.models.group_split.grouped_parts`.
    """
    if rows < MIN_ROWS:
        raise DataError(f"{rows} rows are too few for three parts; give {MIN_ROWS} or more")
    if grouping is not None:
        parts = grouped_parts(grouping, codes, 2, seed)
        return dict(zip(("training", "held out", "test"), parts, strict=True))
    every, kept = _without_rare(rows, codes, 3)
    rest, test = _two_parts(every, codes, rows // 5, seed)
    training, held_out = _two_parts(rest, codes, rows // 5, seed)
    training = np.sort(np.concatenate([training, kept]))
    return {"training": training, "held out": np.sort(held_out), "test": np.sort(test)}


def _without_rare(
    rows: int, codes: Any, parts: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the rows to split, and those of classes too small for all parts, for training."""
    every = np.arange(rows)
    if codes is None:
        return every, every[:0]
    rare = np.bincount(codes)[codes] < parts
    if (~rare).sum() <= (parts - 1) * (rows // 5):  # too few rows are left for the other parts
        return every, every[:0]
    return every[~rare], every[rare]


def _two_parts(
    rows: np.ndarray[Any, Any], codes: Any, second: int, seed: int
) -> list[np.ndarray[Any, Any]]:
    groups = None
    if codes is not None:
        # a class of one row cannot be in both parts, so it is treated as part of the largest class
        counts = np.bincount(codes[rows], minlength=codes.max() + 1)
        groups = np.where(counts[codes[rows]] < 2, counts.argmax(), codes[rows])
        if len(np.unique(groups)) > second:
            groups = None
    split = begin_call(
        "sklearn.model_selection:train_test_split",
        rows,
        test_size=second,
        random_state=seed,
        stratify=groups,
    )
    parts: list[np.ndarray[Any, Any]] = split()
    return parts
