"""Remarks on rows that a model has not seen the like of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import Column, as_levels, as_strings
from bridle.tables.levels import Levels
from bridle.tables.missing import MISSING_STRINGS

__all__ = ["remarks_on"]


def remarks_on(
    columns: Iterable[Column],
    read: Mapping[str, Any],
    ranges: Mapping[str, tuple[float, float]],
    frame: pd.DataFrame | None = None,
) -> list[str]:
    """Return remarks on cells that are new, far outside the training range, or not readable.

    Parameters
    ----------
    columns : iterable of Column
    read : mapping of str to array, Series or Levels
        The values of each column, as the encoder read them.
    ranges : mapping of str to (float, float)
        The lowest and the highest value in training.
    frame : DataFrame, optional
        The cells, if some can be strings where numbers or dates are asked for.
    """
    found: list[str] = []
    for column in columns:
        told: list[str] = []
        if column.kind == "category":
            found += _new_categories(column.name, read[column.name].new)
        elif frame is not None and column.kind in ("number", "date"):
            told = _unread(column, frame[column.name], read[column.name])
        if not told and not column.has_missing:
            told = _absent(column, read, frame)
        found += told
        if column.name in ranges and column.kind == "number":
            found += _far(column.name, read[column.name], *ranges[column.name])
    return found


def _absent(column: Column, read: Mapping[str, Any], frame: pd.DataFrame | None) -> list[str]:
    """Return a remark on missing values of a column that had none in training."""
    found = read.get(column.name)
    if isinstance(found, Levels):
        count = int((found.codes < 0).sum()) - sum(found.new.values())
        taken = "no category" if column.kind == "category" else "an empty text"
    elif found is not None:
        count, taken = int(np.asarray(pd.isna(found)).sum()), "the median of training"
    elif column.kind == "text" and frame is not None:
        count, taken = int(as_levels(frame[column.name], column).isna().sum()), "an empty text"
    else:
        return []
    if not count:
        return []
    return [
        f"{column.name!r} is missing in {_rows(count)}, but was never missing in training; it is "
        f"taken as {taken}"
    ]


def _new_categories(name: str, new: Mapping[str, int]) -> list[str]:
    if not new:
        return []
    names = sorted(new)
    shown = ", ".join(map(repr, names[:3])) + (" …" if len(names) > 3 else "")
    plural = "categories" if len(names) > 1 else "category"
    return [f"{name!r} has {len(names)} new {plural} in {_rows(sum(new.values()))}: {shown}"]


def _unread(column: Column, values: pd.Series[Any], read: Any) -> list[str]:
    """Return a remark on strings that are no number or date and were taken as missing."""
    if pd.api.types.is_numeric_dtype(values.dtype) or values.dtype.kind == "M":
        return []
    texts = as_strings(values)
    usual = texts.isin([*MISSING_STRINGS, *column.missing])
    lost = texts[np.asarray(pd.isna(read)) & texts.notna().to_numpy() & ~usual.to_numpy()]
    if not len(lost):
        return []
    form = f" of the form {column.date_format}" if column.date_format else ""
    what = f"date{form}" if column.kind == "date" else "number"
    return [
        f"{lost.iloc[0]!r} in {column.name!r} is not a {what}; {len(lost)} of {len(texts)} cells "
        "are taken as missing"
    ]


def _far(name: str, numbers: np.ndarray[Any, Any], low: float, high: float) -> list[str]:
    """Return a remark on numbers that are farther off than the training range is wide."""
    reach = high - low
    away = np.maximum(low - numbers, numbers - high)  # NaN compares as false
    far = away > reach
    if not far.any():
        return []
    farthest = numbers[np.nanargmax(away)]
    return [
        f"{name!r} is far outside the training range ({low:g} to {high:g}) in "
        f"{_rows(int(far.sum()))}, such as {farthest:g}"
    ]


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
