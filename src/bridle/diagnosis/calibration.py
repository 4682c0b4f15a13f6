"""Whether probabilities are what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest

from bridle.diagnosis.predicted import Predicted
from bridle.diagnosis.sections import Bin, Calibration
from bridle.statistics.intervals import mean_interval
from bridle.statistics.scores import Estimate

__all__ = ["calibration_of", "expected_calibration_error"]

Array = np.ndarray[Any, np.dtype[Any]]

BINS = 10
_DRAWS = 1000


def expected_calibration_error(confidence: Array, right: Array, *, bins: int = BINS) -> float:
    """Return the expected calibration error: Σ rows(b)/rows · |accuracy(b) - confidence(b)|.

    Bins have equal width, from above their lower bound to their upper (Guo et al. 2017, eq. 3).

    Parameters
    ----------
    confidence : float64 ``[rows]``
        The probability that was given to the predicted class.
    right : bool or 0/1 ``[rows]``
    bins : int

    Examples
    --------
    >>> import numpy as np
    >>> expected_calibration_error(np.array([0.9, 0.9, 0.6]), np.array([1, 0, 1])).__round__(3)
    0.4
    """
    return float(_error(*_sums(confidence, np.asarray(right, dtype=np.float64), bins)))


def _sums(confidence: Array, right: Array, bins: int) -> tuple[Array, Array, Array]:
    """Return rows, summed confidence and rights of each bin, ``[bins]``."""
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    kinds = (None, confidence, right)
    rows, sure, hits = (np.bincount(places, weights=each, minlength=bins) for each in kinds)
    return rows, sure, hits


def _error(rows: Array, sure: Array, hits: Array) -> Array:
    """Return the ECE; ``hits`` is ``[..., bins]``."""
    return np.abs(hits - sure).sum(-1) / rows.sum()


def calibration_of(part: str, predicted: Predicted, *, seed: int = 0) -> Calibration | None:
    """Return how well probabilities fit what happened; None where there are no probabilities."""
    shares = predicted.probabilities
    if shares is None or predicted.losses is None:
        return None
    confidence = shares.max(1)
    right = (predicted.values == predicted.truth).astype(np.float64)
    rows, sure, hits = _sums(confidence, right, BINS)
    found = float(_error(rows, sure, hits))
    # if the probabilities are right, a bin has as many hits as its confidence says
    random = np.random.default_rng([seed, 0xCA11])
    chances = np.clip(sure / np.maximum(rows, 1), 0, 1)
    drawn = _error(rows, sure, random.binomial(rows.astype(np.int64), chances, (_DRAWS, BINS)))
    truth = np.zeros_like(shares)
    truth[np.arange(len(shares)), predicted.truth] = 1
    return Calibration(
        part=part,
        ece=found,
        ece_if_calibrated=float(drawn.mean()),
        p_value=float((1 + (drawn >= found).sum()) / (1 + len(drawn))),
        overconfidence=mean_interval(confidence - right),
        nll=mean_interval(predicted.losses),
        brier=mean_interval(np.square(shares - truth).sum(1)),
        bins=tuple(
            _bin(place, int(rows[place]), float(sure[place]), int(hits[place]))
            for place in range(BINS)
            if rows[place]
        ),
    )


def _bin(place: int, rows: int, sure: float, hits: int) -> Bin:
    bounds = binomtest(hits, rows).proportion_ci(method="wilson")
    accuracy = Estimate(hits / rows, float(bounds.low), float(bounds.high))
    return Bin(place / BINS, (place + 1) / BINS, rows, sure / rows, accuracy)
