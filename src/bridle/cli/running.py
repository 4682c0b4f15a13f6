"""Runs a fit or a search; prints, saves and reports its result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bridle.cli.checking import Checking
from bridle.cli.console import ResultConsole
from bridle.cli.importing import quick_imports
from bridle.cli.outputs import Outputs
from bridle.cli.process import process_began
from bridle.cli.progress import epoch_bar, search_bar
from bridle.cli.reading import tell
from bridle.cli.report_output import ReportOutput, check_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridle.tables.read import ReadTable

__all__ = ["fit_and_print", "search_and_print"]


def fit_and_print(
    table: Path, target: str, out: Path | None, output: ReportOutput, **options: Any
) -> None:
    """Train a plain and a regularized network, and print the comparison."""
    with quick_imports():
        from bridle.cli.printing import show_fit
        from bridle.models.fit import fit as fit_table

    def train(read: ReadTable, *, shown: bool, **rest: Any) -> Any:
        with epoch_bar("training", shown=shown) as on_epoch:
            return fit_table(read, target, on_epoch=on_epoch, **rest)

    _print(train, show_fit, table, target, out, output, **options)


def search_and_print(
    table: Path, target: str, out: Path | None, output: ReportOutput, **options: Any
) -> None:
    """Search over all regularizers, and print the result."""
    began = process_began()
    with quick_imports():
        from bridle.cli.printing import show_search
        from bridle.search import search

    def find(read: ReadTable, *, shown: bool, **rest: Any) -> Any:
        with search_bar(shown=shown) as on_progress:
            return search(read, target, on_progress=on_progress, began=began, **rest)

    _print(find, show_search, table, target, out, output, **options)


def _print(
    work: Callable[..., Any],
    show: Callable[[Any, Console], None],
    table: Path,
    target: str,
    out: Path | None,
    output: ReportOutput,
    *,
    as_json: bool,
    quiet: bool,
    checking: Checking = Checking(),  # noqa: B008 - it is frozen
    **options: Any,
) -> None:
    """Check the outputs, do the work, then print, save and report the result."""
    check_folder(out)
    output.check()
    saved = () if out is None else ("model",)
    with Outputs("result", *saved, *output.names, run=options.get("directory")) as outputs:
        with quick_imports():
            from bridle.cli.printing import show_checks
            from bridle.models.file import save_model
            from bridle.tables.read import read_with_notes

        read = read_with_notes(table, options.pop("reading", None), target=target)
        result = work(read, shown=not (quiet or as_json), **options)
        result = replace(result, notes=checking.heard(result.notes))
        tell(read.line, quiet=quiet or as_json)
        outputs.tell("result", "the result was not printed to its end")
        if as_json:
            checks = checking.of_result(result)
            listed = {} if checks is None else {"checks": checks.to_list()}
            print(json.dumps(result.to_dict() | listed, ensure_ascii=False))  # noqa: T201
        else:
            show(result, ResultConsole())
            checks = checking.of_result(result)
            if checks is not None:
                show_checks(checks, ResultConsole())
        outputs.tell("result", "the result was printed")
        if out is not None:  # after printing, so that a failed write loses nothing
            save_model(result.model, out)
            outputs.tell("model", f"model written to {out}")
            Console(stderr=True).print(f"model written to {out}")
        output.write(result, read, outputs, quiet=quiet or as_json, ignore=checking.silenced)
    checking.end(checks)
