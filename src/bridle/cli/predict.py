"""``bridle predict``: prints a model's predictions, or writes them to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridle.cli import reading as r
from bridle.cli.importing import quick_imports
from bridle.cli.options import AsJson, Model, Quiet, Table
from bridle.cli.outputs import Outputs
from bridle.cli.report_output import check_folder
from bridle.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from bridle.tables.options import ReadOptions

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
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of TABLE to write before the predictions; can be given several times.",
            show_default=False,
        ),
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Write all columns of TABLE before the predictions.")
    ] = False,
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
    """Predict the target for each row of TABLE: a class with probabilities, or a number.

    The columns that --keep and --append write are as TABLE has them.
    """
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"cannot write {str(out)!r}: --out must end in .csv or .parquet")
    if keep and append:
        raise UsageError("--append writes all columns, so --keep has nothing to add; give one")
    check_folder(out)
    if out is not None:
        _check_apart(out, model, table)
    if out is not None and as_json:
        raise UsageError("--json prints the predictions and --out writes them; give one of them")
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
    with Outputs("predictions") as outputs:
        found, line = _predicted(model, table, reading, subnetworks, None if append else keep or [])
        r.tell(line, found.attrs.pop("notes"), quiet=quiet or as_json)
        if out is not None:
            _write(found, out)
            outputs.tell("predictions", f"{len(found)} predictions written to {out}")
            typer.echo(f"{len(found)} predictions written to {out}", err=True)
            return
        text = _as_json(found) if as_json else found.to_csv(index=False)
        outputs.tell("predictions", "not all predictions were printed")
        sys.stdout.write(text)
        sys.stdout.flush()
        outputs.tell("predictions", "all predictions were printed")


def _check_apart(out: Path, model: Path, table: Path) -> None:
    """Refuse to write over what is read, by whatever path or link."""
    for read, what in ((table, "the table"), (model, "the model file")):
        if out.exists() and read.exists() and out.samefile(read):
            raise UsageError(
                f"--out is {str(out)!r}, which is {what} itself; give another file, since this one "
                "would be lost"
            )


def _predicted(
    path: Path,
    table: Path,
    reading: ReadOptions,
    subnetworks: int | None,
    keep: Sequence[str] | None,
) -> tuple[pd.DataFrame, str]:
    """Return the predictions with the kept columns, None for all, and how the table was read."""
    if subnetworks is None:
        with quick_imports():
            from bridle.models.stored import load_predictor  # without torch

        stored = load_predictor(path)
        read = r.read_as_model(stored, table, reading)
        predictions = stored.predict(read)
    else:
        with quick_imports():
            from bridle.models.file import load

        loaded = load(path)
        read = r.read_as_model(loaded, table, reading)
        predictions = loaded.predict(read, subnetworks=subnetworks)
    written = read.frame if read.written is None else read.written
    return _beside(written, predictions, keep, table), read.line


def _beside(
    written: pd.DataFrame, predictions: pd.DataFrame, keep: Sequence[str] | None, table: Path
) -> pd.DataFrame:
    """Return columns of the table beside the predictions."""
    names = list(written.columns) if keep is None else list(dict.fromkeys(keep))
    for name in names:
        if name not in written.columns:
            hint = did_you_mean(name, written.columns)
            raise DataError(f"{table} has no column {name!r} to keep; {hint}")
        if name in predictions.columns:
            advice = "choose others with --keep" if keep is None else "leave it out"
            raise DataError(
                f"{table} has a column {name!r}, as the predictions do; rename it, or {advice}"
            )
    found = predictions.copy(deep=False)
    for place, name in enumerate(names):
        found.insert(place, name, written[name].array)
    found.attrs = predictions.attrs
    return found


def _write(found: pd.DataFrame, out: Path) -> None:
    from bridle.models.atomic_write import write_atomically

    if out.suffix == ".csv":
        write_atomically(out, found.to_csv(index=False).encode())
        return
    for name in found.columns:
        values = found[name]
        if values.dtype == object and len({type(value) for value in values[values.notna()]}) > 1:
            found[name] = values.map(lambda v: None if v is None else str(v))
    write_atomically(out, found.to_parquet(index=False))


def _as_json(found: pd.DataFrame) -> str:
    import json

    rows = found.astype(object).where(found.notna(), None).to_dict(orient="records")
    return json.dumps(rows, ensure_ascii=False, default=str) + "\n"
