"""Warnings before training: what makes a score look better than it is, or a column useless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import Column, as_strings
from bridle.tables.fingerprint import without_noise
from bridle.tables.labels import blanks_note
from bridle.tables.structure import (
    GroupColumn,
    class_codes,
    codes_of_values,
    counts_of,
    group_column_of,
    is_wide,
    ranks_of,
    time_column,
    words_of,
)

__all__ = ["MIN_ROWS", "TableWarning", "warnings_on"]

Array = np.ndarray[Any, np.dtype[Any]]

MIN_ROWS = 30
"""With fewer rows, what the warnings look for can be chance."""

_DUPLICATES = 0.1
_GIVEN_AWAY = 0.995  # the share of rows whose target a column tells
_SURELY_GIVEN = 0.95  # what this share must be shown to exceed, or the warning has no code
_FEW_ROWS = 5  # fewer missing values, or rows of a class, can agree by chance
_NAMES_OF_ROWS = frozenset(("id", "nr", "key"))
_FAR_CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0)


@dataclass(frozen=True)
class TableWarning:
    """What makes a score look better than it is, or a column useless.

    Attributes
    ----------
    text : str
        What was found.
    code : str
        The code of the check that it belongs to, if there is one. Of BR011, BR013 and BR014 the
        split of the rows decides whether they fail.
    advice : str
        What to do, if the text does not say it.
    evidence : dict
        The column and the numbers that decided.
    """

    text: str
    code: str = ""
    advice: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the warning in one line, with its code."""
        text = f"{self.text}; {self.advice}" if self.advice else self.text
        return f"{self.code} {text}" if self.code else text


def warnings_on(
    frame: pd.DataFrame,
    truth: pd.Series[Any],
    columns: Sequence[Column],
    *,
    grouped: bool = False,
    ordered: bool = False,
) -> tuple[TableWarning, ...]:
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
    tuple of TableWarning
    """
    labels = [TableWarning(text) for text in _labels(truth)]
    if len(frame) < MIN_ROWS:
        return tuple(labels)
    classes, ranks, found = class_codes(truth), ranks_of(truth), labels
    for column in columns:
        if column.kind == "constant":
            continue
        values = frame[column.name]
        codes = codes_of_values(values)
        found += _identifier(column, values, codes)
        alike = None if grouped else group_column_of(column, codes, classes, ranks)
        if alike is not None:
            found.append(_of_groups(alike))
        else:
            found += _gives_target_away(column, values, codes, truth, classes)
        found += [TableWarning(text) for text in _codes_for_missing(column, values)]
    found += _duplicates(frame, columns)
    found += [] if ordered else _order(frame, columns)
    return tuple(found)


def _labels(truth: pd.Series[Any]) -> Iterable[str]:
    """Warn about classes that are hardly meant: different in case only."""
    name = truth.name
    if pd.api.types.is_numeric_dtype(truth.dtype):
        return
    texts = as_strings(truth)
    distinct = texts.dropna().unique()
    yield from _as_written(truth)
    folded: dict[str, list[str]] = {}
    for label in distinct:
        folded.setdefault(" ".join(str(label).casefold().split()), []).append(label)
    for alike in folded.values():
        if len(alike) > 1:
            yield (
                f"the classes {', '.join(map(repr, sorted(alike)))} of {name!r} differ in case or "
                "blanks only; write them alike if they are one"
            )


def _as_written(truth: pd.Series[Any]) -> Iterable[str]:
    """Tell of labels in memory that a model gives back as strings of another form."""
    name = str(truth.name)
    every = truth.cat.categories if isinstance(truth.dtype, pd.CategoricalDtype) else truth
    if pd.api.types.is_numeric_dtype(every.dtype):
        return
    kinds = sorted({type(label).__name__ for label in every})
    if len(kinds) > 1 or not all(isinstance(label, (str, bool, int)) for label in every):
        yield (
            f"the labels of {name!r} are of the type {' and '.join(kinds)}; its classes are "
            f"strings, such as {str(as_strings(pd.Series(every[:1])).iloc[0])!r}"
        )
    elif isinstance(truth.dtype, pd.CategoricalDtype):
        blank = next((each for each in every if str(each) != str(each).strip()), None)
        if blank is not None:
            yield blanks_note(name, str(blank))


def _gives_target_away(
    column: Column,
    values: pd.Series[Any],
    codes: Array,
    truth: pd.Series[Any],
    classes: Array | None,
) -> list[TableWarning]:
    """Warn about a column from which the target can be read off."""
    name = column.name

    def leak(
        how: str, code: str = "BR010", low: float | None = None, **evidence: float
    ) -> list[TableWarning]:
        evidence |= {} if low is None else {"low": low}
        text = f"{name!r} gives the target away{how}"
        advice = f"if it is known only afterwards, leave it out with --drop {name}"
        return [TableWarning(text, code, advice, {"column": name, **evidence})]

    numeric = pd.api.types.is_numeric_dtype(values.dtype)
    target_numeric = pd.api.types.is_numeric_dtype(truth.dtype)
    if numeric and target_numeric and not pd.api.types.is_bool_dtype(values.dtype):
        pair = np.stack([each.to_numpy(dtype=float, na_value=np.nan) for each in (values, truth)])
        pair = pair[:, np.isfinite(pair).all(axis=0)]
        pair /= np.abs(pair).max(axis=1, initial=1e-300, keepdims=True)  # squares stay finite
        if pair.shape[1] >= MIN_ROWS and (pair.std(axis=1) > 0).all():
            together = abs(float(np.corrcoef(pair)[0, 1]))
            if together > 0.9999:
                return leak(f" (correlation {together:.5f})", correlation=together)
    if classes is None:
        return []
    if (gaps := _told_by_missing(codes, classes)) is not None:
        right, row, missing = gaps
        exactly = "exactly" if right == len(codes) else "nearly exactly"
        where = f"{truth.name!r} is {truth.iloc[row : row + 1].tolist()[0]!r}"
        how = f": it is {'missing' if missing else 'present'} {exactly} where {where}"
        return leak(how, *_sure(right, len(codes)), told=right / len(codes))
    distinct = int(codes.max()) + 1
    if 2 <= distinct <= len(codes) / 5:
        right = int(counts_of(codes, classes).max(axis=1).sum())
        told = right / len(codes)
        most = np.bincount(classes).max() / len(classes)
        if told >= _GIVEN_AWAY and most < 0.95:
            how = f": it tells it in {100 * told:.1f} % of the rows"
            return leak(how, *_sure(right, len(codes)), told=told)
    elif column.kind == "number":
        order = np.argsort(values.to_numpy(dtype=float, na_value=np.nan), kind="stable")
        changes = int((np.diff(classes[order]) != 0).sum())
        if changes <= len(np.unique(classes)) - 1 and len(codes) >= 3 * MIN_ROWS:
            return leak(": sorted by it, each class is one block", changes=changes)
    return []


def _sure(right: int, rows: int) -> tuple[str, float]:
    """Return the code of the check if it is sure that most rows are told, and the lower bound."""
    from bridle.statistics.shares import exact  # takes longer to import than a prediction takes

    low = exact(right, rows)[0]
    return ("BR010" if low > _SURELY_GIVEN else ""), low


def _told_by_missing(codes: Array, classes: Array) -> tuple[int, int, bool] | None:
    """Find the class whose rows are those with, or without, missing values.

    Returns
    -------
    tuple, optional
        The number of rows that agree, a row of the class, and whether its values are missing.
    """
    missing = codes < 0
    if not _FEW_ROWS <= missing.sum() <= len(codes) - _FEW_ROWS:
        return None
    for absent in (True, False):
        for code, count in enumerate(np.bincount(classes)):
            here = classes == code
            right = int(((missing == here) == absent).sum())
            enough = _FEW_ROWS <= count <= len(codes) - _FEW_ROWS
            if enough and right >= _GIVEN_AWAY * len(codes):
                return right, int(here.argmax()), absent
    return None


def _identifier(column: Column, values: pd.Series[Any], codes: Array) -> list[TableWarning]:
    """Warn about a column that counts or names the rows."""
    name, rows = column.name, len(codes)
    if int(codes.max()) + 1 < rows:
        return []
    advice, evidence = f"leave it out with --drop {name}", {"column": name, "distinct": rows}
    another = f"{name!r} looks like an identifier, with another value in each row"
    if column.kind == "number" and _is_whole(values):
        steps = np.diff(values.to_numpy())
        if (steps == 1).all() or (steps == -1).all():
            text = f"{name!r} is the position of the row"
            return [TableWarning(text, "BR012", advice, evidence)]
        words = words_of(name)
        if words[-1] == "no" or set(words) & _NAMES_OF_ROWS:  # no_of_rooms is a count
            return [TableWarning(another, "BR012", advice, evidence)]
    if column.kind == "text":
        texts = values.dropna().astype(str)
        if not texts.str.contains(r"\s").any():
            return [TableWarning(another, "BR012", advice, evidence)]
    return []


def _is_whole(values: pd.Series[Any]) -> bool:
    """Return whether a column has whole numbers only; an array with other columns has floats."""
    if pd.api.types.is_float_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return bool((numbers == np.floor(numbers)).all())
    return pd.api.types.is_integer_dtype(values.dtype)


def _codes_for_missing(column: Column, values: pd.Series[Any]) -> list[str]:
    """Warn about a number such as -999 that may mean a missing value."""
    if column.kind != "number" or pd.api.types.is_bool_dtype(values.dtype):
        return []
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    for code in _FAR_CODES:
        here = numbers == code
        others = numbers[~here & np.isfinite(numbers)]
        if here.sum() < 3 or len(others) < MIN_ROWS:
            continue
        low, high = others.min(), others.max()
        if max(low - code, code - high) > 2 * max(high - low, 1e-12):
            return [
                f"{column.name!r} is {code:g} in {int(here.sum())} rows, far from all other "
                f"values; if it means a missing value, give --missing {code:g}"
            ]
    return []


def _of_groups(found: GroupColumn) -> TableWarning:
    share = (
        "whose rows have nearly the same target" if found.numerical else "which share their target"
    )
    return TableWarning(
        f"the rows are grouped: about {found.size:.0f} rows for each of {found.groups} values of "
        f"{found.column!r}, {share}; a random split puts rows of one group on both sides, so "
        f"scores for new groups will be lower. Give --groups {found.column}",
        "BR013",
        evidence={"column": found.column, "groups": found.groups, "size": found.size},
    )


def _duplicates(frame: pd.DataFrame, columns: Sequence[Column]) -> list[TableWarning]:
    used = [column.name for column in columns if column.kind != "constant"]
    plain = frame[used]
    if not is_wide(plain):
        return []
    twice, how = int(plain.duplicated().sum()), ""
    coarse = without_noise(plain) if twice < _DUPLICATES * len(plain) else None
    if coarse is not None:
        twice, how = int(coarse.duplicated().sum()), ", up to the last digits"
    if twice < _DUPLICATES * len(plain):
        return []
    return [
        TableWarning(
            f"{twice} of {len(plain)} rows repeat another row{how}; a repeated row can be in "
            "training and in the test set, so scores look too good. If they are copies, leave "
            "them out",
            "BR011",
            evidence={"rows": twice},
        )
    ]


def _order(frame: pd.DataFrame, columns: Sequence[Column]) -> list[TableWarning]:
    """Warn about rows in order of time."""
    found = time_column(frame, columns)
    if found is None:
        return []
    return [
        TableWarning(
            f"the rows are in order of time ({found[0]!r}); a random split trains on later rows "
            "than it tests on, so scores for the future will be lower. Give --time "
            f"{found[0]}",
            "BR014",
            evidence={"column": found[0]},
        )
    ]
