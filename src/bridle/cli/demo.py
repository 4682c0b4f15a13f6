"""``bridle demo``, and the files that it comes with."""

from __future__ import annotations

from pathlib import Path

import typer

from bridle.cli.options import AsJson, Quiet
from bridle.cli.report_output import ReportOutput
from bridle.cli.running import fit_and_print
from bridle.errors import DataError
from bridle.statistics.second_process import start as start_second_process

__all__ = ["demo", "example_table", "live_page"]


def demo(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Run `bridle fit` on the example table that comes with bridle: German credit data."""
    start_second_process()  # before numpy and torch are imported
    fit_and_print(example_table(), "class", None, ReportOutput(), as_json=as_json, quiet=quiet)
    if not (as_json or quiet):
        typer.echo(
            f"to see regularizers act while a network trains, open {live_page()} in a browser"
        )


def example_table() -> Path:
    """Return the path of the German credit table, in an installation or a checkout."""
    return _shipped("examples/credit-g.csv", "examples/credit-g.csv")


def live_page() -> Path:
    """Return the path of the live page, in an installation or a checkout."""
    return _shipped("examples/live/index.html", "docs/live/index.html")


def _shipped(installed: str, in_checkout: str) -> Path:
    package = Path(__file__).resolve().parents[1]
    places = (package / installed, package.parents[1] / in_checkout)
    for place in places:
        if place.is_file():
            return place
    raise DataError(f"{places[0].name} is not in {str(places[0].parent)!r}; reinstall bridle")
