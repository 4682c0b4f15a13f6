"""``Predictions``: a model's predictions for rows with a known target."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bridle.diagnosis.performance import Part
from bridle.errors import DataError, UsageError
from bridle.statistics.intervals import mean_interval
from bridle.statistics.scores import Estimate, Judged, judge_classes, judge_values, undefined_values

__all__ = ["Predictions", "part_of"]

Array = np.ndarray[Any, np.dtype[Any]]

_FEW_ROWS = 5
"""If a class has fewer new rows, what such rows would add is part of the intervals of means."""
_MIN_PROBABILITY = 1e-12
"""Smallest probability in the loss, about 27.6 nats; the loss of 0 would be infinite."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted and true targets, row by row.

    Attributes
    ----------
    truth, values : int64 or float64 ``[rows]``
        True and predicted targets: class codes, or values in the target's units.
    probabilities : float64 ``[rows, classes]``, optional
        Each row sums to 1.
    classes : tuple, optional
        The label of each code; None for regression.
    rows : int64 ``[rows]``, optional
        The row numbers in the given table.
    groups : int64 ``[rows]``, optional
        The group of each row, such as its patient.

    Raises
    ------
    UsageError
        If lengths differ or there are no rows.
    DataError
        If a prediction is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> found = Predictions(np.array([0, 1]), probabilities.argmax(1), probabilities, ("no", "yes"))
    >>> found.judged.value, found.losses.round(2).tolist()
    (1.0, [0.11, 0.22])
    """

    truth: Array
    values: Array
    probabilities: Array | None = None
    classes: tuple[Any, ...] | None = None
    rows: Array | None = None
    groups: Array | None = None

    def __post_init__(self) -> None:
        if len(self.truth) == 0 or len(self.truth) != len(self.values):
            raise UsageError(
                f"there are {len(self.values)} predictions for {len(self.truth)} rows; "
                "give one prediction per row, and at least one row"
            )
        given = self.values if self.probabilities is None else self.probabilities
        invalid = np.flatnonzero(~np.isfinite(given).reshape(len(given), -1).all(1))
        if len(invalid):
            raise DataError(
                f"the prediction for row {invalid[0]} is not a finite number; check the model, or "
                "fit it again with a lower learning rate"
            )

    @classmethod
    def of_probabilities(
        cls,
        truth: Array,
        probabilities: Array,
        classes: tuple[Any, ...],
        rows: Array | None = None,
        groups: Array | None = None,
    ) -> Predictions:
        """Return predictions from probabilities: the most probable class of each row."""
        shares = np.asarray(probabilities, dtype=np.float64)
        return cls(truth, shares.argmax(1), shares, classes, rows, groups)

    @property
    def task(self) -> str:
        """Either "classification" or "regression"."""
        return "regression" if self.classes is None else "classification"

    @cached_property
    def judged(self) -> Judged:
        """The scores, row by row."""
        if self.classes is None:
            if (self.truth == self.truth[0]).all():
                return undefined_values(len(self.truth))
            return judge_values(self.values, self.truth, self.groups)
        return judge_classes(self.values, self.truth, self.groups)

    def mean_of(self, value: Callable[[Array], Array], *, least: float = -math.inf) -> Estimate:
        """Return the mean of a value over the rows, with its 95 % interval.

        ``value`` maps true targets to the values of the rows, which are ``least`` or more. If the
        rarest class has few rows, it tells what further rows of that class would have.
        """
        return mean_interval(value(self.truth), self.groups, self._unseen(value), least=least)

    def mean_loss(self) -> Estimate:
        """Return the mean loss with its 95 % interval; for classes with probabilities."""
        return self.mean_of(self.losses_for, least=0.0)

    def _unseen(self, value: Callable[[Array], Array]) -> float | None:
        if self.classes is None:
            return None
        counts = np.bincount(self.truth, minlength=len(self.classes))
        rarest = int(counts.argmin())
        if counts[rarest] >= _FEW_ROWS:
            return None
        return float(value(np.full_like(self.truth, rarest)).mean())

    @cached_property
    def losses(self) -> Array | None:
        """The loss of each row: cross-entropy or squared error; None without probabilities."""
        if self.classes is not None and self.probabilities is None:
            return None
        return self.losses_for(self.truth)

    def losses_for(self, truth: Array) -> Array:
        """Return the losses if these were the true targets; for classes with probabilities."""
        if self.probabilities is None:
            return np.square(self.values - truth)
        given = self.probabilities[np.arange(len(truth)), truth]
        return -np.log(np.maximum(given, _MIN_PROBABILITY))


def part_of(name: str, predicted: Predictions) -> Part:
    """Return the scores on a part: exact for training rows, with an interval for new rows."""
    judged, losses = predicted.judged, predicted.losses
    known = name == "training"
    loss = None
    if losses is not None:
        mean = float(losses.mean())
        loss = Estimate(mean, mean, mean) if known else predicted.mean_loss()
    score = judged.exact() if known else judged.interval()
    groups = None if predicted.groups is None else judged.units
    return Part(name, len(predicted.truth), score, judged.baseline, loss, groups)
