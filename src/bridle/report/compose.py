"""``report_of``: records in, a report out."""

from __future__ import annotations

from bridle.audit import Audit
from bridle.diagnosis import Diagnosis
from bridle.errors import UsageError
from bridle.models.ablation_result import Ablation
from bridle.models.result import FitResult
from bridle.models.table_model import TableModel
from bridle.networks.history import History
from bridle.report.chapters import chapters_of
from bridle.report.document import Report
from bridle.report.material import Material
from bridle.report.opening import (
    advice_of,
    evidence_of,
    evidence_title_of,
    headline_of,
    lede_of,
    subject_of,
    tiles_of,
)
from bridle.search import SearchResult
from bridle.sparsity.lambda_path import LambdaPath

__all__ = ["Reportable", "report_of"]

Reportable = FitResult | SearchResult | Diagnosis | History | LambdaPath | Audit
"""What a report can be of."""


def report_of(
    result: Reportable,
    *,
    model: TableModel | None = None,
    diagnosis: Diagnosis | None = None,
    ablation: Ablation | None = None,
    audit: Audit | None = None,
    command: str = "",
) -> Report:
    """Put a report together, from a result and from what else was found.

    A section stands in the report when there are records for it; nothing is trained or predicted
    here.

    Parameters
    ----------
    result : FitResult, SearchResult, Diagnosis, History, LambdaPath or Audit
    model : TableModel, optional
        Whose weights to show. Default: the result's own.
    diagnosis : Diagnosis, optional
        For calibration, the worst rows, the evidence and what to try next.
    ablation : Ablation, optional
        For each regularizer alone, the λ path and L1 beside L2.
    audit : Audit, optional
    command : str
        What was run, for the section on reproducing it.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        If the result is of another kind.

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(100), "y": ["no"] * 50 + ["yes"] * 50})
    >>> result = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=3))
    >>> report = bridle.report_of(result, audit=bridle.audit_model(result.model))
    >>> [section.title for section in report.sections][-2:]
    ['Proof that it acts', 'How to reproduce this']
    """
    if not isinstance(result, Reportable):
        raise UsageError(
            f"cannot report on a {type(result).__name__}; give what fit, search, diagnose, train, "
            "lambda_path or audit returned"
        )
    own = result.model if isinstance(result, FitResult | SearchResult) else None
    material = Material(
        fit=result if isinstance(result, FitResult) else None,
        search=result if isinstance(result, SearchResult) else None,
        diagnosis=result if isinstance(result, Diagnosis) else diagnosis,
        model=model or own,
        ablation=ablation,
        audit=result if isinstance(result, Audit) else audit,
        path=result if isinstance(result, LambdaPath) else None,
        history=result if isinstance(result, History) else None,
        command=command,
    )
    return Report(
        headline=headline_of(material),
        lede=lede_of(material),
        subject=subject_of(material),
        tiles=tiles_of(material),
        evidence_title=evidence_title_of(material),
        evidence=evidence_of(material),
        advice=advice_of(material),
        sections=chapters_of(material),
    )
