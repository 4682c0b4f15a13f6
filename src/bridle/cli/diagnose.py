"""``bridle diagnose``: whether a model overfits, from rows it was not trained on."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bridle.cli import reading as r
from bridle.cli.options import AsJson, FiguresTo, Model, Quiet, ReportTo, Table, WithAblation
from bridle.cli.outputs import Outputs
from bridle.cli.report_output import ReportOutput

if TYPE_CHECKING:
    from bridle.checks import Checks

__all__ = ["diagnose"]

CHECK_FAILED = 3
"""The exit code if a check fails that --fail-on names."""


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
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with code 3 if one of these checks fails: codes such as BR001,BR010, "
            "beginnings such as BR01, or a severity and those above it: error, warning, note.",
            show_default=False,
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            help="Codes of checks to silence, or beginnings of codes.", show_default=False
        ),
    ] = None,
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
    from bridle.checks import codes_of
    from bridle.cli.printing import show_diagnosis
    from bridle.diagnosis import diagnose as diagnose_model
    from bridle.models.file import load

    output = ReportOutput(report, figures, ablation)
    output.check()
    failing, silenced = codes_of(fail_on or (), severities=True), codes_of(ignore or ())
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
            ignore=silenced,
        )
        outputs.tell("result", "the result was not printed to its end")
        if as_json:
            print(json.dumps(found.to_dict(), ensure_ascii=False))  # noqa: T201
        else:
            show_diagnosis(found, Console())
        outputs.tell("result", "the result was printed")
        told = [*read.notes, *(f"{training}: {note}" for note in (known.notes if known else ()))]
        r.tell(read.line, told, quiet=quiet or as_json)
        output.write(found, read, outputs, quiet=quiet or as_json, model=loaded)
    _fail(found.checks, failing)


def _fail(checks: Checks, failing: Sequence[str]) -> None:
    """Exit with 3 if one of the codes failed; say which of them were not run."""
    left = {each.code: each.message for each in checks.not_run if each.code in failing}
    for code, reason in left.items():
        print(f"bridle: {code} was not run: {reason}", file=sys.stderr)  # noqa: T201
    failed = sorted({each.code for each in checks if each.code in failing})
    if failed:
        print(f"bridle: failed: {', '.join(failed)}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(CHECK_FAILED)
