"""Warnings before training: what makes a score look better than it is, or a column useless."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import Column, as_strings

__all__ = ["warnings_on"]

Array = np.ndarray[Any, np.dtype[Any]]

_MIN_ROWS = 30  # with fewer rows, what follows can be chance
_DUPLICATES = 0.1
_GIVEN_AWAY = 0.995  # the share of rows whose target a column tells
_NAMES = frozenset(("id", "key", "patient", "subject", "person", "user", "customer", "household"))
"""A number in a column of such a name is a name."""

_SEPARATORS = re.compile(r"[\W_]+")
_FAR_CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0)


def warnings_on(
    frame: pd.DataFrame,
    truth: pd.Series[Any],
    columns: Sequence[Column],
    *,
    grouped: bool = False,
    ordered: bool = False,
) -> tuple[str, ...]:
    """Return warnings on a table, each with what to do.

    Parameters
    ----------
    frame, truth : DataFrame, Series
        The features and the target.
    columns : sequence of Column
    grouped, ordered : bool
        Whether the split keeps groups whole, and follows the time: then there is nothing to warn
        about.

    Returns
    -------
    tuple of str
    """
    if len(frame) < _MIN_ROWS:
        return tuple(_labels(truth))
    classes = _class_codes(truth)
    found = list(_labels(truth))
    for column in columns:
        if column.kind == "constant":
            continue
        values = frame[column.name]
        codes = pd.factorize(values.astype(object) if values.dtype == object else values)[0]
        found += _identifier(column, values, codes)
        alike = [] if grouped else _groups(column, codes, classes)
        found += alike or _gives_target_away(column, values, codes, truth, classes)
        found += _codes_for_missing(column, values)
    found += _duplicates(frame, columns)
    found += [] if ordered else _order(frame, columns)
    return tuple(found)


def _class_codes(truth: pd.Series[Any]) -> Array | None:
    """Return the codes of a target that has few distinct values."""
    codes, distinct = pd.factorize(truth)
    return codes if 2 <= len(distinct) <= max(20, len(truth) // 10) else None


def _labels(truth: pd.Series[Any]) -> Iterable[str]:
    """Warn about classes that are hardly meant: one row each, or different in case only."""
    name = truth.name
    if pd.api.types.is_numeric_dtype(truth.dtype):
        return
    texts = as_strings(truth)
    distinct = texts.dropna().unique()
    if len(texts) > 3 and len(distinct) > 0.9 * len(texts):
        yield (
            f"the target {name!r} has {len(distinct)} classes in {len(texts)} rows, nearly one row "
            "each; nothing can be learned of them. Give another --target"
        )
        return
    folded: dict[str, list[str]] = {}
    for label in distinct:
        folded.setdefault(" ".join(str(label).casefold().split()), []).append(label)
    for alike in folded.values():
        if len(alike) > 1:
            yield (
                f"the classes {', '.join(map(repr, sorted(alike)))} of {name!r} differ in case or "
                "blanks only; write them alike if they are one"
            )


def _gives_target_away(
    column: Column,
    values: pd.Series[Any],
    codes: Array,
    truth: pd.Series[Any],
    classes: Array | None,
) -> list[str]:
    """Warn about a column from which the target can be read off."""
    advice = "if it is known only afterwards, leave it out with --drop " + column.name
    numeric = pd.api.types.is_numeric_dtype(values.dtype)
    target_numeric = pd.api.types.is_numeric_dtype(truth.dtype)
    if numeric and target_numeric and not pd.api.types.is_bool_dtype(values.dtype):
        pair = np.stack([each.to_numpy(dtype=float, na_value=np.nan) for each in (values, truth)])
        pair = pair[:, np.isfinite(pair).all(axis=0)]
        if pair.shape[1] >= _MIN_ROWS and (pair.std(axis=1) > 0).all():
            together = abs(float(np.corrcoef(pair)[0, 1]))
            if together > 0.9999:
                return [
                    f"{column.name!r} gives the target away (correlation {together:.5f}); {advice}"
                ]
    if classes is None:
        return []
    distinct = int(codes.max()) + 1
    if 2 <= distinct <= len(codes) / 5:
        told = _counts(codes, classes).max(axis=1).sum() / len(codes)
        most = np.bincount(classes).max() / len(classes)
        if told >= _GIVEN_AWAY and most < 0.95:
            return [
                f"{column.name!r} gives the target away: it tells it in {100 * told:.1f} % of the "
                f"rows; {advice}"
            ]
    elif column.kind == "number":
        order = np.argsort(values.to_numpy(dtype=float, na_value=np.nan), kind="stable")
        changes = int((np.diff(classes[order]) != 0).sum())
        if changes <= len(np.unique(classes)) - 1 and len(codes) >= 3 * _MIN_ROWS:
            return [
                f"{column.name!r} gives the target away: sorted by it, each class is one block; "
                f"{advice}"
            ]
    return []


def _counts(codes: Array, classes: Array) -> Array:
    """Return the number of rows of each value (a missing one is the first) and class."""
    rows, columns = int(codes.max()) + 2, int(classes.max()) + 2
    flat = (codes + 1) * columns + classes + 1
    return np.bincount(flat, minlength=rows * columns).reshape(rows, columns)


def _identifier(column: Column, values: pd.Series[Any], codes: Array) -> list[str]:
    """Warn about a column that counts or names the rows."""
    name, rows = column.name, len(codes)
    if int(codes.max()) + 1 < rows:
        return []
    advice = f"leave it out with --drop {name}"
    if column.kind == "number" and pd.api.types.is_integer_dtype(values.dtype):
        steps = np.diff(values.to_numpy(dtype=np.int64))
        if (steps == 1).all() or (steps == -1).all():
            return [f"{name!r} is the position of the row; {advice}"]
        if any(word in name.lower().replace("-", "_").split("_") for word in ("id", "nr", "key")):
            return [f"{name!r} looks like an identifier, with another value in each row; {advice}"]
    if column.kind == "text":
        texts = values.dropna().astype(str)
        if not texts.str.contains(r"\s").any():
            return [f"{name!r} looks like an identifier, with another value in each row; {advice}"]
    return []


def _codes_for_missing(column: Column, values: pd.Series[Any]) -> list[str]:
    """Warn about a number such as -999 that may mean a missing value."""
    if column.kind != "number" or pd.api.types.is_bool_dtype(values.dtype):
        return []
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    for code in _FAR_CODES:
        here = numbers == code
        others = numbers[~here & np.isfinite(numbers)]
        if here.sum() < 3 or len(others) < _MIN_ROWS:
            continue
        low, high = others.min(), others.max()
        if max(low - code, code - high) > 2 * max(high - low, 1e-12):
            return [
                f"{column.name!r} is {code:g} in {int(here.sum())} rows, far from all other "
                f"values; if it means a missing value, give --missing {code:g}"
            ]
    return []


def _groups(column: Column, codes: Array, classes: Array | None) -> list[str]:
    """Warn about a column that names groups of rows which share their target."""
    named = column.kind in ("category", "text") or (
        column.kind == "number" and bool(_NAMES & set(_SEPARATORS.split(column.name.lower())))
    )
    if not named or classes is None:
        return []
    present = codes >= 0
    sizes = np.bincount(codes[present])
    groups, rows = len(sizes), int(present.sum())
    if groups < 10 or not 3 <= np.median(sizes) <= rows / 10:
        return []
    table = _counts(codes[present], classes[present])
    table = table[table.sum(axis=1) > 0]
    pure = (table.max(axis=1) == table.sum(axis=1)).mean()
    if pure < 0.9:
        return []
    return [
        f"the rows are grouped: about {np.median(sizes):.0f} rows for each of {groups} values of "
        f"{column.name!r}, which share their target; a random split puts rows of one group on both "
        f"sides, so scores for new groups will be lower. Give --groups {column.name}"
    ]


def _duplicates(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    used = [column.name for column in columns if column.kind != "constant"]
    if len(used) < 2:
        return []
    plain = frame[used]
    wide = sum(plain[name].nunique() for name in used)
    twice = int(plain.duplicated().sum())
    if twice < _DUPLICATES * len(plain) or wide < 50:
        return []
    return [
        f"{twice} of {len(plain)} rows repeat another row; a repeated row can be in training and "
        "in the test set, so scores look too good. If they are copies, leave them out"
    ]


def _order(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """Warn about rows in order of time."""
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
            return [
                f"the rows are in order of time ({column.name!r}); a random split trains on later "
                f"rows than it tests on, so scores for the future will be lower. Give --time "
                f"{column.name}"
            ]
    return []
