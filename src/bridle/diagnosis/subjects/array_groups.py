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
from bridle.models.row_forms import is_column, names_of, plain_times, ranks_of, series_of
from bridle.tables.arrays import check_index
from bridle.tables.columns import Column
from bridle.tables.options import ReadOptions

__all__ = ["folds_by", "groups_of_arrays", "shared_groups"]

Array = np.ndarray[Any, np.dtype[Any]]

_KEYS = {"data": "held out", "training": "training", "test": "test"}


def groups_of_arrays(
    options: Options, rows: Mapping[str, int], given: Mapping[str, Any]
) -> dict[str, Array]:
    """Return the group of each row by part, as codes that are common to all parts.

    Parameters
    ----------
    options : Options
    rows : mapping of str to int
        The number of rows of each part.
    given : mapping of str to (X, y)
        Each part as given, with its index.

    Raises
    ------
    UsageError
        If they are no values for the rows of a part, or have an index that is not that of the rows,
        or another form than those of another part.
    DataError
        If one is missing.
    """
    check_index(given.get("training"), options.time, "time")
    if options.groups is None:
        return {}
    by = options.groups if isinstance(options.groups, Mapping) else {"data": options.groups}
    values: dict[str, pd.Series[Any]] = {}
    form: Column | None = None
    for key, each in by.items():
        part = _KEYS.get(str(key), "")
        if part not in rows:
            raise UsageError(
                f"groups has the key {key!r}; it may have one for each of the given rows: "
                f"{', '.join(repr(k) for k, p in _KEYS.items() if p in rows)}"
            )
        check_index(given[part], each, "groups")
        series = _values(each, rows[part], f"the groups of {key}")
        values[part], form, same = names_of(series, None, form)
        if not same:
            raise UsageError(
                f"the groups of {key} are written in another form than those of "
                f"{next(iter(by))}, so that it cannot be told which are the same; write them alike"
            )
    codes = pd.factorize(pd.concat(values.values(), ignore_index=True))[0]
    ends = np.cumsum([len(each) for each in values.values()])[:-1]
    return dict(zip(values, np.split(codes.astype(np.int64), ends), strict=True))


def _values(given: Any, rows: int, said: str) -> pd.Series[Any]:
    series = None if is_column(given) else series_of(given, said)
    if series is None or len(series) != rows:
        count = repr(given) if series is None else f"{len(series)} values"
        raise UsageError(f"{said} is {count}, but there are {rows} rows; give a value for each")
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
        values = plain_times(values, ReadOptions(), "time")
        times, moments, _, _ = ranks_of(values, "time", None)
    grouping = Grouping(groups, (), times, moments)
    codes = np.unique(y, return_inverse=True)[1] if classes else None
    fold = grouped_folds(grouping, codes, options.folds, options.seed)
    trained = earlier_and_later(grouping, fold, options.folds)
    return [
        (np.flatnonzero(fold != at if trained is None else trained[at]), np.flatnonzero(fold == at))
        for at in range(options.folds)
    ]
