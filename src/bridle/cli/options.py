"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "FailOn",
    "FiguresTo",
    "Ignore",
    "Model",
    "Out",
    "Quiet",
    "ReportTo",
    "Table",
    "WithAblation",
]

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Model file, written by `bridle fit --out`.")
]
Table = Annotated[
    Path,
    typer.Argument(
        metavar="TABLE",
        help="Table file: CSV and the like, Parquet, Arrow, JSON lines, Excel, DuckDB or SQLite; "
        "'-' is standard input.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Show neither a progress bar nor how the table was read. Notes on what is doubtful "
        "are always shown.",
    ),
]
ReportTo = Annotated[
    Path | None,
    typer.Option("--report", help="Write a report to this HTML file.", show_default=False),
]
FiguresTo = Annotated[
    Path | None,
    typer.Option(
        "--figures",
        help="Write the report's figures to this folder (PNG, SVG).",
        show_default=False,
    ),
]
WithAblation = Annotated[
    bool,
    typer.Option(help="With --report or --figures: also train with each regularizer alone."),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        help="Exit with code 3 if one of these checks fails: codes such as BR001,BR010, "
        "beginnings such as BR01, or a severity and those above it: error, warning, note.",
        show_default=False,
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(help="Codes of checks to silence, or beginnings of codes.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write the model to this file.", show_default=False),
]
