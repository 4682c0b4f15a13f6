"""What several commands take, and the panels of the help that options stand in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "AsJson",
    "FiguresTo",
    "Model",
    "Out",
    "Quiet",
    "ReportTo",
    "Table",
    "WithAblation",
    "search_option",
    "strength_option",
    "training_option",
]

Model = Annotated[Path, typer.Argument(help="A model that `bridle fit --out` wrote.")]
Table = Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
ReportTo = Annotated[
    Path | None,
    typer.Option("--report", help="Where to write the report, one HTML page.", show_default=False),
]
FiguresTo = Annotated[
    Path | None,
    typer.Option(
        "--figures", help="A folder for the report's figures, PNG and SVG.", show_default=False
    ),
]
WithAblation = Annotated[
    bool,
    typer.Option(help="In the report: train again with each regularizer alone."),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Where to write the model.", show_default=False)
]


def strength_option(help_text: str) -> Any:
    """Return an option that is a strength of the regularized network."""
    return typer.Option(help=help_text, show_default=False, rich_help_panel="Strengths")


def training_option(help_text: str) -> Any:
    """Return an option of how the networks are made and trained."""
    return typer.Option(help=help_text, show_default=False, rich_help_panel="Training")


def search_option(help_text: str) -> Any:
    """Return an option of the search."""
    return typer.Option(help=help_text, rich_help_panel="Search, where no strength is given")
