"""scikit-learn's gradient boosting, as a reference on the same rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

__all__ = ["boosting_predictions", "boosting_reference"]

Array = np.ndarray[Any, np.dtype[Any]]

BOOSTING = "gradient boosting"
_MOST_CELLS = 10**7


def boosting_predictions(
    X: Array,
    y: Array,
    X_new: Array,
    *,
    classes: int,
    seed: int,
    early_stopping: bool | str = "auto",
) -> Array:
    """Fit gradient boosting to some rows, and return its predictions for others.

    It runs on one thread. With more, the threads wait for each other if the cores are busy, which
    can take minutes.

    Parameters
    ----------
    X, X_new : float ``[rows, features]``
    y : int64 codes, or float64 ``[rows]``
    classes : int
        The number of classes; 0 for regression.
    seed : int
    early_stopping : bool or "auto"
        The argument of scikit-learn's classifier.

    Returns
    -------
    float64
        Probabilities ``[rows, classes]``, 0 for a class that is absent from ``y``; for regression
        predictions ``[rows]``.
    """
    from sklearn.ensemble import (  # takes seconds to import
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )

    with threadpool_limits(1):
        if not classes:
            values = HistGradientBoostingRegressor(random_state=seed).fit(X, y).predict(X_new)
            return np.asarray(values, dtype=np.float64)
        model = HistGradientBoostingClassifier(random_state=seed, early_stopping=early_stopping)
        with warnings.catch_warnings():
            # a class of one row or two is the caller's matter
            warnings.filterwarnings("ignore", message="The number of unique classes")
            model.fit(X, y)
        shares = np.zeros((len(X_new), classes))
        shares[:, model.classes_] = model.predict_proba(X_new)
    return shares


def boosting_reference(
    X: Array, y: Array, X_new: Array, *, classes: int, seed: int, divisible: bool = True
) -> Array | None:
    """Return the predictions of gradient boosting, as a reference on the same rows.

    Returns None if the table is so large that fitting would take minutes, or if the training rows
    have a single class. Arguments are those of :func:`boosting_predictions`. If the rows are not
    ``divisible``, since they have groups or times, it does not stop early, which would split them
    at random.
    """
    if X.size * max(1, classes) > _MOST_CELLS or len(np.unique(y)) < 2:
        return None
    rare = bool(classes) and int(np.bincount(y)[np.unique(y)].min()) < 2
    early_stopping = False if rare or not divisible else "auto"  # it splits the rows by class
    return boosting_predictions(
        X, y, X_new, classes=classes, seed=seed, early_stopping=early_stopping
    )
