"""Rows for a model that are no file: a frame, a dict, a list of dicts, a Series, an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError, did_you_mean
from bridle.tables.formats import from_frame_like
from bridle.tables.plain_arrays import plain_array, row_by_name

__all__ = ["as_frame", "is_array"]


def is_array(source: Any) -> bool:
    """Return whether rows are an array, or lists of values; their columns have no names.

    Examples
    --------
    >>> is_array([[1, 2]]), is_array([{"a": 1}]), is_array(np.zeros((1, 2)))
    (True, False, True)
    """
    if isinstance(source, (list, tuple)):
        rows = map(row_by_name, [] if _is_named(source) else source)
        return not source or not all(isinstance(row, (Mapping, pd.Series)) for row in rows)
    if hasattr(source, "toarray"):
        return True
    if isinstance(source, (pd.DataFrame, pd.Series, Mapping)):
        return False
    names = getattr(getattr(source, "dtype", None), "names", None)
    return hasattr(source, "__array__") and not hasattr(source, "columns") and not names


def _is_named(source: Any) -> bool:
    return isinstance(row_by_name(source), Mapping)


def as_frame(source: Any, names: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame with names for its columns.

    Parameters
    ----------
    source : object
        A DataFrame, or what has a method to become one; one row as a dict or a Series; several
        rows as a list of them; or rows without names: a two-dimensional array or a list of lists.
    names : sequence of str
        The columns that the model was fitted to, in their order.

    Returns
    -------
    DataFrame
        A DataFrame keeps its index, and the name of a Series is its row's.

    Raises
    ------
    DataError
        If it is none of these, if the width of an array is not the number of names, or if a row of
        a list lacks a column.

    Examples
    --------
    >>> as_frame([[1, "a"], [2, "b"]], ["x", "y"])
       x  y
    0  1  a
    1  2  b
    >>> as_frame({"y": "a", "x": 1}, ["x", "y"])
       y  x
    0  a  1
    >>> as_frame([1, 2], ["x", "y"])
    Traceback (most recent call last):
        ...
    bridle.errors.DataError: a list of values is no table; give one list a row: [[…], […]]
    """
    if isinstance(source, pd.DataFrame):
        return source
    if isinstance(source, pd.Series):
        index = None if source.name is None else [source.name]
        return _row(_by_name(source, names), index)
    source = row_by_name(source)
    if isinstance(source, Mapping):
        return _row(source, used=names)
    if isinstance(source, (list, tuple)) and source and not is_array(source):
        return _rows([row_by_name(row) for row in source], names)
    if is_array(source):
        return _from_array(source, names)
    if getattr(getattr(source, "dtype", None), "names", None):
        array = plain_array(source)
        return pd.DataFrame({name: array[name] for name in array.dtype.names or ()})
    return from_frame_like(source)


def _by_name(row: pd.Series[Any], names: Sequence[str]) -> dict[str, Any]:
    """Return a Series as a dict; refuse one whose index has none of the columns' names."""
    values = {str(name): value for name, value in zip(row.index, row.tolist(), strict=True)}
    if len(values) < len(row):
        raise DataError("the Series has a name twice; give one value for each column")
    if names and not values.keys() & set(names):
        raise DataError(
            f"a Series is one row, and its index has the columns' names, such as {names[0]!r}; for "
            "one column of many rows, give series.to_frame()"
        )
    return values


def _row(
    values: Mapping[Any, Any], index: list[Any] | None = None, used: Sequence[str] = ()
) -> pd.DataFrame:
    """Return one row, or the rows of a dict of lists."""
    if not values:
        raise DataError("the dict is empty; give a value for each column of the model")
    lists = [key for key, value in values.items() if _is_list(value)]
    if not lists or not any(str(key) in used for key in lists):
        return pd.DataFrame({str(key): [value] for key, value in values.items()}, index=index)
    if len(lists) < len(values):
        raise DataError(
            f"the dict has a list at {lists[0]!r} and single values at others; give one value for "
            "each column, or lists of the same length"
        )
    try:
        return pd.DataFrame(dict(values))
    except ValueError as error:
        raise DataError(
            f"the dict has lists of several lengths ({error}); give lists of the same length"
        ) from error


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (hasattr(value, "__array__") and np.ndim(value) > 0)


def _rows(rows: Sequence[Any], names: Sequence[str]) -> pd.DataFrame:
    """Return rows that are dicts or Series; each must have all columns of the model."""
    found = [{str(key): value for key, value in row.items()} for row in rows]
    for number, row in enumerate(found, 1):
        for name in names:
            if name not in row and any(name in other for other in found):
                raise DataError(
                    f"row {number} of the list lacks {name!r}; {did_you_mean(name, row)}. Give "
                    "None for a missing value"
                )
    every = dict.fromkeys(name for row in found for name in row)
    columns = {name: [row.get(name) for row in found] for name in every}
    return pd.DataFrame(columns)


def _from_array(source: Any, names: Sequence[str]) -> pd.DataFrame:
    """Return rows whose values are in the order of the columns in training."""
    rows: Any = source if isinstance(source, (list, tuple)) else plain_array(source)
    if isinstance(rows, np.ndarray) and rows.ndim != 2:
        raise DataError(
            f"the array has the shape {list(rows.shape)}; give one of two dimensions, "
            f"[rows, {len(names)}]"
        )
    if isinstance(rows, (list, tuple)):
        if not all(_is_list(row) for row in rows):
            what = "values" if rows and np.ndim(rows[0]) == 0 else "objects"
            raise DataError(f"a list of {what} is no table; give one list a row: [[…], […]]")
        if any(row_by_name(row) is not row for row in rows):
            raise DataError("some rows of the list have names for their values and others have not")
        rows = [list(plain_array(row) if hasattr(row, "__array__") else row) for row in rows]
    for number, row in enumerate(rows if len(rows) else [], 1):
        if len(row) != len(names):
            shown = ", ".join(map(repr, names[:5])) + (" …" if len(names) > 5 else "")
            raise DataError(
                f"row {number} of the array has {len(row)} values, but the model was fitted to "
                f"{len(names)} columns; give these, in this order: {shown}"
            )
        if isinstance(rows, np.ndarray):
            break  # all have the same length
    return pd.DataFrame(rows, columns=pd.Index(names)).infer_objects()
