"""Read a table from a file or from memory as a DataFrame with plain column types."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from collections import Counter
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from bridle.errors import DataError

__all__ = ["MISSING_STRINGS", "read_table"]

MISSING_STRINGS = (
    "",
    "?",
    "NA",
    "N/A",
    "n/a",
    "NaN",
    "nan",
    "NULL",
    "null",
    "None",
    "none",
    "<NA>",
)
"""The strings that mean a missing value in a file; the UCI repository uses "?"."""

_CSV = (".csv", ".tsv", ".txt", ".data")
_PARQUET = (".parquet", ".pq")


def read_table(source: str | PathLike[str] | pd.DataFrame) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    source : path or DataFrame
        CSV (``.csv``, ``.tsv``, ``.txt``, ``.data``, each also with ``.gz``) in UTF-8 with a
        header line, separated by commas, semicolons or tabs; or Parquet (``.parquet``, ``.pq``).
        Or a pandas DataFrame, or an object with a ``to_pandas`` method.

    Returns
    -------
    DataFrame
        Its column names are strings, and its index is new. The source is not changed.

    Raises
    ------
    DataError
        If the file does not exist, is empty, ragged or damaged, or is not in UTF-8; if its
        extension is unknown; if two columns have the same name; or if a column has nested values
        such as lists.

    Examples
    --------
    >>> import pandas as pd
    >>> read_table(pd.DataFrame({1: [2, 3]}, index=[8, 9]))
       1
    0  2
    1  3
    """
    if isinstance(source, (str, os.PathLike)):
        return _checked(_from_file(Path(source)), str(source))
    frame: Any = source
    if not isinstance(frame, pd.DataFrame) and hasattr(frame, "to_pandas"):
        frame = frame.to_pandas()
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"a table is a path or a DataFrame, not a {type(frame).__name__}; "
            "wrap an array as pandas.DataFrame(array)"
        )
    return _checked(frame.reset_index(drop=True), "the table")


def _from_file(path: Path) -> pd.DataFrame:
    suffix = path.suffix if path.suffix != ".gz" else path.with_suffix("").suffix
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file")
    if not path.exists():
        raise DataError(f"there is no file {path}; check the path")
    if suffix.lower() in _PARQUET:
        return _parquet(path)
    if suffix.lower() in _CSV:
        return _csv(path)
    raise DataError(
        f"{path} has the unknown extension {path.suffix!r}; give .csv, .csv.gz, .tsv or .parquet"
    )


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pyarrow.parquet.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a complete Parquet file ({_line(error)}); write it again"
        ) from error


def _csv(path: Path) -> pd.DataFrame:
    content = _content(path)
    header = content.split(b"\n", 1)[0].decode("utf-8", errors="replace")
    delimiter = max(",;\t", key=lambda mark: (header.count(mark), mark == ","))
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(content),
            # with one thread an error states the row
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                null_values=list(MISSING_STRINGS), strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path} cannot be read as a table ({_line(error)}); "
            "give each row as many cells as the header"
        ) from error
    return table.to_pandas()


def _content(path: Path) -> bytes:
    """Return the file's bytes in UTF-8, without a byte order mark."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is damaged or cannot be opened ({_line(error)}); check the file"
        ) from error
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        raise DataError(f"{path} is empty; give a file with a header line and rows")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not in UTF-8 (line {row}, byte {content[error.start]:#04x}); "
            "save it as UTF-8"
        ) from error
    return content


def _line(error: Exception) -> str:
    """Return the message of an error on one line, of at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + "…"


def _checked(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    frame = frame.copy(deep=False)
    frame.columns = pd.Index([str(column) for column in frame.columns])
    twice = [column for column, count in Counter(frame.columns).items() if count > 1]
    if twice:
        raise DataError(f"{name} has several columns named {twice[0]!r}; rename them")
    if frame.columns.empty:
        raise DataError(f"{name} has no columns; give a header line and rows")
    plain = {
        column: _plain(column, frame[column])
        for column in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[column].dtype)
    }
    return frame.assign(**plain) if plain else frame


def _plain(column: str, values: pd.Series[Any]) -> pd.Series[Any]:
    """Convert dates, durations and decimals to plain types, and refuse nested values."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        return values.dt.total_seconds()
    if values.dtype != object:
        return values
    kinds = {type(value) for value in values[values.notna()]}
    nested = [kind for kind in kinds if issubclass(kind, (list, tuple, dict, set))]
    if nested or any(hasattr(kind, "__array__") for kind in kinds if not _is_scalar(kind)):
        raise DataError(
            f"column {column!r} has nested values; give one value per cell, or drop the column "
            f"with --drop {column} (in Python: drop=[{column!r}])"
        )
    if kinds and all(kind.__name__ in ("date", "datetime", "Timestamp") for kind in kinds):
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    if kinds and all(issubclass(kind, Decimal) for kind in kinds):
        return values.astype(float)
    return values


def _is_scalar(kind: type) -> bool:
    return kind.__module__ in ("builtins", "decimal", "datetime") or hasattr(kind, "dtype")
