"""What a search gives back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from bridle.judging import Comparison
from bridle.model import TableModel
from bridle.result import Fitted
from bridle.searching.configuration import Configuration

__all__ = ["SearchResult"]


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The outcome of :func:`bridle.search`.

    Attributes
    ----------
    model : TableModel
        What predicts: the networks of the best configuration, one for each fold, averaged.
    plain, chosen : Fitted
        The network without regularization and the best one, found in the same way: both are
        averaged over the folds. The gap compares, row by row, a network that was trained on the
        row with the one that was not.
    configuration : Configuration
        The best one.
    scoring : str
        What the search selected by.
    validation_score : float
        The best configuration's, over all held-out rows. It was chosen among many, so it is too
        good; the test score is honest.
    considered, failed : int
        How many configurations there were, and how many of them gave numbers that are not finite.
    comparisons : dict of str to Comparison
        Of the model, in pairs on the test part: against "plain", and against "boosting",
        scikit-learn's default gradient boosting, where that was fitted.
    scores : dict of str to float
        Of each on the test part.
    configurations : DataFrame
        A row for each configuration, the best first: its strengths, its rung, steps, score and
        loss.
    importance : dict of str to float
        How much of the scores' variation in the first rung each strength explains: the drop of a
        random forest's R² when the strength is shuffled.
    winners : dict of str to float
        The share of the last rung's configurations that use each regularizer.
    rows : dict
        How many rows each part has.
    seconds : float
    interrupted : bool
        Whether it was stopped before its end.
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
    configuration: Configuration
    scoring: str
    validation_score: float
    considered: int
    failed: int
    comparisons: dict[str, Comparison]
    scores: dict[str, float]
    configurations: pd.DataFrame
    importance: dict[str, float]
    winners: dict[str, float]
    rows: dict[str, int]
    seconds: float
    interrupted: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """One sentence: what was found, and whether it predicts better."""
        parts = []
        for name, label in (("plain", "no regularization"), ("boosting", "gradient boosting")):
            if name in self.comparisons:
                found = self.comparisons[name]
                share = self.model.task == "classification"
                change = found.difference
                size = (
                    f"{100 * change.value:+.1f} ± {100 * change.margin:.1f} points"
                    if share
                    else f"{change.value:+.3f} ± {change.margin:.3f} R²"
                )
                word = {
                    "better": "better than",
                    "same": "as good as",
                    "worse": "worse than",
                    "cannot tell": "not to be told from",
                }[found.answer]
                parts.append(f"{word} {label} ({size})")
        said = " and ".join(parts)
        return f"The best of {self.considered} configurations is, on the test part, {said}."

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
            "validation_score": self.validation_score,
            "scores": self.scores,
            "plain": self.plain.to_dict(),
            "chosen": self.chosen.to_dict(),
            "comparisons": {
                name: asdict(each) | {"answer": each.answer}
                for name, each in self.comparisons.items()
            },
            "importance": self.importance,
            "winners": self.winners,
            "seconds": self.seconds,
            "interrupted": self.interrupted,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "facts": self.model.facts,
        }
