"""The cells of a column of strings, and what they can be: numbers, dates, booleans or words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import MAX_CATEGORIES
from bridle.tables.dates import are_months, date_format_of, fits_compact
from bridle.tables.labels import blanks_note
from bridle.tables.missing import ALWAYS, MISSING_STRINGS, USUAL, is_mark
from bridle.tables.numbers import PLAIN, Marks, float_of, is_amount, is_numberish, parse
from bridle.tables.strings import cell_of, composed

__all__ = ["Cells", "without"]

_NUMBERS = 0.5  # the share of cells from which a column is one of numbers or dates
_COMMON = 0.05  # the share of cells from which "none" or "NA" is a category
_FEW = 5  # distinct amounts that may be the sizes of a ware
_SAMPLE = 300  # cells of a column that tell which mark is the decimal one
_MAX_WORDS = 3  # the most other words among dates
_PLAIN = re.compile(PLAIN)
_SAFE = re.compile(r"[\d.eE+\-\n]*", re.ASCII)  # Python's float takes more, such as 1_000
_CODE = re.compile(r"[+-]?0\d+")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}$")  # what may have a mark of thousands
_WHOLE = re.compile(r"[+-]?\d+")
_MAX_DIGITS = 18  # that int64 holds for certain
_ZONE = r"\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)$"
ISO_DATE = r"^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$"


class Cells:
    """The cells of one column, by their distinct strings."""

    def __init__(self, values: pd.Series[Any], missing: tuple[str, ...]) -> None:
        self.name, self.index = str(values.name), values.index
        codes, distinct = pd.factorize(values.astype(object))
        forms = {composed(str(each)) for each in distinct}
        self.padded = len({each.strip() for each in forms}) < len(forms)
        self.written = np.array([*map(cell_of, distinct), ""], dtype=object)
        self.blank = next((each for each in distinct if each != str(each).strip()), None)
        self.codes = codes  # -1 is the last, a missing value
        self.given = missing
        self.rows = np.bincount(codes[codes >= 0], minlength=len(distinct))
        self.distinct = set(self.written)
        self.unit = ""
        self.marked: tuple[str, ...] = tuple(each for each in missing if each in self.distinct)

    def absent(self, tokens: tuple[str, ...]) -> np.ndarray[Any, Any]:
        """Return which distinct cells are missing values."""
        gone = {*tokens, *self.given}
        return np.array([cell in gone for cell in self.written])

    def count(self, chosen: np.ndarray[Any, Any]) -> int:
        """Return in how many rows the chosen distinct cells are."""
        return int(self.rows[chosen[:-1]].sum())

    def spread(self, by_distinct: Any, **options: Any) -> pd.Series[Any]:
        """Return a column from a value for each distinct cell."""
        return pd.Series(by_distinct[self.codes], index=self.index, name=self.name, **options)

    def numberish(self) -> list[str]:
        """Return the cells that may be numbers, if they are most of the cells."""
        present = ~self.absent(MISSING_STRINGS)
        cells = self.written[present]
        if not len(cells) or any(_CODE.fullmatch(cell) for cell in cells):
            return []
        if are_months(cells):
            return []
        if _floats(cells) is not None:
            found = cells
        else:
            plain = _matches(cells, _PLAIN)
            chosen = present.copy()
            chosen[present] = [p or is_numberish(c) for p, c in zip(plain, cells, strict=True)]
            if self.count(chosen) < _NUMBERS * self.count(present):
                return []
            found = self.written[chosen]
        whole = {bool(cell.isdigit() and len(cell) > 3): cell for cell in found if _is_whole(cell)}
        marked = [cell for cell in found if not _is_whole(cell)]
        return [*_sample(marked), *whole.values()]

    def months(self) -> bool:
        """Return whether cells such as 01.2023 or 24.12 are months of years or days of months."""
        return are_months(self.written[~self.absent(MISSING_STRINGS)])

    def are_compact_dates(self, form: str | None) -> bool:
        """Return whether all cells are dates of a form of digits only, such as 20240113."""
        return form is not None and fits_compact(
            pd.Series(self.written[~self.absent(MISSING_STRINGS)], dtype=object), form
        )

    def as_numbers(self, marks: Marks, notes: list[str]) -> pd.Series[Any] | None:
        """Return the column as numbers, or None if it is not one of numbers."""
        gone = self.absent(MISSING_STRINGS)
        numbers, others, units = self.parsed(marks, gone)
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
        self.unit = next(iter(units), "")
        return self.typed(numbers, marks)

    def parsed(
        self, marks: Marks, gone: np.ndarray[Any, Any]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], set[str]]:
        """Return the number of each distinct cell, which are none, and the units."""
        numbers = np.full(len(self.written), np.nan)
        points = marks.decimal == "," or marks.thousands == "."  # that are no decimal points
        found = None if points else _floats(self.written[~gone])
        if found is not None:
            numbers[~gone] = found
            return numbers, np.zeros(len(numbers), dtype=bool), {""}
        plain = _matches(self.written, _PLAIN) & ~gone
        if points:
            plain &= np.array(["." not in cell for cell in self.written])
        numbers[plain] = [float_of(cell) for cell in self.written[plain]]
        units = {""} if plain.any() else set()
        others = ~plain & ~gone
        for at in np.flatnonzero(others):
            (read,) = parse([self.written[at]], marks)
            if read is not None:
                numbers[at], others[at] = float(read[0]), False
                units.add(read[1])
        return numbers, others, units

    def typed(self, numbers: np.ndarray[Any, Any], marks: Marks) -> pd.Series[Any] | None:
        """Return numbers as whole ones if they are all written so, or None if they are too long."""
        used = np.unique(self.codes)
        present = numbers[used]
        gaps = np.isnan(present)
        whole_only = not gaps.all() and bool((present == np.floor(present))[~gaps].all())
        # beside a missing value they are floats, which are exact up to here
        large = whole_only and bool((np.abs(present[~gaps]) >= 2**53).any())
        if whole_only and np.isfinite(present[~gaps]).all() and (large or not gaps.any()):
            cells = self.written[used[~gaps]]
            digits = [
                cell if _WHOLE.fullmatch(cell) else (parse([cell], marks)[0] or ("", ""))[0]
                for cell in cells
            ]
            if all(map(_WHOLE.fullmatch, digits)):
                if max(len(each.lstrip("+-")) for each in digits) > _MAX_DIGITS:
                    return None  # too long for a number: a name made of digits
                whole = np.zeros(len(numbers), dtype=np.int64)
                whole[used[~gaps]] = [int(each) for each in digits]
                if gaps.any():
                    return self.spread(pd.arrays.IntegerArray(whole, np.isnan(numbers)))
                return self.spread(whole)
        return self.spread(numbers)

    def amounts(self, notes: list[str]) -> None:
        """Note that words look like numbers with a unit, or that most numbers are marked absent."""
        gone = self.absent(MISSING_STRINGS)
        present = self.count(~gone)
        if present and self.months():
            notes.append(
                f"the cells of {self.name!r} look like months or days, such as "
                f"{self.written[~gone][0]!r}; the column is not read as numbers"
            )
            return
        numbers = np.array([is_numberish(cell) for cell in self.written]) & ~gone
        marks = [cell for cell in self.written[~gone & ~numbers] if is_mark(cell)]
        if marks and numbers.sum() > 1 and numbers.sum() + len(marks) == (~gone).sum():
            mark = max(marks, key=lambda each: self.count(self.written == each))
            notes.append(
                f"{self.count(numbers)} of {present} cells of {self.name!r} are numbers, and "
                f"{mark!r} is in {self.count(self.written == mark)}; the column is read as text. "
                "If it means a missing value, give --missing"
            )
            return
        amounts = numbers | (np.array([is_amount(cell) for cell in self.written]) & ~gone)
        odd = self.written[amounts & ~numbers]
        if amounts.sum() > _FEW and len(odd) and self.count(amounts) >= _NUMBERS * present:
            notes.append(
                f"the cells of {self.name!r} look like numbers with a unit, such as {odd[0]!r}; "
                "the column is read as text. Leave the unit out to use them as numbers"
            )

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
                zoned = series[dated].str.contains(_ZONE)
                if zoned.any() and not zoned.all():
                    notes.append(
                        f"some times of {self.name!r} have a time zone and others, such as "
                        f"{series[dated][~zoned].iloc[0]!r}, have none; these are taken as UTC"
                    )
                return self.spread(dates.dt.tz_localize(None).to_numpy())
        return self.spread(cells.where(dated, None).to_numpy(), dtype=object) if words else None

    def as_words(
        self, absent: set[str], notes: list[str], *, is_target: bool, typed: bool = False
    ) -> pd.Series[Any]:
        """Return the column as booleans or as stripped strings, with None for missing values.

        Labels of a typed table that are strings stay strings, also "True" and "False".
        """
        gone = self.absent(ALWAYS)
        total = max(1, self.count(~gone))
        alike = all(map(is_mark, self.written[~gone]))  # such as + and -
        for at, cell in enumerate(self.written):
            marked = is_target and is_mark(cell) and not alike
            if gone[at] or not (cell in USUAL or marked):
                continue
            count = self.count(self.written == cell)
            others = total - count
            common = count >= max(2, _COMMON * total) and len(self.written) <= MAX_CATEGORIES
            if not others or cell in absent or not (is_target or common):
                gone[at] = True
                notes.append(
                    f"{cell!r} in {count} of {total} cells of {self.name!r} is taken as missing"
                )
            elif is_target:
                notes.append(f"{cell!r} is a class of {self.name!r}; if not, give --missing {cell}")
        if is_target and self.padded:
            notes.append(
                f"some labels of {self.name!r} have blanks around them and others have not; the "
                "blanks are left out"
            )
        elif is_target and typed and self.blank is not None:
            notes.append(blanks_note(self.name, self.blank))
        texts = without(self.written, gone)
        lowered = {cell.lower() for cell in self.written[~gone]}
        exact = set(self.written[~gone]) <= {"True", "False"}
        plain = (exact and not typed) or not is_target
        if lowered and lowered <= {"true", "false"} and plain:
            flags = np.array([None if t is None else t.lower() == "true" for t in texts])
            found = self.spread(flags, dtype=object)
            return found.astype(bool) if found.notna().all() else found
        return self.spread(texts, dtype=object)


def _sample(cells: list[str]) -> list[str]:
    """Return enough cells to find out the marks: all unusual ones, and some of the plain ones."""
    if len(cells) <= _SAMPLE:
        return cells
    plain, grouped = _matches(cells, _PLAIN), _matches(cells, _GROUPED)
    chosen = [np.flatnonzero(~plain)[: 10 * _SAMPLE]]
    chosen += [np.flatnonzero(plain & each)[:_SAMPLE] for each in (grouped, ~grouped)]
    return [cells[at] for places in chosen for at in places]


def _is_whole(cell: str) -> bool:
    return cell.lstrip("+-").isdigit()


def _matches(cells: Iterable[str], pattern: re.Pattern[str]) -> np.ndarray[Any, Any]:
    """Return which cells match a pattern."""
    return np.array([pattern.match(cell) is not None for cell in cells], dtype=bool)


def _floats(cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Return plain numbers, or None if a cell is anything else; far faster than patterns."""
    if not _SAFE.fullmatch("\n".join(cells)):
        return None
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        return None


def without(cells: np.ndarray[Any, Any], gone: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a copy with None for some of the cells."""
    kept = cells.copy()
    kept[gone] = None
    return kept
