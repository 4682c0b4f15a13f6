"""What a search gives back."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from bridle.models.result import Fitted
from bridle.models.table_model import TableModel
from bridle.search.configuration import Configuration
from bridle.statistics.scores import Comparison, Estimate

__all__ = ["Observed", "SearchResult"]

SHARES = ("accuracy", "balanced_accuracy", "roc_auc")


@dataclass(frozen=True, eq=False)
class Observed:
    """The rows that a search judged by, and what was said of them, for a diagnosis.

    Attributes
    ----------
    X, y, X_test, y_test : Tensor
        The rows that were searched on (about 20,000 of more) and the test part, encoded for the
        model.
    fold : Tensor
        int64 ``[rows]``: the fold that holds each row out.
    unseen : Tensor
        Outputs ``[rows, outputs]`` by networks that did not learn the row.
    said : dict of str to Tensor
        Outputs for the test part: of "plain", and of "boosting" where that was fitted.
    places : dict of str to int64 array
        Where the rows of "searched" and "test" stand in the table.
    """

    X: Tensor
    y: Tensor
    fold: Tensor
    X_test: Tensor
    y_test: Tensor
    unseen: Tensor
    said: dict[str, Tensor]
    places: dict[str, np.ndarray[Any, np.dtype[np.int64]]]


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The outcome of :func:`bridle.search`.

    Attributes
    ----------
    model : TableModel
        What predicts: the average of the networks that ``answer`` names.
    plain, chosen : Fitted
        The network without regularization and the chosen ones: both are averaged over the
        folds. The gap compares, row by row, networks that were trained on the row with those that
        were not. For a refit it is of the folds' networks.
    answer : str
        "ensemble", "best" or "refit".
    configuration : Configuration
        The best one.
    together : tuple of Configuration
        Those that predict, the best first.
    scoring : str
        What the search selected by.
    validation_score : float
        The best configuration's, over the held-out rows (of more than 20,000 rows, over a share
        of them). It was chosen among many, so it is too good; the test score is honest.
    considered, failed : int
        How many configurations there were, and how many of them gave numbers that are not finite.
    test_score : Estimate
        The model's score on the test part, by ``scoring``, with its 95 % interval.
    comparisons : dict of str to Comparison
        Of the model by ``scoring``, in pairs on the test part: against "plain", and against
        "boosting", scikit-learn's default gradient boosting, where that was fitted.
    scores : dict of str to float
        Of each on the test part.
    configurations : DataFrame
        A row for each configuration, the best first: its strengths, its rung, steps, score and
        loss.
    histories : DataFrame
        Each look at each configuration: id, step, score and loss on the held-out rows.
    importance : dict of str to float
        How much of the scores' variation in the first rung each strength explains: the drop of a
        random forest's R² when the strength is shuffled.
    response : DataFrame
        How the first rung's score moves with each strength, all else as drawn: strength, value,
        score (the forest's partial dependence).
    winners : dict of str to float
        The share of the last rung's configurations that use each regularizer.
    rows : dict
        How many rows each part has.
    seconds : float
    interrupted : bool
        Whether it was stopped before its end.
    observed : Observed
        The encoded rows, and what was said of them.
    notes : tuple of str

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(60), "y": ["no"] * 30 + ["yes"] * 30})
    >>> found = bridle.search(table, "y", configurations=9, epochs=2, hidden=[(8,)], folds=3)
    >>> found.configurations.columns[:4].tolist(), sorted(found.comparisons)
    (['id', 'learning_rate', 'l1', 'l2'], ['boosting', 'plain'])
    """

    model: TableModel
    plain: Fitted
    chosen: Fitted
    answer: str
    configuration: Configuration
    together: tuple[Configuration, ...]
    scoring: str
    validation_score: float
    considered: int
    failed: int
    test_score: Estimate
    comparisons: dict[str, Comparison]
    scores: dict[str, float]
    configurations: pd.DataFrame
    histories: pd.DataFrame
    importance: dict[str, float]
    response: pd.DataFrame
    winners: dict[str, float]
    rows: dict[str, int]
    seconds: float
    interrupted: bool
    observed: Observed
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """One sentence: what was found, and whether it predicts better."""
        parts = []
        for name, label in (
            ("plain", "the network without regularization"),
            ("boosting", "gradient boosting"),
        ):
            if name in self.comparisons:
                found = self.comparisons[name]
                share = self.scoring in SHARES
                change = found.difference
                size = (
                    f"{100 * change.value:+.1f} ± {100 * change.margin:.1f} points"
                    if share
                    else f"{change.value:+.3f} ± {change.margin:.3f}"
                )
                word = {
                    "better": "better than",
                    "same": "as good as",
                    "worse": "worse than",
                    "cannot tell": "not distinguishable from",
                }[found.answer]
                parts.append(f"{word} {label} ({size})")
        said = " and ".join(parts)
        by = self.scoring.removeprefix("neg_").replace("_", " ").replace("r2", "R²")
        who = f"best of {self.considered} configurations"
        if len(self.together) > 1:
            who = f"average of the {len(self.together)} {who}"
        elif self.answer == "refit":
            who += ", refitted on all rows"
        return f"The {who} is {said}, by {by} on the test part."

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: everything but the model and the table of configurations."""
        return {
            "target": self.model.target_name,
            "task": self.model.task,
            "rows": self.rows,
            "scoring": self.scoring,
            "considered": self.considered,
            "failed": self.failed,
            "configuration": self.configuration.to_dict(),
            "answer": self.answer,
            "together": [each.to_dict() for each in self.together],
            "validation_score": self.validation_score,
            "test_score": asdict(self.test_score),
            "scores": self.scores,
            "plain": self.plain.to_dict(),
            "chosen": self.chosen.to_dict(),
            "comparisons": {
                name: asdict(each) | {"answer": each.answer}
                for name, each in self.comparisons.items()
            },
            "importance": self.importance,
            "response": [
                row | {"value": None if row["value"] == math.inf else row["value"]}
                for row in self.response.to_dict("records")
            ],
            "winners": self.winners,
            "seconds": self.seconds,
            "interrupted": self.interrupted,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "facts": self.model.facts,
        }
