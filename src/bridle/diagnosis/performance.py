"""How well the subject predicts: a record each for parts, gap, references and worst rows."""

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
    """How the subject did on one part of the data.

    Attributes
    ----------
    name : {"training", "held out", "test"}
    rows : int, optional
        How many there are; None where only a curve is known.
    score : Estimate
        Accuracy or R², higher is better. The training score is a fact about rows that are known:
        its interval has no width. The others' is that of the score on all rows there could be.
    baseline : float, optional
        The score of the best constant guess on this part.
    loss : Estimate, optional
        Mean loss per row, lower is better; None where the subject gives no probabilities.
    """

    name: str
    rows: int | None
    score: Estimate
    baseline: float | None
    loss: Estimate | None


@dataclass(frozen=True)
class Gap:
    """How much the training score promises beyond what new rows give.

    Attributes
    ----------
    value : Estimate
        Training score less the score on new rows, with its 95 % interval.
    standard_error : float, optional
        Of the value.
    measured_on : {"held out", "test"}
        The rows that stood for new ones.
    method : str
        How the interval was found, in words.
    loss : Estimate, optional
        The same of the loss: on new rows less in training.
    folds : tuple of float
        The gap of each fold, where there were folds.
    folds_corrected : Estimate, optional
        The mean of the folds' gaps, with the corrected resampled t interval (Nadeau & Bengio 2003).
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
    """Another learner on the same rows: what could have been had.

    Attributes
    ----------
    name : str
        Such as "gradient boosting" or "the plain network".
    part : {"held out", "test"}
    score : Estimate
        Its score there.
    comparison : Comparison
        Of the reference against the subject, in pairs: above 0, the reference is better.
    mcnemar_p_value : float, optional
        Exact (binomial) two-sided p-value of McNemar's test that both err equally often; for
        classes only.
    """

    name: str
    part: str
    score: Estimate
    comparison: Comparison
    mcnemar_p_value: float | None


@dataclass(frozen=True)
class Selection:
    """What choosing among many does to the score of the chosen one: the winner's curse.

    Attributes
    ----------
    tried : int
        Configurations.
    scoring : str
        What they were chosen by; higher is better.
    validation_score : float
        The chosen one's, on the rows that it was chosen by.
    honest_score : Estimate
        On the test part, which was opened once.
    optimism : Estimate
        Validation less honest score.
    expected_optimism : float, optional
        What choosing alone adds to the best fold scores: how far the score of the chosen one is
        below each fold's own best, averaged over the folds (Tibshirani & Tibshirani 2009).
    """

    tried: int
    scoring: str
    validation_score: float
    honest_score: Estimate
    optimism: Estimate
    expected_optimism: float | None


@dataclass(frozen=True)
class WorstRow:
    """A row that the subject got most wrong.

    Attributes
    ----------
    part : {"held out", "test"}
    row : int
        Its place in the table that was given, from 0.
    truth, prediction : str, int, float or bool
    probability : float, optional
        What the subject gave to the truth.
    loss : float
        Cross-entropy, or squared error.
    values : dict
        What the table says of it, column by column, where there is a table.
    """

    part: str
    row: int
    truth: Any
    prediction: Any
    probability: float | None
    loss: float
    values: dict[str, Any]
