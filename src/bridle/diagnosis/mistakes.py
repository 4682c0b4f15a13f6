"""Which mistakes a model makes: confused classes, ROC curves, and errors of a regression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from bridle.diagnosis.predictions import Predictions
from bridle.statistics.scores import Estimate

__all__ = [
    "Confusion",
    "Residuals",
    "RocCurve",
    "area_under",
    "confusion_of",
    "residuals_of",
    "roc_curves_of",
]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_POINTS = 400
"""Points of a curve, and rows of a regression, that are recorded."""

_MOST_CLASSES = 50
_LEAST = 1e-9
_Z = float(ndtri(0.975))


@dataclass(frozen=True)
class Confusion:
    """How often each class is predicted as each other.

    Attributes
    ----------
    part : {"training", "held out", "test"}
    classes : tuple of str
        The classes. If there are more than 50, the last is "other classes" and stands for the
        rarest.
    counts : tuple of tuple of int
        Rows by true class (first index) and predicted class (second).
    """

    part: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class RocCurve:
    """The ROC curve of one class against all others.

    Attributes
    ----------
    part : {"training", "held out", "test"}
    label : str
        The class that counts as positive.
    positives, negatives : int
        Number of rows of the class, and of the others.
    area : Estimate
        The area under the curve, with its 95 % interval (Newcombe 2006).
    false_positive_rate, true_positive_rate : tuple of float
        The points of the curve, at most 400, from (0, 0) to (1, 1).
    """

    part: str
    label: str
    positives: int
    negatives: int
    area: Estimate
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


@dataclass(frozen=True)
class Residuals:
    """The errors of a regression, in the target's units; an error is predicted minus true.

    Attributes
    ----------
    part : {"training", "held out", "test"}
    rows : int
    truth, predicted : tuple of float
        Of at most 400 rows, evenly spaced.
    mean_error, root_mean_square, median_absolute, absolute_90 : float
        Over all rows: the mean error, the root mean squared error, and the median and the 90th
        percentile of the absolute error.
    """

    part: str
    rows: int
    truth: tuple[float, ...]
    predicted: tuple[float, ...]
    mean_error: float
    root_mean_square: float
    median_absolute: float
    absolute_90: float


def confusion_of(part: str, predicted: Predictions) -> Confusion | None:
    """Return how classes are confused; None for regression."""
    if predicted.classes is None:
        return None
    count = len(predicted.classes)
    truth, said = predicted.truth.astype(np.int64), predicted.values.astype(np.int64)
    labels = [str(name) for name in predicted.classes]
    if count > _MOST_CLASSES:
        often = np.argsort(-np.bincount(truth, minlength=count), kind="stable")
        kept = np.sort(often[: _MOST_CLASSES - 1])
        place = np.full(count, len(kept))
        place[kept] = np.arange(len(kept))
        truth, said, count = place[truth], place[said], len(kept) + 1
        labels = [*(labels[at] for at in kept), "other classes"]
    table = np.bincount(truth * count + said, minlength=count * count).reshape(count, count)
    return Confusion(part, tuple(labels), tuple(map(tuple, table.tolist())))


def roc_curves_of(part: str, predicted: Predictions) -> tuple[RocCurve, ...]:
    """Return the ROC curve of each class that has rows and is not every row's.

    Of two classes only the second has a curve: that of the first is its mirror image.
    """
    classes, shares = predicted.classes, predicted.probabilities
    if classes is None or shares is None:
        return ()
    wanted = range(1, 2) if len(classes) == 2 else range(min(len(classes), _MOST_CLASSES))
    found = []
    for code in wanted:
        positive = predicted.truth == code
        if positive.any() and not positive.all():
            fall, rise = _points(positive, shares[:, code])
            found.append(
                RocCurve(
                    part=part,
                    label=str(classes[code]),
                    positives=int(positive.sum()),
                    negatives=int((~positive).sum()),
                    area=area_under(positive, shares[:, code]),
                    false_positive_rate=tuple(fall.tolist()),
                    true_positive_rate=tuple(rise.tolist()),
                )
            )
    return tuple(found)


def _points(positive: Array, scores: Array) -> tuple[Array, Array]:
    """Return the corners of a ROC curve; of a longer curve, evenly spaced corners."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # of each distinct score
    rise = np.concatenate([[0], np.cumsum(positive[order])[last]])
    fall = np.concatenate([[0], last + 1]) - rise
    bends = (np.diff(fall, 2) != 0) | (np.diff(rise, 2) != 0)
    at = np.flatnonzero(np.concatenate([[True], bends, [True]]))
    if len(at) > MOST_POINTS:
        at = at[np.unique(np.linspace(0, len(at) - 1, MOST_POINTS).round().astype(np.int64))]
    return fall[at] / fall[-1], rise[at] / rise[-1]


def area_under(positive: Array, scores: Array) -> Estimate:
    """Return the area under the ROC curve, with its 95 % interval.

    The interval is that of Newcombe (2006, method 5): it holds each area whose distance to the
    measured one is at most 1.96 of its own standard errors (Hanley & McNeil 1982). It stays within
    0 and 1, and has a width also where no row is on the wrong side.

    Parameters
    ----------
    positive : bool ``[rows]``
        At least one row is positive and one negative.
    scores : float64 ``[rows]``
    """
    from scipy.optimize import brentq  # with scipy.stats, they take a second to import
    from scipy.stats import rankdata

    count, rest = int(positive.sum()), int((~positive).sum())
    ranks = float(rankdata(scores)[positive].sum())
    area = (ranks - count * (count + 1) / 2) / (count * rest)
    many = (count + rest) / 2 - 1

    def apart(other: float) -> float:
        bracket = 1 + many * (1 - other) / (2 - other) + many * other / (1 + other)
        return abs(other - area) - _Z * math.sqrt(other * (1 - other) * bracket / (count * rest))

    inside = min(max(area, _LEAST), 1 - _LEAST)  # at 0 and 1 an area has no standard error
    low = brentq(apart, _LEAST / 10, inside) if area > _LEAST else 0.0
    high = brentq(apart, inside, 1 - _LEAST / 10) if area < 1 - _LEAST else 1.0
    return Estimate(area, float(low), float(high))


def residuals_of(part: str, predicted: Predictions) -> Residuals | None:
    """Return the errors of a regression; None for classification."""
    if predicted.classes is not None:
        return None
    truth, values = (
        each.astype(np.float64, copy=False) for each in (predicted.truth, predicted.values)
    )
    error, size = values - truth, np.abs(values - truth)
    count = len(truth)
    at = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(np.int64))
    return Residuals(
        part=part,
        rows=count,
        truth=tuple(truth[at].tolist()),
        predicted=tuple(values[at].tolist()),
        mean_error=float(error.mean()),
        root_mean_square=float(np.sqrt(np.mean(np.square(error)))),
        median_absolute=float(np.median(size)),
        absolute_90=float(np.quantile(size, 0.9)),
    )
