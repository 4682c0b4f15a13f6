"""The types of columns of strings: decided once, or those of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError
from bridle.tables.cells import Cells, without
from bridle.tables.columns import Column
from bridle.tables.dates import digits_as, fits_compact, is_compact
from bridle.tables.missing import ALWAYS, MISSING_STRINGS, USUAL, numbers_in
from bridle.tables.numbers import Marks, find_marks
from bridle.tables.options import ReadOptions

__all__ = ["Settled", "settle"]

_FLOAT = re.compile(r"\s*(\d+)\.0+\s*")


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
    units : dict of str to str
        The unit of each column that has one, such as "%".
    """

    frame: pd.DataFrame
    marks: Marks = field(default=Marks())
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)


def settle(
    frame: pd.DataFrame,
    options: ReadOptions,
    *,
    sep: str = ",",
    target: str | None = None,
    known: Mapping[str, Column] | None = None,
    prior: Marks | None = None,
    typed: bool = False,
    trained: Mapping[str, str] | None = None,
    typed_units: Mapping[str, str] | None = None,
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
    trained : mapping of str to str, optional
        The units of a model's columns; None if they are not known.
    typed_units : mapping of str to str, optional
        The units of columns that are numbers already.

    Raises
    ------
    DataError
        If a number can mean two things, or a column has another unit than in training.
    """
    compact = options.date_format if is_compact(options.date_format) else None
    frame = _with_digits(frame, compact, target, known)
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
        as_known = {
            name: _known(cells, known[name], marks, trained, options.date_format)
            for name, cells in columns.items()
        }
        units = {name: cells.unit for name, cells in columns.items() if cells.unit}
        done = _replaced(frame, as_known)
        bare = _without_percent(done, trained or {}, {**(typed_units or {}), **units})
        return Settled(done, marks, notes=(*_new_units(units, trained), *bare), units=units)
    read: dict[str, Any] = {}
    notes: list[str] = []
    missing: dict[str, tuple[str, ...]] = {}
    for name, cells in columns.items():
        if name == target and typed:
            continue
        if name != target and cells.are_compact_dates(compact):
            notes.append(f"{name!r} is read as dates of the form {compact}")
            continue
        found = cells.as_numbers(marks, notes) if candidates[name] else None
        if found is None and name != target:
            found = cells.as_dates(notes)
            if found is None and not candidates[name]:
                cells.amounts(notes)
        if found is not None:
            read[name] = found
    absent = {token for name in read for token in columns[name].distinct if token in USUAL}
    for name, cells in columns.items():
        if name not in read:
            read[name] = cells.as_words(absent, notes, is_target=name == target, typed=typed)
    missing = {name: cells.marked for name, cells in columns.items() if cells.marked}
    units = {name: cells.unit for name, cells in columns.items() if cells.unit}
    done = _replaced(frame, read)
    codes = _without_codes(done, options.missing)
    missing |= {name: (*missing.get(name, ()), *options.missing) for name in codes}
    return Settled(_replaced(done, codes), marks, missing, tuple(notes), units)


def _without_codes(frame: pd.DataFrame, missing: tuple[str, ...]) -> dict[str, pd.Series[Any]]:
    """Return the columns of numbers in which some mean a missing value, such as -999.0."""
    codes = numbers_in(missing)
    found = {}
    for name in frame.columns if codes else []:
        kind = frame[name].dtype
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
            continue
        gone = frame[name].isin(codes)
        if gone.any():
            found[str(name)] = frame[name].mask(gone)
    return found


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


def _check_units(name: str, units: set[str], trained: Mapping[str, str]) -> None:
    """Raise an error if numbers have another unit than in training, or percent and none."""
    had = trained.get(name, "")
    for unit in sorted(units - {had, ""}):
        if had or unit == "%":
            was = f"{had!r}" if had else "no unit"
            raise DataError(
                f"column {name!r} has numbers with {unit!r}, but had {was} in training; convert "
                "them, and write them as in training"
            )
    if had == "%" and units == {"", "%"}:
        raise DataError(
            f"column {name!r} has numbers with '%' and without; write all of them with '%', as in "
            "training"
        )


def _new_units(units: Mapping[str, str], trained: Mapping[str, str] | None) -> list[str]:
    """Return notes on units where there was none in training."""
    return [
        f"{name!r} has numbers with {unit!r}, but had no unit in training; they are taken as they "
        "are"
        for name, unit in units.items()
        if trained is not None and name not in trained
    ]


def _without_percent(
    frame: pd.DataFrame, trained: Mapping[str, str], units: Mapping[str, str]
) -> list[str]:
    """Return notes on numbers without the percent sign that they had in training.

    Raises
    ------
    DataError
        If they look like shares: all are between -1 and 1.
    """
    found = []
    for name, had in trained.items():
        if had != "%" or name not in frame.columns or units.get(name) == "%":
            continue
        values: pd.Series[Any] = frame[name]
        if not pd.api.types.is_numeric_dtype(values.dtype) or not values.notna().any():
            continue
        if values.abs().max() <= 1:
            raise DataError(
                f"column {name!r} had numbers with '%' in training, but has none, and all are "
                f"between -1 and 1; write them in percent with the sign, such as '15 %' for 0.15"
            )
        found.append(
            f"{name!r} had numbers with '%' in training; those without it are taken as percent"
        )
    return found


def _with_digits(
    frame: pd.DataFrame,
    compact: str | None,
    target: str | None,
    known: Mapping[str, Column] | None,
) -> pd.DataFrame:
    """Return a frame in which numbers that are dates, such as 20240113, are strings of digits.

    Beside a missing value, pandas writes such a number as 20240113.0.
    """
    if known is None:
        forms = {str(name): compact for name in frame.columns if str(name) != target}
    else:
        dates = [each for each in known.values() if each.kind == "date"]
        forms = {each.name: compact or each.date_format for each in dates}
    digits = {}
    for name in [name for name, form in forms.items() if is_compact(form) and name in frame]:
        values: pd.Series[Any] = frame[name]
        if _is_strings(values):
            parts = [_FLOAT.fullmatch(str(cell)) for cell in values]
            found = pd.Series([part[1] for part in parts if part], dtype=object)
            if fits_compact(found, forms[name]):
                cells = [
                    part[1] if part else cell for part, cell in zip(parts, values, strict=True)
                ]
                digits[name] = pd.Series(cells, index=values.index, name=name, dtype=object)
            continue
        if not pd.api.types.is_numeric_dtype(values.dtype):
            continue
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if (numbers[~np.isnan(numbers)] % 1 == 0).all():
            texts = digits_as(values)
            if fits_compact(texts.dropna(), forms[name]):
                digits[name] = texts
    return _replaced(frame, digits)


def _known(
    cells: Cells,
    column: Column,
    marks: Marks,
    trained: Mapping[str, str] | None,
    date_format: str | None,
) -> pd.Series[Any]:
    """Return a column as the model reads it; what does not fit stays a string."""
    if column.kind == "number":
        gone = cells.absent((*MISSING_STRINGS, *column.missing))
        numbers, others, units = cells.parsed(marks, gone)
        if trained is not None:
            _check_units(column.name, units, trained)
        cells.unit = next(iter(units - {""}), "")
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
    if column.kind == "date" and date_format is not None:
        series = pd.Series(texts, dtype=object)
        dates = pd.to_datetime(series, format=date_format, errors="coerce", utc=True)
        own = dates.dt.strftime(column.date_format or "%Y-%m-%dT%H:%M:%S.%f")
        texts = np.array(own.where(dates.notna(), series), dtype=object)
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
