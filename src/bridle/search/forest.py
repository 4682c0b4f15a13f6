"""The random forest that explains the scores of a search, apart from all that imports torch."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["forest_predictions"]

_TREES = 200


def forest_predictions(
    X: np.ndarray[Any, Any], y: np.ndarray[Any, Any], X_new: np.ndarray[Any, Any], seed: int
) -> np.ndarray[Any, Any]:
    """Fit a forest to some rows, and return its predictions for others, ``[rows]``."""
    from sklearn.ensemble import RandomForestRegressor  # takes seconds to import

    forest = RandomForestRegressor(_TREES, min_samples_leaf=3, random_state=seed)
    return np.asarray(forest.fit(X, y).predict(X_new))
