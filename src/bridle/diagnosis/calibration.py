"""Whether probabilities are what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest

from bridle.diagnosis.intervals import mean_interval
from bridle.diagnosis.predicted import Predicted
from bridle.diagnosis.sections import Bin, Calibration
from bridle.judging import Estimate

__all__ = ["calibration_of", "expected_calibration_error"]

Array = np.ndarray[Any, np.dtype[Any]]

BINS = 10
_DRAWS = 1000
_CELLS_AT_ONCE = 10**7


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
    return float(_errors(confidence, np.asarray(right, dtype=np.float64)[None], bins)[0])


def _places(confidence: Array, bins: int) -> Array:
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _errors(confidence: Array, right: Array, bins: int) -> Array:
    """Return the ECE of each draw of ``right`` ``[draws, rows]``."""
    members = np.eye(bins)[_places(confidence, bins)]
    return np.abs((right - confidence) @ members).sum(1) / len(confidence)


def calibration_of(part: str, predicted: Predicted, *, seed: int = 0) -> Calibration | None:
    """Return how well probabilities fit what happened; None where there are no probabilities."""
    shares = predicted.probabilities
    if shares is None or predicted.losses is None:
        return None
    confidence = shares.max(1)
    right = (predicted.values == predicted.truth).astype(np.float64)
    found = expected_calibration_error(confidence, right)
    # if the probabilities are right, the predicted class is right as often as its confidence says
    random = np.random.default_rng([seed, 0xCA11])
    at_once = max(1, min(_DRAWS, _CELLS_AT_ONCE // len(confidence)))
    drawn = np.concatenate(
        [
            _errors(confidence, random.random((size, len(confidence))) < confidence, BINS)
            for size in [at_once] * (_DRAWS // at_once) or [at_once]
        ]
    )
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
        bins=tuple(_bins(confidence, right)),
    )


def _bins(confidence: Array, right: Array) -> list[Bin]:
    places = _places(confidence, BINS)
    found = []
    for place in np.unique(places).tolist():
        chosen = places == place
        rows, hits = int(chosen.sum()), int(right[chosen].sum())
        bounds = binomtest(hits, rows).proportion_ci(method="wilson")
        accuracy = Estimate(hits / rows, float(bounds.low), float(bounds.high))
        mean = float(confidence[chosen].mean())
        found.append(Bin(place / BINS, (place + 1) / BINS, rows, mean, accuracy))
    return found
