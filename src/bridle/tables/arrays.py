"""A table from features ``X`` and a target ``y``: arrays, lists, frames, Series and tensors."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError, UsageError
from bridle.tables.formats import from_frame_like
from bridle.tables.options import ReadOptions
from bridle.tables.plain_arrays import plain_array, row_by_name
from bridle.tables.read import ReadTable, read_with_notes
from bridle.tables.strings import composed

__all__ = ["Features", "Target", "check_index", "table_of"]

Features = str | PathLike[str] | pd.DataFrame | ReadTable | Any
"""A table, or features ``X``: an array, a list of rows, a Series or a tensor."""

Target = str | int | Any
"""The name of a column, or a target ``y``: one value for each row."""

_LABELS = (str, bool, int, float, np.bool_, np.integer, np.floating)


def table_of(
    table: Features,
    target: Target,
    reading: ReadOptions | None = None,
    *,
    name: str | None = None,
) -> tuple[str | PathLike[str] | pd.DataFrame | ReadTable, str]:
    """Return a table that has its target as a column, and that column's name.

    Parameters
    ----------
    table : path, DataFrame, array, list, Series or tensor
    target : str, int, array, list, Series or tensor
        The name of a column, or one value for each row of the table.
    reading : ReadOptions, optional
        What overrules the signs of a file.
    name : str, optional
        The name for a target that is given by its values. Default: its own, or "target".

    Raises
    ------
    UsageError
        If the target is missing, or has not one value for each row; or if an array does not have
        the shape ``[rows, features]``.
    DataError
        If the labels are of several types, or of none that a model can keep.

    Examples
    --------
    >>> frame, name = table_of([[1, 2], [3, 4]], ["no", "yes"])
    >>> name, frame.columns.tolist(), frame["target"].tolist()
    ('target', [0, 1, 'target'], ['no', 'yes'])
    """
    if target is None:
        raise UsageError(
            "the target is missing; give the name of its column, such as fit(table, target='y'), "
            "or its values: fit(X, y)"
        )
    if isinstance(target, (str, int, np.integer)) and not isinstance(target, bool):
        return _frame_unless_path(table), composed(str(target))
    read: ReadTable | None = None
    if isinstance(table, (str, os.PathLike)):
        read = read_with_notes(table, reading)
    elif isinstance(table, ReadTable):
        read = table
    frame = _frame_of(table) if read is None else read.frame
    y = _target_of(target, frame, name)
    joined = pd.concat([frame.reset_index(drop=True), y.reset_index(drop=True)], axis=1)
    return (joined if read is None else replace(read, frame=joined)), str(y.name)


def _frame_unless_path(table: Features) -> str | PathLike[str] | pd.DataFrame | ReadTable:
    if isinstance(table, (str, os.PathLike, ReadTable)):
        return table
    return _frame_of(table)


def _frame_of(X: Any) -> pd.DataFrame:
    """Return features as a DataFrame; the columns of an array are named by their numbers."""
    if isinstance(X, pd.DataFrame) or hasattr(X, "to_pandas") or hasattr(X, "to_df"):
        found: Any = X if isinstance(X, pd.DataFrame) else _from_other(X)
        return found.to_frame() if isinstance(found, pd.Series) else found
    if isinstance(X, pd.Series):
        return X.to_frame()
    if isinstance(X, Mapping):
        return pd.DataFrame(X)
    if isinstance(X, (list, tuple)):
        rows = [row_by_name(row) for row in X]
        named = [isinstance(row, Mapping) for row in rows]
        if any(named) and not all(named):
            raise UsageError("some rows of X have names for their values and others have not")
        return pd.DataFrame(rows) if rows and all(named) else _from_rows(rows)
    array = _array_of(X)
    if array.dtype.names is not None:
        return pd.DataFrame({name: _column(array[name]) for name in array.dtype.names})
    if array.ndim != 2:
        raise UsageError(
            f"X has the shape {list(array.shape)}; it must be [rows, features]"
            + (", such as X.reshape(-1, 1)" if array.ndim == 1 else "")
        )
    if array.dtype == object:
        return pd.DataFrame({at: _column(array[:, at]) for at in range(array.shape[1])})
    return pd.DataFrame(array)


def _column(values: np.ndarray[Any, Any]) -> Any:
    """Return a column of an array; numbers beside missing values are numbers."""
    return pd.Series(values.tolist()) if values.dtype == object else plain_array(values)


def _from_other(X: Any) -> Any:
    if hasattr(X, "to_pandas"):  # polars and Arrow; a Series of theirs too
        found = X.to_pandas()
        if isinstance(found, pd.Series):
            return found
    return from_frame_like(X)


def _from_rows(X: Sequence[Any]) -> pd.DataFrame:
    """Return a DataFrame of rows; each column keeps its own type."""
    rows = [_row(row) for row in X]
    if not rows or not all(isinstance(row, list) for row in rows):
        raise UsageError("X must be a list of rows, such as [[1, 2], [3, 4]]; give a value or more")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise UsageError(
            f"the rows of X have {min(lengths)} to {max(lengths)} values; give all as many"
        )
    return pd.DataFrame(rows)


def _row(row: Any) -> Any:
    if isinstance(row, (list, tuple)) or np.ndim(row) != 1:
        return list(row) if np.ndim(row) == 1 else row
    return list(plain_array(row)) if hasattr(row, "__array__") else list(row)


def _array_of(values: Any, what: str = "X", kind: str = "rows") -> np.ndarray[Any, Any]:
    """Return an array of a tensor, a sparse matrix, or anything with ``__array__``."""
    if not any(hasattr(values, name) for name in ("detach", "toarray", "__array__")):
        raise UsageError(
            f"{what} is a {type(values).__name__}; give an array, a list of {kind}, a DataFrame or "
            "the path of a table"
        )
    try:
        return plain_array(values)
    except DataError as error:
        raise UsageError(f"{what}: {error}") from error


def _target_of(target: Any, frame: pd.DataFrame, name: str | None) -> pd.Series[Any]:
    """Return the target as a Series of one type, whose name is that of no feature."""
    y = _series_of(target)
    if len(y) != len(frame):
        raise UsageError(
            f"X has {len(frame)} rows, but y has {len(y)} values; give one for each row"
        )
    if isinstance(target, (pd.Series, pd.DataFrame)):
        _check_index(frame.index, target.index)
    features = set(map(str, frame.columns))
    y = y if name is None else y.rename(name)
    if y.name is not None and str(y.name) in features:
        raise UsageError(
            f"X has a column {y.name!r}, which is the name of y: it would give the target away; "
            f"leave it out of X, or give the table and the name: target={y.name!r}"
        )
    free = ("target", "y", *(f"target{number}" for number in range(len(features))))
    _check_labels(y)
    return y.rename(next(n for n in free if n not in features) if y.name is None else str(y.name))


def _series_of(target: Any) -> pd.Series[Any]:
    if isinstance(target, bool) or not (
        hasattr(target, "__len__") or hasattr(target, "__array__") or hasattr(target, "detach")
    ):
        raise UsageError(
            f"the target is {target!r}; give the name of its column, or y with a value for each row"
        )
    if isinstance(target, Mapping):
        raise UsageError("y is a mapping; give a list, an array or a Series")
    if hasattr(target, "to_pandas"):
        target = target.to_pandas()
    if isinstance(target, pd.DataFrame):
        if target.shape[1] != 1:
            raise UsageError(f"y has {target.shape[1]} columns; give one target for each row")
        target = target.iloc[:, 0]
    if isinstance(target, pd.Series):
        return _whole(target.infer_objects())
    if isinstance(target, (list, tuple)):
        nested = next((each for each in target if isinstance(each, (list, tuple, dict))), None)
        if nested is not None:
            raise UsageError(f"y has {nested!r} in a row; give one value for each row")
        return _of_list(list(target))
    array = _array_of(target, "y", "values")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise UsageError(f"y has the shape {list(array.shape)}; it must be [rows]")
    return _of_list(array.tolist()) if array.dtype == object else pd.Series(array)


def _of_list(values: list[Any]) -> pd.Series[Any]:
    y = pd.Series(values)
    if not pd.api.types.is_float_dtype(y.dtype):
        return y
    exact = _whole(pd.Series(values, dtype=object))
    return y if exact.dtype == object else exact


def _whole(y: pd.Series[Any]) -> pd.Series[Any]:
    """Return whole numbers beside missing ones as integers, which floats may not hold."""
    if y.dtype != object or not y.isna().any():
        return y
    present = y[y.notna()].infer_objects()
    if not pd.api.types.is_integer_dtype(present.dtype) or abs(present).max() <= 2**53:
        return y
    kind: Any = pd.UInt64Dtype() if present.dtype.kind == "u" else pd.Int64Dtype()
    return y.where(y.notna(), pd.NA).astype(kind)


def check_index(rows: Any, values: Any, said: str) -> None:
    """Check that values that are a Series have the index of the rows that they are given for.

    Parameters
    ----------
    rows : table, or (X, y)
        The index is that of the first pandas object among them. Other rows are counted from 0.
    values : Series
        Anything else has no index, and is taken in the order of the rows.
    said : str
        What the values are, for a sentence.

    Raises
    ------
    UsageError
        If it is unclear which value belongs to which row.
    """
    if not isinstance(values, pd.Series):
        return
    each = rows if isinstance(rows, (tuple, list)) else (rows,)
    indexes = [one.index for one in each if isinstance(one, (pd.DataFrame, pd.Series))]
    if not _matches(indexes[0] if indexes else pd.RangeIndex(len(values)), values.index):
        raise UsageError(
            f"the indexes of the table and of {said} differ, so it is unclear which value belongs "
            f"to which row; give {said}.loc[table.index], or both with reset_index(drop=True)"
        )


def _matches(rows: pd.Index[Any], values: pd.Index[Any]) -> bool:
    plain = [isinstance(each, pd.RangeIndex) and each.start == 0 for each in (rows, values)]
    return rows.equals(values) or (any(plain) and set(rows) != set(values))


def _check_index(X: pd.Index[Any], y: pd.Index[Any]) -> None:
    """Refuse indexes from which it is unclear which target belongs to which row."""
    if _matches(X, y):
        return
    raise UsageError(
        "the indexes of X and y differ, so it is unclear which target belongs to which row; give "
        "y.loc[X.index], or both with reset_index(drop=True)"
    )


def _check_labels(y: pd.Series[Any]) -> None:
    """Refuse labels that a model would hand back as something else."""
    if y.dtype != object:
        return
    kinds = {_plain_kind(type(value)) for value in y[y.notna()]}
    other = [kind for kind in kinds if not issubclass(kind, _LABELS)]
    dates = [
        kind for kind in other if kind.__name__ in ("date", "datetime", "Timestamp", "Decimal")
    ]
    strange = [kind.__name__ for kind in other if kind not in dates]
    if strange:
        raise DataError(f"y has values of the type {strange[0]}; give strings, numbers or booleans")
    if len(kinds) > 1 and not dates and not kinds <= {int, float}:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(f"y has values of several types ({names}); write all labels alike")


def _plain_kind(kind: type) -> type:
    """Return Python's type for one of NumPy's."""
    plain = {np.bool_: bool, np.integer: int, np.floating: float, np.str_: str}
    return next((mine for other, mine in plain.items() if issubclass(kind, other)), kind)
