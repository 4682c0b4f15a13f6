"""The types of columns of strings: decided once, or those of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.cells import Cells, without
from bridle.tables.columns import Column
from bridle.tables.missing import ALWAYS, MISSING_STRINGS, USUAL
from bridle.tables.numbers import Marks, find_marks
from bridle.tables.options import ReadOptions

__all__ = ["Settled", "settle"]


@dataclass(frozen=True)
class Settled:
    """A table whose columns have types.

    Attributes
    ----------
    frame : DataFrame
    marks : Marks
        The marks of its numbers.
    missing : dict of str to tuple of str
        Other strings than the usual ones that mean a missing value, by column.
    notes : tuple of str
    """

    frame: pd.DataFrame
    marks: Marks = field(default=Marks())
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def settle(
    frame: pd.DataFrame,
    options: ReadOptions,
    *,
    sep: str = ",",
    target: str | None = None,
    known: Mapping[str, Column] | None = None,
    prior: Marks | None = None,
    typed: bool = False,
) -> Settled:
    """Decide the types of columns of strings, or read them as a model's columns.

    Parameters
    ----------
    frame : DataFrame
        Columns that have a type of their own stay as they are.
    options : ReadOptions
    sep : str
        The file's separator.
    target : str, optional
        The column whose labels stay as they were written.
    known : mapping of str to Column, optional
        The columns of a model. They are read as that model reads them; others are left alone.
    prior : Marks, optional
        The marks of the table that the model was fitted to.
    typed : bool
        Whether the table is of a format with types, in which a target of strings is one of strings.

    Raises
    ------
    DataError
        If a number can mean two things.
    """
    columns = {
        str(name): Cells(frame[name], options.missing)
        for name in frame.columns
        if _is_strings(frame[name]) and (known is None or name in known)
    }
    candidates = {name: cells.numberish() for name, cells in columns.items()}
    marks = find_marks(
        {
            name: found
            for name, found in candidates.items()
            if found and (known is None or known[name].kind == "number")
        },
        sep,
        options.decimal,
        options.thousands,
        prior,
    )
    if known is not None:
        as_known = {name: _known(cells, known[name], marks) for name, cells in columns.items()}
        return Settled(_replaced(frame, as_known), marks)
    read: dict[str, Any] = {}
    notes: list[str] = []
    missing: dict[str, tuple[str, ...]] = {}
    for name, cells in columns.items():
        if name == target and typed:
            continue
        found = cells.as_numbers(marks, notes) if candidates[name] else None
        if found is None and name != target:
            found = cells.as_dates(notes)
        if found is not None:
            read[name] = found
    absent = {token for name in read for token in columns[name].distinct if token in USUAL}
    for name, cells in columns.items():
        if name not in read:
            read[name] = cells.as_words(absent, notes, is_target=name == target)
    missing = {name: cells.marked for name, cells in columns.items() if cells.marked}
    return Settled(_replaced(frame, read), marks, missing, tuple(notes))


def _replaced(frame: pd.DataFrame, columns: Mapping[str, pd.Series[Any]]) -> pd.DataFrame:
    """Return a frame with other columns of the same names; assigning thousands would be slow."""
    if not columns:
        return frame
    made = {name: columns.get(str(name), frame[name]) for name in frame.columns}
    return pd.DataFrame(made, index=frame.index)


def _is_strings(values: pd.Series[Any]) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return False
    if values.dtype != object:
        return pd.api.types.is_string_dtype(values.dtype)
    return all(isinstance(value, str) for value in values[values.notna()])


def _known(cells: Cells, column: Column, marks: Marks) -> pd.Series[Any]:
    """Return a column as the model reads it; what does not fit stays a string."""
    if column.kind == "number":
        gone = cells.absent((*MISSING_STRINGS, *column.missing))
        numbers, others, _ = cells.parsed(marks, gone)
        if not others.any():
            typed = cells.typed(numbers, marks)
            return cells.spread(numbers) if typed is None else typed
        mixed = without(numbers.astype(object), np.isnan(numbers))
        mixed[others] = cells.written[others]
        return cells.spread(mixed, dtype=object)
    kept = set(column.categories)
    gone = cells.absent((*ALWAYS, *column.missing))
    gone |= np.array([cell in USUAL and cell not in kept for cell in cells.written])
    texts = without(cells.written, gone)
    if column.kind == "date" and column.date_format is None:
        series = pd.Series(texts, dtype=object)
        dates = pd.to_datetime(series, format="ISO8601", errors="coerce", utc=True)
        if not (dates.isna() & series.notna()).any():
            return cells.spread(dates.dt.tz_localize(None).to_numpy())
    if kept and kept <= {"True", "False"}:
        flags = {"true": True, "false": False}
        if all(text is None or text.lower() in flags for text in texts):
            told = np.array([None if t is None else flags[t.lower()] for t in texts])
            found = cells.spread(told, dtype=object)
            return found.astype(bool) if found.notna().all() else found
    return cells.spread(texts, dtype=object)
