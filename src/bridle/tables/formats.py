"""Tables in other formats than text: Parquet, Arrow, JSON lines, Excel, databases, in memory."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from bridle.errors import DataError, UsageError
from bridle.tables.conversions import exact_integers, from_arrow, json_column, line_of, needs
from bridle.tables.databases import read_duckdb, read_sqlite
from bridle.tables.options import ReadOptions

__all__ = ["acting", "check_acting", "from_frame_like", "reader_of"]

Reader = Callable[[Path, ReadOptions], pd.DataFrame]
_TEXTS = (".csv", ".tsv", ".txt", ".data", ".tab", ".dat")
_LINES, _SHEETS = (".jsonl", ".ndjson"), (".xlsx", ".xlsm")
_BASES = (".sqlite", ".sqlite3", ".db", ".duckdb", ".ddb")
_ACTS_ON = {
    "sep": ("text",),
    "comment": ("text",),
    "encoding": ("text", "lines"),
    "header": ("text", "sheets"),
    "sheet": ("sheets",),
    "sql": ("bases",),
}


def reader_of(path: Path) -> Reader | None:
    """Return the reader of a file by its extension; None for a text table.

    Raises
    ------
    DataError
        If the extension is unknown.
    """
    suffix = path.suffix.lower()
    if suffix == ".gz":
        suffix = path.with_suffix("").suffix.lower()
    if suffix in _TEXTS:
        return None
    if suffix not in _READERS:
        raise DataError(
            f"{path} has the unknown extension {path.suffix!r}; give .csv, .tsv, .csv.gz, "
            ".parquet, .arrow, .jsonl, .xlsx, .duckdb or .sqlite"
        )
    return _READERS[suffix]


def _idle(options: ReadOptions, source: Any) -> list[str]:
    """Return the given options that do not act on a source."""
    kind = "memory"
    if isinstance(source, (str, PathLike)):
        path = Path(source)
        packed = path.suffix.lower() == ".gz"
        suffix = (path.with_suffix("") if packed else path).suffix.lower()
        suffix = _TEXTS[0] if str(source) == "-" else suffix
        kinds = {"text": _TEXTS, "lines": _LINES, "sheets": _SHEETS, "bases": _BASES}
        kind = next((name for name, known in kinds.items() if suffix in known), "arrow")
        if kind == "arrow" and suffix not in _READERS:
            return []  # an unknown format is refused for that
    return [
        name
        for name, acts_on in _ACTS_ON.items()
        if getattr(options, name) is not None and kind not in acts_on
    ]


def check_acting(options: ReadOptions, source: Any) -> None:
    """Refuse options that do not act on a source, such as the sheet of a text table.

    Raises
    ------
    UsageError
        If there is one.
    """
    if not isinstance(options, ReadOptions):
        raise UsageError(f"reading is {options!r}; it must be a bridle.tables.ReadOptions")
    for name in _idle(options, source):
        what = str(source) if isinstance(source, (str, PathLike)) else "a table in memory"
        raise UsageError(
            f"--{name} (in Python: {name}) does not act on {what}; leave it out, or give a table "
            "of a format that it is for"
        )


def acting(options: ReadOptions, source: Any) -> ReadOptions:
    """Return options for a second table: those that act on it."""
    idle: dict[str, Any] = dict.fromkeys(_idle(options, source))
    return replace(options, **idle)


def from_frame_like(source: Any) -> pd.DataFrame:
    """Return a DataFrame of a table in memory.

    Raises
    ------
    DataError
        If it is no table.
    """
    if isinstance(source, pd.DataFrame):
        return source
    for method in ("to_pandas", "to_df"):  # polars, Arrow and dask; DuckDB's relations
        if hasattr(source, method):
            found = getattr(source, method)()
            if isinstance(found, pd.DataFrame):
                return exact_integers(found, lambda name: _cells_of(source, name))
    if source is None:
        raise DataError("there is no table, but None; give a path, a DataFrame or an array")
    raise DataError(
        f"a table is a path or a DataFrame, not a {type(source).__name__}; "
        "wrap an array as pandas.DataFrame(array)"
    )


def _cells_of(source: Any, name: str) -> list[Any]:
    """Return the cells of a column of polars, Arrow or DuckDB; of others nothing is known."""
    if hasattr(source, "get_column"):
        return list(source.get_column(name).to_list())
    if hasattr(source, "to_arrow_table"):
        source = source.to_arrow_table()
    return source.column(name).to_pylist() if isinstance(source, pa.Table) else [0.0]


def _parquet(path: Path, _: ReadOptions) -> pd.DataFrame:
    try:
        return from_arrow(pyarrow.parquet.read_table(path))
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a complete Parquet file ({line_of(error)}); write it again"
        ) from error


def _arrow(path: Path, _: ReadOptions) -> pd.DataFrame:
    try:
        return from_arrow(pyarrow.feather.read_table(path))
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a complete Arrow file ({line_of(error)}); write it again"
        ) from error


def _json_lines(path: Path, options: ReadOptions) -> pd.DataFrame:
    open_ = gzip.open if path.suffix.lower() == ".gz" else open
    rows: list[dict[str, Any]] = []
    try:
        with open_(path, "rt", encoding=options.encoding or "utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise DataError(
                        f"{path}, line {number} is not an object; give one object a line, such as "
                        '{"age": 3}'
                    )
                rows.append(row)
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path}, line {len(rows) + 1} is not a JSON object ({line_of(error)}); give one a line"
        ) from error
    if not rows:
        raise DataError(f"{path} is empty; give one JSON object a line")
    for number, row in enumerate(rows, 1):
        for name, value in row.items():
            if isinstance(value, (list, dict)):
                kind = "a list" if isinstance(value, list) else "an object"
                raise DataError(
                    f"column {name!r} has nested values ({kind} in line {number}); give one value "
                    "per cell, or write the table without it"
                )
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pd.DataFrame({name: json_column(values) for name, values in columns.items()})


def _excel(path: Path, options: ReadOptions) -> pd.DataFrame:
    openpyxl = needs("openpyxl", "excel", "an Excel file")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl hands on errors of zipfile, of XML and of its own
        raise DataError(
            f"{path} has the extension {path.suffix!r}, but is not a complete Excel file "
            f"({line_of(error)}); save it again"
        ) from error
    with closing(book):
        cells = {
            sheet.title: [list(map(_cell, row)) for row in sheet.iter_rows(values_only=True)]
            for sheet in book.worksheets
        }
    filled = {
        title: rows for title, rows in cells.items() if any(v is not None for r in rows for v in r)
    }
    if options.sheet is not None and options.sheet not in cells:
        raise DataError(
            f"{path} has no sheet {options.sheet!r}; there are: {', '.join(map(repr, cells))}"
        )
    if options.sheet is None and len(filled) > 1:
        raise DataError(
            f"{path} has several sheets with cells: {', '.join(map(repr, filled))}; give --sheet"
        )
    if not filled:
        raise DataError(f"{path} is empty; give a header line and rows")
    title = options.sheet or next(iter(filled))
    if any(value is None for row in cells[title] for value in row):
        with closing(openpyxl.load_workbook(path, read_only=True)) as book:
            _check_formulas(book[title], cells[title], f"{path}, sheet {title!r}")
    return _from_cells(cells[title], f"{path}, sheet {title!r}", options)


def _check_formulas(sheet: Any, rows: list[list[Any]], name: str) -> None:
    """Refuse formulas of which none has a value: a spreadsheet program has never computed them."""
    formulas = [
        (cell.coordinate, rows[at][place])
        for at, row in enumerate(sheet.iter_rows())
        for place, cell in enumerate(row)
        if cell.data_type == "f"
    ]
    if formulas and all(value is None for _, value in formulas):
        raise DataError(
            f"{name}: the formula in {formulas[0][0]} has no value, as in all cells with formulas; "
            "open the file in a spreadsheet program and save it, so that they are computed"
        )


def _from_cells(rows: list[list[Any]], name: str, options: ReadOptions) -> pd.DataFrame:
    """Return a frame from the cells of a sheet: a header line, and rows."""
    filled = [at for at, row in enumerate(rows) if any(value is not None for value in row)]
    empty = filled[-1] - filled[0] + 1 - len(filled)  # those behind the rows are only formatted
    rows = [rows[at] for at in filled]
    used = [at for at in range(max(map(len, rows))) if any(row[at] is not None for row in rows)]
    rows = [[row[at] for at in used] for row in rows]
    names = [f"column{at + 1}" for at in range(len(used))]
    if options.header is not False:
        if not all(isinstance(value, (str, int)) for value in rows[0]):
            raise DataError(
                f"{name}: the first row with cells is not a header ({rows[0][:5]}); delete the "
                "lines before the table, or give --no-header"
            )
        names, rows = [str(value).strip() for value in rows[0]], rows[1:]
    columns = {at: pd.Series([row[at] for row in rows], dtype=object) for at in range(len(names))}
    for at, values in columns.items():
        dated = values.map(lambda value: isinstance(value, (dt.datetime, dt.date)))
        counted = values.map(lambda value: type(value) in (int, float))
        if dated.any() and counted.any() and (dated | counted | values.isna()).all():
            raise DataError(
                f"{name}: column {names[at]!r} has dates and numbers, such as "
                f"{values[counted].iloc[0]}; give its cells one format"
            )
    frame = pd.DataFrame({at: _excel_column(values) for at, values in columns.items()})
    frame.columns = pd.Index(names)
    if empty:
        plural = "s" if empty > 1 else ""
        frame.attrs["notes"] = [f"left out: {empty} empty row{plural} between the others"]
    return frame


def _cell(value: Any) -> Any:
    """Return a cell's value, None if it has blanks only."""
    return None if isinstance(value, str) and not value.strip() else value


def _excel_column(values: pd.Series[Any]) -> pd.Series[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float}:
        return pd.Series(values.tolist())
    if kinds == {bool} and values.notna().all():
        return values.astype(bool)
    if str in kinds and kinds & {int, float, dt.datetime, dt.date}:  # in a column of texts
        return values.map(lambda v: v if v is None or isinstance(v, bool) else _as_written(v))
    return values


def _as_written(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return str(value) if value.time() != dt.time() else str(value.date())
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


_READERS: dict[str, Reader] = {
    ".parquet": _parquet,
    ".pq": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".ipc": _arrow,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".xlsx": _excel,
    ".xlsm": _excel,
    ".duckdb": read_duckdb,
    ".ddb": read_duckdb,
    ".sqlite": read_sqlite,
    ".sqlite3": read_sqlite,
    ".db": read_sqlite,
}
