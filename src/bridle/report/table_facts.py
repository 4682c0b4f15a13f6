"""What a table was read as: its columns and its target, and which columns matter to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bridle.diagnosis.importance import ImportanceOfColumns, importance_of_columns
from bridle.diagnosis.subjects.models import new_rows_of
from bridle.models.reading import Rows, rows_for_model
from bridle.models.result import FitResult
from bridle.models.table_model import TableModel
from bridle.report.formatting import number
from bridle.search import SearchResult
from bridle.tables import ClassTarget
from bridle.tables.columns import Column, as_levels
from bridle.tables.encoders import read_columns

__all__ = ["ReadColumn", "TableFacts", "facts_of"]

NewRows = tuple[str, pd.DataFrame, "pd.Series[Any]"] | None
Places = dict[str, np.ndarray[Any, np.dtype[np.int64]]]


MOST_COLUMNS = 200
"""Columns that are described one by one."""


@dataclass(frozen=True)
class ReadColumn:
    """One column as the model reads it.

    Attributes
    ----------
    name, kind : str
        The kind is that of :class:`bridle.tables.columns.Column`.
    missing : int
        The number of rows without a value.
    values : str
        What its values are, in words.
    """

    name: str
    kind: str
    missing: int
    values: str


@dataclass(frozen=True, eq=False)
class TableFacts:
    """A table as a model reads it.

    Attributes
    ----------
    rows : int
        The number of rows with a target.
    kinds : dict of str to int
        The number of columns of each kind.
    columns : tuple of ReadColumn
        At most the first 200.
    unused : tuple of str
        Columns of the table that the model does not know.
    classes : DataFrame, optional
        For classification: the number of rows of each class, by part.
    target : Series, optional
        For regression: the target's values.
    importance : ImportanceOfColumns, optional
        None if the new rows are not in the table.
    """

    rows: int
    kinds: dict[str, int]
    columns: tuple[ReadColumn, ...]
    unused: tuple[str, ...]
    classes: pd.DataFrame | None
    target: pd.Series[Any] | None
    importance: ImportanceOfColumns | None


def facts_of(model: TableModel, table: Rows, result: object = None, *, seed: int = 0) -> TableFacts:
    """Return what a table was read as, and the importance of its columns.

    Parameters
    ----------
    model : TableModel
    table : path, DataFrame or (X, y)
    result : FitResult or SearchResult, optional
        The fit or search of the table, which knows its parts.
    seed : int
        The seed of the permutations.
    """
    features, truth = rows_for_model(model, table)
    places = _places(result)
    known = model.encoder.schema
    present = [column for name, column in known.items() if name in features]
    shown = present[:MOST_COLUMNS]
    read = read_columns(features, [each for each in shown if each.kind != "constant"], {})
    if places:
        at = places["test"]
        found: NewRows = ("test", features.iloc[at], truth.iloc[at])
    else:
        found = new_rows_of(model, table)
    importance = None
    if found is not None:
        part, frame, new = found
        X, y = model.encoder.transform(frame), np.asarray(model.target.transform(new))
        importance = importance_of_columns(model, part, X, y, seed=seed)
    classes = isinstance(model.target, ClassTarget)
    return TableFacts(
        rows=len(truth),
        kinds=model.encoder.summary(),
        columns=tuple(_described(each, features[each.name], read) for each in shown),
        unused=tuple(str(name) for name in features if name not in known),
        classes=_classes(model, truth, places) if classes else None,
        target=None if classes else truth.astype(np.float64),
        importance=importance,
    )


def _places(result: object) -> Places:
    """Return the rows of each part in the table; empty if the new rows are not in it."""
    if isinstance(result, FitResult):
        return result.places
    if isinstance(result, SearchResult):
        within = result.model.facts["table"]["split"] == "test part"
        return {"test": result.observed.places["test"]} if within else {}
    return {}


def _classes(model: TableModel, truth: pd.Series[Any], places: Places) -> pd.DataFrame:
    names = model.target.classes if isinstance(model.target, ClassTarget) else ()
    codes = np.asarray(model.target.transform(truth))
    parts = {"all": np.arange(len(truth)), **places}
    return pd.DataFrame(
        {name: np.bincount(codes[at], minlength=len(names)) for name, at in parts.items()},
        index=[str(name) for name in names],
    )


def _described(column: Column, values: pd.Series[Any], read: dict[str, Any]) -> ReadColumn:
    if column.kind == "constant":
        missing = int(values.isna().sum())
        words = "no values" if column.is_empty else "one value"
        return ReadColumn(column.name, column.kind, missing, f"{words}; left out")
    own = as_levels(values, column) if column.kind == "category" else values
    own = pd.Series(read[column.name]) if column.name in read else own
    present = own[own.notna().to_numpy()]
    return ReadColumn(column.name, column.kind, len(own) - len(present), _words(column, present))


def _words(column: Column, present: pd.Series[Any]) -> str:
    if not len(present):
        return "no values in this table"
    if column.kind == "number":
        low, middle, high = (float(present.quantile(share)) for share in (0.0, 0.5, 1.0))
        return f"{number(low)} to {number(high)}, median {number(middle)}"
    if column.kind == "date":
        low, high = (each.isoformat(sep=" ") for each in (present.min(), present.max()))
        return f"{low.removesuffix(' 00:00:00')} to {high.removesuffix(' 00:00:00')}"
    counts = present.astype(str).value_counts()
    if column.kind == "text":
        return f"{len(counts):,} different texts"
    often, share = str(counts.index[0]), counts.iloc[0] / len(present)
    many = "category" if len(counts) == 1 else "categories"
    return f"{len(counts)} {many}; most often “{often}” ({100 * share:.0f} %)"
