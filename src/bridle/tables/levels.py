"""Find the categories of values, as codes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import Column, spellings_of
from bridle.tables.strings import as_strings, text_of

__all__ = ["Levels", "LevelsReader"]

IntArray = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True, eq=False)
class Levels:
    """The categories of values.

    Attributes
    ----------
    codes : ndarray
        intp ``[rows]``: the place of the category; -1 for a new one, and for a missing value where
        none was missing in training.
    new : dict of str to int
        The rows of each category that did not occur in training.
    """

    codes: IntArray
    new: dict[str, int] = field(default_factory=dict)


class LevelsReader:
    """Finds the categories of values of one column; prepared once.

    Parameters
    ----------
    column : Column
        A categorical column.

    Examples
    --------
    >>> reader = LevelsReader(Column("k", "category", True, ("a", "b")))
    >>> found = reader.read(pd.Series(["b", None, "c", " a"]))
    >>> found.codes, found.new
    (array([ 1,  2, -1,  0]), {'c': 1})
    """

    def __init__(self, column: Column) -> None:
        self._codes = {level: code for code, level in enumerate(column.categories)}
        self._spellings = spellings_of(column)
        self.missing = len(column.categories) if column.has_missing else -1
        """The code of a missing value."""
        self.count = len(column.categories) + column.has_missing
        """The number of categories, with that of missing values."""

    def place(self, value: Any) -> tuple[int, str | None]:
        """Return the code of a value that is not missing, and its category if that is new."""
        code = self._codes.get(value) if type(value) is str else None
        if code is not None:
            return code, None
        text = text_of(value)
        level = None if text is None else self._spellings.level(text)
        if level is None:
            return self.missing, None
        code = self._codes.get(level, -1)
        return code, level if code < 0 else None

    def read(self, values: pd.Series[Any]) -> Levels:
        """Return the categories of a column, distinct value by distinct value."""
        rows, distinct = _factorized(values)
        places = [self.place(value) for value in distinct]
        codes = np.array([*(code for code, _ in places), self.missing], dtype=np.intp)
        new: Counter[str] = Counter()
        if any(level is not None for _, level in places):
            counts = np.bincount(rows[rows >= 0], minlength=len(places)).tolist()
            for (_, level), count in zip(places, counts, strict=True):
                if level is not None and count:
                    new[level] += count
        return Levels(codes[rows], dict(new))


def _factorized(values: pd.Series[Any]) -> tuple[IntArray, list[Any]]:
    """Return the place of each value among the distinct ones, -1 for a missing one."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        places = values.cat.codes.to_numpy()
        return np.asarray(places, dtype=np.intp), list(values.cat.categories)
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) != "string":
        values = as_strings(values)  # True and 1 are equal, but not the same category
    places, distinct = pd.factorize(values)
    return np.asarray(places, dtype=np.intp), list(distinct)
