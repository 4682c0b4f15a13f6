"""What the readers of several formats share: Arrow tables, columns of JSON values, messages."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pandas as pd
import pyarrow as pa

from bridle.errors import DataError, UsageError

__all__ = ["from_arrow", "json_column", "line_of", "needs"]


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
    frame = table.to_pandas()
    index = [name for name in frame.index.names if name is not None]
    return frame.reset_index() if index else frame


def json_column(values: list[Any]) -> Any:
    """Return a column of JSON values: numbers, booleans, or strings as they are written."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or (kinds == {bool} and None not in values):
        fits = all(abs(value) < 2**63 for value in values if isinstance(value, int))
        return values if fits else [None if v is None else str(v) for v in values]
    return pd.Series(values, dtype=object)
