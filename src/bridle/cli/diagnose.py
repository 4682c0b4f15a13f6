"""``bridle diagnose``: what rows that a model has not seen say of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridle.cli.options import AsJson, FiguresTo, Model, Quiet, ReportTo, Table, WithAblation
from bridle.cli.paper import Paper

__all__ = ["diagnose"]


def diagnose(
    model: Model,
    table: Table,
    training: Annotated[
        Path | None,
        typer.Option(help="The rows that it was trained on, as a table.", show_default=False),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(help="Train again, on shuffled targets and by gradient boosting, to compare."),
    ] = True,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    report: ReportTo = None,
    figures: FiguresTo = None,
    ablation: WithAblation = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say whether MODEL overfits, underfits or is fine, by rows of TABLE that it has not seen.

    The very table that it was fitted to is known again, and taken apart as it was then.
    """
    from bridle.cli.printing import show_diagnosis
    from bridle.diagnosis import diagnose as diagnose_model
    from bridle.models.file import load

    paper = Paper(report, figures, ablation)
    paper.check()
    loaded = load(model)
    found = diagnose_model(
        loaded,
        table,
        training=training,
        reference=refit,
        shuffled_labels=refit,
        seed=seed,
    )
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))  # noqa: T201
    else:
        show_diagnosis(found, Console())
    paper.write(found, table, quiet=quiet or as_json, model=loaded)
