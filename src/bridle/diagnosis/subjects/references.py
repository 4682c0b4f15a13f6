"""Gradient boosting on the same rows, as a reference for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from bridle.diagnosis.predictions import Predictions
from bridle.statistics.boosting import BOOSTING, boosting_reference

__all__ = ["BOOSTING", "boosting"]

Array = np.ndarray[Any, np.dtype[Any]]


def boosting(
    X: Array, y: Array, new: Predictions, X_new: Array, *, seed: int, divisible: bool = True
) -> Predictions | None:
    """Return the predictions of scikit-learn's gradient boosting, fitted to the training rows.

    Parameters
    ----------
    X, X_new : float ``[rows, features]``
        The inputs of the training rows, and of ``new``.
    y : int64 codes or float64 ``[rows]``
        Targets of the training rows, coded as in ``new.truth``.
    new : Predictions
        The model's predictions, for the truth and the classes.
    seed : int
    divisible : bool
        Whether the training rows may be split at random, for early stopping.

    Returns
    -------
    Predictions
        None if the table is so large that fitting would take minutes, or has a single class.
    """
    found = boosting_reference(
        X, y, X_new, classes=len(new.classes or ()), seed=seed, divisible=divisible
    )
    if found is None:
        return None
    if new.classes is None:
        return Predictions(new.truth, found, groups=new.groups)
    return Predictions.of_probabilities(new.truth, found, new.classes, groups=new.groups)
