"""How a file is to be read, where its own signs are overruled."""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bridle.errors import UsageError, flag_of

__all__ = ["ReadOptions"]

_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}


@dataclass(frozen=True)
class ReadOptions:
    r"""How to read a table. What is None is found out from the file.

    Attributes
    ----------
    sep : str, optional
        The separator: one character, or "tab", "comma", "semicolon", "space" or "pipe".
    decimal : {".", ","}, optional
        The decimal mark.
    thousands : str, optional
        The mark between groups of three digits.
    encoding : str, optional
        The encoding, such as "utf-8", "utf-16" or "latin-1".
    header : bool, optional
        Whether the first line has the columns' names. Without them the columns are named
        ``column1``, ``column2`` and so on.
    comment : str, optional
        How a line begins that is no row.
    date_format : str, optional
        The form of dates, such as ``"%d/%m/%Y"``.
    missing : tuple of str
        Cells that mean a missing value, besides the usual ones.
    sheet : str, optional
        The sheet of an Excel file. Default: the only one with cells.
    sql : str, optional
        A query, or the name of a table, for a DuckDB or SQLite file. It is opened read-only.

    Raises
    ------
    UsageError
        If a value is not one of those.

    Examples
    --------
    >>> ReadOptions(sep="tab", decimal=",").sep
    '\t'
    >>> ReadOptions(decimal="x")
    Traceback (most recent call last):
        ...
    bridle.errors.UsageError: decimal is 'x'; it must be '.' or ','
    """

    sep: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    header: bool | None = None
    comment: str | None = None
    date_format: str | None = None
    missing: tuple[str, ...] = ()
    sheet: str | None = None
    sql: str | None = None

    def __post_init__(self) -> None:
        for name in ("sep", "decimal", "thousands", "encoding", "comment", "date_format"):
            self._require(isinstance(getattr(self, name), (str, type(None))), name, "a string")
        if self.header is not None:
            object.__setattr__(self, "header", flag_of("header", self.header))
        if self.sep is not None:
            object.__setattr__(self, "sep", _NAMED.get(self.sep, self.sep))
            self._require(len(self.sep) == 1 and self.sep not in "\r\n\"'", "sep", "one character")
        if self.decimal is not None:
            self._require(self.decimal in (".", ","), "decimal", "'.' or ','")
        if self.thousands is not None:
            fine = len(self.thousands) == 1 and not self.thousands.isalnum()
            self._require(fine, "thousands", "one character that is no letter or digit")
            self._require(self.thousands != self.decimal, "thousands", "another than decimal")
        if self.comment is not None:
            self._require(bool(self.comment.strip()), "comment", "one or more characters")
        if self.date_format is not None:
            self._require(_is_form(self.date_format), "date_format", "a form such as '%d/%m/%Y'")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                self._require(False, "encoding", "a known one, such as 'utf-8' or 'latin-1'")
        one = isinstance(self.missing, (str, int, float))
        cells = (self.missing,) if one else self.missing
        self._require(
            isinstance(cells, Iterable), "missing", "one or more cells, such as ('-999',)"
        )
        object.__setattr__(self, "missing", tuple(map(str, cells)))

    def _require(self, fine: bool, name: str, wanted: str) -> None:
        value: Any = getattr(self, name)
        if not fine:
            raise UsageError(f"{name} is {value!r}; it must be {wanted}")


def _is_form(text: str) -> bool:
    """Return whether a text has directives of dates that go together, and no others."""
    directives = set(re.findall(r"%(.)", text.replace("%%", "")))
    if directives & set("UW") and not (directives & set("Yy") and directives & set("aAwu")):
        return False  # the week of a year says no day
    try:
        day = dt.datetime(2020, 1, 2, tzinfo=dt.UTC)
        dt.datetime.strptime(day.strftime(text), text)
    except re.error:  # a directive is there twice
        return False
    except ValueError as error:
        return "%" in text and "does not match" in str(error)
    return "%" in text
