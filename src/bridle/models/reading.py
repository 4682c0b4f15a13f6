"""Read the table of a fit, and the tables of a model as that model reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from bridle.errors import DataError, UsageError
from bridle.models.grouping import Grouping, grouping_of, same_grouping
from bridle.models.row_forms import By, check_rows, columns_apart, forms_of, is_column
from bridle.models.split import without_columns
from bridle.models.split_notes import split_notes
from bridle.tables.arrays import table_of
from bridle.tables.columns import Column
from bridle.tables.encoder import TableEncoder
from bridle.tables.numbers import Marks
from bridle.tables.options import ReadOptions
from bridle.tables.read import ReadTable, Table, read_with_notes
from bridle.tables.schema import check_date_format, columns_of, has_target, with_target
from bridle.tables.strings import composed
from bridle.tables.target import ClassTarget, ValueTarget, target_column, task_of
from bridle.tables.target_checks import MAX_CLASSES
from bridle.tables.warnings import TableWarning, warnings_on

__all__ = [
    "FitTable",
    "Rows",
    "fitted_by",
    "read_for_fit",
    "read_for_model",
    "rows_for_model",
    "schema_of",
    "values_target",
    "with_task",
]


Rows = Table | ReadTable | tuple[Any, Any]
"""A table, or ``(X, y)``."""


class Reader(Protocol):
    """What reads tables as its own: a :class:`bridle.TableModel`."""

    @property
    def encoder(self) -> TableEncoder: ...
    @property
    def target(self) -> ClassTarget | ValueTarget: ...
    @property
    def target_name(self) -> str: ...
    @property
    def facts(self) -> dict[str, Any]: ...


@dataclass(frozen=True, eq=False)
class FitTable:
    """A table to fit to, with the kinds of its columns.

    Attributes
    ----------
    frame, truth : DataFrame, Series
        The features and the target, without rows whose target is missing.
    columns : tuple of Column
        The kinds of the features, decided from all rows.
    read : ReadTable
        How the table was read.
    notes : tuple of str
        What was left out, or taken in one of several ways, and what makes scores look too good.
    grouping : Grouping, optional
        The groups and times of the rows, which splits respect. Their columns are not features.
    warned : tuple of TableWarning
        The warnings among the notes.
    """

    frame: pd.DataFrame
    truth: pd.Series[Any]
    columns: tuple[Column, ...]
    read: ReadTable
    notes: tuple[str, ...]
    grouping: Grouping | None = None
    warned: tuple[TableWarning, ...] = ()

    @property
    def kept_apart(self) -> dict[str, bool]:
        """Whether the split keeps groups whole, and follows the time."""
        by = self.grouping
        return {
            "grouped": by is not None and by.groups is not None,
            "ordered": by is not None and by.times is not None,
        }

    @property
    def marks(self) -> dict[str, Any]:
        """The marks and units of the table's numbers; JSON values."""
        return {**asdict(self.read.marks), "units": self.read.units}


def read_for_fit(
    table: Table | ReadTable,
    target: str,
    drop: Sequence[str],
    reading: ReadOptions | None = None,
    *,
    groups: By = None,
    time: By = None,
) -> FitTable:
    """Read a table, decide the kinds of its columns, and look for what makes scores misleading.

    Parameters
    ----------
    table : path, DataFrame or ReadTable
    target : str
    drop : sequence of str
        Columns to leave out.
    reading : ReadOptions, optional
    groups, time : str or array, optional
        What splits must keep together, and in order. A column of that name is no feature.

    Raises
    ------
    UsageError
        If the groups or times have another length than the table, or are the target.
    DataError
        If the table cannot be used.
    """
    drop = [str(drop)] if isinstance(drop, (str, int)) else list(map(str, drop))
    drop, target = [*map(composed, drop)], composed(target)
    groups, time = (composed(by) if isinstance(by, str) else by for by in (groups, time))
    read = read_with_notes(table, reading, target=target)
    _check_finite(read.frame, drop)
    left_out = {*drop, *(str(by) for by in (groups, time) if is_column(by))}
    frame, notes = with_target(without_columns(read.frame, drop, target), target)
    grouping: Grouping | None = None
    doubted: tuple[str, ...] = ()
    if target in frame.columns:
        kept = has_target(read.frame, target)
        grouping, doubted = grouping_of(read, kept, groups, time, target=target)
        frame = frame.drop(columns=[name for name in left_out if name in frame.columns])
    features, truth = target_column(frame, target)
    if notes and truth.nunique() < 2:
        raise DataError(
            f"the target {target!r} is {truth.tolist()[0]!r} in every row that has one "
            f"({notes[0]}); give rows of two or more classes or values"
        )
    columns, doubts = columns_of(features, read.missing, read.options.date_format)
    if read.options.date_format is not None:
        forms = () if grouping is None else (grouping.group_form, grouping.time_form)
        known = [*columns, *(form for form in forms if form is not None)]
        every = read.frame[has_target(read.frame, target)].drop(columns=target)
        check_date_format(every, known, read.options.date_format, drop)
    told = [note for note in read.notes if not any(f" {name!r}" in note for name in drop)]
    warned = warnings_on(
        features, truth, columns, grouped=groups is not None, ordered=time is not None
    )
    said = split_notes(grouping, truth)
    told = [*told, *notes, *doubts, *doubted, *said, *map(str, warned)]
    return FitTable(features, truth, columns, read, tuple(told), grouping, warned)


def with_task(given: FitTable, task: str) -> tuple[FitTable, str]:
    """Return a table and its task, with a note if few whole numbers are taken as values.

    Raises
    ------
    DataError
        As for :func:`bridle.tables.target.task_of`.
    """
    truth, found = given.truth, task_of(given.truth, task)
    if task == "auto" and found == "regression" and truth.nunique() <= MAX_CLASSES:
        numbers = truth.to_numpy(dtype=np.float64)
        if (numbers == np.floor(numbers)).all():
            note = (
                f"the target {truth.name!r} has {truth.nunique()} whole numbers in {len(truth)} "
                "rows; as nearly all differ, they are values, and the task is regression"
            )
            given = replace(given, notes=(*given.notes, note))
    return given, found


def _check_finite(frame: pd.DataFrame, drop: Sequence[str]) -> None:
    """Refuse infinite numbers; here, since the parts of a split no longer know the file's rows."""
    for name, values in frame.items():
        if name in drop or not pd.api.types.is_float_dtype(values.dtype):
            continue
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        infinite = np.flatnonzero(np.isinf(numbers))
        if len(infinite):
            raise DataError(
                f"column {name!r}, row {infinite[0] + 1}: the value is {numbers[infinite[0]]}; "
                "replace infinite values or leave their cells empty"
            )


def values_target(training: pd.Series[Any], every: pd.Series[Any]) -> ValueTarget:
    """Return the target of a regression, fitted to the training rows.

    Networks compute in single precision. An outlier that is millions of times as far from the mean
    as the other values makes them equal after standardization. Such a target is refused.

    Parameters
    ----------
    training, every : Series
        The target of the training rows, and of all rows.

    Raises
    ------
    DataError
        If the target is not numerical, not finite or constant, or if most of its distinct values
        are equal in single precision.
    """
    coding = ValueTarget.fit(training)
    seen = ValueTarget.fit(every).transform(every)  # whichever part has the outlier
    exact = every.to_numpy(dtype=np.float64)
    before, after = len(np.unique(exact)), len(np.unique(seen))
    if 2 * after >= before:
        return coding
    outlier = exact[np.abs(exact - np.median(exact)).argmax()]
    raise DataError(
        f"the target {every.name!r} has the outlier {outlier:g}. Beside it, other values are equal "
        f"in single precision (float32): of {before:,} distinct values, {after:,} remain. Correct "
        "that value, or leave out its row"
    )


def schema_of(model: Reader) -> dict[str, Column]:
    """Return the columns of a model by name, with its target."""
    return {**model.encoder.schema, model.target_name: model.target.column(model.target_name)}


def read_for_model(
    model: Reader, table: Rows, reading: ReadOptions | None = None, *, kept_apart: bool = False
) -> ReadTable:
    """Read a table, or ``(X, y)``, as a model reads it, whatever its cells look like.

    With ``kept_apart``, its columns of groups and times too, which predictions do not need.
    """
    if isinstance(table, tuple) and len(table) == 2:
        table = table_of(*table, name=model.target_name)[0]
    stated: Mapping[str, Any] = (model.facts.get("table") or {}).get("marks") or {}
    sep = stated.get("sep")  # earlier files do not have it
    prior = Marks(
        str(stated.get("decimal", ".")),
        str(stated.get("thousands", "")),
        None if sep is None else str(sep),
    )
    units = stated.get("units")
    known = schema_of(model)
    if kept_apart:
        known = {**columns_apart(model.facts), **known}
    return read_with_notes(
        table,
        reading,
        known=known,
        prior=prior,
        units=units if isinstance(units, dict) else None,
    )


def rows_for_model(model: Reader, table: Rows) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Return the features and the target of the rows that have a target.

    Raises
    ------
    DataError
        If the table cannot be read, or lacks the target.
    """
    frame, _ = with_target(read_for_model(model, table).frame, model.target_name)
    return target_column(frame, model.target_name)


def fitted_by(model: Reader, table: Rows, groups: By, time: By) -> Grouping | None:
    """Return the groups and times of the table that a model was fitted to.

    Raises
    ------
    UsageError
        If the model was fitted without what is given, or needs what is not given.
    DataError
        If the table lacks a column, or has other groups or times.
    """
    recorded = (model.facts.get("table") or {}).get("grouping") or {}
    given = {"groups": groups, "time": time}
    check_rows(table, groups, time)
    for kind, by in given.items():
        column = (recorded.get(kind) or {}).get("column")
        if kind not in recorded and by is not None:
            raise UsageError(
                f"{kind} is given, but the model was fitted to this table without {kind}, so that "
                f"its training and test rows are not apart in it; fit it with {kind}"
            )
        if kind in recorded and by is None and column is None:
            raise UsageError(
                f"the model was fitted with {kind} given as values, which split the rows of this "
                f"table; give the same {kind}"
            )
        given[kind] = column if by is None else by
    if not recorded:
        return None
    read = read_for_model(model, table, kept_apart=True)
    kept = has_target(read.frame, model.target_name)
    found, _ = grouping_of(
        read, kept, **given, target=model.target_name, forms=forms_of(model.facts)
    )
    if not same_grouping(model.facts, found):
        raise DataError(
            "the table has other groups or times than those that split the rows which the model "
            "was fitted to; give the same table, groups and times"
        )
    return found
