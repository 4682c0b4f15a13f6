"""The groups and the times of rows, which say what a split must keep apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError, UsageError, did_you_mean
from bridle.models.row_forms import (
    By,
    is_column,
    names_of,
    plain_times,
    ranks_of,
    series_of,
    state_of,
)
from bridle.tables.columns import Column, as_strings
from bridle.tables.missing import USUAL
from bridle.tables.read import ReadTable

__all__ = [
    "Grouping",
    "count_groups",
    "facts_of_grouping",
    "grouping_of",
    "groups_of",
    "known_groups",
    "not_later",
    "same_grouping",
]

Array = np.ndarray[Any, np.dtype[Any]]

_SAMPLE = 64


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
    group_form, time_form : Column, optional
        How they are written.
    same_form : bool
        Whether the groups have the form that was asked for. Otherwise they cannot be compared.
    """

    groups: Array | None = None
    names: tuple[str, ...] = ()
    times: Array | None = None
    moments: tuple[str, ...] = ()
    group_column: str | None = None
    time_column: str | None = None
    group_form: Column | None = None
    time_form: Column | None = None
    same_form: bool = True

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


def grouping_of(
    read: ReadTable,
    kept: Array,
    groups: By,
    time: By,
    *,
    target: str,
    forms: Mapping[str, Column] | None = None,
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
    forms : mapping of str to Column, optional
        The forms in which a model has its groups and times, by "groups" and "time".

    Raises
    ------
    UsageError
        If one is the target, is no list of values, or has another length than the table.
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
        said = repr(column) if column is not None else kind
        series = _values(read, by, kind, target)[kept].reset_index(drop=True)
        _check_present(series, said, np.flatnonzero(kept), kind)
        form = (forms or {}).get(kind)
        if kind == "groups":
            texts, form, same = names_of(series, read.options.date_format, form)
            codes, names = pd.factorize(texts)
            found = replace(found, groups=codes.astype(np.int64), names=tuple(names))
            found = replace(found, group_column=column, group_form=form, same_form=same)
        else:
            ranks, moments, form, doubts = ranks_of(series, said, read.options.date_format, form)
            found = replace(found, times=ranks, moments=moments, time_column=column, time_form=form)
            notes += doubts
    return found, tuple(notes)


def _values(read: ReadTable, by: By, kind: str, target: str) -> pd.Series[Any]:
    frame = read.frame
    if is_column(by):
        name = str(by)
        if name == target:
            raise UsageError(f"{kind} is {name!r}, the target; give another column")
        if name not in frame.columns:
            hint = did_you_mean(name, frame.columns)
            raise DataError(f"no column {name!r} for {kind}; {hint}")
        column: pd.Series[Any] = frame[name]
        odd = isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind == "c"
        if kind == "time" and odd:
            return plain_times(column, read.options, repr(name)).rename(name)
        return column
    given = series_of(by, kind)
    if len(given) != len(frame):
        raise UsageError(
            f"{kind} has {len(given)} values, but the table has {len(frame)} rows; give the name "
            "of a column, or a value for each row"
        )
    return plain_times(given, read.options, kind) if kind == "time" else given


def _check_present(values: pd.Series[Any], said: str, rows: Array, kind: str) -> None:
    absent = as_strings(values).isin([None, *USUAL]).to_numpy()
    if absent.any():
        what = "which group these rows belong to" if kind == "groups" else "when they were"
        raise DataError(
            f"{said} is missing in {int(absent.sum())} of {len(values)} rows (the first is row "
            f"{rows[absent.argmax()] + 1}), so that it is unknown {what}; fill the values in, or "
            "leave those rows out"
        )


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
    groups with the 64 lowest hashes of their names, the last time of a training row, and how groups
    and times are written.
    """
    if grouping is None:
        return {}
    found: dict[str, Any] = {"fingerprint": _fingerprint(grouping)}
    if grouping.groups is not None:
        names = [grouping.names[code] for code in np.unique(grouping.groups[trained])]
        found["groups"] = {
            "column": grouping.group_column,
            **({} if grouping.group_form is None else state_of(grouping.group_form)),
            "trained_on": len(names),
            "sample": _hashed(names),
        }
    if grouping.times is not None:
        last = grouping.moments[int(grouping.times[trained].max())]
        written = {} if grouping.time_form is None else state_of(grouping.time_form)
        found["time"] = {"column": grouping.time_column, "until": last, **written}
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
    """Return what is wrong if new rows are not later than a model's training rows, else nothing.

    Dates are compared in UTC; those without a time zone are taken as UTC.
    """
    recorded = ((facts.get("table") or {}).get("grouping") or {}).get("time") or {}
    if not recorded or grouping is None or grouping.times is None:
        return ""
    until = str(recorded["until"])
    kind = recorded.get("kind") or ("date" if _as_numbers([until]) is None else "number")
    if grouping.time_form is not None and grouping.time_form.kind != kind:
        return (
            f"the rows' times are {grouping.time_form.kind}s, but those of training were {kind}s "
            f"(until {until}): it cannot be told whether the rows are later"
        )
    words = [until, *grouping.moments]
    order: Any = _as_numbers(words)
    if kind == "date":  # one form for all: a moment at midnight is written without the time
        order = pd.to_datetime(pd.Series(words), format="ISO8601", utc=True).tolist()
    early = np.array([each <= order[0] for each in order[1:]])[grouping.times]
    if not early.any():
        return ""
    return (
        f"{int(early.sum())} of {len(early)} rows are not later than the last row that the model "
        f"was trained on ({grouping.time_words} {recorded['until']}): this is not its score "
        "for the future"
    )


def _as_numbers(words: Sequence[str]) -> list[Decimal] | None:
    """Return exact numbers, or None if a word is no number."""
    try:
        return [Decimal(word) for word in words]
    except InvalidOperation:
        return None
