"""``write_report``: writes a result as a page, with diagnosis, audit and ablation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from bridle.diagnosis import Diagnosis, diagnose
from bridle.errors import UsageError, flag_of
from bridle.models.ablation import ablate, with_networks_of
from bridle.models.audit import audit_model
from bridle.models.reading import Rows, rows_for_model
from bridle.models.result import FitResult
from bridle.models.table_model import TableModel
from bridle.report.compose import Reportable, report_of
from bridle.report.document import Report
from bridle.search import SearchResult
from bridle.tables import fingerprint

__all__ = ["full_report", "without", "write_report"]


def write_report(
    result: Reportable,
    path: str | PathLike[str],
    *,
    table: Rows | None = None,
    figures: str | PathLike[str] | None = None,
    model: TableModel | None = None,
    ablation: bool = True,
    command: str = "",
) -> None:
    """Write a report as one self-contained HTML page.

    If the table is given, the fitted model is also diagnosed, audited and ablated for the report.
    To build a report from records that you already have, see :func:`bridle.report_of`.

    Parameters
    ----------
    result : FitResult, SearchResult, Diagnosis, History, LambdaPath or Audit
    path : path
        The page to write. Its folder must exist. The file is written atomically.
    table : path, DataFrame or (X, y), optional
        The table that was fitted (for a fit or a search), or diagnosed (for a diagnosis).
    figures : path, optional
        A folder; every figure is written there as PNG and SVG.
    model : TableModel, optional
        The model that was diagnosed; only for a diagnosis.
    ablation : bool
        If a table is given, train again with each regularizer alone; see :func:`bridle.ablate`.
        It is left out if the fit or the search was interrupted.
    command : str
        The command that was run, for the section on reproducing it.

    Raises
    ------
    UsageError
        If the result has another type, or a folder does not exist.
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
            f"table cannot be used with a {type(result).__name__}; leave it out, or give the "
            "result of a fit, a search or a diagnosis"
        )
    report.save(path)
    if figures is not None:
        report.save_figures(figures)


def full_report(
    result: FitResult | SearchResult | Diagnosis,
    table: Rows,
    *,
    model: TableModel | None = None,
    ablation: bool = True,
    command: str = "",
    on_epoch: Callable[[int, int], None] | None = None,
    on_interrupt: Callable[[str], None] | None = None,
    ignore: Sequence[str] = (),
) -> Report:
    """Diagnose, audit and ablate a fitted model, and build its report.

    Parameters
    ----------
    result : FitResult, SearchResult or Diagnosis
    table : path, DataFrame or (X, y)
        The table that was fitted; for a diagnosis, the table that was diagnosed.
    model : TableModel, optional
        The model that was diagnosed; only for a diagnosis.
    ablation : bool
        Train again with each regularizer alone, and along the λ paths of L1 and L2. This takes a
        few times as long as the fit. It is left out if the model was fitted to another table, or
        with groups or times that are not columns of the table, and if the fit or the search was
        interrupted.
    command : str
        The command that was run.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch of the ablation.
    on_interrupt : callable, optional
        Called with the name of the measurement that a KeyboardInterrupt ended, or with "ablation"
        if it was left out because the fit or the search was interrupted. The report is then built
        from the others. Without it, a KeyboardInterrupt is raised.
    ignore : sequence of str
        Codes of checks to silence; for a diagnosis, give them to :func:`bridle.diagnose`.
    """
    ablation = flag_of("ablation", ablation)
    own = model if isinstance(result, Diagnosis) else result.model
    audited = own if own is not None and "strengths" in own.facts else None
    measurements: dict[str, Callable[[], Any]] = {}
    if not isinstance(result, Diagnosis):
        measurements["diagnosis"] = lambda: diagnose(result, table, ignore=ignore)
    if audited is not None:
        measurements["audit"] = lambda: audit_model(audited, table)
        if ablation and _was_fitted_to(audited, table):
            measurements["ablation"] = lambda: ablate(audited, table, on_epoch=on_epoch)
    interrupted = getattr(result, "interrupted", False)
    ended = ""
    if interrupted and "ablation" in measurements:  # which may take longer than the fit
        del measurements["ablation"]
        ended = "ablation"
    done: dict[str, Any] = {}
    for name, measure in measurements.items():
        try:
            done[name] = measure()
        except KeyboardInterrupt:
            if on_interrupt is None:
                raise
            ended = name
            break
    if ended and on_interrupt is not None:
        on_interrupt(ended)
    if "ablation" in done and isinstance(result, FitResult):
        done["ablation"] = with_networks_of(done["ablation"], result)
    report = report_of(result, model=own, table=table, command=command, **done)
    work = "search" if isinstance(result, SearchResult) else "training"
    told = [f"the {work} was interrupted"] if interrupted else []
    told += [f"interrupted: {without(ended)}"] if ended else []
    return replace(report, subject=" · ".join([*filter(None, [report.subject]), *told]))


def without(ended: str) -> str:
    """Return what a report lacks if an interrupt ended this measurement."""
    later = "" if ended == "ablation" else " and what follows it"
    return f"without the {ended}{later}"


def _was_fitted_to(model: TableModel, table: Rows) -> bool:
    """Return whether a model was fitted to this table, and can be fitted to the same rows again."""
    frame, truth = rows_for_model(model, table)
    columns = list(model.encoder.columns)
    recorded = model.facts.get("table", {}).get("fingerprint")
    by = (model.facts.get("table") or {}).get("grouping") or {}
    if any((by.get(kind) or {"column": ""})["column"] is None for kind in ("groups", "time")):
        return False  # its rows were split by values that are not in the table
    return set(columns) <= set(frame.columns) and recorded == fingerprint(frame[columns], truth)
