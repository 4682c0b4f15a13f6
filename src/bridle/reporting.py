"""From a result and its table to the full report: diagnosis, audit and ablation included."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike

import pandas as pd

from bridle.ablation import ablate
from bridle.diagnosing import diagnose
from bridle.diagnosis import Diagnosis
from bridle.model import TableModel
from bridle.modelaudit import audit_model
from bridle.report import Report, report_of
from bridle.result import FitResult
from bridle.searching import SearchResult
from bridle.table import fingerprint, read_table, target_column

__all__ = ["full_report"]

Table = str | PathLike[str] | pd.DataFrame


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
