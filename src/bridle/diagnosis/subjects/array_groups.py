"""The groups and times that are given beside arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.diagnosis.subjects.options import Options
from bridle.errors import DataError, UsageError
from bridle.models.group_split import earlier_and_later, grouped_folds
from bridle.models.grouping import Grouping
from bridle.models.row_forms import is_column

__all__ = ["folds_by", "groups_of_arrays", "shared_groups"]

Array = np.ndarray[Any, np.dtype[Any]]

_KEYS = {"data": "held out", "training": "training", "test": "test"}


def groups_of_arrays(options: Options, rows: Mapping[str, int]) -> dict[str, Array]:
    """Return the group of each row by part, as codes that are common to all parts.

    Parameters
    ----------
    options : Options
    rows : mapping of str to int
        The number of rows of each part.

    Raises
    ------
    UsageError
        If they are no values for the rows of a part.
    DataError
        If one is missing.
    """
    if options.groups is None:
        return {}
    by = options.groups if isinstance(options.groups, Mapping) else {"data": options.groups}
    values: dict[str, pd.Series[Any]] = {}
    for key, given in by.items():
        part = _KEYS.get(str(key), "")
        if part not in rows:
            raise UsageError(
                f"groups has the key {key!r}; it may have one for each of the given rows: "
                f"{', '.join(repr(k) for k, p in _KEYS.items() if p in rows)}"
            )
        values[part] = _values(given, rows[part], f"the groups of {key}")
    codes = pd.factorize(pd.concat(values.values(), ignore_index=True))[0]
    ends = np.cumsum([len(each) for each in values.values()])[:-1]
    return dict(zip(values, np.split(codes.astype(np.int64), ends), strict=True))


def _values(given: Any, rows: int, said: str) -> pd.Series[Any]:
    if is_column(given) or len(given) != rows:
        count = repr(given) if is_column(given) else f"{len(given)} values"
        raise UsageError(f"{said} is {count}, but there are {rows} rows; give a value for each")
    series = pd.Series(np.asarray(given))
    if series.isna().any():
        raise DataError(
            f"{said}, row {int(series.isna().to_numpy().argmax()) + 1}: the value is missing; fill "
            "it in, or leave the row out"
        )
    return series


def shared_groups(groups: Mapping[str, Array]) -> str:
    """Return what is wrong if a group is in training and among the new rows, else nothing."""
    known = set(groups.get("training", np.empty(0)).tolist())
    for name, codes in groups.items():
        both = known & set(codes.tolist())
        if name != "training" and both:
            return (
                f"{len(both)} groups of the {name} rows are also in the training rows, so the gap "
                "cannot be judged; give rows of groups that the model has not seen"
            )
    return ""


def folds_by(
    options: Options, groups: Array | None, y: Array, *, classes: bool
) -> list[tuple[Array, Array]] | None:
    """Return the rows of each fold, training and held out; None without groups and times."""
    if options.folds is None or (options.groups is None and options.time is None):
        return None
    if options.groups is not None and groups is None:
        raise UsageError(
            "folds need the groups of the training rows; give groups={'data': ..., 'training': ...}"
        )
    times: Array | None = None
    moments: tuple[str, ...] = ()
    if options.time is not None:
        values = _values(options.time, len(y), "time")
        times, distinct = pd.factorize(values, sort=True)
        moments = tuple(map(str, distinct))
    grouping = Grouping(groups, (), times, moments)
    codes = np.unique(y, return_inverse=True)[1] if classes else None
    fold = grouped_folds(grouping, codes, options.folds, options.seed)
    trained = earlier_and_later(grouping, fold, options.folds)
    return [
        (np.flatnonzero(fold != at if trained is None else trained[at]), np.flatnonzero(fold == at))
        for at in range(options.folds)
    ]
