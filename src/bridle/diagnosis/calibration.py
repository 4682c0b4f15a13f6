"""Calibration: how well predicted probabilities match the accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bridle.diagnosis.predictions import Predictions
from bridle.statistics.scores import Estimate, Judged, judge_classes

__all__ = ["Bin", "Calibration", "calibration_of", "expected_calibration_error"]

Array = np.ndarray[Any, np.dtype[Any]]

BINS = 10
_SIMULATIONS = 1000


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram.

    Attributes
    ----------
    low, high : float
        The bounds of the confidence: low < confidence <= high.
    rows : int
    confidence : float
        The mean predicted probability of the predicted class.
    accuracy : Estimate
        The accuracy, with Wilson's 95 % interval; that of effective rows with groups.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Calibration:
    """How well the predicted probabilities are calibrated.

    Attributes
    ----------
    part : {"held out", "test"}
    ece : float
        Expected calibration error: the mean over rows of the absolute difference between accuracy
        and confidence of the row's bin (Naeini et al. 2015; Guo et al. 2017). Bins have equal
        width.
    ece_if_calibrated : float
        The mean ECE of a perfectly calibrated model with the same confidences and number of rows.
        With finite rows it is above 0, so compare the ECE with this value.
    p_value : float
        p-value of the hypothesis that the probabilities are calibrated: the share of simulations
        with an ECE at least as large. Each simulation draws the number of correct rows of each bin
        from its mean confidence (Bröcker & Smith 2007); with groups, out of as many effective rows.
    overconfidence : Estimate
        Mean confidence minus accuracy; below 0 the model is underconfident.
    nll : Estimate
        Negative log-likelihood: mean cross-entropy per row, in nats.
    brier : Estimate
        Brier score: mean squared distance between probabilities and one-hot truth, 0 to 2.
    bins : tuple of Bin
        The non-empty bins.
    """

    part: str
    ece: float
    ece_if_calibrated: float
    p_value: float
    overconfidence: Estimate
    nll: Estimate
    brier: Estimate
    bins: tuple[Bin, ...]


def expected_calibration_error(confidence: Array, right: Array, *, bins: int = BINS) -> float:
    """Return the expected calibration error: Σ rows(b)/rows · |accuracy(b) - confidence(b)|.

    Bins have equal width and include their upper bound (Guo et al. 2017, eq. 3).

    Parameters
    ----------
    confidence : float64 ``[rows]``
        The predicted probability of the predicted class.
    right : bool or 0/1 ``[rows]``
    bins : int

    Examples
    --------
    >>> import numpy as np
    >>> expected_calibration_error(np.array([0.9, 0.9, 0.6]), np.array([1, 0, 1])).__round__(3)
    0.4
    """
    return float(_error(*_sums(confidence, np.asarray(right, dtype=np.float64), bins)))


def _places(confidence: Array, bins: int) -> Array:
    """Return the bin of each row."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _sums(confidence: Array, right: Array, bins: int) -> tuple[Array, Array, Array]:
    """Return number of rows, summed confidence and correct rows of each bin, ``[bins]``."""
    places = _places(confidence, bins)
    kinds = (None, confidence, right)
    rows, confidences, correct = (
        np.bincount(places, weights=each, minlength=bins) for each in kinds
    )
    return rows, confidences, correct


def _error(rows: Array, confidences: Array, correct: Array) -> Array:
    """Return the ECE; ``correct`` is ``[..., bins]``."""
    return np.abs(correct - confidences).sum(-1) / rows.sum()


def calibration_of(part: str, predicted: Predictions, *, seed: int = 0) -> Calibration | None:
    """Return the calibration; None if there are no probabilities."""
    shares = predicted.probabilities
    if shares is None or predicted.losses is None:
        return None
    confidence = shares.max(1)
    right = (predicted.values == predicted.truth).astype(np.float64)
    rows, confidences, correct = _sums(confidence, right, BINS)
    found = float(_error(rows, confidences, correct))
    # under calibration, the correct rows of a bin are binomial with its mean confidence
    random = np.random.default_rng([seed, 0xCA11])
    probabilities = np.clip(confidences / np.maximum(rows, 1), 0, 1)
    judged = _judged_bins(predicted, confidence, right)
    counts = np.array([round(each.counts[1]) if each else 0 for each in judged])
    drawn = random.binomial(counts, probabilities, (_SIMULATIONS, BINS))
    simulated = _error(rows, confidences, drawn * (rows / np.maximum(counts, 1)))

    def brier(truth: Array) -> Array:
        given = shares[np.arange(len(shares)), truth]
        return np.square(shares).sum(1) - 2 * given + 1

    return Calibration(
        part=part,
        ece=found,
        ece_if_calibrated=float(simulated.mean()),
        p_value=float((1 + (simulated >= found).sum()) / (1 + len(simulated))),
        overconfidence=predicted.mean_of(lambda truth: confidence - (predicted.values == truth)),
        nll=predicted.mean_loss(),
        brier=predicted.mean_of(brier, least=0.0),
        bins=tuple(
            _bin(place, float(confidences[place]), each)
            for place, each in enumerate(judged)
            if each is not None
        ),
    )


def _judged_bins(predicted: Predictions, confidence: Array, right: Array) -> list[Judged | None]:
    """Return the accuracy of each bin's rows; None for an empty bin."""
    places = _places(confidence, BINS)
    found: list[Judged | None] = []
    for place in range(BINS):
        here = places == place
        groups = None if predicted.groups is None else predicted.groups[here]
        wrong = (right[here] == 0).astype(np.int64)
        found.append(judge_classes(wrong, np.zeros_like(wrong), groups) if here.any() else None)
    return found


def _bin(place: int, confidences: float, judged: Judged) -> Bin:
    rows = len(judged.rows)
    bounds = (place / BINS, (place + 1) / BINS)
    return Bin(*bounds, rows, confidences / rows, judged.interval())
