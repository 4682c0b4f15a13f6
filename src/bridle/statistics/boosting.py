"""scikit-learn's gradient boosting, as another learner on the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

__all__ = ["boosting_predictions"]

Array = np.ndarray[Any, np.dtype[Any]]


def boosting_predictions(
    X: Array,
    y: Array,
    X_new: Array,
    *,
    classes: int,
    seed: int,
    early_stopping: bool | str = "auto",
) -> Array:
    """Return what gradient boosting, fitted to some rows, says of others.

    On one thread: on busy cores more of them wait for each other, for minutes.

    Parameters
    ----------
    X, X_new : float ``[rows, features]``
    y : int64 codes, or float64 ``[rows]``
    classes : int
        How many there are; 0 for values.
    seed : int
    early_stopping : bool or "auto"
        Of the classifier, as scikit-learn has it.

    Returns
    -------
    float64
        Probabilities ``[rows, classes]``, 0 for a class that no row of ``y`` has; or values
        ``[rows]``.
    """
    with threadpool_limits(1):
        if not classes:
            values = HistGradientBoostingRegressor(random_state=seed).fit(X, y).predict(X_new)
            return np.asarray(values, dtype=np.float64)
        model = HistGradientBoostingClassifier(random_state=seed, early_stopping=early_stopping)
        model.fit(X, y)
        shares = np.zeros((len(X_new), classes))
        shares[:, model.classes_] = model.predict_proba(X_new)
    return shares
