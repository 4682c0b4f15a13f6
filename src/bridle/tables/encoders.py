"""The parts of a table's encoder: reading columns, centers, scales, and names of categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import ModelFileError
from bridle.tables.columns import Column, as_dates, as_numbers
from bridle.tables.date_features import date_feature_names
from bridle.tables.levels import LevelsReader

__all__ = [
    "MISSING",
    "FloatArray",
    "array_of",
    "center_of",
    "hot_columns",
    "levels_of",
    "listed",
    "names_of",
    "notes_on",
    "read_columns",
    "safe_scale",
]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
MISSING = "(missing)"
Name = tuple[str, str]


def read_columns(
    frame: pd.DataFrame, columns: Iterable[Column], levels: Mapping[str, LevelsReader]
) -> dict[str, Any]:
    """Return the values of each column but the texts: float64, dates, or codes of categories.

    Parameters
    ----------
    frame : DataFrame
    columns : iterable of Column
    levels : mapping of str to LevelsReader
        For the categorical columns that are wanted.
    """
    read: dict[str, Any] = {}
    for column in columns:
        if column.kind == "number":
            read[column.name] = as_numbers(frame[column.name], column.missing)
        elif column.kind == "date":
            read[column.name] = as_dates(frame[column.name], column.date_format)
        elif column.name in levels:
            read[column.name] = levels[column.name].read(frame[column.name])
    return read


def array_of(arrays: Mapping[str, np.ndarray[Any, Any]], name: str) -> np.ndarray[Any, Any]:
    """Return an array of an encoder's state.

    Raises
    ------
    ModelFileError
        If it is missing.
    """
    if name not in arrays:
        raise ModelFileError(f"the encoder's array {name!r} is missing; fit the model again")
    return arrays[name]


def center_of(numbers: FloatArray) -> FloatArray:
    """Return the median of each column."""
    # nanmedian works column by column, which is slow
    median = np.nanmedian if np.isnan(numbers).any() else np.median
    return np.asarray(median(numbers, axis=0))


def safe_scale(numbers: FloatArray) -> FloatArray:
    """Return the interquartile range; half the range if that is 0; 1 if both are 0."""
    # nanpercentile works column by column, which is slow
    percentile = np.nanpercentile if np.isnan(numbers).any() else np.percentile
    low, high = percentile(numbers, [25, 75], axis=0)
    half = (np.nanmax(numbers, axis=0) / 2) - (np.nanmin(numbers, axis=0) / 2)
    scale = np.where(high > low, high / 2 - low / 2, half / 2) * 2
    return np.where(scale > 0, scale, 1.0)


def levels_of(column: Column) -> list[str]:
    """Return a categorical column's categories, and a missing value as one if there was any."""
    return [*column.categories, MISSING] if column.has_missing else list(column.categories)


def hot_columns(columns: Iterable[Column]) -> list[Column]:
    """Return the columns with an input for each category: categorical ones, then frequent texts."""
    columns = tuple(columns)
    texts = [column for column in columns if column.kind == "text" and column.categories]
    return [*(column for column in columns if column.kind == "category"), *texts]


def names_of(columns: Iterable[Column], texts: Mapping[str, int]) -> tuple[list[Name], list[Name]]:
    """Return the names of the numerical features, and of the others but the bins, in their order.

    Parameters
    ----------
    columns : iterable of Column
    texts : mapping of str to int
        The number of features of each column of texts.

    Returns
    -------
    tuple of two lists
        Each feature's column and its name.
    """
    columns = tuple(columns)
    numbers = [(column.name, column.name) for column in columns if column.kind == "number"]
    for column in (column for column in columns if column.kind == "date"):
        names = date_feature_names(column.name, has_time=column.has_time)
        numbers += [(column.name, name) for name in names]
    measured = [column for column in columns if column.kind in ("number", "date")]
    others = [(c.name, f"{c.name}={MISSING}") for c in measured if c.has_missing]
    for column in hot_columns(columns):
        others += [(column.name, f"{column.name}={level}") for level in levels_of(column)]
    for name, count in texts.items():
        others += [(name, f"{name}~{i}") for i in range(count)]
    return numbers, others


def notes_on(columns: Iterable[Column]) -> tuple[str, ...]:
    """Return remarks on how columns were interpreted."""
    columns = tuple(columns)
    constant = [column for column in columns if column.kind == "constant"]
    texts = [column for column in columns if column.kind == "text"]
    found = []
    for reason, of in (
        ("left out, because they have no values", [c for c in constant if c.is_empty]),
        ("left out, because they are constant", [c for c in constant if not c.is_empty]),
        ("read as free text", texts),
    ):
        if of:
            found.append(f"{reason}: {listed([column.name for column in of])}")
    frequent = {column.name: len(column.categories) for column in texts if column.categories}
    if frequent:
        count, names = sum(frequent.values()), listed(list(frequent))
        found.append(f"frequent values with inputs of their own: {count} of {names}")
    return tuple(found)


def listed(names: list[str]) -> str:
    """Return the first five names, and how many more there are."""
    shown = ", ".join(map(repr, names[:5]))
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
