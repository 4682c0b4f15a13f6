"""From the contest's winner to a network that predicts, and how it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.inspection import permutation_importance
from torch import Tensor

from bridle.network import Network, predict
from bridle.noise import DropConnect, Dropout
from bridle.searching.configuration import PLAIN, Configuration
from bridle.searching.halving import Entry
from bridle.searching.task import Task

__all__ = ["averaged", "boosting_outputs", "importance_of", "network_of", "own_rows", "shares_of"]

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
_BOOSTING_CELLS = 10**7


def network_of(task: Task, entry: Entry) -> Network:
    """Return the networks of a configuration, one for each fold, with their best weights."""
    chosen, state = entry.configuration, entry.state
    if state is None:
        raise AssertionError(f"the weights of configuration {entry.id} were forgotten")

    def noise(kind: Any, keep: float) -> Any:
        return kind(keep_prob=keep) if keep < 1 else None

    hidden, bins = chosen.shape
    network = Network(
        [task.inputs[bins].shape[1], *hidden, task.outputs],
        seeds=list(range(task.folds)),
        hidden_noise=noise(Dropout, chosen.keep_prob),
        input_noise=noise(Dropout, chosen.input_keep_prob),
        weight_noise=noise(DropConnect, chosen.drop_connect_keep_prob),
    )
    with torch.no_grad():
        for at, parameter in enumerate(network.parameters()):
            parameter.copy_(torch.from_numpy(np.asarray(state[f"best.{at}"])))
    network.steps.fill_(entry.best_step)
    return network.eval()


def averaged(outputs: Tensor, *, classes: bool) -> Tensor:
    """Return the average of members as outputs ``[rows, outputs]``: of probabilities, or values."""
    if not classes:
        return outputs.double().mean(0)
    return outputs.double().softmax(-1).mean(0).clamp(min=1e-12).log()


def own_rows(task: Task, network: Network, bins: int) -> tuple[Tensor, Tensor]:
    """Return the outputs for each row by a member that learned it, and by the one that did not."""
    outputs = predict(network, task.inputs[bins])
    rows = torch.arange(outputs.shape[1])
    return outputs[(task.fold + 1) % task.folds, rows], outputs[task.fold, rows]


def boosting_outputs(
    X: Tensor, y: Tensor, X_test: Tensor, *, classes: int, seed: int
) -> Tensor | None:
    """Return what scikit-learn's default gradient boosting says of the test rows.

    None where the table is so large that it would take longer than the search.
    """
    if X.numel() * max(1, classes) > _BOOSTING_CELLS:
        return None
    if not classes:
        model = HistGradientBoostingRegressor(random_state=seed).fit(X.numpy(), y.numpy())
        return torch.from_numpy(model.predict(X_test.numpy()))[:, None]
    model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
    model.fit(X.numpy(), y.numpy())
    found = torch.full((len(X_test), classes), 1e-12, dtype=torch.float64)
    found[:, torch.from_numpy(model.classes_)] = torch.from_numpy(
        model.predict_proba(X_test.numpy())
    )
    return found.clamp(min=1e-12).log()


def _columns(configurations: Sequence[Configuration]) -> np.ndarray[Any, Any]:
    values = np.array([[getattr(c, name) for name in STRENGTHS] for c in configurations])
    return np.where(np.isinf(values), 1e3, values).astype(np.float64)


def importance_of(entries: Sequence[Entry], seed: int) -> dict[str, float]:
    """Return how much of the first rung's scores each strength explains."""
    entries = [each for each in entries if each.scores and not each.failed]
    if len(entries) < 20:
        return {}
    X = _columns([each.configuration for each in entries])
    y = np.array([each.first_score for each in entries])
    forest = RandomForestRegressor(200, min_samples_leaf=3, random_state=seed).fit(X, y)
    found = permutation_importance(forest, X, y, n_repeats=10, random_state=seed)
    pairs = zip(STRENGTHS, found.importances_mean, X.T, strict=True)
    shown = {name: float(drop) for name, drop, column in pairs if np.ptp(column)}
    return dict(sorted(shown.items(), key=lambda pair: -pair[1]))


def shares_of(finalists: Sequence[Entry]) -> dict[str, float]:
    """Return the share of configurations that use each regularizer."""
    used = {
        name: [getattr(each.configuration, name) != getattr(PLAIN, name) for each in finalists]
        for name in STRENGTHS
        if name != "learning_rate"
    }
    return {name: float(np.mean(each)) for name, each in used.items()}
