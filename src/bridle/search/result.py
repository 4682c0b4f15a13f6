"""The result of a search."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from bridle.checks import CheckResult, Checks
from bridle.checks.edges import recorded_edges
from bridle.checks.verdicts import judgement_checks
from bridle.models.result import Fitted, counts_text, fitted_text
from bridle.models.table_model import TableModel
from bridle.search.configuration import Configuration
from bridle.search.metrics import excess_errors, excess_text, metrics_text
from bridle.search.temperature import Temperature, temperature_text
from bridle.statistics.card import Card, HasCard
from bridle.statistics.json_values import json_values
from bridle.statistics.scores import Comparison, Estimate
from bridle.statistics.wording import estimate_text

__all__ = ["ScoredRows", "SearchResult"]

PERCENT_SCORINGS = ("accuracy", "balanced_accuracy", "roc_auc")
"""The scores that are printed in per cent."""


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """The rows that a search was scored on, and the outputs for them; a diagnosis needs them.

    Attributes
    ----------
    X, y, X_test, y_test : Tensor
        The scored rows (about 20,000 if there are more) and the test set, encoded for the model.
    X_seen, y_seen : Tensor
        The rows of the training score: the same rows, or as many rows that no fold holds out.
    fold : Tensor
        int64 ``[rows]``: the fold that holds each row out.
    held_out_outputs : Tensor
        ``[rows, outputs]``, each row's by the networks that held it out.
    test_outputs : dict of str to Tensor
        Outputs for the test set: of "plain", and of "boosting" if that was fitted.
    places : dict of str to int64 array
        The positions of the "searched", the "seen" and the "test" rows in their tables.
    groups : dict of str to int64 array
        The groups of the same rows; None without groups.
    """

    X: Tensor
    y: Tensor
    X_seen: Tensor
    y_seen: Tensor
    fold: Tensor
    X_test: Tensor
    y_test: Tensor
    held_out_outputs: Tensor
    test_outputs: dict[str, Tensor]
    places: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    groups: dict[str, np.ndarray[Any, Any] | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class SearchResult(HasCard):
    """The result of :func:`bridle.search`.

    Attributes
    ----------
    model : TableModel
        The model: the average of the networks that ``answer`` names.
    plain, chosen : Fitted
        The network without regularization, averaged over the folds, and the model. The gap is the
        score on searched rows, on which all or most networks were trained, minus that on the test
        set. Each held-out row is scored by the networks that held it out.
    answer : str
        "ensemble", "best" or "refit".
    configuration : Configuration
        The best configuration.
    together : tuple of Configuration
        The configurations whose networks the model averages, best first.
    scoring : str
        The score that the search selected by.
    validation_score : float
        The best configuration's score on the held-out rows, or on about 20,000 of them. It is
        optimistic, since it is the best of many; the test score is not.
    considered, failed : int
        The number of configurations that were trained, and how many of them gave outputs that are
        not finite.
    test_score : Estimate
        The model's score on the test set, with its 95 % interval.
    comparisons : dict of str to Comparison
        Paired comparisons of the model on the test set: with "plain", and with "boosting",
        scikit-learn's default gradient boosting, if that was fitted.
    metrics : dict of str to dict of str to float
        All scores: of the model on the "held out" rows (by the networks that held them out, which
        are no part of a refitted model) and on
        the "test" set, and of "plain" and "boosting" on the test set. For classification they are
        accuracy, balanced_accuracy, roc_auc, log_loss and brier; for regression rmse, in the
        target's units, and r2.
    temperature : Temperature, optional
        The temperature of the model's averaged probabilities, with the log loss of the held-out
        rows before and after; None for regression.
    scores : dict of str to float
        The score of each on the test set, by ``scoring``.
    configurations : DataFrame
        A row for each configuration, best first, with its hyperparameters, rung, steps, score and
        loss.
    histories : DataFrame
        A row for each evaluation of each configuration: id, step, score and loss on the held-out
        rows.
    importance : dict of str to float
        The importance of each hyperparameter for the scores of the first rung: the drop of a
        random forest's R² when its values are shuffled.
    response : DataFrame
        The forest's partial dependence of the score on each hyperparameter, over the sampled
        configurations: strength (its name), value and score.
    winners : dict of str to float
        The share of the last rung's configurations that use each regularizer.
    rows : dict
        The number of rows of each part.
    seconds : float
        From the beginning of the budget to this result.
    interrupted : bool
        Whether the search was stopped before its end.
    observed : ScoredRows
        The encoded rows, and the outputs for them.
    notes : tuple of str
        Remarks on how the table was read and its columns interpreted, and warnings about it.
    reading : str
        What was understood of the table, in one line.
    groups : dict of str to int
        The number of groups in each part; empty without groups.
    table_checks : tuple of CheckResult
        The checks of the table and of its split.

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
    metrics: dict[str, dict[str, float]]
    temperature: Temperature | None
    scores: dict[str, float]
    configurations: pd.DataFrame
    histories: pd.DataFrame
    importance: dict[str, float]
    response: pd.DataFrame
    winners: dict[str, float]
    rows: dict[str, int]
    seconds: float
    interrupted: bool
    observed: ScoredRows
    notes: tuple[str, ...] = field(default=())
    reading: str = ""
    groups: dict[str, int] = field(default_factory=dict)
    table_checks: tuple[CheckResult, ...] = ()

    @property
    def checks(self) -> Checks:
        """The checks of the model, of the table and of the ranges."""
        judged = self.chosen.diagnosis
        return Checks.of(
            [
                *judgement_checks(judged, self.rows, self.groups),
                *self.table_checks,
                *recorded_edges(self.model.facts),
            ]
        )

    @property
    def optimism(self) -> dict[str, float] | None:
        """How much higher each error of the model is on the test set than on the held-out rows.

        As a share of the held-out error; the error of a score is 1 minus the score. None for a
        refit, which was trained on the held-out rows too: other networks were scored on them.
        """
        if self.answer == "refit":
            return None
        return excess_errors(self.metrics["held out"], self.metrics["test"])

    @property
    def verdict(self) -> str:
        """One sentence: which model was chosen, and whether it predicts better than the others."""
        parts = []
        for name, label in (
            ("plain", "the network without regularization"),
            ("boosting", "gradient boosting"),
        ):
            if name in self.comparisons:
                comparison = self.comparisons[name]
                difference = comparison.difference
                size = estimate_text(
                    difference, share=self.scoring in PERCENT_SCORINGS, signed=True
                )
                word = {
                    "better": "better than",
                    "same": "as good as",
                    "worse": "worse than",
                    "cannot tell": "not distinguishable from",
                }[comparison.answer]
                parts.append(f"{word} {label} ({size})")
        score = self.scoring.removeprefix("neg_").replace("_", " ")
        score = score.replace("r2", "R²").replace("roc auc", "ROC AUC")
        model = f"best of {self.considered} configurations"
        if len(self.together) > 1:
            model = f"average of the {len(self.together)} {model}"
        if self.answer == "refit":
            model += ", refitted on all rows,"
        return f"The {model} is {' and '.join(parts)}, by {score} on the test set."

    def _card(self) -> Card:
        score = f"{self.validation_score:.4g} in cross-validation"
        test = f"{self.test_score.value:.4g} ({self.test_score.low:.4g} to "
        test += f"{self.test_score.high:.4g}) on the test set"
        used = {name: each for name, each in self.configuration.to_dict().items() if each}
        used = {name: each for name, each in used.items() if each not in (1.0, math.inf)}
        values = {n: f"{v:.3g}" if isinstance(v, float) else str(v) for n, v in used.items()}
        acting = [f"{name} {value}" for name, value in values.items()]
        rows = [
            ("plain", fitted_text(self.plain)),
            ("chosen", fitted_text(self.chosen)),
            (self.scoring, f"{score}, {test}"),
            (
                "folds, held out" if self.answer == "refit" else "held out",
                metrics_text(self.metrics["held out"]),
            ),
            ("test", metrics_text(self.metrics["test"])),
            ("best", ", ".join(acting)),
        ]
        if self.optimism is not None:
            rows.insert(-1, ("test above held out", excess_text(self.optimism)))
        if self.temperature is not None:
            rows.insert(3, ("temperature", temperature_text(self.temperature)))
        rows += [("interrupted", "this is the best result so far")] if self.interrupted else []
        rows += [("note", note) for note in self.notes]
        return Card(
            f"Search for {self.model.target_name!r} ({self.model.task}): {self.considered} "
            f"configurations in {self.seconds:.0f} s, {counts_text(self.rows)}",
            rows,
            self.verdict,
            "found.model.predict(table), bridle.diagnose(found), "
            "bridle.save_model(found.model, path)",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: everything but the model, the tables and the rows."""
        return {
            "target": self.model.target_name,
            "task": self.model.task,
            "rows": self.rows,
            "groups": self.groups,
            "scoring": self.scoring,
            "considered": self.considered,
            "failed": self.failed,
            "configuration": self.configuration.to_dict(),
            "answer": self.answer,
            "together": [each.to_dict() for each in self.together],
            "validation_score": self.validation_score,
            "test_score": json_values(asdict(self.test_score)),
            "scores": json_values(self.scores),
            "metrics": json_values(self.metrics),
            "optimism": json_values(self.optimism),
            "temperature": None if self.temperature is None else asdict(self.temperature),
            "plain": self.plain.to_dict(),
            "chosen": self.chosen.to_dict(),
            "comparisons": {
                name: json_values(asdict(each)) | {"answer": each.answer}
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
            "checks": self.checks.to_list(),
            "facts": self.model.facts,
        }
