"""The records that a report is built from, with the values that its sections share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bridle.audit import Audit
from bridle.checks import Checks
from bridle.diagnosis import Diagnosis, Residuals
from bridle.diagnosis.mistakes import residuals_of
from bridle.diagnosis.subjects.networks import predictions_of
from bridle.models.ablation_result import Ablation
from bridle.models.result import FitResult, Fitted
from bridle.models.table_model import TableModel
from bridle.networks.history import History
from bridle.networks.population import predict
from bridle.report.table_facts import TableFacts
from bridle.search import SearchResult
from bridle.sparsity.path_result import LambdaPath
from bridle.tables import ValueTarget

__all__ = ["ReportInputs"]


@dataclass(frozen=True, eq=False)
class ReportInputs:
    """The records that the sections of a report use; None if a record is not given.

    Attributes
    ----------
    fit : FitResult, optional
    search : SearchResult, optional
    diagnosis : Diagnosis, optional
    model : TableModel, optional
    ablation : Ablation, optional
    audit : Audit, optional
    path : LambdaPath, optional
    history : History, optional
    table : TableFacts, optional
    command : str
        The command that was run; empty if unknown.
    """

    fit: FitResult | None = None
    search: SearchResult | None = None
    diagnosis: Diagnosis | None = None
    model: TableModel | None = None
    ablation: Ablation | None = None
    audit: Audit | None = None
    path: LambdaPath | None = None
    history: History | None = None
    table: TableFacts | None = None
    command: str = ""

    @property
    def plain(self) -> Fitted | None:
        """The network without regularization."""
        result = self.fit or self.search
        return None if result is None else result.plain

    @property
    def chosen(self) -> Fitted | None:
        """The regularized network, or the networks that the search chose."""
        if self.fit is not None:
            return self.fit.regularized
        return None if self.search is None else self.search.chosen

    @property
    def score_name(self) -> str:
        """Accuracy or R²."""
        if self.plain is not None:
            return self.plain.diagnosis.score_name
        return self.diagnosis.score_name if self.diagnosis is not None else "score"

    @property
    def share(self) -> bool:
        """Whether the score is a share of rows, which is shown in per cent."""
        return self.score_name == "accuracy"

    @property
    def chosen_name(self) -> str:
        """The name of the network that is compared with the plain one."""
        return "regularized" if self.search is None else "chosen"

    @property
    def loss_name(self) -> str:
        """Cross-entropy or squared error."""
        if self.diagnosis is not None:
            return self.diagnosis.loss_name
        return "cross-entropy" if self.share else "squared error"

    @property
    def baselines(self) -> dict[str, float]:
        """The score of the best constant prediction, by part."""
        if self.diagnosis is not None:
            parts = (self.diagnosis.training, self.diagnosis.held_out, self.diagnosis.test)
            known = {each.name: each.baseline for each in parts if each is not None}
            return {name: score for name, score in known.items() if score is not None}
        if self.fit is not None:
            return {name: _best_constant(part.y) for name, part in self.fit.data.items()}
        if self.search is None:
            return {}
        seen = self.search.observed
        targets = {"training": seen.y_seen, "held out": seen.y, "test": seen.y_test}
        return {name: _best_constant(y) for name, y in targets.items()}

    @property
    def baseline_name(self) -> str:
        """The best constant prediction."""
        return "majority class" if self.share else "mean"

    @property
    def residuals(self) -> Residuals | None:
        """The errors on the new rows; None for classification, or if they are not known."""
        if self.diagnosis is not None:
            return self.diagnosis.residuals
        result = self.fit or self.search
        if result is None or not isinstance(result.model.target, ValueTarget):
            return None
        if isinstance(result, FitResult):
            X, y = result.data["test"].X, result.data["test"].y
        else:
            X, y = result.observed.X_test, result.observed.y_test
        outputs = predict(result.model.network, X)
        return residuals_of("test", predictions_of(outputs, y, result.model.target))

    @property
    def checks(self) -> Checks | None:
        """The checks: those of the diagnosis, which are all, else those of the result."""
        known = self.diagnosis or self.fit or self.search
        return None if known is None else known.checks

    @property
    def important(self) -> tuple[str, ...]:
        """The columns by importance, if that was measured."""
        found = None if self.table is None else self.table.importance
        return () if found is None else tuple(each.name for each in found.columns)

    @property
    def facts(self) -> dict[str, Any]:
        """Strengths, recipe, seed and versions, if known."""
        if self.model is not None:
            return self.model.facts
        return {} if self.diagnosis is None else self.diagnosis.facts


def _best_constant(y: Tensor) -> float:
    """Return the share of the most frequent class; for values the R² of their mean, which is 0."""
    return 0.0 if y.is_floating_point() else float(y.bincount().max()) / len(y)
