"""Prepare a table for a search: split it, encode it, assign folds, and fit the reference."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bridle.errors import DataError
from bridle.models.reading import FitTable, values_target
from bridle.models.split import split_rows
from bridle.search.comparison import boosting_outputs
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.encoding import encode, fit_encoders
from bridle.tables import (
    ClassTarget,
    TableEncoder,
    ValueTarget,
    facts_of_table,
    target_column,
)
from bridle.tables.columns import Column, as_strings
from bridle.tables.read import ReadTable, read_with_notes
from bridle.tables.schema import with_target

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
    boosting : Tensor, optional
        The outputs of gradient boosting for the test set.
    places : dict of str to int64 array
        The positions of the "searched" and the "test" rows in their tables.
    facts : dict
        The facts about the table that the model keeps; JSON values.
    notes : tuple of str
        Remarks on the table, and warnings about it.
    reading : str
        What was understood of the table, in one line.
    """

    data: SearchData
    encoders: dict[int, TableEncoder]
    coding: ClassTarget | ValueTarget
    target: str
    X_test: dict[int, Tensor]
    y_test: Tensor
    boosting: Tensor | None
    places: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    reading: str = ""


def prepare_table(
    given: FitTable,
    test: Table | None,
    *,
    target: str,
    task: str,
    folds: int,
    seed: int,
    device: str,
    seconds: float | None,
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
    folds, seed : int
    device : str
    seconds : float or None
        The budget, which decides whether there is time for gradient boosting.

    Raises
    ------
    DataError
        If the table cannot be used.
    """
    frame, truth = given.frame, given.truth
    searched, tested = _split(given, test, target, task, seed)
    encoders = fit_encoders(searched[0], given.columns)
    coding: ClassTarget | ValueTarget = (
        ClassTarget.fit(truth if test is None else pd.concat([searched[1], tested[1]]))
        if task == "classification"
        else values_target(searched[1], pd.concat([searched[1], tested[1]]))
    )
    y = torch.from_numpy(coding.transform(searched[1]))
    classes = len(coding.classes) if isinstance(coding, ClassTarget) else 0
    if len(y) < 2 * folds:
        raise DataError(
            f"{len(y)} rows are too few for {folds} folds; give fewer folds or more rows"
        )
    fold = torch.from_numpy(fold_of_rows(y.numpy(), folds, classes, seed))
    X, X_test = (encode(encoders, rows) for rows, _ in (searched, tested))
    places = {"searched": searched[0].index.to_numpy(), "test": tested[0].index.to_numpy()}
    return PreparedTable(
        data=SearchData(X, y, fold, classes, device),
        encoders=encoders,
        coding=coding,
        target=target,
        X_test=X_test,
        y_test=torch.from_numpy(coding.transform(tested[1])),
        boosting=boosting_outputs(X[0], y, X_test[0], classes=classes, seed=seed, seconds=seconds),
        places=places,
        facts={
            **facts_of_table(
                frame[list(encoders[0].columns)],
                truth,
                places["searched"],
                split="test part" if test is None else "none",
            ),
            "marks": given.marks,
        },
        notes=given.notes,
        reading=given.read.line,
    )


def _split(
    given: FitTable,
    test: Table | None,
    target: str,
    task: str,
    seed: int,
) -> tuple[_Part, _Part]:
    """Return the rows to search on, and the test set."""
    frame, truth = given.frame, given.truth
    if test is not None:
        known = {column.name: column for column in given.columns} | {target: _as_column(truth)}
        read = read_with_notes(
            test, given.read.options, known=known, prior=given.read.marks, units=given.read.units
        )
        return (frame, truth), target_column(with_target(read.frame, target)[0], target)
    codes = ClassTarget.fit(truth).transform(truth) if task == "classification" else None
    rest, held = split_rows(len(truth), codes, seed)
    return (frame.iloc[rest], truth.iloc[rest]), (frame.iloc[held], truth.iloc[held])


def _as_column(truth: pd.Series[Any]) -> Column:
    """Return the target as a column: numbers, or labels as they are written."""
    if pd.api.types.is_numeric_dtype(truth.dtype) and not pd.api.types.is_bool_dtype(truth.dtype):
        return Column(str(truth.name), "number")
    return Column(str(truth.name), "category", categories=tuple(as_strings(truth).unique()))
