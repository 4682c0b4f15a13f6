"""What the readers of several formats share: Arrow tables, columns of JSON values, messages."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bridle.errors import DataError, UsageError

__all__ = ["exact_integers", "from_arrow", "json_column", "line_of", "needs"]

_EXACT = 2**53  # the whole numbers up to here are floats without rounding
_WHOLE = (pd.Int64Dtype(), pd.UInt64Dtype())


def needs(module: str, extra: str, what: str) -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(
            f"{what} needs the package {module}; install it with `pip install 'bridle[{extra}]'`"
        ) from error


def line_of(error: Exception) -> str:
    """Return the message of an error on one line, of at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + "…"


def from_arrow(table: Any) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame; nested values are refused."""
    for item in table.schema:
        if pa.types.is_nested(item.type):
            raise DataError(
                f"column {item.name!r} has nested values ({item.type}); give one value per cell, "
                f"or write the table without it"
            )
    frame = exact_integers(table.to_pandas(), lambda name: table.column(name).to_pylist())
    index = [name for name in frame.index.names if name is not None]
    return frame.reset_index() if index else frame


def exact_integers(frame: pd.DataFrame, cells_of: Callable[[str], list[Any]]) -> pd.DataFrame:
    """Return a frame whose large whole numbers are exact in columns with missing values.

    Beside a missing value, pandas makes whole numbers floats, which rounds those beyond 2⁵³: two
    identifiers can become one.

    Parameters
    ----------
    frame : DataFrame
    cells_of : callable
        From a column's name to its cells, None for missing ones.
    """
    exact: dict[str, pd.Series[Any]] = {}
    for name, values in frame.items() if frame.columns.is_unique else ():
        if values.dtype != np.float64 or not (values.abs() >= _EXACT).any():
            continue
        cells = cells_of(str(name))
        whole = [cell for cell in cells if isinstance(cell, int)]
        if len(whole) + cells.count(None) < len(cells):
            continue
        kind = next((kind for kind in _WHOLE if _holds(kind, whole)), None)
        if kind is not None:
            exact[str(name)] = pd.Series(cells, dtype=kind, index=frame.index)
    return frame.assign(**exact) if exact else frame


def _holds(kind: Any, whole: list[int]) -> bool:
    limits = np.iinfo(kind.numpy_dtype)
    return limits.min <= min(whole) and max(whole) <= limits.max


def json_column(values: list[Any]) -> Any:
    """Return a column of JSON values: numbers, booleans, or strings as they are written."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or (kinds == {bool} and None not in values):
        fits = all(abs(value) < 2**63 for value in values if isinstance(value, int))
        if not fits:
            return [None if v is None else str(v) for v in values]
        if None in values and kinds == {int} and any(abs(v or 0) >= _EXACT for v in values):
            return pd.array(values, dtype="Int64")
        return values
    return pd.Series(values, dtype=object)
