"""The kind of each column, decided once from the rows that the encoder is fitted to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from bridle.errors import DataError, ModelFileError
from bridle.tables.read import MISSING_STRINGS

__all__ = ["Column", "as_dates", "as_numbers", "as_strings", "column_of"]

Kind = Literal["number", "category", "date", "text", "constant"]
MAX_CATEGORIES = 64
"""A string column with more distinct values, or more than half of the rows, is free text."""


@dataclass(frozen=True)
class Column:
    """One column of a table, as the encoder was fitted to it.

    Attributes
    ----------
    name : str
    kind : {"number", "category", "date", "text", "constant"}
    has_missing : bool
        Whether a value was missing. Missing values then have a feature of their own.
    categories : tuple of str
        The distinct values of a categorical column, sorted.
    date_format : str, optional
        The format of dates that are strings.
    has_time : bool
        Whether any date had a time of day.
    """

    name: str
    kind: Kind
    has_missing: bool = False
    categories: tuple[str, ...] = ()
    date_format: str | None = None
    has_time: bool = False

    def state(self) -> dict[str, Any]:
        """Return the column as JSON values."""
        return {**asdict(self), "categories": list(self.categories)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Column:
        """Build the column from what :meth:`state` returned.

        Raises
        ------
        ModelFileError
            If the state is not that of a column.
        """
        expected = {item.name for item in fields(cls)}
        if not isinstance(state, dict) or set(state) != expected:
            raise ModelFileError(
                f"the model file has an invalid column state {str(state)[:80]!r}; "
                "fit the model again"
            )
        kinds = ("number", "category", "date", "text", "constant")
        if state["kind"] not in kinds or not isinstance(state["name"], str):
            raise ModelFileError(
                f"the model file has an invalid column kind {state['kind']!r}; fit the model again"
            )
        return cls(**{**state, "categories": tuple(map(str, state["categories"]))})


def column_of(values: pd.Series[Any]) -> Column:
    """Decide the kind of a column.

    Parameters
    ----------
    values : Series
        The rows that the encoder is fitted to.

    Returns
    -------
    Column

    Raises
    ------
    DataError
        If all values are missing.
    """
    name = str(values.name)
    missing = bool(values.isna().any())
    if pd.api.types.is_bool_dtype(values.dtype) or isinstance(values.dtype, pd.CategoricalDtype):
        return _column_of_strings(name, as_strings(values), found_kind="category")
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _or_constant(Column(name, "number", missing), values)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _or_constant(Column(name, "date", missing, has_time=_has_time(values)), values)
    return _column_of_strings(name, as_strings(values))


def _column_of_strings(name: str, texts: pd.Series[Any], found_kind: Kind | None = None) -> Column:
    present = texts[texts.notna()]
    missing = len(present) < len(texts)
    distinct = present.unique()
    if not len(distinct):
        raise DataError(
            f"all values of column {name!r} are missing; drop it with --drop {name} "
            f"(in Python: drop=[{name!r}])"
        )
    if found_kind is None and pd.to_numeric(present, errors="coerce").notna().all():
        return _or_constant(Column(name, "number", missing), present)
    written = None if found_kind else _date_format(present)
    if written is not None:
        dates = pd.to_datetime(present, format=written, utc=True).dt.tz_localize(None)
        column = Column(name, "date", missing, date_format=written, has_time=_has_time(dates))
        return _or_constant(column, dates)
    if len(distinct) == 1 and not missing:
        return Column(name, "constant")
    if found_kind or len(distinct) <= min(MAX_CATEGORIES, len(texts) / 2):
        return Column(name, "category", missing, categories=tuple(sorted(distinct)))
    return Column(name, "text", missing)


def _or_constant(column: Column, values: pd.Series[Any]) -> Column:
    present = values[values.notna()] if column.has_missing else values
    if not len(present):
        raise DataError(
            f"all values of column {column.name!r} are missing; drop it with --drop {column.name} "
            f"(in Python: drop=[{column.name!r}])"
        )
    plain = present.to_numpy()  # pandas is slow for thousands of columns
    if not column.has_missing and (plain == plain[0]).all():
        return Column(column.name, "constant")
    return column


def _date_format(texts: pd.Series[Any]) -> str | None:
    """Return the date format that all strings share, or None."""
    if not texts.astype(str).str.contains(r"\d").all():
        return None
    from skrub import ToDatetime  # takes seconds to import
    from skrub.core import RejectColumn

    try:
        parser = ToDatetime().fit(texts)
        pd.to_datetime(texts, format=parser.format_, utc=True)
    except (RejectColumn, ValueError):
        return None
    written: str = parser.format_
    return written


def _has_time(dates: pd.Series[Any]) -> bool:
    present = dates[dates.notna()]
    return bool((present != present.dt.normalize()).any())


def as_strings(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return values as stripped strings, and None for missing values.

    A whole number gives the same string as 1, 1.0 and "1", since pandas turns whole numbers to
    floats if a value of the column is missing.
    """
    missing = values.isna().to_numpy()
    texts = [
        None if absent else _text(value)
        for value, absent in zip(values.tolist(), missing, strict=True)
    ]
    return pd.Series(texts, index=values.index, name=values.name, dtype=object)


def _text(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return None if text in MISSING_STRINGS else text


def as_numbers(values: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return values as float64, with NaN for missing values.

    Raises
    ------
    DataError
        If a value is not a number, or infinite.
    """
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        texts = as_strings(values)
        parsed = pd.to_numeric(texts, errors="coerce")
        strange = np.flatnonzero(texts.notna() & parsed.isna())
        if len(strange):
            raise DataError(
                f"column {values.name!r}, row {strange[0] + 1}: {texts.iloc[strange[0]]!r} is not "
                "a number, but the column was numerical in training; correct it or leave it empty"
            )
        numbers = parsed.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise DataError(
            f"column {values.name!r}, row {infinite[0] + 1}: the value is {numbers[infinite[0]]}; "
            "replace infinite values or leave their cells empty"
        )
    return numbers


def as_dates(values: pd.Series[Any], date_format: str | None) -> pd.Series[Any]:
    """Return values as UTC dates without a time zone, with NaT for missing values.

    Raises
    ------
    DataError
        If a value is not a date in the column's format.
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values
    texts = as_strings(values)
    dates = pd.to_datetime(texts, format=date_format, errors="coerce", utc=True)
    strange = np.flatnonzero(texts.notna() & dates.isna())
    if len(strange):
        form = f" of the form {date_format}" if date_format else ""
        raise DataError(
            f"column {values.name!r}, row {strange[0] + 1}: {texts.iloc[strange[0]]!r} is not a "
            f"date{form}, but the column had dates in training; correct it or leave it empty"
        )
    return dates.dt.tz_localize(None)
