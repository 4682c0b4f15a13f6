"""What the search learned of the regularizers: which matter, and how the score moves with each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from bridle.search.configuration import PLAIN, Configuration
from bridle.search.halving import Entry

__all__ = ["explain", "shares_of"]

STRENGTHS = (
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
)
_FEWEST = 20
_TREES = 200
_SHUFFLES = 5
_POINTS = 7
_INFINITE = 1e3  # where an infinite strength stands among the others


def _columns(configurations: Sequence[Configuration]) -> np.ndarray[Any, Any]:
    values = np.array([[getattr(c, name) for name in STRENGTHS] for c in configurations])
    return np.where(np.isinf(values), _INFINITE, values).astype(np.float64)


def explain(entries: Sequence[Entry], seed: int) -> tuple[dict[str, float], pd.DataFrame]:
    """Return how much each strength explains of the first rung's scores, and the score by strength.

    A random forest learns the score from the strengths. The importance of a strength is the drop of
    the forest's R² when its values are shuffled (Breiman 2001); the score at a value is the
    forest's mean over all configurations with that one strength set to the value (partial
    dependence, Friedman 2001).

    Returns
    -------
    tuple
        A dict, the most important first, and a DataFrame of ``strength``, ``value`` and ``score``;
        both are empty below 20 configurations. An infinite value is none of that regularizer.
    """
    entries = [each for each in entries if each.scores and not each.failed]
    empty = pd.DataFrame({"strength": [], "value": [], "score": []})
    if len(entries) < _FEWEST:
        return {}, empty
    X = _columns([each.configuration for each in entries])
    y = np.array([each.first_score for each in entries])
    forest = RandomForestRegressor(_TREES, min_samples_leaf=3, random_state=seed).fit(X, y)
    # all shuffled copies in one prediction: scikit-learn's own function asks the forest for each
    random = np.random.default_rng([seed, 0x5F])
    shuffled = np.tile(X, (len(STRENGTHS), _SHUFFLES, 1, 1))
    for at in range(len(STRENGTHS)):
        for copy in range(_SHUFFLES):
            shuffled[at, copy, :, at] = random.permutation(X[:, at])
    said = forest.predict(shuffled.reshape(-1, X.shape[1])).reshape(len(STRENGTHS), -1, len(y))
    spread = max(float(y.var()), np.finfo(float).tiny)
    drops = (np.square(said - y).mean((1, 2)) - np.square(forest.predict(X) - y).mean()) / spread
    pairs = zip(STRENGTHS, drops, X.T, strict=True)
    shown = {name: float(drop) for name, drop, column in pairs if np.ptp(column)}
    importance = dict(sorted(shown.items(), key=lambda pair: -pair[1]))
    rows = []
    for name in importance:
        at = STRENGTHS.index(name)
        values = np.unique(np.quantile(X[:, at], np.linspace(0, 1, _POINTS), method="nearest"))
        moved = np.repeat(X[None], len(values), axis=0)
        moved[:, :, at] = values[:, None]
        scores = forest.predict(moved.reshape(-1, X.shape[1])).reshape(len(values), -1).mean(1)
        rows += [
            {"strength": name, "value": np.inf if value == _INFINITE else value, "score": score}
            for value, score in zip(values.tolist(), scores.tolist(), strict=True)
        ]
    return importance, pd.DataFrame(rows)


def shares_of(finalists: Sequence[Entry]) -> dict[str, float]:
    """Return the share of configurations that use each regularizer."""
    used = {
        name: [getattr(each.configuration, name) != getattr(PLAIN, name) for each in finalists]
        for name in STRENGTHS
        if name != "learning_rate"
    }
    return {name: float(np.mean(each)) for name, each in used.items()}
