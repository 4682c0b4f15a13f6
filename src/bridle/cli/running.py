"""A fit or a search from a table to what is printed, saved and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from bridle.cli.paper import Paper, check_folder
from bridle.cli.progress import epoch_bar, search_bar

__all__ = ["fit_and_print", "search_and_print"]


def fit_and_print(
    table: Path,
    target: str,
    out: Path | None,
    paper: Paper,
    *,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a plain and a regularized network, and say how they compare."""
    from bridle.fitting import fit as fit_table
    from bridle.modelfile import save_model
    from bridle.printing import show

    check_folder(out)
    paper.check()
    with epoch_bar("training", shown=not (quiet or as_json)) as on_epoch:
        result = fit_table(table, target, on_epoch=on_epoch, **options)
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        show(result, Console())
    if out is not None:  # last: where it fails, what was found is on the screen already
        save_model(result.model, out)
        Console(stderr=True).print(f"model written to {out}")
    paper.write(result, table, quiet=quiet or as_json)


def search_and_print(
    table: Path,
    target: str,
    out: Path | None,
    paper: Paper,
    *,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Search over all regularizers, and say what was found."""
    from bridle.modelfile import save_model
    from bridle.printing import show_search
    from bridle.searching import search

    check_folder(out)
    paper.check()
    with search_bar(shown=not (quiet or as_json)) as on_progress:
        result = search(table, target, on_progress=on_progress, **options)
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        show_search(result, Console())
    if out is not None:  # last: where it fails, what was found is on the screen already
        save_model(result.model, out)
        Console(stderr=True).print(f"model written to {out}")
    paper.write(result, table, quiet=quiet or as_json)
