"""``bridle demo``, and its example table."""

from __future__ import annotations

from pathlib import Path

from bridle.cli.options import AsJson, Quiet
from bridle.cli.report_output import ReportOutput
from bridle.cli.running import fit_and_print
from bridle.errors import DataError

__all__ = ["demo", "example_table"]


def demo(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Run `bridle fit` on the example table that comes with bridle: German credit data."""
    fit_and_print(example_table(), "class", None, ReportOutput(), as_json=as_json, quiet=quiet)


def example_table() -> Path:
    """Return the path of the German credit table, in an installation or a checkout."""
    package = Path(__file__).resolve().parents[1]
    places = (package / "examples", package.parents[1] / "examples")
    for place in places:
        if (place / "credit-g.csv").is_file():
            return place / "credit-g.csv"
    raise DataError(f"credit-g.csv is not in {str(places[0])!r}; reinstall bridle")
