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
        "total,totals,sum,sums,grand total,subtotal,average,avg,mean,all",
        "summe,gesamt,insgesamt,gesamtsumme,durchschnitt,mittelwert",
        "somme,moyenne,totale,media,suma,promedio,итого,合計,合计,总计",
    )
    for word in words.split(",")
)


def total_notes(frame: pd.DataFrame) -> list[str]:
    """Return a note on a last row that looks like the total of the others.

    Either it begins with a word for it, or every number in it is the sum of its column, or every
    one of two or more is the mean.

    Examples
    --------
    >>> total_notes(pd.DataFrame({"a": [None, *range(6), None], "b": [*range(1, 8), 28]}))
    ['the last row has the sums of the rows above it; if it is a total, delete it']
    >>> total_notes(pd.DataFrame({"a": range(8), "b": range(8)}))
    []
    """
    if not frame.size:
        return []
    first = frame.iloc[:, 0]
    if not pd.api.types.is_numeric_dtype(first.dtype):
        last = str(first.iloc[-1]).strip()
        if last.casefold().rstrip(":") in _WORDS and not (first.iloc[:-1] == last).any():
            return [f"the last row begins with {last!r}; if it is a sum, delete it"]
    what = _what(frame) if len(frame) > _MIN_ROWS else ""
    if not what:
        return []
    return [f"the last row has the {what} of the rows above it; if it is a total, delete it"]


def _what(frame: pd.DataFrame) -> str:
    """Return what the numbers of the last row are of those above them."""
    sums, means = [], []
    for name in frame:
        values: pd.Series[Any] = frame[name]
        if pd.api.types.is_bool_dtype(values.dtype):
            continue
        if not pd.api.types.is_numeric_dtype(values.dtype) or pd.isna(values.iloc[-1]):
            continue
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        above, last = numbers[:-1][np.isfinite(numbers[:-1])], numbers[-1]
        if len(above) < _MIN_ROWS or (above == above[0]).all():
            return ""
        total, size = float(above.sum()), float(np.abs(above).max())
        beyond = abs(total) > size  # a sum of other numbers than a few among zeros
        sums.append(beyond and abs(last - total) <= _DIGITS * abs(total))
        means.append(abs(last - total / len(above)) <= _DIGITS * float(np.ptp(above)))
        if not sums[-1] and not means[-1]:
            return ""
    if sums and all(sums):
        return "sums"
    return "means" if len(means) > 1 and all(means) else ""
