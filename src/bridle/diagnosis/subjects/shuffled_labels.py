"""Memorization: the same training on permuted targets (Zhang et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone
from torch import Tensor

from bridle.diagnosis.network_state import ShuffledLabels
from bridle.diagnosis.predictions import Predictions
from bridle.models.recipe import Strengths, embedding_of_recipe, penalties_of
from bridle.networks.history import Dataset
from bridle.networks.objectives import CrossEntropy, Objective, SquaredError
from bridle.networks.population import Network, predict
from bridle.networks.training import train

__all__ = ["shuffled_estimator", "shuffled_network"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_ROWS = 10_000
"""Maximum number of rows to train on, which limits the time."""


def _permutation(rows: int, seed: int) -> tuple[Array, Array]:
    """Return the rows to train on, and for each the row whose target it gets."""
    random = np.random.default_rng([seed, 0x5417])
    chosen = np.sort(random.permutation(rows)[:MOST_ROWS])
    return chosen, random.permutation(chosen)


def _record(predicted: Predictions, how: str) -> ShuffledLabels | None:
    judged = predicted.judged
    if judged.baseline >= 1:
        return None
    memorised = max(0.0, (judged.value - judged.baseline) / (1 - judged.baseline))
    return ShuffledLabels(judged.value, judged.baseline, memorised, len(predicted.truth), how)


def shuffled_network(
    X: Tensor,
    y: Tensor,
    *,
    outputs: int,
    strengths: Strengths,
    recipe: Mapping[str, Any],
    epochs: int,
    seed: int,
) -> ShuffledLabels | None:
    """Train the network of a recipe on permuted targets, for the same number of epochs.

    Parameters
    ----------
    X, y : Tensor
        The training rows.
    outputs : int
        Number of classes, or 1 for regression.
    strengths : Strengths
    recipe : mapping
        ``hidden``, ``learning_rate`` and ``batch_size``, and ``embedding`` if there is one.
    epochs : int
    seed : int
    """
    rows, others = _permutation(len(y), seed)
    classes = not y.is_floating_point()
    data = Dataset(X[rows], y[others])
    objective: Objective = CrossEntropy() if classes else SquaredError()
    network = Network(
        [X.shape[1], *recipe["hidden"], outputs],
        seeds=seed,
        embedding=embedding_of_recipe(recipe),
        **_noises(strengths),
    )
    train(
        network,
        data,
        data,
        objective=objective,
        learning_rate=float(recipe["learning_rate"]),
        epochs=max(1, epochs),
        batch_size=int(recipe["batch_size"]),
        penalties=penalties_of([strengths]),
        seed=seed,
    )
    found = predict(network, data.X)[0]
    truth = data.y.numpy()
    if classes:
        predicted = Predictions(truth, found.argmax(-1).numpy(), None, tuple(range(outputs)))
    else:
        predicted = Predictions(truth.astype(np.float64), found[:, 0].double().numpy())
    return _record(predicted, f"same network, strengths and learning rate, {epochs} epochs")


def _noises(strengths: Strengths) -> dict[str, Any]:
    return dict(strengths.noises(members=1))


def shuffled_estimator(estimator: Any, X: Any, y: Array, *, seed: int) -> ShuffledLabels | None:
    """Fit a clone of a scikit-learn estimator to permuted targets."""
    rows, others = _permutation(len(y), seed)
    some = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
    truth = np.asarray(y)[others]
    fitted = clone(estimator).fit(some, truth)
    predicted = np.asarray(fitted.predict(some))
    if hasattr(fitted, "classes_"):
        labels = tuple(np.asarray(fitted.classes_).tolist())
        codes = np.searchsorted(fitted.classes_, truth)
        found = Predictions(codes, np.searchsorted(fitted.classes_, predicted), None, labels)
    else:
        found = Predictions(truth.astype(np.float64), predicted.astype(np.float64))
    return _record(found, "a clone with the same parameters")
