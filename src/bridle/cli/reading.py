"""The options that say how a table is to be read, and the line that says how it was."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bridle.models.predictor import Predictor
    from bridle.models.table_model import TableModel
    from bridle.tables.options import ReadOptions
    from bridle.tables.read import ReadTable

__all__ = [
    "Comment",
    "DateFormat",
    "DecimalMark",
    "Encoding",
    "Header",
    "Missing",
    "Sep",
    "Sheet",
    "Sql",
    "Thousands",
    "options_of",
    "read_as_model",
    "read_second",
    "tell",
]


def _reading(help_text: str, *names: str) -> Any:
    """Return an option for reading a table."""
    return typer.Option(
        *names, help=help_text, show_default=False, rich_help_panel="Reading the table"
    )


Sep = Annotated[
    str | None, _reading("Separator: a character, or tab, comma, semicolon, space, pipe.")
]
DecimalMark = Annotated[str | None, _reading("Decimal mark: . or ,", "--decimal")]
Thousands = Annotated[str | None, _reading("Mark between groups of three digits.")]
Encoding = Annotated[str | None, _reading("Encoding, such as utf-8, utf-16 or latin-1.")]
Header = Annotated[
    bool | None,
    _reading("Whether the first line has the columns' names.", "--header/--no-header"),
]
Comment = Annotated[str | None, _reading("Start of lines that are no rows, such as #.")]
DateFormat = Annotated[str | None, _reading("Form of dates, such as %d/%m/%Y.")]
Missing = Annotated[
    list[str] | None,
    _reading("Cell that means a missing value; can be given several times."),
]
Sheet = Annotated[str | None, _reading("Sheet of an Excel file.")]
Sql = Annotated[
    str | None, _reading("Query or table name, for a DuckDB or SQLite file; read-only.")
]


def options_of(missing: Sequence[str] | None, **given: Any) -> ReadOptions:
    """Return the options for reading a table."""
    from bridle.tables.options import ReadOptions

    return ReadOptions(missing=tuple(missing or ()), **given)


def read_as_model(
    model: TableModel | Predictor, table: Path, options: ReadOptions, *, kept_apart: bool = False
) -> ReadTable:
    """Read a table as a model reads it; its columns of groups and times too, if asked for."""
    from bridle.models.reading import read_for_model

    return read_for_model(model, table, options, kept_apart=kept_apart)


def read_second(model: TableModel, table: Path, options: ReadOptions) -> ReadTable:
    """Read a second table as a model reads it, with the options that act on its format."""
    from bridle.tables.formats import acting

    return read_as_model(model, table, acting(options, table), kept_apart=True)


def tell(line: str, notes: Sequence[str] = (), *, quiet: bool) -> None:
    """Print what was understood of a table, and remarks on it, on standard error.

    The remarks are on what is doubtful, so they are printed even if ``quiet``.
    """
    lines = [*([] if quiet else [line]), *(f"note: {note}" for note in notes)]
    sys.stderr.write("".join(f"{each}\n" for each in lines))
