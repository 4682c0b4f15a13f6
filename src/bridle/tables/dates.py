"""Dates that are strings: which form they have, and what they are in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

__all__ = ["are_months", "date_format_of", "other_reading", "parse_dates"]

_MONTH = re.compile(
    r"(?:0[1-9]|1[0-2])\.(?:19|20)\d\d$|(?:0[1-9]|[12]\d|3[01])\.(?:0[1-9]|1[0-2])$"
)
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")


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
    except (RejectColumn, ValueError):
        return None
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
    if written is None or "%d" not in written or "%m" not in written:
        return None
    if written.startswith("%Y"):
        return None  # year, month, day is the only order in use
    swapped = written.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")
    distinct = pd.Series(texts.astype(str).unique(), dtype=object)
    return swapped if _all_fit(distinct, swapped) else None


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
