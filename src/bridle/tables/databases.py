"""Tables in SQLite and DuckDB files, opened read-only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd

from bridle.errors import DataError, UsageError
from bridle.tables.conversions import from_arrow, json_column, line_of, needs
from bridle.tables.options import ReadOptions

__all__ = ["read_duckdb", "read_sqlite"]


def _query(options: ReadOptions, path: Path, tables: list[str]) -> str:
    """Return the query to run; the only table of a database needs none."""
    given = options.sql
    if given is None:
        if len(tables) == 1:
            given = tables[0]
        else:
            raise UsageError(
                f"{path} has the tables {', '.join(map(repr, tables)) or 'of nobody'}; name one "
                "with --sql, or give a query"
            )
    quoted = given.replace('"', '""')
    return f'SELECT * FROM "{quoted}"' if given in tables else given


def read_sqlite(path: Path, options: ReadOptions) -> pd.DataFrame:
    """Read a table of a SQLite file, or the rows of a query."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
            kinds = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
            tables = [row[0] for row in base.execute(kinds)]
            found = base.execute(_query(options, path, tables))
            if found.description is None:
                raise DataError(f"the query {options.sql!r} returns no rows; give a SELECT")
            names = [column[0] for column in found.description]
            rows = found.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise DataError(f"{path}: {line_of(error)}; the file is opened read-only") from error
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    frame = pd.DataFrame({at: json_column(list(values)) for at, values in enumerate(columns)})
    frame.columns = pd.Index(names)
    return frame


def read_duckdb(path: Path, options: ReadOptions) -> pd.DataFrame:
    """Read a table of a DuckDB file, or the rows of a query."""
    duckdb = needs("duckdb", "duckdb", "a DuckDB file")
    try:
        with closing(duckdb.connect(str(path), read_only=True)) as base:
            base.execute("SET enable_external_access = false")
            tables = [row[0] for row in base.execute("SHOW TABLES").fetchall()]
            found = base.sql(_query(options, path, tables))
            if found is None:
                raise DataError(f"the query {options.sql!r} returns no rows; give a SELECT")
            return from_arrow(found.to_arrow_table())
    except duckdb.Error as error:
        raise DataError(f"{path}: {line_of(error)}; the file is opened read-only") from error
