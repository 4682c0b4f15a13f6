"""What a table is, before anything is fitted to it: the kinds of its columns, and its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError, UsageError
from bridle.tables.columns import Column, as_strings, column_of
from bridle.tables.dates import compact_form, forms_of_words, other_reading
from bridle.tables.missing import ALWAYS

__all__ = ["check_date_format", "columns_of", "has_target", "with_target"]

_MOST = 0.5  # of the cells of a column that has dates


def columns_of(
    frame: pd.DataFrame,
    missing: Mapping[str, tuple[str, ...]] | None = None,
    date_format: str | None = None,
) -> tuple[tuple[Column, ...], list[str]]:
    """Decide the kind of each column from all rows of a table.

    Parameters
    ----------
    frame : DataFrame
        The features.
    missing : mapping of str to tuple of str, optional
        Strings that mean a missing value, besides the usual ones, by column.
    date_format : str, optional
        The form of dates that are strings.

    Returns
    -------
    tuple
        The columns, and notes on what could be read in another way.
    """
    found, notes = [], []
    for name in frame.columns:
        column = column_of(frame[name], date_format)
        found.append(_with_missing(column, (missing or {}).get(str(name), ())))
        if column.kind == "date" and column.date_format not in (None, date_format):
            texts = as_strings(frame[name])
            other = other_reading(texts[texts.notna()], column.date_format)
            way = "give --date-format to settle it"
            if date_format is not None:
                way = f"they lack the given form {date_format}; correct it, or write 2024-01-31"
            if other is not None:
                notes.append(
                    f"the dates of {column.name!r} are read as {column.date_format}, but can also "
                    f"be {other}; {way}"
                )
        elif column.kind in ("text", "category") and frame[name].dtype == object:
            notes += _dates_among_words(column, frame[name], date_format)
        elif isinstance(frame[name].dtype, pd.CategoricalDtype) and date_format is not None:
            notes += _dates_among_categories(column, frame[name], date_format)
        elif column.kind == "number" and pd.api.types.is_numeric_dtype(frame[name].dtype):
            form = compact_form(frame[name])
            if form is not None:
                example = int(frame[name].dropna().iloc[0])
                notes.append(
                    f"the numbers of {column.name!r} look like dates of the form {form}, such as "
                    f"{example}, but are read as numbers; give --date-format {form} to read them "
                    "as dates"
                )
    return tuple(found), notes


def check_date_format(
    frame: pd.DataFrame,
    columns: Iterable[Column],
    date_format: str,
    drop: Collection[str] = (),
) -> None:
    """Refuse a form of dates that no column has, instead of reading the dates as words.

    Parameters
    ----------
    frame : DataFrame
        All columns but the target, also those that are no features.
    columns : iterable of Column
        What is known of the kinds of the columns.
    date_format : str
        The form of dates that are strings.
    drop : collection of str
        The columns that are left out, whose cells need no correction.

    Raises
    ------
    UsageError
        With the cell that does not fit, if most of a column's cells do.
    """
    known = list(columns)
    names = {each.name for each in known}
    known += [column_of(frame[name], date_format) for name in frame if name not in names]
    dates = [each.date_format for each in known if each.kind == "date"]
    if date_format in dates:
        return
    said = f"--date-format {date_format} (in Python: date_format) fits no column"
    refused = ""
    for name in frame:
        odd = _misfits(frame[name], date_format)
        if not len(odd) or odd.mean() >= _MOST:
            continue
        whole = isinstance(frame[name].dtype, pd.CategoricalDtype) or name in drop
        if whole or not odd.any():
            return
        refused = refused or f"{name!r} has {odd[odd].index[0]!r}"
    if refused:
        raise UsageError(
            f"{said}: {refused}, "
            "which has another form or is no date; correct it, or give it with --missing"
        )
    for column in (each for each in known if each.name not in drop and each.name in frame):
        shown = _another_form(column, frame[column.name])
        if shown:
            raise UsageError(f"{said}: {shown}; give the form that a column has")
    # dates of a type or in ISO form may have been of the given form, and an empty column too
    if None not in dates and not any(each.is_empty for each in known):
        raise UsageError(f"{said}; leave it out, or give the form in which a column has its dates")


def _another_form(column: Column, values: pd.Series[Any]) -> str:
    """Return what tells that a column has dates of a form that is not ISO's; else nothing."""
    if column.kind == "date" and column.date_format is not None:
        return f"{column.name!r} has the form {column.date_format}"
    if column.kind not in ("text", "category") or values.dtype != object:
        return ""
    texts = as_strings(values).dropna()
    forms = forms_of_words(texts)
    if forms is None:
        return ""
    of_form = f", of the form {' or '.join(forms)}" if forms else ""
    return f"{column.name!r} has dates such as {texts.iloc[0]!r}{of_form}"


def _misfits(values: pd.Series[Any], date_format: str) -> pd.Series[Any]:
    """Return which cells are no dates of a form, by their strings; empty if they are no strings."""
    if values.dtype != object and not isinstance(values.dtype, pd.CategoricalDtype):
        return pd.Series(dtype=bool)
    texts = as_strings(values).dropna()
    odd = pd.to_datetime(texts, format=date_format, errors="coerce", utc=True).isna()
    return odd.set_axis(texts)


def _dates_among_words(
    column: Column, values: pd.Series[Any], date_format: str | None
) -> list[str]:
    """Tell of words that are dates: their order in time is not seen otherwise."""
    texts = as_strings(values)
    odd = pd.Series(dtype=bool) if date_format is None else _misfits(values, str(date_format))
    if odd.any() and odd.mean() < _MOST:
        return [
            f"the cells of {column.name!r} look like dates of the form {date_format}, but are read "
            f"as words, since {odd[odd].index[0]!r} has another form or is no date; correct "
            "it, or give it with --missing"
        ]
    forms = forms_of_words(texts)
    if forms is None:
        return []
    given = " or ".join(f"--date-format '{form}'" for form in forms)
    way = f"give {given}" if forms else "give their form with --date-format, or write 2024-01-31"
    example = texts.dropna().iloc[0]
    return [
        f"the cells of {column.name!r} look like dates, such as {example!r}, but are read as "
        f"words; {way} to read them as dates"
    ]


def _dates_among_categories(column: Column, values: pd.Series[Any], date_format: str) -> list[str]:
    """Tell of dates that stay categories, since the table has them as such."""
    odd = _misfits(values, date_format)
    if not len(odd) or odd.mean() >= _MOST:
        return []
    return [
        f"the dates of {column.name!r} are pandas categories, and stay categories; give them as "
        "strings to read them as dates"
    ]


def _with_missing(column: Column, missing: tuple[str, ...]) -> Column:
    if not missing:
        return column
    return Column(**{**column.__dict__, "missing": missing})


def has_target(frame: pd.DataFrame, name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows have a target, bool ``[rows]``."""
    values: pd.Series[Any] = frame[name]
    absent = values.isna().to_numpy()
    if not pd.api.types.is_numeric_dtype(values.dtype):
        absent = absent | values.astype(object).isin(ALWAYS).to_numpy()
    present: np.ndarray[Any, np.dtype[np.bool_]] = ~absent
    return present


def with_target(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out the rows without a target, and say so.

    Parameters
    ----------
    frame : DataFrame
    name : str
        The name of the target's column; nothing is left out if there is none of that name.

    Returns
    -------
    tuple
        The rows with a target, counted anew, and notes.

    Raises
    ------
    DataError
        If no row has a target.
    """
    if name not in frame.columns:
        return frame, []
    absent = ~has_target(frame, name)
    if not absent.any():
        return frame, []
    if absent.all():
        raise DataError(
            f"the target {name!r} is missing in all {len(frame)} rows; fill the values in"
        )
    note = f"left out: {int(absent.sum())} of {len(frame)} rows, in which {name!r} is missing"
    return frame[~absent].reset_index(drop=True), [note]
