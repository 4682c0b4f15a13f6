"""The types of columns of strings: decided once, or those of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import MAX_CATEGORIES, Column
from bridle.tables.dates import date_format_of
from bridle.tables.missing import ALWAYS, MISSING_STRINGS, USUAL, is_mark
from bridle.tables.numbers import PLAIN, Marks, find_marks, is_numberish, parse
from bridle.tables.options import ReadOptions

__all__ = ["Settled", "settle"]

_NUMBERS = 0.5  # the share of cells from which a column is one of numbers or dates
_COMMON = 0.05  # the share of cells from which "none" or "NA" is a category
_MAX_WORDS = 3  # the most other words among dates
_CODE = re.compile(r"[+-]?0\d+")
_WHOLE = re.compile(r"[+-]?\d+")
_MAX_DIGITS = 18  # that int64 holds for certain
ISO_DATE = r"^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$"


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
        str(name): _Cells(frame[name], options.missing)
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
        return Settled(frame.assign(**as_known) if as_known else frame, marks)
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
    return Settled(frame.assign(**read) if read else frame, marks, missing, tuple(notes))


def _is_strings(values: pd.Series[Any]) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return False
    if values.dtype != object:
        return pd.api.types.is_string_dtype(values.dtype)
    return all(isinstance(value, str) for value in values[values.notna()])


class _Cells:
    """The cells of one column, by their distinct strings."""

    def __init__(self, values: pd.Series[Any], missing: tuple[str, ...]) -> None:
        self.name, self.index = str(values.name), values.index
        codes, distinct = pd.factorize(values.astype(object))
        self.padded = len({str(each).strip() for each in distinct}) < len(distinct)
        self.written = np.array([str(each).strip() for each in distinct] + [""], dtype=object)
        self.codes = codes  # -1 is the last, a missing value
        self.given = missing
        self.rows = np.bincount(codes[codes >= 0], minlength=len(distinct))
        self.distinct = set(self.written)
        self.marked: tuple[str, ...] = tuple(each for each in missing if each in self.distinct)

    def absent(self, tokens: tuple[str, ...]) -> np.ndarray[Any, Any]:
        """Return which distinct cells are missing values."""
        gone = {*tokens, *self.given}
        return np.array([cell in gone for cell in self.written])

    def count(self, chosen: np.ndarray[Any, Any]) -> int:
        """Return in how many rows the chosen distinct cells are."""
        return int(self.rows[chosen[:-1]].sum())

    def spread(self, by_distinct: np.ndarray[Any, Any], **options: Any) -> pd.Series[Any]:
        """Return a column from a value for each distinct cell."""
        return pd.Series(by_distinct[self.codes], index=self.index, name=self.name, **options)

    def numberish(self) -> list[str]:
        """Return the cells that may be numbers, if they are most of the cells."""
        present = ~self.absent(MISSING_STRINGS)
        cells = self.written[present]
        if not len(cells) or any(_CODE.fullmatch(cell) for cell in cells):
            return []
        plain = pd.Series(cells).str.match(PLAIN).to_numpy(dtype=bool)
        if plain.all():
            found = cells
        else:
            chosen = present.copy()
            chosen[present] = [p or is_numberish(c) for p, c in zip(plain, cells, strict=True)]
            if self.count(chosen) < _NUMBERS * self.count(present):
                return []
            found = self.written[chosen]
        marked = [cell for cell in found if not cell.lstrip("+-").isdigit()]
        return marked or list(found[:1])

    def as_numbers(self, marks: Marks, notes: list[str]) -> pd.Series[Any] | None:
        """Return the column as numbers, or None if it is not one of numbers."""
        gone = self.absent(MISSING_STRINGS)
        numbers, others, units = self._parsed(marks, gone)
        present = self.count(~gone)
        fine = self.count(~np.isnan(numbers) & ~gone)
        strange = [str(cell) for cell in self.written[others]]
        if len(strange) and not all(map(is_mark, strange)):
            shown = ", ".join(map(repr, strange[:3]))
            notes.append(
                f"{fine} of {present} cells of {self.name!r} are numbers, but {shown} is not; the "
                "column is read as text. If it means a missing value, give --missing"
            )
            return None
        if len(units) > 1:
            shown = ", ".join(repr(unit) if unit else "none" for unit in sorted(units))
            notes.append(f"{self.name!r} has numbers with several units ({shown}); read as text")
            return None
        for mark in strange:
            count = self.count(self.written == mark)
            notes.append(
                f"{fine} of {present} cells of {self.name!r} are numbers; {mark!r} in {count} is "
                "taken as missing"
            )
        self.marked += tuple(strange)
        return self._typed(numbers, marks)

    def _parsed(
        self, marks: Marks, gone: np.ndarray[Any, Any]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], set[str]]:
        """Return the number of each distinct cell, which are none, and the units."""
        series = pd.Series(self.written)
        plain = series.str.match(PLAIN).to_numpy(dtype=bool) & ~gone
        if marks.decimal == "," or marks.thousands == ".":
            plain &= ~series.str.contains(".", regex=False).to_numpy(dtype=bool)
        numbers = np.full(len(series), np.nan)
        numbers[plain] = series[plain].astype(np.float64)
        units = {""} if plain.any() else set()
        others = ~plain & ~gone
        for at in np.flatnonzero(others):
            (found,) = parse([self.written[at]], marks)
            if found is not None:
                numbers[at], others[at] = float(found[0]), False
                units.add(found[1])
        return numbers, others, units

    def _typed(self, numbers: np.ndarray[Any, Any], marks: Marks) -> pd.Series[Any] | None:
        used = np.unique(self.codes)
        if used[0] >= 0 and not np.isnan(numbers[used]).any():
            plain = [parse([cell], marks)[0] for cell in self.written[used]]
            digits = [found[0] if found else "" for found in plain]
            if all(map(_WHOLE.fullmatch, digits)):
                if max(len(each.lstrip("+-")) for each in digits) > _MAX_DIGITS:
                    return None  # too long for a number: a name made of digits
                whole = np.zeros(len(numbers), dtype=np.int64)
                whole[used] = [int(each) for each in digits]
                return self.spread(whole)
        return self.spread(numbers)

    def as_dates(self, notes: list[str]) -> pd.Series[Any] | None:
        """Return ISO dates as dates, and other dates without words among them, or None."""
        gone = self.absent(MISSING_STRINGS)
        present = self.written[~gone]
        if not len(present):
            return None
        series = pd.Series(self.written)
        dated = series.str.contains(r"^\d+[-./:]\d+").to_numpy(dtype=bool) & ~gone
        words = list(map(str, self.written[~dated & ~gone]))
        if self.count(dated) < _NUMBERS * self.count(~gone) or len(words) > _MAX_WORDS:
            return None
        if any(character.isdigit() for cell in words for character in cell):
            return None
        iso = bool(series[dated].str.match(ISO_DATE).all())
        if words and not iso and date_format_of(series[dated]) is None:
            return None
        notes += [
            f"{self.count(dated)} of {self.count(~gone)} cells of {self.name!r} are dates; "
            f"{word!r} in {self.count(self.written == word)} is taken as missing"
            for word in words
        ]
        self.marked += tuple(words)
        cells = series.where(dated, None).astype(object)
        if iso:
            dates = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
            if not dates[dated].isna().any():
                return self.spread(dates.dt.tz_localize(None).to_numpy())
        return self.spread(cells.where(dated, None).to_numpy(), dtype=object) if words else None

    def as_words(self, absent: set[str], notes: list[str], *, is_target: bool) -> pd.Series[Any]:
        """Return the column as booleans or as stripped strings, with None for missing values."""
        gone = self.absent(ALWAYS)
        total = max(1, self.count(~gone))
        for at, cell in enumerate(self.written):
            if gone[at] or cell not in USUAL:
                continue
            count = self.count(self.written == cell)
            others = total - count
            common = count >= max(2, _COMMON * total) and len(self.written) <= MAX_CATEGORIES
            if not others or cell in absent or not (is_target or common):
                gone[at] = True
                notes.append(f"{cell!r} in {count} cells of {self.name!r} is taken as missing")
            elif is_target:
                notes.append(f"{cell!r} is a class of {self.name!r}; if not, give --missing {cell}")
        if is_target and self.padded:
            notes.append(
                f"some labels of {self.name!r} have blanks around them and others have not; the "
                "blanks are left out"
            )
        texts = _without(self.written, gone)
        lowered = {cell.lower() for cell in self.written[~gone]}
        exact = set(self.written[~gone]) <= {"True", "False"}
        if lowered and lowered <= {"true", "false"} and (exact or not is_target):
            flags = np.array([None if t is None else t.lower() == "true" for t in texts])
            found = self.spread(flags, dtype=object)
            return found.astype(bool) if found.notna().all() else found
        return self.spread(texts, dtype=object)


def _without(cells: np.ndarray[Any, Any], gone: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a copy with None for some of the cells."""
    kept = cells.copy()
    kept[gone] = None
    return kept


def _known(cells: _Cells, column: Column, marks: Marks) -> pd.Series[Any]:
    """Return a column as the model reads it; what does not fit stays a string."""
    if column.kind == "number":
        gone = cells.absent((*MISSING_STRINGS, *column.missing))
        numbers, others, _ = cells._parsed(marks, gone)
        if not others.any():
            typed = cells._typed(numbers, marks)
            return cells.spread(numbers) if typed is None else typed
        mixed = _without(numbers.astype(object), np.isnan(numbers))
        mixed[others] = cells.written[others]
        return cells.spread(mixed, dtype=object)
    kept = set(column.categories)
    gone = cells.absent((*ALWAYS, *column.missing))
    gone |= np.array([cell in USUAL and cell not in kept for cell in cells.written])
    texts = _without(cells.written, gone)
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
