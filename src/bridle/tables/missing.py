"""The cells that mean a missing value."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["ALWAYS", "MISSING_STRINGS", "NO_ANSWER", "USUAL", "is_mark", "numbers_in"]

ALWAYS = ("", "?", "NaN", "nan", "<NA>", "#N/A", "#NV")
"""The strings that mean a missing value wherever they are; the UCI repository uses "?"."""

USUAL = ("NA", "N/A", "n/a", "NULL", "null", "None", "none")
"""The strings that mean a missing value among numbers and dates, and where they are rare."""

MISSING_STRINGS = (*ALWAYS, *USUAL)

_WORDS = ["na", "n.a.", "n.a", "n/a", "nan", "nil", "null", "none", "missing", "k.a."]
_WORDS += ["#n/a", "#nv", "#value!", "#ref!", "#div/0!", "#num!", "#name?"]
_ANSWERS = ("unknown", "unbekannt")  # of a question; among numbers they mean a missing value too
_EVERY_WORD = frozenset((*_WORDS, *_ANSWERS))
NO_ANSWER = rf"(?i:{'|'.join(map(re.escape, _WORDS))})|[!-/:-@\[-^`{{-~–—…]{{1,3}}"
"""What means a missing value among booleans, such as "-"; ``re`` and RE2 read it alike."""
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
_PUNCTUATION = re.compile(r"[^\w\s]{1,3}")


def is_mark(cell: str) -> bool:
    """Return whether a cell among numbers means a missing value, such as "-" or "unknown"."""
    return cell.casefold() in _EVERY_WORD or bool(_PUNCTUATION.fullmatch(cell) and "∞" not in cell)


def numbers_in(cells: Iterable[str]) -> list[float]:
    """Return the numbers among strings that mean a missing value.

    Examples
    --------
    >>> numbers_in(("-999", "unsure", "9.0"))
    [-999.0, 9.0]
    """
    return [float(cell) for cell in cells if _NUMBER.fullmatch(cell)]
