"""Prepare a table for a search: split it, encode it, assign folds, and fit the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bridle.checks import CheckResult
from bridle.checks.tables import Parts, table_checks, told
from bridle.errors import DataError, UsageError
from bridle.models.group_split import check_after, check_apart, earlier_and_later, grouped_folds
from bridle.models.grouping import Grouping, facts_of_grouping, grouping_of
from bridle.models.reading import FitTable, values_target
from bridle.models.row_forms import By, is_column
from bridle.models.split import split_rows
from bridle.models.split_notes import absent_classes
from bridle.search.comparison import begin_boosting
from bridle.search.data import FOLDS, SearchData, enough_folds, fold_of_rows
from bridle.search.encoding import encode, encoded_rows, fit_encoders
from bridle.tables import (
    ClassTarget,
    TableEncoder,
    ValueTarget,
    facts_of_table,
    target_column,
)
from bridle.tables.columns import Column, as_strings
from bridle.tables.formats import acting
from bridle.tables.read import ReadTable, read_with_notes
from bridle.tables.schema import has_target, with_target

__all__ = ["PreparedTable", "Table", "prepare_table"]

Table = str | PathLike[str] | pd.DataFrame | ReadTable
_Part = tuple[pd.DataFrame, "pd.Series[Any]"]


@dataclass(frozen=True, eq=False)
class PreparedTable:
    """A table in the form that a search needs, with its test set.

    Attributes
    ----------
    data : SearchData
        The rows to search on.
    encoders : dict of int to TableEncoder
        By the number of bins.
    coding : ClassTarget or ValueTarget
        How the target is encoded.
    target : str
        The column to predict.
    X_test : dict of int to Tensor
        The test set in each encoding.
    y_test : Tensor
    begin_boosting : callable
        Begins to fit gradient boosting, and returns a function that waits for its outputs for the
        test set, or None.
    places : dict of str to int64 array
        The positions of the "searched" and the "test" rows in their tables.
    facts : dict
        The facts about the table that the model keeps; JSON values.
    notes : tuple of str
        Remarks on the table, and warnings about it.
    reading : str
        What was understood of the table, in one line.
    grouping : dict of str to Grouping
        The groups and times of the "searched" and the "test" rows; empty without them.
    checks : tuple of CheckResult
        The checks of the table and of its split.
    """

    data: SearchData
    encoders: dict[int, TableEncoder]
    coding: ClassTarget | ValueTarget
    target: str
    X_test: dict[int, Tensor]
    y_test: Tensor
    begin_boosting: Callable[[], Callable[[], Tensor | None]]
    places: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    reading: str = ""
    grouping: dict[str, Grouping] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()

    def groups_of(self, part: str) -> np.ndarray[Any, Any] | None:
        """Return the groups of the rows of a part; None if they have none."""
        return self.grouping[part].groups if part in self.grouping else None


def prepare_table(
    given: FitTable,
    test: Table | None,
    *,
    target: str,
    task: str,
    folds: int | None,
    seed: int,
    device: str,
    seconds: float | None,
    memory: float,
    groups: By = None,
    time: By = None,
    bins: int | None = None,
    resumed: bool = False,
    beside: bool = False,
) -> PreparedTable:
    """Prepare a table for a search.

    Parameters
    ----------
    given : FitTable
        The features, the target, and the kinds of the columns.
    test : path or DataFrame, optional
        Other rows to test on. Default: a fifth of the table.
    target : str
    task : {"classification", "regression"}
    folds : int or None
        The number of folds. None is five, of which a large table has only some.
    seed : int
    device : str
    seconds : float or None
        The budget, which decides whether there is time for gradient boosting.
    memory : float
        In bytes; little memory means fewer bins.
    groups, time : str or array, optional
        What ``given`` was read with; a table of test rows needs the same columns.
    bins, resumed
        As in :func:`bridle.search.encoding.fit_encoders`.
    beside : bool
        As in :func:`bridle.search.comparison.begin_boosting`.

    Raises
    ------
    DataError
        If the table cannot be used.
    """
    frame, truth = given.frame, given.truth
    searched, tested, grouping, remarks = _split(given, test, target, task, seed, groups, time)
    encoders = fit_encoders(searched[0], given.columns, memory, device, bins=bins, resumed=resumed)
    coding: ClassTarget | ValueTarget = (
        ClassTarget.fit(truth if test is None else pd.concat([searched[1], tested[1]]))
        if task == "classification"
        else values_target(searched[1], pd.concat([searched[1], tested[1]]))
    )
    y = torch.from_numpy(coding.transform(searched[1]))
    classes = len(coding.classes) if isinstance(coding, ClassTarget) else 0
    fold, trained = _folds(y.numpy(), grouping.get("searched"), folds, classes, seed)
    X, X_test = (encode(encoders, rows) for rows, _ in (searched, tested))
    places = {"searched": searched[0].index.to_numpy(), "test": tested[0].index.to_numpy()}
    split = {"training": places["searched"]} | ({} if test is not None else places)
    checked = _checks(given, searched, tested, None if test is None else target)
    boosting = partial(
        begin_boosting,
        X[0],
        y,
        X_test[0],
        classes=classes,
        seed=seed,
        seconds=seconds,
        beside=beside,
    )
    return PreparedTable(
        data=SearchData(
            X,
            y,
            torch.from_numpy(fold),
            classes,
            device,
            None if trained is None else torch.from_numpy(trained),
            encoders[0].numbers,
            encoded_rows(encoders, X, device),
        ),
        encoders=encoders,
        coding=coding,
        target=target,
        X_test=X_test,
        y_test=torch.from_numpy(coding.transform(tested[1])),
        begin_boosting=cache(boosting),
        places=places,
        facts={
            **facts_of_table(
                frame[list(encoders[0].columns)],
                truth,
                places["searched"],
                split="test part" if test is None else "none",
            ),
            "marks": given.marks,
            **facts_of_grouping(given.grouping, places["searched"]),
        },
        notes=(
            *told(given.notes, given.warned, checked),
            *absent_classes(given.grouping, truth, split, task),
            *remarks,
        ),
        reading=given.read.line,
        grouping=grouping,
        checks=tuple(checked),
    )


def _folds(
    y: np.ndarray[Any, Any], by: Grouping | None, folds: int | None, classes: int, seed: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Return the fold of each row, and the rows that each fold trains on if rows have times."""
    count = FOLDS if folds is None else folds
    if len(y) < 2 * count:
        raise DataError(
            f"{len(y)} rows are too few for {count} folds; give fewer folds or more rows"
        )
    if by is None:
        assign = enough_folds if folds is None else fold_of_rows
        return assign(y, count, classes, seed), None
    fold = grouped_folds(by, y if classes else None, count, seed)
    return fold, earlier_and_later(by, fold, count)


def _checks(
    given: FitTable, searched: _Part, tested: _Part, others: str | None
) -> list[CheckResult]:
    """Return the checks of the table; ``others`` is the target if the test rows are not of it."""
    training, new = (part[0].index.to_numpy() for part in (searched, tested))
    if others is None:
        parts = Parts(training, new)
        return table_checks(
            given.frame, given.truth, given.columns, given.warned, parts, **given.kept_apart
        )
    frame = pd.concat([searched[0], tested[0]], ignore_index=True)
    truth = pd.concat([searched[1], tested[1]], ignore_index=True).rename(others)
    parts = Parts(np.arange(len(training)), np.arange(len(training), len(frame)))
    return table_checks(frame, truth, given.columns, given.warned, parts, **given.kept_apart)


def _split(
    given: FitTable,
    test: Table | None,
    target: str,
    task: str,
    seed: int,
    groups: By,
    time: By,
) -> tuple[_Part, _Part, dict[str, Grouping], tuple[str, ...]]:
    """Return the rows to search on, the test set, the groups and times of both, and remarks."""
    frame, truth = given.frame, given.truth
    if test is not None:
        known = {column.name: column for column in given.columns} | {target: _as_column(truth)}
        known = {**_columns_apart(given.grouping), **known}
        options = acting(given.read.options, test)
        read = read_with_notes(
            test, options, known=known, prior=given.read.marks, units=given.read.units
        )
        kept, notes = with_target(read.frame, target)
        grouping = _grouping_with_test(given, read, groups, time, target)
        remarks = tuple(f"test table: {note}" for note in (*read.notes, *notes))
        return (frame, truth), target_column(kept, target), grouping, remarks
    codes = ClassTarget.fit(truth).transform(truth) if task == "classification" else None
    rest, held = split_rows(len(truth), codes, seed, given.grouping)
    by = given.grouping
    grouping = {} if by is None else {"searched": by.take(rest), "test": by.take(held)}
    parts = [(frame.iloc[rows], truth.iloc[rows]) for rows in (rest, held)]
    return parts[0], parts[1], grouping, ()


def _grouping_with_test(
    given: FitTable, read: ReadTable, groups: By, time: By, target: str
) -> dict[str, Grouping]:
    """Return the groups and times of the table and of its test table, which must be apart."""
    if given.grouping is None:
        return {}
    for name, by in (("groups", groups), ("time", time)):
        if by is not None and not is_column(by):
            raise UsageError(
                f"{name} has a value for each row of the table, but the rows of the test table "
                f"need one too; give the name of a column"
            )
        if by is not None and str(by) not in read.frame.columns:
            raise DataError(f"no column {str(by)!r} for {name} in the test table; add it")
    forms = {"groups": given.grouping.group_form, "time": given.grouping.time_form}
    alike = {name: form for name, form in forms.items() if form is not None}
    own, _ = grouping_of(
        read, has_target(read.frame, target), groups, time, target=target, forms=alike
    )
    if own is not None and not own.same_form:
        raise DataError(
            f"the groups of {own.group_words} in the test table are written in another form than "
            "in the table, so that it cannot be told which are the same; write them alike"
        )
    both = [each.frame[list(given.grouping.columns)] for each in (given.read, read)]
    joined = replace(given.read, frame=pd.concat(both, ignore_index=True))
    kept = np.concatenate([has_target(each.frame, target) for each in (given.read, read)])
    found, _ = grouping_of(joined, kept, groups, time, target=target, forms=alike)
    assert found is not None  # noqa: S101
    rows = np.arange(int(kept.sum()))
    first, second = found.take(rows[: len(given.truth)]), found.take(rows[len(given.truth) :])
    check_apart(first, second)
    check_after(first, second)
    return {"searched": first, "test": second}


def _columns_apart(by: Grouping | None) -> dict[str, Column]:
    """Return the columns of groups and times as the table has them."""
    if by is None:
        return {}
    pairs = ((by.group_column, by.group_form), (by.time_column, by.time_form))
    return {name: form for name, form in pairs if name is not None and form is not None}


def _as_column(truth: pd.Series[Any]) -> Column:
    """Return the target as a column: numbers, or labels as they are written."""
    if pd.api.types.is_numeric_dtype(truth.dtype) and not pd.api.types.is_bool_dtype(truth.dtype):
        return Column(str(truth.name), "number")
    return Column(str(truth.name), "category", categories=tuple(as_strings(truth).unique()))
