"""Records on how well a model predicts: parts, gap, selection, references, worst rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridle.statistics.scores import Comparison, Estimate

__all__ = [
    "Gap",
    "Part",
    "Reference",
    "Selection",
    "WorstRow",
]


@dataclass(frozen=True)
class Part:
    """The scores of the model on one part of the data.

    Attributes
    ----------
    name : {"training", "held out", "test"}
    rows : int, optional
        Number of rows; None if unknown.
    score : Estimate
        Accuracy or R²; higher is better. The training score is exact, so its interval has no width.
        For the other parts the interval is that of the true score on new rows.
    baseline : float, optional
        The score of the best constant prediction on this part.
    loss : Estimate, optional
        Mean loss per row; lower is better. None for a classifier without probabilities.
    groups : int, optional
        Number of groups of the rows; None if they have none.
    """

    name: str
    rows: int | None
    score: Estimate
    baseline: float | None
    loss: Estimate | None
    groups: int | None = None


@dataclass(frozen=True)
class Gap:
    """The generalization gap: training score minus the score on new rows.

    Attributes
    ----------
    value : Estimate
        Training score minus the score on new rows, with its 95 % interval.
    standard_error : float, optional
        Standard error of the value.
    measured_on : {"held out", "test"}
        The part whose rows were used as new rows.
    method : str
        How the interval was computed, in words.
    loss : Estimate, optional
        The gap of the loss: mean loss on new rows minus mean training loss.
    folds : tuple of float
        The gap of each fold, if there were folds.
    folds_corrected : Estimate, optional
        The mean gap over folds, with the corrected resampled t interval (Nadeau & Bengio 2003).
    """

    value: Estimate
    standard_error: float | None
    measured_on: str
    method: str
    loss: Estimate | None
    folds: tuple[float, ...]
    folds_corrected: Estimate | None


@dataclass(frozen=True)
class Reference:
    """Another learner, scored on the same rows for comparison.

    Attributes
    ----------
    name : str
        For example "gradient boosting" or "the plain network".
    part : {"held out", "test"}
    score : Estimate
        Its score on that part.
    comparison : Comparison
        Paired comparison with the model: above 0, the reference is better.
    mcnemar_p_value : float, optional
        Exact (binomial) two-sided p-value of McNemar's test that both err equally often; only for
        classification.
    """

    name: str
    part: str
    score: Estimate
    comparison: Comparison
    mcnemar_p_value: float | None


@dataclass(frozen=True)
class Selection:
    """Selection bias: the best of many configurations has a validation score that is too good.

    Attributes
    ----------
    tried : int
        Number of configurations.
    scoring : str
        The score used for the selection; higher is better.
    validation_score : float
        The score of the chosen configuration on the rows used for the selection.
    honest_score : Estimate
        The score on the test set, which was used once.
    optimism : Estimate
        Validation score minus test score.
    expected_optimism : float, optional
        Estimate of the bias from the selection alone: the best score of each fold minus the score
        of the chosen configuration, averaged over folds (Tibshirani & Tibshirani 2009).
    """

    tried: int
    scoring: str
    validation_score: float
    honest_score: Estimate
    optimism: Estimate
    expected_optimism: float | None


@dataclass(frozen=True)
class WorstRow:
    """One of the rows with the highest loss.

    Attributes
    ----------
    part : {"held out", "test"}
    row : int
        Row number in the given table, starting at 0.
    truth, prediction : str, int, float or bool
    probability : float, optional
        The predicted probability of the true class.
    loss : float
        Cross-entropy, or squared error.
    values : dict
        The row's values by column, if a table was given.
    """

    part: str
    row: int
    truth: Any
    prediction: Any
    probability: float | None
    loss: float
    values: dict[str, Any]
