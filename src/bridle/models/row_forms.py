"""How groups and times are written, which travels with a model: other tables are read alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MappingView, Set
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError, ModelFileError, UsageError
from bridle.tables.arrays import check_index
from bridle.tables.columns import Column, as_numbers, as_strings, column_of
from bridle.tables.dates import date_format_of, exchanged_form, parse_dates
from bridle.tables.formats import acting
from bridle.tables.options import ReadOptions
from bridle.tables.plain_arrays import plain_array
from bridle.tables.read import read_with_notes
from bridle.tables.schema import columns_of

__all__ = ["By", "check_rows", "columns_apart", "forms_of", "is_column", "names_of", "plain_times"]
__all__ += ["ranks_of", "series_of", "state_of"]

Array = np.ndarray[Any, np.dtype[Any]]

By = Any
"""What rows are grouped or ordered by: the name of a column, or a value for each row."""

_TIMES_OF_DAY = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")
_UNKNOWN = "text"  # of the groups of earlier model files, which do not tell
_EXACT = 2**53
_PLAIN = r"-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?"  # a number as Python writes it


def is_column(by: By) -> bool:
    """Return whether rows are grouped by the name of a column, not by given values."""
    if isinstance(by, str):
        return True
    if by is None or (isinstance(by, Iterable) and not isinstance(by, np.ndarray)):
        return False
    return np.ndim(by) == 0


def check_rows(rows: Any, groups: By, time: By) -> None:
    """Check that groups and times that are Series have the index of the rows.

    Parameters
    ----------
    rows : table, or (X, y)
        As given, with their index.
    groups, time : str or array, optional

    Raises
    ------
    UsageError
        If it is unclear which value belongs to which row.
    """
    check_index(rows, groups, "groups")
    check_index(rows, time, "time")


def series_of(by: By, said: str) -> pd.Series[Any]:
    """Return given values as a Series that is counted anew.

    Raises
    ------
    UsageError
        If they are no values for rows.
    """
    if isinstance(by, (Mapping, MappingView, Set, bytes)) or not hasattr(by, "__len__"):
        raise UsageError(
            f"{said} is a {type(by).__name__}; give a list or an array with a value for each row, "
            "or the name of a column"
        )
    if hasattr(by, "to_pandas"):
        by = by.to_pandas()
    if hasattr(by, "detach") or isinstance(by, np.ndarray):
        by = plain_array(by)
    nested = isinstance(by, (list, tuple)) and any(isinstance(each, (list, tuple)) for each in by)
    shape = list(np.shape(np.array(by, dtype=object) if nested else by))
    if len(shape) != 1 or nested:
        raise UsageError(
            f"{said} has the shape {shape}; give the name of a column, or a value for each row"
        )
    if isinstance(by, pd.Series):
        return by.reset_index(drop=True)
    return pd.Series(list(by) if isinstance(by, (list, tuple)) else by)


def state_of(form: Column) -> dict[str, Any]:
    """Return what a model keeps of a form; JSON values."""
    return {"kind": form.kind, "date_format": form.date_format}


def forms_of(facts: Mapping[str, Any]) -> dict[str, Column]:
    """Return the forms of a model's groups and times.

    Raises
    ------
    ModelFileError
        If one is none.
    """
    recorded = (facts.get("table") or {}).get("grouping") or {}
    found = {}
    for name in ("groups", "time"):
        state = recorded.get(name) or {}
        kind = state.get("kind", _UNKNOWN if name == "groups" else None)
        written = state.get("date_format")
        if not state or kind is None:
            continue
        if kind not in ("number", "date", "category", _UNKNOWN) or (
            written is not None and not isinstance(written, str)
        ):
            raise ModelFileError(
                f"the model file has an invalid form of {name} {str(state)[:80]!r}; fit the model "
                "again"
            )
        found[name] = Column(str(state.get("column")), kind, date_format=written)
    return found


def columns_apart(facts: Mapping[str, Any]) -> dict[str, Column]:
    """Return a model's columns of groups and times by name, if it knows their forms."""
    recorded = (facts.get("table") or {}).get("grouping") or {}
    return {
        form.name: form
        for kind, form in forms_of(facts).items()
        if form.kind != _UNKNOWN and recorded[kind].get("column") is not None
    }


def names_of(
    values: pd.Series[Any], date_format: str | None, form: Column | None
) -> tuple[pd.Series[Any], Column, bool]:
    """Return the names of groups, their form, and whether they have the given form.

    The same number and the same date have the same name, however they are written.
    """
    texts = as_strings(values)
    written = _written(values)
    if form is None:
        kind = written
        column = column_of(values, date_format) if kind != "number" else None
        if column is not None and column.kind == "date":
            form = Column(column.name, "date", date_format=column.date_format)
        else:
            form = Column(str(values.name), "number" if kind == "number" else "category")
    if form.kind == _UNKNOWN:
        return texts, form, True
    if form.kind == "number" and written == "category":
        return texts, form, bool(texts.str.fullmatch(_PLAIN).all())
    if form.kind != "date":
        return texts, form, written == form.kind
    if written == "number":
        return texts, form, False
    dates = _dates(values, form.date_format)
    if dates.isna().any():
        return texts, form, False
    codes, distinct = pd.factorize(dates)
    names = np.array([_moment(pd.Timestamp(each)) for each in distinct], dtype=object)
    return pd.Series(names[codes], index=values.index, dtype=object), form, True


def _written(values: pd.Series[Any]) -> str:
    """Return the kind that the type of values stands for."""
    kind: Any = values.dtype
    kind = kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
        return "number"
    return "date" if pd.api.types.is_datetime64_any_dtype(kind) else "category"


def _dates(values: pd.Series[Any], written: str | None) -> pd.Series[Any]:
    if _written(values) == "date":
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    return parse_dates(as_strings(values), written)


def plain_times(values: pd.Series[Any], options: ReadOptions, said: str) -> pd.Series[Any]:
    """Return times as a table has them: decimals and strings of numbers are numbers.

    Raises
    ------
    DataError
        If they are complex numbers, or cannot be read.
    """
    if values.dtype.kind == "c" or any(isinstance(each, complex) for each in values.head(1)):
        raise DataError(
            f"{said} cannot order the rows: it has complex numbers; give dates or real numbers"
        )
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(values.tolist())
    frame = values.rename("time").to_frame()
    return read_with_notes(frame, acting(options, frame)).frame["time"]


def ranks_of(
    values: pd.Series[Any], said: str, date_format: str | None, form: Column | None = None
) -> tuple[Array, tuple[str, ...], Column, list[str]]:
    """Return the rank of each time, the time of each rank in words, their form, and notes.

    Parameters
    ----------
    values : Series
        Without missing values. Those with a time zone are taken in UTC, and others as UTC.
    said : str
        What they are, for a sentence.
    date_format : str, optional
        The form of dates that are strings.
    form : Column, optional
        The form in which a model has its times. Default: the one that all values have.

    Raises
    ------
    DataError
        If they are no times, or have another form.
    """
    named = values.rename("time" if values.name is None else str(values.name))
    known, notes = form is not None, list[str]()
    if form is None:
        form, notes = _form_of_times(named, date_format)
    if form.kind == "number":
        numbers = _numbers(named)
        distinct, ranks = np.unique(numbers, return_inverse=True)
        return ranks.astype(np.int64), tuple(map(_number, distinct.tolist())), form, notes
    if known and _written(named) == "number":
        raise DataError(
            f"{said} has numbers, such as {named.iloc[0]}, but had dates in training; give dates, "
            "or say with --date-format how they are written"
        )
    moments = _dates(named, form.date_format)
    if moments.isna().any() or form.date_format in _TIMES_OF_DAY:
        at = int(moments.isna().to_numpy().argmax()) if moments.isna().any() else 0
        raise DataError(_no_date(named, at, said, form, known=known))
    distinct, ranks = np.unique(moments.to_numpy(), return_inverse=True)
    words = tuple(_moment(pd.Timestamp(each)) for each in distinct)
    return ranks.astype(np.int64), words, form, notes


def _form_of_times(values: pd.Series[Any], date_format: str | None) -> tuple[Column, list[str]]:
    (column,), notes = columns_of(values.to_frame(), date_format=date_format)
    written = _written(values)
    if written == "number" or column.kind == "number":
        return Column(column.name, "number"), notes
    form = None if written == "date" else column.date_format
    if column.kind == "constant" and written != "date":
        form = date_format_of(as_strings(values), date_format)
    return Column(column.name, "date", date_format=form), notes


def _numbers(values: pd.Series[Any]) -> Array:
    """Return numbers; whole ones exactly."""
    if pd.api.types.is_integer_dtype(values.dtype):
        kind = np.uint64 if pd.api.types.is_unsigned_integer_dtype(values.dtype) else np.int64
        whole: Array = values.to_numpy(dtype=kind)
        return whole
    return as_numbers(values)


def _number(number: float) -> str:
    whole = isinstance(number, int) or (number.is_integer() and abs(number) < _EXACT)
    return str(int(number)) if whole else repr(number)


def _moment(time: pd.Timestamp) -> str:
    return str(time.date() if time == time.normalize() else time)


def _no_date(values: pd.Series[Any], at: int, said: str, form: Column, *, known: bool) -> str:
    """Return the sentence on a value that is no date in the form."""
    value = str(values.iloc[at])
    if not known:
        what = "a time of day" if form.date_format in _TIMES_OF_DAY else "no date or number"
        return (
            f"{said} cannot order the rows: {value!r} is {what}; give a column of dates or "
            "numbers, or say with --date-format how its dates are written"
        )
    other = exchanged_form(as_strings(values), form.date_format)
    hint = "say with --date-format how they are written"
    hint = hint if other is None else f"give --date-format {other}"
    written = "" if form.date_format is None else f" of the form {form.date_format}"
    return (
        f"{said} cannot be compared with the training rows: {value!r} is no date{written}, as "
        f"training had; write the dates as in training, or {hint}"
    )
