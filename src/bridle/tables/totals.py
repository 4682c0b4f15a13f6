"""A last row that has the sums or the means of the rows above it, in whatever language."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["total_notes"]

_MIN_ROWS = 5
_DIGITS = 1e-4  # a mean is written with few digits
_WORDS = frozenset(
    word
    for words in (
        "total,totals,sums,grand total,subtotal,average,avg",
        "summe,gesamt,insgesamt,gesamtsumme,durchschnitt,mittelwert",
        "somme,moyenne,totale,promedio,итого,合計,合计,总计",
    )
    for word in words.split(",")
)
_NAMES = frozenset(("all", "mean", "media", "sum", "suma"))  # a department may be Media


def total_notes(frame: pd.DataFrame) -> list[str]:
    """Return a note on a last row that looks like the total of the others.

    Either it begins with a word for it, or every number in it is the sum or the mean of its column,
    with one sum or two means. A word with other meanings needs such numbers, or empty cells.

    Examples
    --------
    >>> total_notes(pd.DataFrame({"a": [None, *range(6), None], "b": [*range(1, 8), 28]}))
    ['the last row has the sums of the rows above it; if it is a total, delete it']
    >>> total_notes(pd.DataFrame({"a": range(8), "b": range(8)}))
    []
    """
    if not frame.size:
        return []
    word = _word(frame)
    alone = frame.shape[1] > 1 and frame.iloc[-1].notna().sum() == 1
    what = _what(frame, 1 if word else 2) if len(frame) > _MIN_ROWS else ""
    if word.casefold().rstrip(":") in _WORDS or (word and (what or alone)):
        return [f"the last row begins with {word!r}; if it is a sum, delete it"]
    if not what:
        return []
    return [f"the last row has the {what} of the rows above it; if it is a total, delete it"]


def _word(frame: pd.DataFrame) -> str:
    """Return the word for a total with which the last row begins, or nothing."""
    last = frame.iloc[-1]
    at = int(last.notna().to_numpy().argmax())
    label, values = str(last.iloc[at]).strip(), frame.iloc[:, at]
    known = label.casefold().rstrip(":") in _WORDS | _NAMES
    if not known or pd.api.types.is_numeric_dtype(values.dtype):
        return ""
    return "" if (values.iloc[:-1] == last.iloc[at]).any() else label


def _what(frame: pd.DataFrame, least: int) -> str:
    """Return what the numbers of the last row are of those above them.

    With at least one sum, or so many means. A column of one value tells nothing.
    """
    sums = means = 0
    for name in frame:
        values: pd.Series[Any] = frame[name]
        if pd.api.types.is_bool_dtype(values.dtype):
            continue
        if not pd.api.types.is_numeric_dtype(values.dtype) or pd.isna(values.iloc[-1]):
            continue
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        above, last = numbers[:-1][np.isfinite(numbers[:-1])], numbers[-1]
        if len(above) < _MIN_ROWS:
            return ""
        total, size = float(above.sum()), float(np.abs(above).max())
        if (above == above[0]).all():
            if not np.isclose(last, (above[0], total), rtol=_DIGITS).any():
                return ""
            continue
        beyond = abs(total) > size  # a sum of other numbers than a few among zeros
        if beyond and abs(last - total) <= _DIGITS * abs(total):
            sums += 1
        elif abs(last - total / len(above)) <= _DIGITS * float(np.ptp(above)):
            means += 1
        else:
            return ""
    if sums:
        return "sums and means" if means else "sums"
    return "means" if means >= least else ""
