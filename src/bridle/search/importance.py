"""Importance of the hyperparameters, and the partial dependence of the score on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from bridle.search.configuration import PLAIN, Configuration
from bridle.search.trial import Trial

__all__ = ["MIN_TRIALS", "importance_and_response", "usage_of_regularizers"]

HYPERPARAMETERS = (
    "learning_rate",
    "l1",
    "l2",
    "keep_prob",
    "input_keep_prob",
    "drop_connect_keep_prob",
    "max_norm",
    "label_smoothing",
    "mixup",
    "averaging",
    "class_weight",
    "bins",
    "embedding",
)
MIN_TRIALS = 20
_TREES = 200
_SHUFFLES = 5
_POINTS = 7
_INFINITE = 1e3  # stands for infinity in the forest


def _columns(configurations: Sequence[Configuration]) -> np.ndarray[Any, Any]:
    values = np.array([[getattr(c, name) for name in HYPERPARAMETERS] for c in configurations])
    return np.where(np.isinf(values), _INFINITE, values).astype(np.float64)


def importance_and_response(
    trials: Sequence[Trial], seed: int
) -> tuple[dict[str, float], pd.DataFrame]:
    """Return each hyperparameter's importance for the first rung's scores, and its effect on them.

    A random forest is fitted to the scores. The importance of a hyperparameter is the drop of the
    forest's R² when its values are shuffled (Breiman 2001). The score at a value is the forest's
    mean prediction over all configurations with that hyperparameter set to the value (partial
    dependence, Friedman 2001).

    Returns
    -------
    tuple
        A dict by importance, highest first, and a DataFrame of ``strength``, ``value`` and
        ``score``. Both are empty for fewer than 20 configurations. An infinite value means that
        the regularizer is off.
    """
    trials = [each for each in trials if each.scores and not each.failed]
    empty = pd.DataFrame({"strength": [], "value": [], "score": []})
    if len(trials) < MIN_TRIALS:
        return {}, empty
    X = _columns([each.configuration for each in trials])
    y = np.array([each.first_score for each in trials])
    forest = RandomForestRegressor(_TREES, min_samples_leaf=3, random_state=seed).fit(X, y)
    # one prediction for all shuffled copies; sklearn.inspection predicts each separately
    random, count = np.random.default_rng([seed, 0x5F]), len(HYPERPARAMETERS)
    shuffled = np.tile(X, (count, _SHUFFLES, 1, 1))
    for at in range(count):
        for copy in range(_SHUFFLES):
            shuffled[at, copy, :, at] = random.permutation(X[:, at])
    predicted = forest.predict(shuffled.reshape(-1, X.shape[1])).reshape(count, -1, len(y))
    spread = max(float(y.var()), np.finfo(float).tiny)
    error = np.square(forest.predict(X) - y).mean()
    drops = (np.square(predicted - y).mean((1, 2)) - error) / spread
    pairs = zip(HYPERPARAMETERS, drops, X.T, strict=True)
    varied = {name: float(drop) for name, drop, column in pairs if np.ptp(column)}
    importance = dict(sorted(varied.items(), key=lambda pair: -pair[1]))
    rows = []
    for name in importance:
        at = HYPERPARAMETERS.index(name)
        values = np.unique(np.quantile(X[:, at], np.linspace(0, 1, _POINTS), method="nearest"))
        moved = np.repeat(X[None], len(values), axis=0)
        moved[:, :, at] = values[:, None]
        scores = forest.predict(moved.reshape(-1, X.shape[1])).reshape(len(values), -1).mean(1)
        rows += [
            {"strength": name, "value": np.inf if value == _INFINITE else value, "score": score}
            for value, score in zip(values.tolist(), scores.tolist(), strict=True)
        ]
    return importance, pd.DataFrame(rows)


def usage_of_regularizers(finalists: Sequence[Trial]) -> dict[str, float]:
    """Return the share of trials that use each regularizer."""
    used = {
        name: [getattr(each.configuration, name) != getattr(PLAIN, name) for each in finalists]
        for name in HYPERPARAMETERS
        if name != "learning_rate"
    }
    return {name: float(np.mean(each)) for name, each in used.items()}
