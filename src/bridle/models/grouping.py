"""The groups and the times of rows, which say what a split must keep apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError, UsageError, did_you_mean
from bridle.tables.columns import as_strings
from bridle.tables.dates import parse_dates
from bridle.tables.missing import USUAL
from bridle.tables.read import ReadTable
from bridle.tables.schema import columns_of

__all__ = [
    "By",
    "Grouping",
    "count_groups",
    "facts_of_grouping",
    "grouping_of",
    "groups_of",
    "is_column",
    "known_groups",
    "not_later",
    "same_grouping",
]

Array = np.ndarray[Any, np.dtype[Any]]

By = Any
"""What rows are grouped or ordered by: the name of a column, or a value for each row."""

_SAMPLE = 64
_TIMES_OF_DAY = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")


@dataclass(frozen=True, eq=False)
class Grouping:
    """The groups and the times of rows.

    Attributes
    ----------
    groups : int64 ``[rows]``, optional
        The group of each row, counted from 0 in the order of the rows.
    names : tuple of str
        The name of each group.
    times : int64 ``[rows]``, optional
        The rank of each row's time, from 0. Equal times have equal ranks.
    moments : tuple of str
        The time of each rank, in words; in an order that is that of the times.
    group_column, time_column : str, optional
        The columns that they were taken from; None if they were given as values.
    """

    groups: Array | None = None
    names: tuple[str, ...] = ()
    times: Array | None = None
    moments: tuple[str, ...] = ()
    group_column: str | None = None
    time_column: str | None = None

    def take(self, rows: Array) -> Grouping:
        """Return the groups and times of some rows; their codes stay the same."""
        parts = (None if each is None else each[rows] for each in (self.groups, self.times))
        groups, times = parts
        return replace(self, groups=groups, times=times)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are left out of the features."""
        given = (self.group_column, self.time_column)
        return tuple(dict.fromkeys(name for name in given if name is not None))

    @property
    def group_words(self) -> str:
        """What the groups are, for a sentence."""
        return "groups" if self.group_column is None else repr(self.group_column)

    @property
    def time_words(self) -> str:
        """What the times are, for a sentence."""
        return "time" if self.time_column is None else repr(self.time_column)


def groups_of(grouping: Grouping | None, rows: Array) -> Array | None:
    """Return the groups of some rows; None if they have none."""
    return None if grouping is None else grouping.take(rows).groups


def count_groups(grouping: Grouping | None, places: Mapping[str, Array]) -> dict[str, int]:
    """Return the number of groups in each part; empty without groups."""
    if grouping is None or grouping.groups is None:
        return {}
    return {name: len(np.unique(grouping.groups[at])) for name, at in places.items()}


def is_column(by: By) -> bool:
    """Return whether rows are grouped by the name of a column, not by given values."""
    return isinstance(by, str) or (by is not None and np.ndim(by) == 0)


def grouping_of(
    read: ReadTable, kept: Array, groups: By, time: By, *, target: str
) -> tuple[Grouping | None, tuple[str, ...]]:
    """Return the groups and times of the rows that are kept, and notes; None if none are given.

    Parameters
    ----------
    read : ReadTable
    kept : bool ``[rows]``
        The rows that have a target.
    groups, time : str or array, optional
    target : str
        The column to predict.

    Raises
    ------
    UsageError
        If one is the target, or has another length than the table.
    DataError
        If there is no such column, a value is missing, or the times are no times.
    """
    if groups is None and time is None:
        return None, ()
    found, notes = Grouping(), []
    values = {"groups": groups, "time": time}
    if is_column(groups) and is_column(time) and str(groups) == str(time):
        raise UsageError(
            f"groups and time are both {str(groups)!r}; give time alone, since equal times are "
            "never on both sides of a split"
        )
    for kind, by in values.items():
        if by is None:
            continue
        column = str(by) if is_column(by) else None
        series = _values(read.frame, by, kind, target)[kept].reset_index(drop=True)
        said = repr(column) if column is not None else kind
        _check_present(series, said, np.flatnonzero(kept), kind)
        if kind == "groups":
            codes, names = pd.factorize(as_strings(series))
            found = replace(found, groups=codes.astype(np.int64), names=tuple(names))
            found = replace(found, group_column=column)
        else:
            ranks, moments, doubts = _ranks(series, said, read)
            found = replace(found, times=ranks, moments=moments, time_column=column)
            notes += doubts
    return found, tuple(notes)


def _values(frame: pd.DataFrame, by: By, kind: str, target: str) -> pd.Series[Any]:
    if is_column(by):
        name = str(by)
        if name == target:
            raise UsageError(f"{kind} is {name!r}, the target; give another column")
        if name not in frame.columns:
            hint = did_you_mean(name, frame.columns)
            raise DataError(f"no column {name!r} for {kind}; {hint}")
        return frame[name]
    if np.ndim(by) != 1:
        raise UsageError(
            f"{kind} has the shape {list(np.shape(by))}; give the name of a column, or a value for "
            "each row"
        )
    given = by.reset_index(drop=True) if isinstance(by, pd.Series) else pd.Series(np.asarray(by))
    if len(given) != len(frame):
        raise UsageError(
            f"{kind} has {len(given)} values, but the table has {len(frame)} rows; give the name "
            "of a column, or a value for each row"
        )
    return given


def _check_present(values: pd.Series[Any], said: str, rows: Array, kind: str) -> None:
    absent = as_strings(values).isin([None, *USUAL]).to_numpy()
    if absent.any():
        what = "which group these rows belong to" if kind == "groups" else "when they were"
        raise DataError(
            f"{said} is missing in {int(absent.sum())} of {len(values)} rows (the first is row "
            f"{rows[absent.argmax()] + 1}), so that it is unknown {what}; fill the values in, or "
            "leave those rows out"
        )


def _ranks(
    values: pd.Series[Any], said: str, read: ReadTable
) -> tuple[Array, tuple[str, ...], list[str]]:
    """Return the rank of each time, the time of each rank in words, and notes."""
    named = values.rename("time" if values.name is None else str(values.name))
    (column,), doubts = columns_of(named.to_frame(), date_format=read.options.date_format)
    if pd.api.types.is_datetime64_any_dtype(named.dtype):
        moments = pd.to_datetime(named, utc=True).dt.tz_localize(None)
    elif pd.api.types.is_numeric_dtype(named.dtype) and not pd.api.types.is_bool_dtype(named.dtype):
        numbers = named.to_numpy(dtype=np.float64)
        distinct, ranks = np.unique(numbers, return_inverse=True)
        return ranks.astype(np.int64), tuple(f"{each:.15g}" for each in distinct), doubts
    else:
        moments = parse_dates(as_strings(named), column.date_format)
        if moments.isna().any() or column.date_format in _TIMES_OF_DAY:
            at = int(moments.isna().to_numpy().argmax()) if moments.isna().any() else 0
            what = "a time of day" if column.date_format in _TIMES_OF_DAY else "no date or number"
            raise DataError(
                f"{said} cannot order the rows: {str(values.iloc[at])!r} is {what}; give a column "
                "of dates or numbers, or say with --date-format how its dates are written"
            )
    distinct, ranks = np.unique(moments.to_numpy(), return_inverse=True)
    return ranks.astype(np.int64), tuple(_moment(pd.Timestamp(each)) for each in distinct), doubts


def _moment(time: pd.Timestamp) -> str:
    return str(time.date() if time == time.normalize() else time)


def _hashed(names: Sequence[str]) -> list[str]:
    hashes = (hashlib.sha256(name.encode()).hexdigest()[:16] for name in names)
    return sorted(hashes)[:_SAMPLE]


def _fingerprint(grouping: Grouping) -> str:
    digest = hashlib.sha256()
    for codes in (grouping.groups, grouping.times):
        digest.update(b"-" if codes is None else codes.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def facts_of_grouping(grouping: Grouping | None, trained: Array) -> dict[str, Any]:
    """Return what a model keeps about the groups and times of its rows; JSON values.

    It has the columns, a fingerprint by which the same rows are recognized, the number of training
    groups with the 64 lowest hashes of their names, and the last time of a training row.
    """
    if grouping is None:
        return {}
    found: dict[str, Any] = {"fingerprint": _fingerprint(grouping)}
    if grouping.groups is not None:
        names = [grouping.names[code] for code in np.unique(grouping.groups[trained])]
        found["groups"] = {
            "column": grouping.group_column,
            "trained_on": len(names),
            "sample": _hashed(names),
        }
    if grouping.times is not None:
        last = grouping.moments[int(grouping.times[trained].max())]
        found["time"] = {"column": grouping.time_column, "until": last}
    return {"grouping": found}


def same_grouping(facts: Mapping[str, Any], grouping: Grouping | None) -> bool:
    """Return whether rows have the groups and times that a model was fitted with."""
    recorded = (facts.get("table") or {}).get("grouping") or {}
    if grouping is None:
        return not recorded
    return bool(recorded.get("fingerprint") == _fingerprint(grouping))


def known_groups(facts: Mapping[str, Any], grouping: Grouping | None) -> float:
    """Return the share of a model's training groups that are among these, from a sample of them."""
    recorded = ((facts.get("table") or {}).get("grouping") or {}).get("groups") or {}
    sample = set(recorded.get("sample", ()))
    if not sample or grouping is None or grouping.groups is None:
        return 0.0
    names = {grouping.names[code] for code in np.unique(grouping.groups)}
    hashes = {hashlib.sha256(name.encode()).hexdigest()[:16] for name in names}
    return len(sample & hashes) / len(sample)


def not_later(facts: Mapping[str, Any], grouping: Grouping | None) -> str:
    """Return what is wrong if new rows are not later than a model's training rows, else nothing."""
    recorded = ((facts.get("table") or {}).get("grouping") or {}).get("time") or {}
    if not recorded or grouping is None or grouping.times is None:
        return ""
    values = pd.Series([recorded["until"], *grouping.moments])
    numbers = pd.to_numeric(values, errors="coerce")
    order = numbers if numbers.notna().all() else pd.to_datetime(values, errors="coerce")
    early = (order.iloc[1:] <= order.iloc[0]).to_numpy()[grouping.times]
    if not early.any():
        return ""
    return (
        f"{int(early.sum())} of {len(early)} rows are not later than the last row that the model "
        f"was trained on ({grouping.time_words} {recorded['until']}): this is not its score "
        "for the future"
    )
