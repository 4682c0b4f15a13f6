"""The same training on fewer rows: networks of a recipe, and clones of an estimator."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from bridle.errors import DataError, TrainingError
from bridle.models.judge import judge_members, with_class_weights
from bridle.models.recipe import Recipe, Strengths, embedding_of_facts, noises_of, penalties_of
from bridle.models.table_model import TableModel
from bridle.networks.history import Dataset
from bridle.networks.population import Network, predict
from bridle.networks.stopping import BestWeights
from bridle.networks.training import train_step
from bridle.statistics.scores import Judged, judge_classes, judge_values, undefined_values

__all__ = ["Scores", "estimator_scores", "nested_orders", "network_scores", "subset_sizes"]

Array = np.ndarray[Any, np.dtype[Any]]
Scores = list[tuple[int, list[float], list[Judged]]]
"""For each number of rows: that number, and the training score and test set of each repeat."""

FEWEST_ROWS = 10


def subset_sizes(rows: int) -> list[int]:
    """Return an eighth, a quarter, a half and all of the rows; numbers below 10 are left out."""
    if rows < 2 * FEWEST_ROWS:
        raise DataError(
            f"{rows} training rows are too few for a learning curve; give {2 * FEWEST_ROWS} or more"
        )
    return [size for size in (rows // 8, rows // 4, rows // 2) if size >= FEWEST_ROWS] + [rows]


def nested_orders(rows: int, codes: Array | None, repeats: int, seed: int) -> list[Array]:
    """Return an order of the rows for each repeat; subsets are the first rows of an order.

    Every second order is the reverse of the one before, so that their halves are complements.
    With class codes, the first rows have about the shares of the classes.
    """
    random = np.random.default_rng([seed, 0xC0DE])
    orders: list[Array] = []
    for repeat in range(repeats):
        if repeat % 2:
            orders.append(orders[-1][::-1])
            continue
        order = random.permutation(rows)
        if codes is not None:
            place = np.empty(rows)
            for code in np.unique(codes):
                own = np.flatnonzero(codes[order] == code)
                place[own] = (np.arange(len(own)) + random.random()) / len(own)
            order = order[np.argsort(place, kind="stable")]
        orders.append(order)
    return orders


# --------------------------------------------------------------------------------- networks


def network_scores(
    model: TableModel,
    data: Mapping[str, Dataset],
    *,
    strengths: Strengths,
    recipe: Recipe,
    repeats: int,
    steps: int,
    seed: int,
) -> Scores:
    """Train the network of a recipe on each number of rows, all as one population.

    All take the same number of steps, and early stopping counts steps alike, so that networks with
    fewer rows are not trained less. Networks of one repeat start from the same weights.
    """
    training, coding = data["training"], model.target
    classes = not training.y.is_floating_point()
    rows = len(training.y)
    codes = training.y.numpy() if classes else None
    sizes, orders = subset_sizes(rows), nested_orders(rows, codes, repeats, seed)
    subsets = [torch.from_numpy(order[:size].copy()) for size in sizes for order in orders]
    members = [strengths] * len(subsets)
    network = Network(
        model.network.sizes,
        seeds=[seed + repeat for _ in sizes for repeat in range(repeats)],
        activation=model.network.activation,
        **noises_of(members),
        embedding=embedding_of_facts(model.facts, model.network.embedding),
    )
    weighted = {
        name: with_class_weights(data[name], training, coding, recipe)
        for name in ("training", "held out")
    }
    _train(network, subsets, weighted, model, penalties_of(members), recipe, steps, seed)
    found = judge_members(network, data["test"], coding)
    known = [
        judge_members(network.take([at]), Dataset(training.X[own], training.y[own]), coding)[0]
        for at, own in enumerate(subsets)
    ]
    parts = [slice(at * repeats, (at + 1) * repeats) for at in range(len(sizes))]
    return [
        (size, [each.value for each in known[part]], found[part])
        for size, part in zip(sizes, parts, strict=True)
    ]


def _train(
    network: Network,
    subsets: Sequence[Tensor],
    data: Mapping[str, Dataset],
    model: TableModel,
    penalties: Sequence[Any],
    recipe: Recipe,
    steps: int,
    seed: int,
) -> None:
    """Train each member on its own rows."""
    training, held_out, objective = data["training"], data["held out"], model.objective
    size = min(recipe.batch_size, len(training.y))
    per_epoch = -(-len(training.y) // size)  # steps of an epoch over all rows
    epochs = max(1, min(recipe.epochs, steps // per_epoch))
    streams = [_Stream(own, seed + at) for at, own in enumerate(subsets)]
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, fused=True)
    best = BestWeights(network, [recipe.patience] * network.members)
    network.train()
    for epoch in range(1, epochs + 1):
        for _ in range(per_epoch):
            at = torch.stack([stream.take(size) for stream in streams])
            columns = (training.X, training.y, training.weight)
            batch = tuple(each[at] for each in columns if each is not None)
            train_step(
                network,
                batch,
                optimizer=optimizer,
                objective=objective,
                penalties=penalties,
                metric="adaptive",
            )
        with torch.no_grad():
            losses = objective.loss(predict(network, held_out.X), held_out.y).double()
        if held_out.weight is not None:
            losses = losses * held_out.weight
        if not losses.isfinite().all():
            raise TrainingError(
                f"the loss is not a finite number after epoch {epoch}; "
                f"use a lower learning rate than {recipe.learning_rate:g}"
            )
        if best.update(epoch, losses.mean(1)):
            break
    best.restore()
    network.eval()


class _Stream:
    """The rows of a subset without end, shuffled anew each time."""

    def __init__(self, rows: Tensor, seed: int) -> None:
        self.rows, self.ready = rows, rows[:0]
        self.generator = torch.Generator().manual_seed(seed)

    def take(self, count: int) -> Tensor:
        while len(self.ready) < count:
            order = torch.randperm(len(self.rows), generator=self.generator)
            self.ready = torch.cat([self.ready, self.rows[order]])
        taken, self.ready = self.ready[:count], self.ready[count:]
        return taken


# ------------------------------------------------------------------------------- estimators


def estimator_scores(
    estimator: Any,
    training: tuple[Any, Array],
    test: tuple[Any, Array],
    labels: tuple[Any, ...] | None,
    *,
    repeats: int,
    seed: int,
    sizes: Sequence[int] | None = None,
) -> Scores:
    """Fit clones of an estimator to each number of rows; labels are None for regression.

    The numbers of rows are those of :func:`subset_sizes`, if they are not given.
    """
    X, y = training
    codes = None if labels is None else _codes(y, labels)
    orders = nested_orders(len(y), codes, repeats, seed)
    found: Scores = []
    for size in sizes or subset_sizes(len(y)):
        parts = [order[:size] for order in orders]
        if codes is not None and any(len(np.unique(codes[own])) < 2 for own in parts):
            continue
        fitted = [_fitted(estimator, X, y, own, seed + at) for at, own in enumerate(parts)]
        known = [
            _judged(each, _rows(X, own), y[own], labels)
            for each, own in zip(fitted, parts, strict=True)
        ]
        new = [_judged(each, *test, labels) for each in fitted]
        found.append((size, [each.value for each in known], new))
    if len(found) < 2:
        raise DataError(
            "half of the training rows have one class only, so there is no learning curve; give "
            "more rows of the other classes"
        )
    return found


def _fitted(estimator: Any, X: Any, y: Array, rows: Array, seed: int) -> Any:
    made = clone(estimator)
    names = [name for name in made.get_params() if name.split("__")[-1] == "random_state"]
    made.set_params(**dict.fromkeys(names, seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return made.fit(_rows(X, rows), y[rows])


def _rows(X: Any, rows: Array) -> Any:
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _judged(fitted: Any, X: Any, y: Array, labels: tuple[Any, ...] | None) -> Judged:
    predicted = np.asarray(fitted.predict(X))
    if labels is not None:
        return judge_classes(_codes(predicted, labels), _codes(y, labels))
    if (y == y[0]).all():
        return undefined_values(len(y))
    return judge_values(predicted.ravel().astype(np.float64), y.astype(np.float64))


def _codes(y: Array, labels: tuple[Any, ...]) -> Array:
    place = {label: code for code, label in enumerate(labels)}
    return np.array([place[label] for label in y.tolist()], dtype=np.int64)
