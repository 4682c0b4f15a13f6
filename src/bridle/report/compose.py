"""``report_of``: builds a report from records."""

from __future__ import annotations

from bridle.audit import Audit
from bridle.diagnosis import Diagnosis
from bridle.errors import UsageError
from bridle.models.ablation_result import Ablation
from bridle.models.reading import Rows
from bridle.models.result import FitResult
from bridle.models.table_model import TableModel
from bridle.networks.history import History
from bridle.report.document import Report
from bridle.report.inputs import ReportInputs
from bridle.report.sections import sections_of
from bridle.report.summary import (
    advice_of,
    evidence_of,
    evidence_title_of,
    headline_of,
    lede_of,
    subject_of,
    tiles_of,
)
from bridle.report.table_facts import facts_of
from bridle.search import SearchResult
from bridle.sparsity.path_result import LambdaPath

__all__ = ["Reportable", "report_of"]

Reportable = FitResult | SearchResult | Diagnosis | History | LambdaPath | Audit
"""The types that a report can be built from."""


def report_of(
    result: Reportable,
    *,
    model: TableModel | None = None,
    diagnosis: Diagnosis | None = None,
    ablation: Ablation | None = None,
    audit: Audit | None = None,
    table: Rows | None = None,
    command: str = "",
) -> Report:
    """Build a report from a result and optional further records.

    The report has a section for each record that is given. Nothing is trained.

    Parameters
    ----------
    result : FitResult, SearchResult, Diagnosis, History, LambdaPath or Audit
    model : TableModel, optional
        The model whose weights are shown. Default: the result's model.
    diagnosis : Diagnosis, optional
        Adds calibration, the worst-predicted rows, the evidence and what to try next.
    ablation : Ablation, optional
        Adds each regularizer alone, the λ paths, and L1 compared with L2.
    audit : Audit, optional
        Adds the audit.
    table : path, DataFrame or (X, y), optional
        The table that was fitted or diagnosed. Adds what each column was read as, and which
        columns matter to the model (permutation importance).
    command : str
        The command that was run, for the section on reproducing it.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        If the result has another type.

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(100), "y": ["no"] * 50 + ["yes"] * 50})
    >>> result = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=3))
    >>> report = bridle.report_of(result, audit=bridle.audit_model(result.model))
    >>> [section.title for section in report.sections][-2:]
    ['Audit of the regularizers', 'How to reproduce this']
    """
    if not isinstance(result, Reportable):
        raise UsageError(
            f"cannot report on a {type(result).__name__}; give what fit, search, diagnose, train, "
            "lambda_path or audit returned"
        )
    own = model or (result.model if isinstance(result, FitResult | SearchResult) else None)
    inputs = ReportInputs(
        fit=result if isinstance(result, FitResult) else None,
        search=result if isinstance(result, SearchResult) else None,
        diagnosis=result if isinstance(result, Diagnosis) else diagnosis,
        model=own,
        ablation=ablation,
        audit=result if isinstance(result, Audit) else audit,
        path=result if isinstance(result, LambdaPath) else None,
        history=result if isinstance(result, History) else None,
        table=None if table is None or own is None else facts_of(own, table, result),
        command=command,
    )
    return Report(
        headline=headline_of(inputs),
        lede=lede_of(inputs),
        subject=subject_of(inputs),
        tiles=tiles_of(inputs),
        evidence_title=evidence_title_of(inputs),
        evidence=evidence_of(inputs),
        advice=advice_of(inputs),
        sections=sections_of(inputs),
    )
