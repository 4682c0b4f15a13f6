"""What a diagnosis consists of: one frozen record for each question that it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridle.statistics.scores import Comparison, Estimate

__all__ = [
    "Bin",
    "Calibration",
    "Claim",
    "Curves",
    "Gap",
    "LayerState",
    "Part",
    "Reference",
    "Selection",
    "ShuffledLabels",
    "Subnetworks",
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
class Curves:
    """What the losses did over the epochs of training.

    Attributes
    ----------
    epochs : tuple of int
        The epochs (or steps) that were looked at.
    unit : {"epoch", "step"}
    train_loss, held_out_loss, train_score, held_out_score : tuple of float, optional
        A value for each epoch; None where it was not written down.
    best_epoch, last_epoch, kept_epoch : int
        Of the lowest held-out loss, the last one, and the one whose weights the subject has.
    excess : float
        The held-out loss at the last epoch less the lowest.
    train_slope, held_out_slope : float, optional
        Change of loss per epoch over the last quarter of training (five looks at least), by least
        squares.
    """

    epochs: tuple[int, ...]
    unit: str
    train_loss: tuple[float, ...] | None
    held_out_loss: tuple[float, ...]
    train_score: tuple[float, ...] | None
    held_out_score: tuple[float, ...]
    best_epoch: int
    last_epoch: int
    kept_epoch: int
    excess: float
    train_slope: float | None
    held_out_slope: float | None


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram.

    Attributes
    ----------
    low, high : float
        The bounds of the confidence: above low, up to high.
    rows : int
    confidence : float
        The mean probability that the subject gave to its own prediction.
    accuracy : Estimate
        The share that was right, with Wilson's 95 % interval.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities are what they say.

    Attributes
    ----------
    part : {"held out", "test"}
    ece : float
        Expected calibration error: the mean over rows of how far a bin's accuracy is from its
        confidence (Naeini et al. 2015; Guo et al. 2017), in bins of equal width.
    ece_if_calibrated : float
        What the ECE of probabilities that are exactly right would be on average for so many rows.
        An ECE is never 0, so that this is what to compare it with.
    p_value : float
        Of the hypothesis that the probabilities are right: the share of draws of each bin's hits
        from its mean confidence with an ECE as large (Bröcker & Smith 2007).
    overconfidence : Estimate
        Mean confidence less accuracy; below 0, the subject is too modest.
    nll : Estimate
        Negative log-likelihood: mean cross-entropy per row, in nats.
    brier : Estimate
        Mean squared distance of the probabilities from the truth, 0 to 2.
    bins : tuple of Bin
        Those that have rows.
    """

    part: str
    ece: float
    ece_if_calibrated: float
    p_value: float
    overconfidence: Estimate
    nll: Estimate
    brier: Estimate
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class ShuffledLabels:
    """How much the subject can memorise: trained again on permuted targets (Zhang et al. 2017).

    Attributes
    ----------
    training : float
        Its score on the very targets that it was trained on, which nothing explains.
    baseline : float
        The score of the best constant guess on them.
    memorised : float
        (training - baseline) / (1 - baseline): 0 nothing, 1 every row.
    rows : int
        How many rows it was trained on.
    how : str
        How it was trained again, in words.
    """

    training: float
    baseline: float
    memorised: float
    rows: int
    how: str


@dataclass(frozen=True)
class LayerState:
    """The weights of one layer.

    Attributes
    ----------
    name : str
    inputs, units : int
        What one unit reads, and how many units there are.
    members : int
        How many networks the counts below are summed over.
    weights, zeros : int
        How many weights there are, and how many are exactly 0.
    dead_units : int
        Units that no row can switch on or that nothing reads: all weights that enter or all that
        leave are exactly 0.
    silent_units : int, optional
        Units whose output is 0 for every row that was looked at, the dead ones included; None
        where outputs cannot be seen.
    """

    name: str
    inputs: int
    units: int
    members: int
    weights: int
    zeros: int
    dead_units: int
    silent_units: int | None


@dataclass(frozen=True)
class Subnetworks:
    """Weight scaling beside the average that it stands for, of subnetworks drawn by the noise.

    Attributes
    ----------
    part : {"training", "held out", "test"}
    masks : int
        How many subnetworks were averaged.
    difference : Estimate
        The mean absolute difference of probabilities (of values: in standard deviations of the
        truth) between weight scaling and the average, over rows and outputs.
    standard_error : float
        Of the difference, over rows.
    sampling : float
        What the difference would be if weight scaling were exact: the average of so many
        subnetworks alone is off by so much.
    scaled_score, averaged_score : float
        The score of either.
    scaled_loss, averaged_loss : float, optional
        The mean loss of either.
    spread : float
        The standard deviation of one subnetwork's probability (or value) about the average.
    """

    part: str
    masks: int
    difference: Estimate
    standard_error: float
    sampling: float
    scaled_score: float
    averaged_score: float
    scaled_loss: float | None
    averaged_loss: float | None
    spread: float


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


@dataclass(frozen=True)
class Claim:
    """A hypothesis that the verdict rests on, and what the rows say of it.

    Attributes
    ----------
    claim : {"overfits", "does not overfit", "underfits", "does not underfit"}
    null : str
        What is refuted where the claim holds, in words.
    p_value : float
        One-sided.
    level : float
        The claim holds where the p-value is at or below it.
    """

    claim: str
    null: str
    p_value: float
    level: float

    @property
    def holds(self) -> bool:
        """Whether the null hypothesis is refuted."""
        return self.p_value <= self.level
