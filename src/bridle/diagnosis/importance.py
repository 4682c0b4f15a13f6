"""Permutation importance: what a model loses if the cells of one column are shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import stdtrit

from bridle.diagnosis.predictions import Predictions
from bridle.models.table_model import TableModel
from bridle.networks.embedding import squares_of_inputs
from bridle.networks.population import predict
from bridle.statistics.scores import Estimate
from bridle.statistics.temperature import tempered
from bridle.tables import ClassTarget

__all__ = ["ColumnImportance", "ImportanceOfColumns", "importance_of_columns"]

Array = np.ndarray[Any, np.dtype[Any]]

REPEATS, FEWEST_REPEATS = 10, 5
MOST_ROWS, FEWER_ROWS = 1000, 500
FEWEST_COLUMNS = 10
MOST_WORK = 2e11
"""Multiplications that all predictions may take, a few seconds; more columns are left out."""

_EACH = 5e8  # what a column takes besides its multiplications, in these

_MOST_CELLS = 10_000_000  # of a batch of shuffled copies


@dataclass(frozen=True)
class ColumnImportance:
    """What a model loses if the cells of one column are shuffled among the rows.

    Attributes
    ----------
    name : str
    score : Estimate
        The drop of the score: its mean over the shuffles, with the 95 % interval of that mean.
    loss : Estimate
        The rise of the mean loss, likewise.
    """

    name: str
    score: Estimate
    loss: Estimate


@dataclass(frozen=True)
class ImportanceOfColumns:
    """The importance of the columns for a model's predictions (Breiman 2001).

    Attributes
    ----------
    part : {"training", "held out", "test"}
        The part whose rows were predicted.
    columns : tuple of ColumnImportance
        By their drop of the score, the largest first.
    of_columns : int
        The number of columns that the model uses; ``columns`` has fewer if that would take long.
    rows, of_rows : int
        The number of rows that were predicted, and that the part has.
    repeats : int
        The number of shuffles of each column.
    """

    part: str
    columns: tuple[ColumnImportance, ...]
    of_columns: int
    rows: int
    of_rows: int
    repeats: int


def importance_of_columns(
    model: TableModel, part: str, X: Array, y: Array, *, seed: int = 0
) -> ImportanceOfColumns:
    """Return the permutation importance of each column of the table.

    All features that encode a column are shuffled together, as if the cells of the column were.
    The permutations are those of :func:`sklearn.inspection.permutation_importance` with the same
    ``random_state``. At most 1,000 rows are predicted. If that is too much work, there are fewer
    rows and shuffles, and only the columns with the largest weights in the first layer.

    Parameters
    ----------
    model : TableModel
    part : str
        The name of the part that the rows are of.
    X : float32 ``[rows, features]``
        The encoded rows.
    y : int64 or float64 ``[rows]``
        The encoded target.
    seed : int
        The seed of the permutations, and of the sample of rows.
    """
    network, of_rows = model.network, len(y)
    places: dict[str, list[int]] = {}
    for at, name in enumerate(model.encoder.feature_columns):
        places.setdefault(name, []).append(at)
    features = {name: np.array(own) for name, own in places.items()}
    size = network.members * sum(w[0].numel() for w in network.weights)
    rows, repeats = min(of_rows, MOST_ROWS), REPEATS
    if len(features) * (rows * repeats * size + _EACH) > MOST_WORK:
        rows, repeats = min(rows, FEWER_ROWS), FEWEST_REPEATS
    most = max(FEWEST_COLUMNS, int(MOST_WORK / (rows * repeats * size + _EACH)))
    chosen = _heaviest(model, X, features)[:most]
    if rows < of_rows:
        some = np.sort(np.random.default_rng(seed).choice(of_rows, rows, replace=False))
        X, y = X[some], y[some]
    score, loss = _measure(model, X, y)
    orders = _orders(rows, repeats, seed)
    found = []
    for name in chosen:
        own = features[name]
        shuffled = [_measure(model, *each) for each in _copies(X, y, own, orders)]
        scores, losses = (np.concatenate(each) for each in zip(*shuffled, strict=True))
        found.append(ColumnImportance(name, _mean(score - scores), _mean(losses - loss)))
    found.sort(key=lambda each: (-each.score.value, -each.loss.value))
    return ImportanceOfColumns(part, tuple(found), len(features), rows, of_rows, repeats)


def _heaviest(model: TableModel, X: Array, features: Mapping[str, Array]) -> list[str]:
    """Return the columns by what their features add to the first layer, the most first."""
    network = model.network
    weights = squares_of_inputs(network.embedding, network.weights[0]).cpu().numpy()
    reach = weights * X.var(axis=0)
    return sorted(features, key=lambda name: -float(reach[features[name]].sum()))


def _orders(rows: int, repeats: int, seed: int) -> Array:
    """Return the permutations of scikit-learn's function ``[repeats, rows]``."""
    started = np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1)
    random, order, at = np.random.RandomState(started), np.arange(rows), np.arange(rows)
    found = []
    for _ in range(repeats):
        random.shuffle(order)
        at = at[order]  # each shuffle is one of the column as the last left it
        found.append(at)
    return np.array(found)


def _copies(X: Array, y: Array, own: Array, orders: Array) -> Iterator[tuple[Array, Array]]:
    """Yield batches of copies of the rows, with one column's features shuffled."""
    each = max(1, _MOST_CELLS // max(1, X.size))
    for start in range(0, len(orders), each):
        some = orders[start : start + each]
        copies = np.tile(X, (len(some), 1, 1))
        copies[:, :, own] = X[:, own][some]
        yield copies, y


def _measure(model: TableModel, X: Array, y: Array) -> tuple[Array, Array]:
    """Return score and mean loss of rows ``[rows, features]``, or of each of several copies."""
    copies = X[None] if X.ndim == 2 else X
    outputs = predict(model.network, torch.from_numpy(copies.reshape(-1, X.shape[-1]))).double()
    scores: list[float] = []
    losses: list[float] = []
    if isinstance(model.target, ClassTarget):
        shares = tempered(outputs.softmax(-1).mean(0).numpy(), model.temperature)
        for each in shares.reshape(len(copies), len(y), -1):
            given = Predictions.of_probabilities(y, each, model.target.classes)
            _add(given, scores, losses)
    else:
        values = outputs[..., 0].mean(0).numpy().reshape(len(copies), len(y))
        for each in values:
            _add(Predictions(y.astype(np.float64), each), scores, losses)
    return np.array(scores), np.array(losses)


def _add(given: Predictions, scores: list[float], losses: list[float]) -> None:
    scores.append(given.judged.value)
    losses.append(float("nan") if given.losses is None else float(given.losses.mean()))


def _mean(each: Array) -> Estimate:
    """Return the mean of shuffles with its 95 % interval."""
    mean, count = float(each.mean()), len(each)
    reach = float(stdtrit(count - 1, 0.975) * each.std(ddof=1) / np.sqrt(count))
    return Estimate(mean, mean - reach, mean + reach)
