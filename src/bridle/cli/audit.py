"""``bridle audit``: checks by training steps on a copy that a model's regularizers act."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bridle.cli import reading as r
from bridle.cli.importing import quick_imports
from bridle.cli.options import AsJson, Model
from bridle.cli.outputs import Outputs

__all__ = ["audit"]


def audit(
    model: Model,
    table: Annotated[
        Path | None,
        typer.Argument(help="Table whose rows are used for the steps. Default: random rows."),
    ] = None,
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
) -> None:
    """Check that MODEL's regularizers act: compare real training steps on a copy with the formulas.

    The exit code is 0 if every regularizer acts as it should, else 1.
    """
    with quick_imports():
        from bridle.models.audit import audit_model
        from bridle.models.file import load

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
    with Outputs("result") as outputs:
        loaded = load(model)
        read = None if table is None else r.read_as_model(loaded, table, reading)
        if read is not None:
            r.tell(read.line, read.notes, quiet=True)
        audited = audit_model(loaded, read)
        outputs.tell("result", "the result was not printed to its end")
        if as_json:
            print(json.dumps(audited.to_dict(), ensure_ascii=False))  # noqa: T201
        else:
            sys.stdout.write(str(audited))
        outputs.tell("result", "the result was printed")
    raise typer.Exit(audited.exit_code)
