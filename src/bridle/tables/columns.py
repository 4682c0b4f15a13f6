"""The kind of each column, decided once, and how cells are read as that kind ever after."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from bridle.errors import DataError, ModelFileError
from bridle.tables.dates import (
    are_months,
    date_format_of,
    exchanged_form,
    fits_compact,
    parse_dates,
)
from bridle.tables.missing import MISSING_STRINGS, USUAL, is_mark, numbers_in
from bridle.tables.numbers import float_of, is_unending
from bridle.tables.strings import Spellings, as_strings

__all__ = ["MAX_CATEGORIES", "MOST_LEVELS", "Column", "as_dates", "as_levels", "as_numbers"]
__all__ += ["as_strings", "column_of", "restricted", "spellings_of"]

Kind = Literal["number", "category", "date", "text", "constant"]
MAX_CATEGORIES = 64
"""A string column with more distinct values, or more than half of the rows, is free text."""
_EXACT_DIGITS = 15  # of a whole number, which floats hold for certain
_FEW_COLLISIONS = 0.01  # of the distinct values; a measurement has some beyond 2^53
MOST_LEVELS = 512
"""A column of pandas categories with more distinct values is free text too."""


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
        The distinct values of a categorical column, sorted; the frequent ones of a text column
        (:func:`bridle.tables.frequent.with_frequent`).
    date_format : str, optional
        The format of dates that are strings.
    has_time : bool
        Whether any date had a time of day.
    missing : tuple of str
        Strings that mean a missing value in this column, besides the usual ones.
    has_words : bool
        Whether the categories look like booleans, but the whole table has other words beside them,
        which other rows can have.
    """

    name: str
    kind: Kind
    has_missing: bool = False
    categories: tuple[str, ...] = ()
    date_format: str | None = None
    has_time: bool = False
    missing: tuple[str, ...] = ()
    has_words: bool = False

    def state(self) -> dict[str, Any]:
        """Return the column as JSON values."""
        lists = {"categories": list(self.categories), "missing": list(self.missing)}
        return {**asdict(self), **lists}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Column:
        """Build the column from what :meth:`state` returned.

        Raises
        ------
        ModelFileError
            If the state is not that of a column.
        """
        expected = {item.name for item in fields(cls)}
        if isinstance(state, dict):
            state = {"missing": [], "has_words": False, **state}  # earlier files have neither
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
        lists = {name: tuple(map(str, state[name])) for name in ("categories", "missing")}
        return cls(**{**state, **lists})

    @property
    def is_empty(self) -> bool:
        """Whether the column had no values, and is left out for that."""
        return self.kind == "constant" and self.has_missing


def column_of(values: pd.Series[Any], date_format: str | None = None) -> Column:
    """Decide the kind of a column.

    Parameters
    ----------
    values : Series
        The rows that decide. A column without values is constant, with ``has_missing``.
    date_format : str, optional
        The form of dates that are strings.

    Returns
    -------
    Column
    """
    name = str(values.name)
    missing = bool(values.isna().any())
    if pd.api.types.is_bool_dtype(values.dtype) or isinstance(values.dtype, pd.CategoricalDtype):
        return _column_of_strings(name, as_strings(values), most=MOST_LEVELS)
    if pd.api.types.is_integer_dtype(values.dtype) and _are_names(values):
        return _column_of_strings(name, as_strings(values), most=_most_levels(values))
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _or_constant(Column(name, "number", missing), values)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _or_constant(Column(name, "date", missing, has_time=_has_time(values)), values)
    return _column_of_strings(name, as_strings(values), date_format=date_format)


def _column_of_strings(
    name: str,
    texts: pd.Series[Any],
    most: float | None = None,
    date_format: str | None = None,
) -> Column:
    """Decide the kind of strings; with ``most``, they are known to be names, of so many at most."""
    present = texts[texts.notna()]
    distinct = present.unique()
    if most is None:
        numbers = pd.Series([text for text in distinct if text not in USUAL], dtype=object)
        dated = fits_compact(numbers, date_format)
        if len(numbers) and not dated and _are_numbers(numbers):
            kept = present[~present.isin(USUAL)]
            return _or_constant(Column(name, "number", len(kept) < len(texts)), kept)
    missing = len(present) < len(texts)
    if most is None and set(distinct) <= set(USUAL):
        return Column(name, "constant", has_missing=True)
    written = None
    if most is None:
        written = date_format_of(pd.Series(distinct, dtype=object), date_format)
    if written is not None:
        dates = pd.to_datetime(present, format=written, utc=True).dt.tz_localize(None)
        column = Column(name, "date", missing, date_format=written, has_time=_has_time(dates))
        return _or_constant(column, dates)
    if len(distinct) == 1 and not missing:
        return Column(name, "constant")
    if len(distinct) <= (_most_levels(texts) if most is None else most):
        # what may also mean a missing value is last, where missing values are
        levels = sorted(distinct, key=lambda level: (level in USUAL, level))
        return Column(name, "category", missing, categories=tuple(levels))
    return Column(name, "text", missing)


def _are_numbers(texts: pd.Series[Any]) -> bool:
    """Return whether all strings are numbers; 01067 is a code, and 01.2023 a month."""
    if texts.str.fullmatch(r"[+-]?0\d+").any() or are_months(texts):
        return False
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all() and texts.str.len().max() > _EXACT_DIGITS:
        digits = texts[texts.str.fullmatch(r"[+-]?\d+")]
        return not _collide(digits.nunique(), numbers.astype(float)[digits.index].nunique())
    return bool(numbers.notna().all())


def _are_names(values: pd.Series[Any]) -> bool:
    """Return whether whole numbers are so large that different ones would be the same float."""
    present = values.dropna()
    if not len(present) or max(abs(int(present.min())), abs(int(present.max()))) < 2**53:
        return False
    return _collide(present.nunique(), present.astype(float).nunique())


def _collide(distinct: int, floats: int) -> bool:
    """Return whether more than a few of distinct numbers are the same float as another one."""
    return distinct - floats > _FEW_COLLISIONS * distinct


def _most_levels(values: pd.Series[Any]) -> float:
    """Return how many categories a column of strings has at most."""
    return min(MAX_CATEGORIES, len(values) / 2)


def _or_constant(column: Column, values: pd.Series[Any]) -> Column:
    present = values[values.notna()] if column.has_missing else values
    if not len(present):
        return Column(column.name, "constant", has_missing=True)
    plain = present.to_numpy()  # pandas is slow for thousands of columns
    if not column.has_missing and (plain == plain[0]).all():
        if column.kind == "number":
            as_numbers(values.iloc[:1])  # refuses a column that is infinite in every row
        return Column(column.name, "constant")
    return column


def restricted(column: Column, values: pd.Series[Any]) -> Column:
    """Return a column of known kind as it is in the rows that an encoder is fitted to.

    The kind stays, unless these rows have no values or only one; the categories are those of the
    rows.
    """
    if column.kind == "constant":
        return column
    if column.kind in ("category", "text"):
        present = as_levels(values, column)
        missing = bool(present.isna().any())
        distinct = set(present[present.notna()])
        if not distinct or (len(distinct) == 1 and not missing):
            return Column(column.name, "constant", has_missing=not distinct)
        kept = tuple(level for level in column.categories if level in distinct)
        found = replace(column, has_missing=missing, categories=kept)
        if spellings_of(found).flags and not spellings_of(column).flags:
            return replace(found, has_words=True)
        return found
    if column.kind == "number":
        read = pd.Series(as_numbers(values, column.missing))
    else:
        read = as_dates(values, column.date_format)
    return _or_constant(replace(column, has_missing=bool(read.isna().any())), read)


def _has_time(dates: pd.Series[Any]) -> bool:
    present = dates[dates.notna()]
    return bool((present != present.dt.normalize()).any())


def as_levels(values: pd.Series[Any], column: Column) -> pd.Series[Any]:
    """Return the categories of values as :func:`spellings_of` tells; None for missing values."""
    texts = as_strings(values)
    spellings = spellings_of(column)
    places, distinct = pd.factorize(texts)
    found = [*(spellings.level(text) for text in distinct), None]
    return pd.Series(
        np.array(found, dtype=object)[places], index=texts.index, name=texts.name, dtype=object
    )


def spellings_of(column: Column) -> Spellings:
    """Return what strings mean in a column of categories, or in one of texts."""
    only = column.kind != "text" and not column.has_words
    return Spellings(column.categories, column.missing, only=only)


def as_numbers(
    values: pd.Series[Any], missing: tuple[str, ...] = ()
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return values as float64, with NaN for missing values.

    Raises
    ------
    DataError
        If a value is not a number, or infinite.
    """
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        texts = as_strings(values).replace({"True": "1", "False": "0"})
        parsed = pd.to_numeric(texts, errors="coerce")
        strange = texts.notna() & parsed.isna()
        unending = texts[strange & texts.map(is_unending, na_action="ignore").eq(True)]
        parsed = parsed.fillna(unending.map(float_of)) if len(unending) else parsed
        strange &= parsed.isna()
        strange &= ~texts.isin([*MISSING_STRINGS, *missing])
        strange &= ~texts.map(lambda text: text is not None and is_mark(text)).astype(bool)
        if strange.any():
            at = int(np.flatnonzero(strange)[0])
            raise DataError(
                f"column {values.name!r}, row {at + 1}: {texts.iloc[at]!r} is not a number, but "
                "the column was numerical in training; correct it or leave it empty"
            )
        numbers = parsed.to_numpy(dtype=np.float64, na_value=np.nan)
    codes = numbers_in(missing)
    numbers = np.where(np.isin(numbers, codes), np.nan, numbers) if codes else numbers
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise DataError(
            f"column {values.name!r}, row {infinite[0] + 1}: the value is {numbers[infinite[0]]}; "
            "replace infinite values or leave their cells empty"
        )
    return numbers


def as_dates(values: pd.Series[Any], date_format: str | None) -> pd.Series[Any]:
    """Return values as UTC dates without a time zone, with NaT for what is no date.

    A date in ISO form is read in any column of dates; another form only if it is the column's.

    Raises
    ------
    DataError
        If there are values, and none is a date; or if day and month are exchanged.
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values
    if pd.api.types.is_numeric_dtype(values.dtype) and values.notna().any():
        raise DataError(
            f"column {values.name!r} has numbers, but it had dates in training; give dates"
        )
    texts = as_strings(values)
    dates = parse_dates(texts, date_format)
    present = texts.notna() & ~texts.isin(USUAL) & texts.astype(str).str.contains(r"\d")
    if present.any() and dates.isna().all():
        form = f" of the form {date_format}" if date_format else ""
        at = int(np.flatnonzero(present)[0])
        raise DataError(
            f"column {values.name!r}, row {at + 1}: {texts.iloc[at]!r} is not a date{form}, and "
            "no other cell is, but the column had dates in training; correct the dates"
        )
    if dates.isna().any() and (other := exchanged_form(texts[present], date_format)) is not None:
        raise DataError(
            f"the dates of {values.name!r} are of the form {other}, but had the form "
            f"{date_format} in training; write them as in training, or give --date-format {other}"
        )
    return dates
