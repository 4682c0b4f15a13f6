"""Cells as strings, and the category that each way of writing it means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.missing import ALWAYS, NO_ANSWER, USUAL

__all__ = ["WHOLE_WITH_ZEROS", "Spellings", "as_strings", "cell_of", "composed", "text_of"]
__all__ += ["without_zeros"]

WHOLE_WITH_ZEROS = r"(?:0|-?[1-9][0-9]*)\.0+"
"""The form of a whole number that was made a float; ``re`` and RE2 read it alike."""
_ZEROS = re.compile(WHOLE_WITH_ZEROS)
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NO_ANSWER = re.compile(NO_ANSWER)
_EXPONENT = 1e16  # from which on a file has 1e+16
_PAIRS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"))
_TRUTHS = {word: word == pair[0] for pair in (*_PAIRS, ("1", "0"), ("1.0", "0.0")) for word in pair}


def composed(text: str) -> str:
    """Return a text in Unicode's composed form (NFC): macOS writes é as e with an accent.

    Examples
    --------
    >>> len("e\u0301"), len(composed("e\u0301"))
    (2, 1)
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def cell_of(value: Any) -> str:
    """Return a value as a string without blanks around it, in the composed form."""
    return composed(str(value).strip())


def as_strings(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return values as stripped strings, and None for missing values.

    A whole number gives the same string as 1, 1.0 and "1", since pandas turns whole numbers to
    floats if a value of the column is missing.
    """
    if isinstance(values.dtype, pd.CategoricalDtype) or _has_strings_only(values):
        places, distinct = pd.factorize(values)  # each string once, and -1 for missing values
        found = np.array([*map(text_of, distinct), None], dtype=object)[places]
        return pd.Series(found, index=values.index, name=values.name, dtype=object)
    missing = values.isna().to_numpy()
    texts = [
        None if absent else text_of(value)
        for value, absent in zip(_items(values), missing, strict=True)
    ]
    return pd.Series(texts, index=values.index, name=values.name, dtype=object)


def _items(values: pd.Series[Any]) -> list[Any]:
    """Return the values; those of single precision stay so, as a file has them: 0.1."""
    single = values.dtype in (np.float16, np.float32)
    return list(values.to_numpy()) if single else values.tolist()


def _has_strings_only(values: pd.Series[Any]) -> bool:
    """Return whether there are only strings and missing values."""
    strings = values.dtype == object or isinstance(values.dtype, pd.StringDtype)
    return strings and pd.api.types.infer_dtype(values, skipna=True) == "string"


def text_of(value: Any) -> str | None:
    """Return a value that is not missing as a stripped string; None if that means a missing one."""
    if isinstance(value, (float, np.floating)) and value.is_integer():
        if abs(float(value)) >= _EXPONENT:
            return str(value)
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return str(int(value))
    text = cell_of(value)
    return None if text in ALWAYS else text


def without_zeros(text: str) -> str:
    """Return "1" for "1.0", which is what pandas makes of it if a value of its column is missing.

    Examples
    --------
    >>> without_zeros("12.00"), without_zeros("1.50"), without_zeros("007.0")
    ('12', '1.50', '007.0')
    """
    return text.partition(".")[0] if _ZEROS.fullmatch(text) else text


class Spellings:
    """The category that a string means, in a column with known categories.

    A category is meant by itself; 1.0 is 1, and 1 is 1.0, if only the other one is a category.

    Parameters
    ----------
    known : iterable of str
        The categories.
    missing : iterable of str
        Strings that mean a missing value besides the usual ones. A category never does.
    only : bool
        Whether the column has no other values. Then booleans are the same category however they
        are written: true, True, yes, 1; and cells such as "-" mean a missing value.

    Examples
    --------
    >>> spellings = Spellings(["1", "NA"], [], only=True)
    >>> [spellings.level(text) for text in ("1.0", "NA", "None", "2")]
    ['1', 'NA', None, '2']
    """

    def __init__(self, known: Iterable[str], missing: Iterable[str], *, only: bool) -> None:
        self._known = frozenset(known)
        self._composed = {composed(level): level for level in self._known}
        self._gone = {*USUAL, *missing} - self._known
        self._flags: dict[str, str] = {}
        self.has_marks = False
        """Whether what fits :data:`NO_ANSWER` means a missing value, as among booleans."""
        lowered = {level.lower() for level in self._known}
        if any(lowered <= {*pair} for pair in _PAIRS):
            self._flags = {level.lower(): level for level in sorted(self._known, reverse=True)}
            self.has_marks = only and bool(self._flags)
            if only:
                told = {_TRUTHS[word]: level for word, level in self._flags.items()}
                known = {w: told[truth] for w, truth in _TRUTHS.items() if truth in told}
                self._flags = known | self._flags

    @property
    def flags(self) -> tuple[str, ...]:
        """The words that mean a boolean, in lower case; none if the categories are no booleans."""
        return tuple(self._flags)

    def level(self, text: str) -> str | None:
        """Return the category of a stripped string, or None if it means a missing value."""
        if text in self._known:
            return text
        if text in self._composed:
            return self._composed[text]
        if text in self._gone:
            return None
        flag = self._flags.get(text.lower())
        if flag is not None:
            return flag
        if self.has_marks and _NO_ANSWER.fullmatch(text):
            return None
        plain = without_zeros(text)
        if plain not in self._known and _WHOLE.fullmatch(plain) and f"{plain}.0" in self._known:
            return f"{plain}.0"
        return plain
