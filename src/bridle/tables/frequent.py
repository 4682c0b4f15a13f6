"""The values of columns with many distinct values that have an input of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bridle.tables.columns import MOST_LEVELS, Column, as_levels

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
    texts = [column for column in columns if column.kind == "text"]
    counts: list[tuple[int, int, str]] = []
    for at, column in enumerate(texts):
        own = _counts(frame[column.name], column)
        counts += [(-rows, at, level) for level, rows in own.items() if rows >= FEWEST_ROWS]
    most = min(MOST_LEVELS, MOST_VALUES // max(1, len(frame)))
    kept = sorted(counts)[:most]
    levels = {
        column.name: tuple(sorted(level for _, place, level in kept if place == at))
        for at, column in enumerate(texts)
    }
    return tuple(
        replace(column, categories=levels[column.name]) if column.kind == "text" else column
        for column in columns
    )


def _counts(values: pd.Series[Any], column: Column) -> dict[str, int]:
    """Return the rows of each value that is not missing."""
    counts = as_levels(values, replace(column, categories=())).value_counts()
    return {str(level): int(rows) for level, rows in counts.items()}
