"""The structure of a table's rows: groups that share their target, order of time, repeats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import Column, as_strings

__all__ = [
    "GroupColumn",
    "class_codes",
    "codes_of_values",
    "counts_of",
    "group_column_of",
    "group_columns",
    "is_wide",
    "ranks_of",
    "time_column",
    "words_of",
]

Array = np.ndarray[Any, np.dtype[Any]]

_WIDE = 50  # the distinct values of all columns; with fewer, rows repeat each other by chance
_LEVEL = 0.025
_SHARED = 0.9  # of the groups, or of the variance of a numerical target's ranks
_NAMES = frozenset(("id", "key", "patient", "subject", "person", "user", "customer", "household"))
"""A number in a column of such a name is a name."""

_SEPARATORS = re.compile(r"[\W_]+|(?<=[a-z\d])(?=[A-Z])")


@dataclass(frozen=True)
class GroupColumn:
    """A column that names groups of rows which share their target.

    Attributes
    ----------
    column : str
    groups : int
    size : float
        The median number of rows of a group.
    pure : float
        The share of groups whose rows have one class; for a numerical target the intraclass
        correlation of its ranks.
    numerical : bool
        Whether the target is numerical.
    """

    column: str
    groups: int
    size: float
    pure: float
    numerical: bool = False


def words_of(name: str) -> list[str]:
    """Return the words of a column's name, in lower case.

    Examples
    --------
    >>> words_of("order_no"), words_of("userId"), words_of("Patient-ID")
    (['order', 'no'], ['user', 'id'], ['patient', 'id'])
    """
    return [word.lower() for word in _SEPARATORS.split(name)]


def class_codes(truth: pd.Series[Any]) -> Array | None:
    """Return the codes of a target that has few distinct values."""
    codes, distinct = pd.factorize(truth)
    return codes if 2 <= len(distinct) <= max(20, len(truth) // 10) else None


def codes_of_values(values: pd.Series[Any]) -> Array:
    """Return the codes of a column's distinct values, in the order of rows; -1 if missing."""
    return pd.factorize(values.astype(object) if values.dtype == object else values)[0]


def counts_of(codes: Array, classes: Array) -> Array:
    """Return the number of rows of each value (a missing one is the first) and class."""
    rows, columns = int(codes.max()) + 2, int(classes.max()) + 2
    flat = (codes + 1) * columns + classes + 1
    return np.bincount(flat, minlength=rows * columns).reshape(rows, columns)


def group_columns(
    frame: pd.DataFrame, truth: pd.Series[Any], columns: Sequence[Column]
) -> tuple[GroupColumn, ...]:
    """Return the columns that name groups of rows which share their target.

    Parameters
    ----------
    frame, truth : DataFrame, Series
        The features and the target.
    columns : sequence of Column
    """
    classes, ranks = class_codes(truth), ranks_of(truth)
    found = (
        group_column_of(each, codes_of_values(frame[each.name]), classes, ranks) for each in columns
    )
    return tuple(each for each in found if each is not None)


def ranks_of(truth: pd.Series[Any]) -> Array | None:
    """Return the ranks of a numerical target; None if it is not numerical or has one value."""
    kind = truth.dtype
    if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
        return None
    ranks = truth.rank().to_numpy(dtype=np.float64, na_value=np.nan)
    return ranks if np.isfinite(ranks).all() and np.ptp(ranks) > 0 else None


def group_column_of(
    column: Column, codes: Array, classes: Array | None, ranks: Array | None = None
) -> GroupColumn | None:
    """Return the groups of a column, unless they may share their target by chance.

    Parameters
    ----------
    column : Column
    codes : array
        The codes of its values, -1 if missing.
    classes : array, optional
        The codes of a target with few distinct values.
    ranks : array, optional
        The ranks of a numerical target.
    """
    named = column.kind in ("category", "text") or (
        column.kind == "number" and bool(_NAMES & set(words_of(column.name)))
    )
    if not named or (classes is None and ranks is None):
        return None
    present = codes >= 0
    sizes = np.bincount(codes[present])
    groups, rows = len(sizes), int(present.sum())
    if groups < 10 or not 3 <= np.median(sizes) <= rows / 10:
        return None
    size = float(np.median(sizes))
    if classes is not None and (pure := _purity(codes[present], sizes, classes[present])):
        return GroupColumn(column.name, groups, size, pure)
    if ranks is not None and (alike := _likeness(codes[present], sizes, ranks[present])):
        return GroupColumn(column.name, groups, size, alike, numerical=True)
    return None


def _purity(codes: Array, sizes: Array, classes: Array) -> float:
    """Return the share of groups with one class; 0 if it is small or may be chance."""
    table = counts_of(codes, classes)
    table = table[table.sum(axis=1) > 0]
    pure = table.max(axis=1) == table.sum(axis=1)
    if pure.mean() < _SHARED:
        return 0.0
    # a group of n rows has one class by chance with probability Σ share(class)ⁿ; the binomial
    # distribution with the mean probability has the wider tail (Hoeffding 1956)
    from bridle.statistics.shares import at_least  # takes longer to import than a prediction takes

    shares = np.bincount(classes) / len(codes)
    by_chance = float((shares[:, None] ** sizes[sizes > 0]).sum(0).mean())
    if at_least(int(pure.sum()), len(pure), min(by_chance, 1.0)) > _LEVEL:
        return 0.0
    return float(pure.mean())


def _likeness(codes: Array, sizes: Array, ranks: Array) -> float:
    """Return the intraclass correlation of ranks, if it is shown to be above 0.9; else 0.

    The lower bound is that of a one-way analysis of variance (Shrout and Fleiss 1979), with the
    mean size of groups that are not equal.
    """
    sizes = sizes[sizes > 0]
    groups, rows = len(sizes), len(codes)
    means = np.bincount(codes, ranks)[codes] / np.bincount(codes)[codes]
    between = float(np.square(means - ranks.mean()).sum()) / (groups - 1)
    within = float(np.square(ranks - means).sum()) / (rows - groups)
    size = (rows - float(np.square(sizes).sum()) / rows) / (groups - 1)
    if within <= 1e-12 * between:
        return 1.0 if between else 0.0
    from scipy.special import fdtri  # takes longer to import than a prediction takes

    ratio = between / within
    low = ratio / float(fdtri(groups - 1, rows - groups, 1 - _LEVEL))
    shown = (low - 1) / (low + size - 1) > _SHARED
    return (ratio - 1) / (ratio + size - 1) if shown else 0.0


def is_wide(frame: pd.DataFrame) -> bool:
    """Return whether a table has so many distinct values that rows hardly repeat by chance."""
    return frame.shape[1] >= 2 and sum(frame[name].nunique() for name in frame) >= _WIDE


def time_column(
    frame: pd.DataFrame, columns: Sequence[Column]
) -> tuple[str, pd.Series[Any]] | None:
    """Return the column of dates that the rows are in order of, with its values, if there is one.

    Parameters
    ----------
    frame : DataFrame
        The features.
    columns : sequence of Column
    """
    for column in columns:
        if column.kind != "date":
            continue
        values = frame[column.name]
        if not pd.api.types.is_datetime64_any_dtype(values.dtype):
            values = pd.to_datetime(
                as_strings(values), format=column.date_format, errors="coerce", utc=True
            )
        present = values.dropna()
        ordered = present.is_monotonic_increasing or present.is_monotonic_decreasing
        if ordered and present.nunique() > len(frame) / 2:
            return column.name, values
    return None
