"""Read a table from a file or from memory as a DataFrame with plain column types."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError
from bridle.tables.columns import Column
from bridle.tables.formats import check_acting, from_frame_like, reader_of
from bridle.tables.numbers import Marks
from bridle.tables.options import ReadOptions
from bridle.tables.plain_arrays import is_native
from bridle.tables.settle import settle
from bridle.tables.strings import composed
from bridle.tables.text_table import TextTable, read_text_table
from bridle.tables.totals import total_notes

__all__ = ["ReadTable", "Table", "plain_frame", "read_table", "read_with_notes"]

Table = str | PathLike[str] | pd.DataFrame


@dataclass(frozen=True, eq=False)
class ReadTable:
    """A table, and how it was read.

    Attributes
    ----------
    frame : DataFrame
    signs : tuple of str
        What was understood of a file, such as the separator and the encoding.
    marks : Marks
        The marks of its numbers.
    missing : dict of str to tuple of str
        Strings that were taken as missing, besides the usual ones, by column.
    notes : tuple of str
        What was skipped, or taken in one of several ways.
    options : ReadOptions
    units : dict of str to str
        The unit of each column of numbers that has one, such as "%".
    written : DataFrame, optional
        The columns as the file has them, without types if it has none. Only for a model's table.
    """

    frame: pd.DataFrame
    signs: tuple[str, ...] = ()
    marks: Marks = field(default=Marks())
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    options: ReadOptions = field(default=ReadOptions())
    units: dict[str, str] = field(default_factory=dict)
    written: pd.DataFrame | None = None

    @property
    def line(self) -> str:
        """What was understood, in one line."""
        rows, columns = self.frame.shape
        size = f"read {rows:,} rows × {columns:,} columns"
        return f"{size}: {', '.join(self.signs)}" if self.signs else size


def read_table(source: Table | ReadTable, options: ReadOptions | None = None) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    source : path or DataFrame
        A text table: ``.csv``, ``.tsv``, ``.txt`` or ``.data``, each also with ``.gz``. Its
        separator, quotes, decimal mark, encoding and header are found out. Or Parquet
        (``.parquet``, ``.pq``), Arrow (``.arrow``, ``.feather``), JSON lines (``.jsonl``,
        ``.ndjson``), Excel (``.xlsx``), or a DuckDB or SQLite file with ``sql``. ``"-"`` is
        standard input. Or a pandas or polars DataFrame, an Arrow table, a DuckDB relation, or an
        object with a ``to_pandas`` method.
    options : ReadOptions, optional
        What overrules the signs of the file.

    Returns
    -------
    DataFrame
        Its column names are strings, and its index is new. The source is not changed.

    Raises
    ------
    DataError
        If the file does not exist, is empty, ragged or damaged, or can be read in several ways; if
        its extension is unknown; if two columns have the same name; or if a column has nested
        values such as lists.

    Examples
    --------
    >>> import pandas as pd
    >>> read_table(pd.DataFrame({1: [2, 3]}, index=[8, 9]))
       1
    0  2
    1  3
    """
    return read_with_notes(source, options).frame


def read_with_notes(
    source: Table | ReadTable,
    options: ReadOptions | None = None,
    *,
    target: str | None = None,
    known: Mapping[str, Column] | None = None,
    prior: Marks | None = None,
    units: Mapping[str, str] | None = None,
) -> ReadTable:
    """Read a table, and tell how.

    Parameters
    ----------
    source : path or DataFrame
    options : ReadOptions, optional
    target : str, optional
        The column to predict. Its labels stay as they are written.
    known : mapping of str to Column, optional
        The columns of a model. They are read as that model reads them, whatever their cells look
        like.
    prior : Marks, optional
        The marks of the numbers that the model was fitted to.
    units : mapping of str to str, optional
        The units of the numbers that the model was fitted to, by column.

    Raises
    ------
    DataError
        As for :func:`read_table`; or if a column has another unit than in training.
    """
    if isinstance(source, ReadTable):
        if known is None:
            return source
        again = settle(
            source.frame,
            source.options,
            sep=source.marks.sep or "",
            known=known,
            prior=source.marks,
            typed=True,
            trained=units,
            typed_units=source.units,
        )
        told = tuple(dict.fromkeys((*source.notes, *again.notes)))
        return replace(source, frame=again.frame, notes=told)
    options = ReadOptions() if options is None else options
    check_acting(options, source)
    names = frozenset(known or ())
    sep = ""
    signs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    file = isinstance(source, (str, os.PathLike))
    if isinstance(source, (str, os.PathLike)):
        name = "standard input" if str(source) == "-" else str(source)
        found = _from_file(source, options, names)
        frame = found.frame if isinstance(found, TextTable) else found
        if isinstance(found, TextTable):
            sep, signs, notes = found.sep, found.signs, found.notes
        frame, empty = _without_empty_end(frame)
        notes = (*notes, *frame.attrs.pop("notes", ()), *empty)
    else:  # a DataFrame, or what can be made one
        name, frame = "the table", from_frame_like(source).reset_index(drop=True)
    checked = plain_frame(frame, name, names, target)
    done = settle(
        checked,
        options,
        sep=sep,
        target=target,
        known=known,
        prior=prior,
        typed=not signs,
        trained=units,
    )
    if file and signs:
        marks = [] if done.marks.decimal == "." else ["decimal comma"]
        if done.marks.thousands:
            marks.append(f"thousands {done.marks.thousands!r}")
        signs = (signs[0], *marks, *signs[1:])
    told = (*notes, *(total_notes(done.frame) if file else ()), *done.notes)
    written = checked if known is not None else None
    if known is not None:  # dates are in the form of the model now, and may be read again
        options = replace(options, date_format=None)
    return ReadTable(
        done.frame, signs, done.marks, done.missing, told, options, done.units, written
    )


def _from_file(
    source: str | PathLike[str], options: ReadOptions, known: frozenset[str]
) -> pd.DataFrame | TextTable:
    if str(source) == "-":
        raw = sys.stdin.buffer.read()
        return read_text_table(raw, "standard input", options, packed=False, known=known)
    path = Path(source)
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file")
    if not path.exists():
        raise DataError(f"there is no file {path}; check the path")
    read = reader_of(path)
    if read is not None:
        return read(path, options)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error}); check the file") from error
    packed = path.suffix.lower() == ".gz"
    return read_text_table(raw, str(path), options, packed=packed, known=known)


def _without_empty_end(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows without any cell at the end, as spreadsheets write them, and say so."""
    rows = len(frame)
    while rows and frame.shape[1] > 1 and all(map(_is_blank, frame.iloc[rows - 1])):
        rows -= 1
    count = len(frame) - rows
    if not rows or not count:
        return frame, []
    note = f"left out: {count} empty row{'s' if count > 1 else ''} at the end"
    return frame.iloc[:rows], [note]


def _is_blank(value: Any) -> bool:
    return not value.strip() if isinstance(value, str) else bool(pd.isna(value) is True)


def plain_frame(
    frame: pd.DataFrame, name: str, used: frozenset[str] = frozenset(), target: str | None = None
) -> pd.DataFrame:
    """Return columns of plain types, with names that are strings.

    Columns that a model does not use stay as they are.

    Raises
    ------
    DataError
        If two columns have the same name, or one has values that no column can have.
    """
    frame = frame.copy(deep=False)
    asked = {composed(each): each for each in used}
    names = [composed(str(column)) for column in frame.columns]
    frame.columns = pd.Index([asked.get(column, column) for column in names])
    twice = [column for column, count in Counter(frame.columns).items() if count > 1]
    if twice:
        raise DataError(f"{name} has several columns named {twice[0]!r}; rename them")
    if frame.columns.empty:
        raise DataError(f"{name} has no columns; give a header line and rows")
    plain = {
        column: _plain(column, frame[column], mixed=column == target)
        for column in frame.columns
        if (not used or column in used) and not _is_plain(frame[column].dtype)
    }
    if not plain:
        return frame
    return pd.DataFrame({name: plain.get(name, frame[name]) for name in frame.columns})


def _is_plain(dtype: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(dtype) and is_native(dtype) and dtype.kind != "c")


def _plain(column: str, values: pd.Series[Any], *, mixed: bool) -> pd.Series[Any]:
    """Convert dates, durations, decimals and other byte orders, and refuse nested values.

    Strings and other values in one column become strings, as a text has them, unless it may be
    ``mixed``.
    """
    if not is_native(values.dtype):
        values = values.astype(values.dtype.newbyteorder("="))  # type: ignore[union-attr]
    if values.dtype.kind == "c" or any(isinstance(each, complex) for each in _objects(values)):
        raise DataError(
            f"column {column!r} has complex numbers; give their real and imaginary parts as two "
            "columns"
        )
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC").dt.tz_localize(None)
    if isinstance(values.dtype, pd.PeriodDtype):
        return values.dt.to_timestamp()
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        return values.dt.total_seconds()
    if values.dtype != object:
        return values
    kinds = {type(value) for value in values[values.notna()]}
    nested = [kind for kind in kinds if issubclass(kind, (list, tuple, dict, set, np.ndarray))]
    if nested or any(hasattr(kind, "__array__") for kind in kinds if not _is_scalar(kind)):
        raise DataError(
            f"column {column!r} has nested values; give one value per cell, or drop the column "
            f"with --drop {column} (in Python: drop=[{column!r}])"
        )
    if any(issubclass(kind, (bytes, bytearray)) for kind in kinds):
        raise DataError(
            f"column {column!r} has bytes; give texts or numbers, or drop the column with "
            f"--drop {column} (in Python: drop=[{column!r}])"
        )
    if kinds and all(kind.__name__ in ("date", "datetime", "Timestamp") for kind in kinds):
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    if kinds and all(kind.__name__ in ("timedelta", "Timedelta") for kind in kinds):
        return pd.to_timedelta(values).dt.total_seconds()
    if kinds and all(issubclass(kind, Decimal) for kind in kinds):
        return values.astype(float)
    if str in kinds and len(kinds) > 1 and not mixed:
        absent = values.isna()
        texts = [None if a else str(v) for v, a in zip(values, absent, strict=True)]
        return pd.Series(texts, index=values.index, name=values.name, dtype=object)
    return values


def _objects(values: pd.Series[Any]) -> list[Any]:
    return values.tolist() if values.dtype == object else []


def _is_scalar(kind: type) -> bool:
    return kind.__module__ in ("builtins", "decimal", "datetime") or hasattr(kind, "dtype")
