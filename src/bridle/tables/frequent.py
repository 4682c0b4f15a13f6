"""The values of columns with many distinct values that have an input of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bridle.tables.columns import MOST_LEVELS, Column, as_strings
from bridle.tables.missing import USUAL

__all__ = ["FEWEST_ROWS", "MOST_VALUES", "with_frequent"]

FEWEST_ROWS = 3
"""The fewest training rows of a value with an input."""
MOST_VALUES = 2**27
"""The most values that the inputs of all rows have together, 0.5 GB."""


def with_frequent(columns: Sequence[Column], frame: pd.DataFrame) -> tuple[Column, ...]:
    """Return columns in which the frequent values of texts are categories.

    A value is frequent if it is that of three rows or more. Together the columns of a table have at
    most 512 such categories, those of most rows; fewer if the table has more than 262,144 rows.

    Parameters
    ----------
    columns : sequence of Column
        Those of other kinds stay as they are.
    frame : DataFrame
        The training rows.

    Examples
    --------
    >>> frame = pd.DataFrame({"town": ["Ulm", "Bonn", "Ulm", "Ulm", "Trier"]})
    >>> with_frequent([Column("town", "text")], frame)[0].categories
    ('Ulm',)
    """
    counts = {c.name: _counts(frame[c.name], c) for c in columns if c.kind == "text"}
    often = [
        (-rows, at, name, level)
        for at, (name, (own, _)) in enumerate(counts.items())
        for level, rows in own.items()
        if rows >= FEWEST_ROWS
    ]
    most = min(MOST_LEVELS, MOST_VALUES // max(1, len(frame)))
    kept: dict[str, list[str]] = {name: [] for name in counts}
    for _, _, name, level in sorted(often)[:most]:
        kept[name].append(level)
    made = []
    for column in columns:
        if column.kind == "text":
            own, missing = counts[column.name]
            levels = sorted(kept[column.name])
            # a "NA" that is too rare for an input is a missing value, here and ever after
            missing = missing or any(word in own and word not in levels for word in USUAL)
            column = replace(column, has_missing=missing, categories=tuple(levels))
        made.append(column)
    return tuple(made)


def _counts(values: pd.Series[Any], column: Column) -> tuple[dict[str, int], bool]:
    """Return the rows of each value, and whether any is missing."""
    texts = as_strings(values)
    texts = texts.where(~texts.isin(column.missing), None)
    counts = {str(level): int(rows) for level, rows in texts.value_counts().items()}
    return counts, bool(texts.isna().any())
