"""``write_report``: a result in, a page out; with its table, diagnosis, audit and ablation too."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike

import pandas as pd

from bridle.diagnosis import Diagnosis, diagnose
from bridle.errors import UsageError
from bridle.models.ablation import ablate
from bridle.models.audit import audit_model
from bridle.models.result import FitResult
from bridle.models.table_model import TableModel
from bridle.report import Report, Reportable, report_of
from bridle.search import SearchResult
from bridle.tables import fingerprint, read_table, target_column

__all__ = ["full_report", "write_report"]

Table = str | PathLike[str] | pd.DataFrame


def write_report(
    result: Reportable,
    path: str | PathLike[str],
    *,
    table: Table | None = None,
    figures: str | PathLike[str] | None = None,
    model: TableModel | None = None,
    ablation: bool = True,
    command: str = "",
) -> None:
    """Write a report as one HTML page, which needs no network.

    Given the table, what was fitted to it is diagnosed, audited and ablated for the report. For a
    report of records that you have, see :func:`bridle.report_of`.

    Parameters
    ----------
    result : FitResult, SearchResult, Diagnosis, History, LambdaPath or Audit
    path : path
        The page. Its folder must exist; the file is written whole or not at all.
    table : path or DataFrame, optional
        What was fitted to, for a fit and a search; what was diagnosed on, for a diagnosis.
    figures : path, optional
        A folder for every figure as PNG and SVG.
    model : TableModel, optional
        That a diagnosis is of.
    ablation : bool
        With a table: train again with each regularizer alone; see :func:`bridle.ablate`.
    command : str
        What was run, for the section on reproducing it.

    Raises
    ------
    UsageError
        If the result is of another kind, or a folder is missing.
    DataError
        If the table cannot be used, or a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(100), "y": ["no"] * 50 + ["yes"] * 50})
    >>> result = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=3))
    >>> page = Path(tempfile.mkdtemp()) / "report.html"
    >>> bridle.write_report(result, page, table=table)
    >>> page.read_text()[:15], page.stat().st_size < 2_000_000
    ('<!doctype html>', True)
    """
    if table is None:
        report = report_of(result, model=model, command=command)
    elif isinstance(result, FitResult | SearchResult | Diagnosis):
        report = full_report(result, table, model=model, ablation=ablation, command=command)
    else:
        raise UsageError(
            f"a {type(result).__name__} goes with no table; leave it out, or report on a fit"
        )
    report.save(path)
    if figures is not None:
        report.save_figures(figures)


def full_report(
    result: FitResult | SearchResult | Diagnosis,
    table: Table,
    *,
    model: TableModel | None = None,
    ablation: bool = True,
    command: str = "",
    on_epoch: Callable[[int, int], None] | None = None,
) -> Report:
    """Diagnose, audit and ablate what was fitted, and put the report together.

    Parameters
    ----------
    result : FitResult, SearchResult or Diagnosis
    table : path or DataFrame
        What it was fitted to; for a diagnosis, what it was diagnosed on.
    model : TableModel, optional
        That a diagnosis is of.
    ablation : bool
        Train again with each regularizer alone, and along the paths of L1 and L2; this takes a few
        times as long as the fit. A diagnosis of a table that the model was not fitted to has none.
    command : str
        What was run.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch of the ablation.
    """
    own = model if isinstance(result, Diagnosis) else result.model
    diagnosis = result if isinstance(result, Diagnosis) else diagnose(result, table)
    stated = own if own is not None and "strengths" in own.facts else None
    again = stated is not None and ablation and _knows(stated, table)
    return report_of(
        result,
        model=own,
        diagnosis=diagnosis,
        audit=None if stated is None else audit_model(stated, table),
        ablation=ablate(stated, table, on_epoch=on_epoch) if stated and again else None,
        command=command,
    )


def _knows(model: TableModel, table: Table) -> bool:
    """Say whether a table is the one that a model was fitted to."""
    frame, truth = target_column(read_table(table), model.target_name)
    columns = list(model.encoder.columns)
    stated = model.facts.get("table", {}).get("fingerprint")
    return set(columns) <= set(frame.columns) and stated == fingerprint(frame[columns], truth)
