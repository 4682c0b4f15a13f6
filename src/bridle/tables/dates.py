"""Dates that are strings: which form they have, and what they are in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["are_months", "compact_form", "date_format_of", "digits_as", "exchanged_form"]
__all__ += ["fits_compact", "forms_of_words", "is_compact", "looks_dated", "other_reading"]
__all__ += ["parse_dates"]

_MONTH = re.compile(
    r"(?:0[1-9]|1[0-2])\.(?:19|20)\d\d$|(?:0[1-9]|[12]\d|3[01])\.(?:0[1-9]|1[0-2])$"
)
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")
_WRITTEN = (  # by spreadsheets and logs, and not found out without help
    *("%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%d-%b-%y", "%Y-%m"),
    *("%d-%b-%Y", "%d %b %y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%d/%b/%Y:%H:%M:%S %z"),
    *("%d/%m/%y %H:%M", "%m/%d/%y %H:%M", "%d.%m.%y %H:%M", "%d/%m/%Y %I:%M %p", "%I:%M %p"),
    *("%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M:%S %p", "%I:%M:%S %p"),
)
_IN_TWO_ORDERS = tuple(
    f"{day}{mark}{other}{mark}%Y{time}"
    for mark in "/-."
    for time in ("", *(f" {each}" for each in _TIMES))
    for day, other in (("%d", "%m"), ("%m", "%d"))
)
_FEW, _SAMPLE = 3, 200  # distinct words that may be dates, and how many are looked at first
_COMPACT = {8: "%Y%m%d", 6: "%Y%m", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_YEARS = (1900, 2100)  # of numbers that are taken for dates
_NAME = r"(?:jan|feb|mar|mär|apr|ma[yi]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]*\.?"
_DATED = re.compile(
    r"\d{4}([-./])\d{1,2}\1\d{1,2}(?![-./]?\d)|\d{1,2}([-./])\d{1,2}\2(?:\d{4}|\d\d)(?![-./]?\d)"
    rf"|\d{{1,2}}\.?[ /-]?{_NAME},?[ /-]?\d{{2,4}}\b|{_NAME} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b"
    r"|\d{1,2}:\d\d(?::\d\d)?\b",
    re.IGNORECASE,
)


def are_months(cells: Iterable[str]) -> bool:
    """Return whether all cells are months of years or all days of months, not decimal numbers.

    Examples
    --------
    >>> are_months(["01.2023", "11.2024"]), are_months(["24.12", "01.02"]), are_months(["1.2"])
    (True, True, False)
    """
    zeros = False
    for cell in cells:
        if not _MONTH.match(cell):
            return False
        zeros = zeros or cell[0] == "0"
    return zeros


def date_format_of(texts: pd.Series[Any], given: str | None = None) -> str | None:
    """Return the form that all strings have as dates, or None.

    Where day and month cannot be told apart, dates with points are day first, and others month
    first; :func:`other_reading` says so.

    Examples
    --------
    >>> date_format_of(pd.Series(["05.01.2024", "06.01.2024"]))
    '%d.%m.%Y'
    >>> date_format_of(pd.Series(["red", "blue"])) is None
    True
    """
    distinct = pd.Series(texts.astype(str).unique(), dtype=object)
    if not len(distinct) or not distinct.str.contains(r"\d").all():
        return None
    if given is not None and _all_fit(distinct, given):
        return given
    if distinct.str.fullmatch(r"\d?\d:\d\d(?::\d\d(?:\.\d+)?)?").all():
        return next((form for form in _TIMES if _all_fit(distinct, form)), None)
    if not distinct.str.contains(r"\d\W+\w+\W+\d|\d:\d\d|\d{8}").any():
        return None  # skrub's guess takes long, and needs seconds to import
    from skrub import ToDatetime
    from skrub.core import RejectColumn

    try:
        written: str = ToDatetime().fit(distinct).format_
    except (RejectColumn, ValueError):  # it goes by some of the dates, which may fit two forms
        return next((form for form in _IN_TWO_ORDERS if _all_fit(distinct, form)), None)
    if not _all_fit(distinct, written):
        return None
    other = other_reading(distinct, written)
    return other if other is not None and "." in written.split("%Y")[0] else written


def other_reading(texts: pd.Series[Any], written: str | None) -> str | None:
    """Return the form with day and month exchanged, if all strings have that form too.

    Examples
    --------
    >>> other_reading(pd.Series(["05/01/2024", "06/02/2024"]), "%m/%d/%Y")
    '%d/%m/%Y'
    >>> other_reading(pd.Series(["05/13/2024"]), "%m/%d/%Y") is None
    True
    """
    swapped = _exchanged(written)
    distinct = pd.Series(texts.astype(str).unique(), dtype=object)
    return swapped if swapped is not None and _all_fit(distinct, swapped) else None


def looks_dated(cell: str) -> bool:
    """Return whether a string begins like a date or a time of day.

    Examples
    --------
    >>> [looks_dated(cell) for cell in ("2024-01-13", "13. Jan 2024", "9:30", "5 kg", "2024-01-00")]
    [True, True, True, False, False]
    """
    found = _DATED.match(cell)
    if found is None:
        return False
    if found[1] or found[2]:  # three numbers, of which one is a month and one a day
        parts = [int(part) for part in re.split(r"[-./]", found[0])]
        day_and_month = parts[1:] if found[1] else parts[:2]
        return min(day_and_month) in range(1, 13) and max(day_and_month) in range(1, 32)
    return True


def is_compact(form: str | None) -> bool:
    """Return whether dates of a form are digits only, such as 20240113.

    Examples
    --------
    >>> is_compact("%Y%m%d"), is_compact("%d.%m.%Y"), is_compact(None)
    (True, False, False)
    """
    return form is not None and re.fullmatch(r"(?:%[YymdHMSj])+", form) is not None


def compact_form(values: pd.Series[Any]) -> str | None:
    """Return the form of dates that whole numbers look like, such as 20240113; else None.

    Examples
    --------
    >>> compact_form(pd.Series([20240113, 20231231])), compact_form(pd.Series([20240113, 20241301]))
    ('%Y%m%d', None)
    """
    present = values.dropna()
    numbers = present.to_numpy(dtype=np.float64)
    if len(np.unique(numbers)) < 2 or not np.isfinite(numbers).all():
        return None
    for digits, form in _COMPACT.items():
        year = 10 ** (digits - 4)
        if (numbers < _YEARS[0] * year).any() or (numbers >= (_YEARS[1] + 1) * year).any():
            continue
        if (numbers != np.floor(numbers)).any():
            return None
        return form if _all_fit(digits_as(present).drop_duplicates(), form) else None
    return None


def fits_compact(texts: pd.Series[Any], form: str | None) -> bool:
    """Return whether all strings are dates of a form of digits only, of years from 1900 to 2100.

    Examples
    --------
    >>> fits_compact(pd.Series(["20240113"]), "%Y%m%d"), fits_compact(pd.Series(["7"]), "%Y%m%d")
    (True, False)
    """
    if form is None or not is_compact(form) or not len(texts):
        return False
    distinct = pd.Series(texts.astype(str).unique(), dtype=object)
    if not distinct.str.fullmatch(r"\d+").all():
        return False
    years = pd.to_datetime(distinct, format=form, errors="coerce", utc=True).dt.year
    return bool(years.between(*_YEARS).all())


def exchanged_form(texts: pd.Series[Any], written: str | None) -> str | None:
    """Return the form with day and month exchanged, if strings have only that one.

    Some strings must have only the exchanged form, and none only the given one.

    Examples
    --------
    >>> exchanged_form(pd.Series(["05/01/2024", "31/01/2024"]), "%m/%d/%Y")
    '%d/%m/%Y'
    >>> exchanged_form(pd.Series(["01/31/2024", "31/01/2024"]), "%m/%d/%Y") is None
    True
    """
    swapped = _exchanged(written)
    if swapped is None:
        return None
    distinct = pd.Series(texts.dropna().astype(str).unique(), dtype=object)
    has, other = (
        pd.to_datetime(distinct, format=form, errors="coerce", utc=True).notna()
        for form in (written, swapped)
    )
    return swapped if (other & ~has).any() and not (has & ~other).any() else None


def _exchanged(written: str | None) -> str | None:
    """Return a form with day and month exchanged, or None if no one writes dates so."""
    if written is None or "%d" not in written or "%m" not in written:
        return None
    if written.startswith("%Y"):
        return None  # year, month, day is the only order in use
    return written.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")


def forms_of_words(texts: pd.Series[Any]) -> tuple[str, ...] | None:
    """Return the forms of dates that a column of words has; None if the words are no dates.

    There may be no form that is known. Fewer than three distinct words tell nothing.

    Examples
    --------
    >>> forms_of_words(pd.Series(["13-Jan-24", "3-Feb-24", "28-Feb-24"]))
    ('%d-%b-%y',)
    >>> forms_of_words(pd.Series(["3. Mai 2024", "5. Mai 2024", "7. Mai 2024"]))
    ()
    >>> forms_of_words(pd.Series(["1/2", "3/4", "2/5"])) is None
    True
    """
    distinct = pd.Series(texts.dropna().astype(str).unique(), dtype=object)
    sample = distinct[:_SAMPLE]
    if len(sample) < _FEW or not sample.str.contains(r"\d").all():
        return None
    forms = [form for form in _WRITTEN if _all_fit(sample, form)]
    if not forms:
        return () if sample.map(looks_dated).all() else None
    return tuple(form for form in forms if _all_fit(distinct, form)) or None


def digits_as(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return whole numbers as strings of digits, and None for missing values."""
    texts = [None if pd.isna(value) else str(int(value)) for value in values]
    return pd.Series(texts, index=values.index, name=values.name, dtype=object)


def _all_fit(texts: pd.Series[Any], written: str) -> bool:
    return bool(pd.to_datetime(texts, format=written, errors="coerce", utc=True).notna().all())


def parse_dates(texts: pd.Series[Any], written: str | None) -> pd.Series[Any]:
    """Return strings as UTC dates without a time zone, with NaT for what is no date.

    Strings of the given form are read first, then those in ISO form, then times of day if the form
    is one.
    """
    # a time of day in ISO form would be one of today
    forms = [written, *_TIMES] if written in _TIMES else [written or "ISO8601", "ISO8601"]
    plain = texts.astype(object)
    found = pd.to_datetime(plain, format=forms[0], errors="coerce", utc=True)
    for form in forms[1:]:
        rest = found.isna() & plain.notna()
        if not rest.any():
            break
        read = pd.to_datetime(plain[rest], format=form, errors="coerce", utc=True)
        found = found.where(~rest, read.reindex(found.index))
    return found.dt.tz_localize(None)
