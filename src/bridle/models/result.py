"""The result of a fit: the plain and the regularized network, and a verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bridle.models.recipe import Strengths
from bridle.models.table_model import TableModel
from bridle.networks.history import Dataset, History
from bridle.networks.population import Network
from bridle.statistics import GapJudgement
from bridle.statistics.scores import Comparison, Estimate

__all__ = ["FitResult", "Fitted"]


@dataclass(frozen=True)
class Fitted:
    """The scores of one network.

    Attributes
    ----------
    diagnosis : GapJudgement
        The verdict from its training and held-out scores.
    test : Estimate
        The score on the test set.
    zeros : tuple of float
        The share of weights that are exactly zero, by layer.
    epochs : int
        The epoch that its weights are from; after a search, the epochs trained.
    best_epoch : int
        The epoch of the lowest held-out loss.
    """

    diagnosis: GapJudgement
    test: Estimate
    zeros: tuple[float, ...]
    epochs: int
    best_epoch: int

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "zeros": list(self.zeros)}


@dataclass(frozen=True, eq=False)
class FitResult:
    """The result of :func:`bridle.fit`.

    Attributes
    ----------
    model : TableModel
        The regularized network with the table's encoders.
    plain, regularized : Fitted
    comparison : Comparison
        The paired comparison of the regularized with the plain network on the test set.
    history : History
        The training history; member 0 is plain, member 1 is regularized.
    strengths : Strengths
    rows : dict
        The number of rows of each part.
    population : Network
        Both networks, as members 0 and 1.
    data : dict of str to Dataset
        The encoded rows of each part.
    places : dict of str to int64 array
        The positions of each part's rows in the table.
    notes : tuple of str
        Remarks on how the table was read and its columns interpreted, and warnings about it.
    reading : str
        What was understood of the table, in one line.
    """

    model: TableModel
    plain: Fitted
    regularized: Fitted
    comparison: Comparison
    history: History
    strengths: Strengths
    rows: dict[str, int]
    population: Network
    data: dict[str, Dataset]
    places: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    notes: tuple[str, ...] = field(default=())
    reading: str = ""

    @property
    def verdict(self) -> str:
        """Sentences: whether the plain network overfits, and whether regularization helped."""
        share = self.plain.diagnosis.score_name == "accuracy"
        before, after = self.plain.diagnosis, self.regularized.diagnosis
        opening = {
            "overfits": "The plain network overfits",
            "underfits": "The plain network underfits",
            "fine": "The plain network is fine",
            "cannot tell": "It is unclear whether the plain network overfits",
        }[before.verdict]
        answer = {
            "better": "The regularized network predicts new rows better",
            "same": "The regularized network predicts new rows as well as the plain one",
            "worse": "Try weaker strengths: the regularized network predicts new rows worse",
            "cannot tell": "It is unclear whether the regularized network predicts new rows better",
        }[self.comparison.answer]
        now = f"{100 * after.gap.value:.1f} points" if share else f"{after.gap.value:.3f}"
        difference = _signed(self.comparison.difference, share)
        return (
            f"{opening} ({before.evidence}). "
            f"With regularization the gap is {now}. {answer} ({difference})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: everything but the model, the history and the rows."""
        return {
            "target": self.model.target_name,
            "task": self.model.task,
            "rows": self.rows,
            "plain": self.plain.to_dict(),
            "regularized": self.regularized.to_dict(),
            "comparison": {**asdict(self.comparison), "answer": self.comparison.answer},
            "verdict": self.verdict,
            "notes": list(self.notes),
            "facts": self.model.facts,
        }


def _signed(estimate: Estimate, share: bool) -> str:
    if share:
        return f"{100 * estimate.value:+.1f} ± {100 * estimate.margin:.1f} points on the test set"
    return f"{estimate.value:+.3f} ± {estimate.margin:.3f} R² on the test set"
