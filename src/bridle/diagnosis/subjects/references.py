"""Another learner, to say what could have been had from the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from bridle.diagnosis.predicted import Predicted
from bridle.statistics.boosting import boosting_predictions

__all__ = ["BOOSTING", "boosting"]

Array = np.ndarray[Any, np.dtype[Any]]

BOOSTING = "gradient boosting"
_MOST_CELLS = 10**7


def boosting(X: Array, y: Array, new: Predicted, X_new: Array, *, seed: int) -> Predicted | None:
    """Return what scikit-learn's default gradient boosting, fitted to the training rows, says.

    Parameters
    ----------
    X, X_new : float ``[rows, features]``
        Training rows, and those of ``new``.
    y : int64 codes or float64 ``[rows]``
        As in ``new.truth``.
    new : Predicted
        The subject's, for the truth and the classes.
    seed : int

    Returns
    -------
    Predicted
        None where the table is so large that it would take minutes, or holds one class.
    """
    if X.size * len(new.classes or (0,)) > _MOST_CELLS or len(np.unique(y)) < 2:
        return None
    found = boosting_predictions(X, y, X_new, classes=len(new.classes or ()), seed=seed)
    if new.classes is None:
        return Predicted(new.truth, found)
    return Predicted.of_probabilities(new.truth, found, new.classes)
