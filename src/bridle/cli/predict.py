"""``bridle predict``: prints a model's predictions, or writes them to a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridle.cli import reading as r
from bridle.cli.options import AsJson, Model, Quiet, Table
from bridle.errors import UsageError

__all__ = ["predict"]


def predict(
    model: Model,
    table: Table,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write the predictions to this .csv or .parquet file.",
            show_default=False,
        ),
    ] = None,
    subnetworks: Annotated[
        int | None,
        typer.Option(
            help="Average this many dropout subnetworks, and add their standard deviation."
        ),
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
    quiet: Quiet = False,
) -> None:
    """Predict the target for each row of TABLE: a class with probabilities, or a number."""
    from bridle.models.file import load, write_atomically

    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"cannot write {str(out)!r}: --out must end in .csv or .parquet")
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
    loaded = load(model)
    read = r.read_as_model(loaded, table, reading)
    predictions = loaded.predict(read, subnetworks=subnetworks)
    r.tell(read.line, predictions.attrs["notes"], quiet=quiet or as_json)
    if out is not None:
        content = predictions.to_csv(index=False).encode()
        write_atomically(out, content if out.suffix == ".csv" else predictions.to_parquet())
        Console(stderr=True).print(f"{len(predictions)} predictions written to {out}")
    elif as_json:
        print(json.dumps(predictions.to_dict(orient="records"), ensure_ascii=False))  # noqa: T201
    else:
        sys.stdout.write(predictions.to_csv(index=False))
