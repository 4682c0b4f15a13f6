"""Importance of the hyperparameters, and the partial dependence of the score on each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from bridle.search.configuration import PLAIN, Configuration
from bridle.search.trial import Trial
from bridle.statistics.second_process import begin_beside, begin_call

__all__ = ["MIN_TRIALS", "begin_importance", "importance_and_response", "usage_of_regularizers"]

FloatArray = np.ndarray[Any, Any]

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
_SHUFFLES = 5
_POINTS = 7
_INFINITE = 1e3  # stands for infinity in the forest


def _columns(configurations: Sequence[Configuration]) -> np.ndarray[Any, Any]:
    values = np.array([[getattr(c, name) for name in HYPERPARAMETERS] for c in configurations])
    return np.where(np.isinf(values), _INFINITE, values).astype(np.float64)


Importance = tuple[dict[str, float], pd.DataFrame]


def begin_importance(
    trials: Sequence[Trial], seed: int, *, beside: bool = False
) -> Callable[[], Importance]:
    """Begin to find each hyperparameter's importance for the first rung's scores, and its effect.

    A random forest is fitted to the scores. The importance of a hyperparameter is the drop of the
    forest's R² when its values are shuffled (Breiman 2001). The score at a value is the forest's
    mean prediction over all configurations with that hyperparameter set to the value (partial
    dependence, Friedman 2001).

    Parameters
    ----------
    trials : sequence of Trial
    seed : int
    beside : bool
        Whether to fit the forest in a thread if there is no second process.

    Returns
    -------
    callable
        Returns a dict by importance, highest first, and a DataFrame of ``strength``, ``value`` and
        ``score``. Both are empty for fewer than 20 configurations. An infinite value means that
        the regularizer is off.
    """
    trials = [each for each in trials if each.scores and not each.failed]
    empty = pd.DataFrame({"strength": [], "value": [], "score": []})
    if len(trials) < MIN_TRIALS:
        return lambda: ({}, empty)
    X = _columns([each.configuration for each in trials])
    y = np.array([each.first_score for each in trials])
    random = np.random.default_rng([seed, 0x5F])
    copies, values = [X], []
    for at in range(X.shape[1]):
        shuffled = np.tile(X, (_SHUFFLES, 1, 1))
        for copy in shuffled:
            copy[:, at] = random.permutation(X[:, at])
        grid = np.quantile(X[:, at], np.linspace(0, 1, _POINTS), method="nearest")
        values.append(np.unique(grid))
        moved = np.tile(X, (len(values[-1]), 1, 1))
        moved[:, :, at] = values[-1][:, None]
        copies += [*shuffled, *moved]
    # one prediction for all copies; sklearn.inspection predicts each separately, 200 trees each
    begin = begin_beside if beside else begin_call
    call = begin("bridle.search.forest:forest_predictions", X, y, np.concatenate(copies), seed)
    return lambda: _importance_of(X, y, values, call())


def importance_and_response(trials: Sequence[Trial], seed: int) -> Importance:
    """Return what :func:`begin_importance` begins to find."""
    return begin_importance(trials, seed)()


def _importance_of(
    X: FloatArray, y: FloatArray, values: Sequence[FloatArray], predictions: FloatArray
) -> Importance:
    """Return the importance and the response from what the forest predicted for all copies."""
    predicted = iter(predictions.reshape(-1, len(y)))
    spread = max(float(y.var()), np.finfo(float).tiny)
    error = np.square(next(predicted) - y).mean()
    importance, rows = {}, {}
    for name, points, column in zip(HYPERPARAMETERS, values, X.T, strict=True):
        parts = np.stack(list(islice(predicted, _SHUFFLES)))
        scores = [float(each.mean()) for each in islice(predicted, len(points))]
        if not np.ptp(column):
            continue
        importance[name] = float((np.square(parts - y).mean() - error) / spread)
        rows[name] = [
            {"strength": name, "value": np.inf if value == _INFINITE else value, "score": score}
            for value, score in zip(points.tolist(), scores, strict=True)
        ]
    order = sorted(importance, key=lambda name: -importance[name])
    response = pd.DataFrame([row for name in order for row in rows[name]])
    return {name: importance[name] for name in order}, response


def usage_of_regularizers(finalists: Sequence[Trial]) -> dict[str, float]:
    """Return the share of trials that use each regularizer."""
    used = {
        name: [getattr(each.configuration, name) != getattr(PLAIN, name) for each in finalists]
        for name in HYPERPARAMETERS
        if name != "learning_rate"
    }
    return {name: float(np.mean(each)) for name, each in used.items()}
