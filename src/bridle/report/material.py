"""What a report is made from: records of what was found, each of them where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridle.ablation import Ablation
from bridle.auditing import Audit
from bridle.diagnosis import Diagnosis
from bridle.model import TableModel
from bridle.paths import LambdaPath
from bridle.records import History
from bridle.result import FitResult, Fitted
from bridle.searching import SearchResult

__all__ = ["Material"]


@dataclass(frozen=True, eq=False)
class Material:
    """The records that the sections of a report draw on.

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
    command : str
        What was run; empty where nobody said.
    """

    fit: FitResult | None = None
    search: SearchResult | None = None
    diagnosis: Diagnosis | None = None
    model: TableModel | None = None
    ablation: Ablation | None = None
    audit: Audit | None = None
    path: LambdaPath | None = None
    history: History | None = None
    command: str = ""

    @property
    def plain(self) -> Fitted | None:
        """The network without regularization."""
        result = self.fit or self.search
        return None if result is None else result.plain

    @property
    def chosen(self) -> Fitted | None:
        """The regularized network, or what the search chose."""
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
        """Whether the score is a share of rows, which people read in per cent."""
        return self.score_name == "accuracy"

    @property
    def chosen_name(self) -> str:
        """What the network is called beside the plain one."""
        return "regularized" if self.search is None else "chosen"

    @property
    def loss_name(self) -> str:
        """Cross-entropy or squared error."""
        if self.diagnosis is not None:
            return self.diagnosis.loss_name
        return "cross-entropy" if self.share else "squared error"

    @property
    def facts(self) -> dict[str, Any]:
        """Strengths, recipe, seed and versions, as far as they are known."""
        if self.model is not None:
            return self.model.facts
        return {} if self.diagnosis is None else self.diagnosis.facts
