"""``bridle diagnose``: whether a model overfits, from rows it was not trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bridle.cli import reading as r
from bridle.cli.checking import Checking
from bridle.cli.console import ResultConsole
from bridle.cli.importing import quick_imports
from bridle.cli.options import (
    AsJson,
    FailOn,
    FiguresTo,
    Ignore,
    Model,
    Quiet,
    ReportTo,
    Table,
    WithAblation,
)
from bridle.cli.outputs import Outputs
from bridle.cli.report_output import ReportOutput

__all__ = ["diagnose"]


def diagnose(
    model: Model,
    table: Table,
    training: Annotated[
        Path | None,
        typer.Option(help="Table with the rows that MODEL was trained on.", show_default=False),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(
            help="Also train on shuffled labels, and train gradient boosting, to compare."
        ),
    ] = True,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve",
            help="Also train on fewer rows, to find out whether more rows would help.",
        ),
    ] = False,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Column that says which rows belong together, such as a patient. Intervals are "
            "those of new groups. Default: the column that MODEL was fitted with.",
            show_default=False,
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="Column of the time that TABLE was split by. Default: the column that MODEL was "
            "fitted with.",
            show_default=False,
        ),
    ] = None,
    fail_on: FailOn = None,
    ignore: Ignore = None,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
    report: ReportTo = None,
    figures: FiguresTo = None,
    ablation: WithAblation = True,
    sep: r.Sep = None,
    decimal: r.DecimalMark = None,
    thousands: r.Thousands = None,
    encoding: r.Encoding = None,
    header: r.Header = None,
    comment: r.Comment = None,
    date_format: r.DateFormat = None,
    missing: r.Missing = None,
    sheet: r.Sheet = None,
    sql: r.Sql = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find out whether MODEL overfits, underfits or is fine, from rows of TABLE.

    TABLE should have new rows. If it is the table that MODEL was fitted to, it is split again into
    the same training, held-out and test rows. The checks have codes; `bridle explain` lists them.
    """
    with quick_imports():
        from bridle.cli.printing import show_diagnosis
        from bridle.diagnosis import diagnose as diagnose_model
        from bridle.models.file import load

    output = ReportOutput(report, figures, ablation)
    output.check()
    checking = Checking.of(fail_on, ignore)
    reading = r.options_of(
        missing,
        sep=sep,
        decimal=decimal,
        thousands=thousands,
        encoding=encoding,
        header=header,
        comment=comment,
        date_format=date_format,
        sheet=sheet,
        sql=sql,
    )
    with Outputs("result", *output.names) as outputs:
        loaded = load(model)
        read = r.read_as_model(loaded, table, reading, kept_apart=True)
        known = None if training is None else r.read_second(loaded, training, reading)
        found = diagnose_model(
            loaded,
            read,
            training=known,
            reference=refit,
            shuffled_labels=refit,
            learning_curve=learning_curve,
            groups=groups,
            time=time,
            seed=seed,
            ignore=checking.silenced,
        )
        outputs.tell("result", "the result was not printed to its end")
        if as_json:
            print(json.dumps(found.to_dict(), ensure_ascii=False))  # noqa: T201
        else:
            show_diagnosis(found, ResultConsole())
        outputs.tell("result", "the result was printed")
        told = [*read.notes, *(f"{training}: {note}" for note in (known.notes if known else ()))]
        r.tell(read.line, told, quiet=quiet or as_json)
        output.write(found, read, outputs, quiet=quiet or as_json, model=loaded)
    checking.end(found.checks)
