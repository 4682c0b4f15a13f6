"""Ablation: networks with each regularizer alone, and paths over the strength of L1 and L2."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from bridle.errors import UsageError
from bridle.models.ablation_result import Ablated, Ablation
from bridle.models.fit import PLAIN, REGULARIZED, STOPPED
from bridle.models.grouping import Grouping, groups_of
from bridle.models.judge import judge_members, with_class_weights
from bridle.models.reading import Rows, fitted_by, rows_for_model
from bridle.models.recipe import (
    DEFAULT_STRENGTHS,
    Recipe,
    Strengths,
    embedding_of_facts,
    noises_of,
    penalties_of,
)
from bridle.models.result import FitResult
from bridle.models.row_forms import By
from bridle.models.split import three_parts
from bridle.models.table_model import TableModel
from bridle.networks.history import Dataset, History
from bridle.networks.objectives import Objective
from bridle.networks.population import Network
from bridle.networks.training import train
from bridle.statistics import judge_gap
from bridle.statistics.scores import Judged, compare
from bridle.tables import ClassTarget

__all__ = ["ablate", "recipe_of", "with_networks_of"]

PATH_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""The strengths of the paths, as multiples of the default strengths."""

LABELS = {
    "l1": "L1 {:.3g}",
    "l2": "L2 {:.3g}",
    "keep_prob": "dropout, keep {:.3g}",
    "input_keep_prob": "input dropout, keep {:.3g}",
    "drop_connect_keep_prob": "DropConnect, keep {:.3g}",
    "max_norm": "max-norm {:.3g}",
}


def ablate(
    model: TableModel,
    table: Rows,
    *,
    rows: int = 2000,
    steps: int = 600,
    factors: Sequence[float] = PATH_FACTORS,
    groups: By = None,
    time: By = None,
    on_epoch: Callable[[int, int], None] | None = None,
) -> Ablation:
    """Train a model's network again: without regularizers, with each one alone, and with all.

    Two paths are added: the network with L1 at many strengths, and with L2. All networks are
    members of one population. They start from the same weights and see the same batches, so that
    they differ only in their regularizers. The training and held-out rows are those of
    :func:`bridle.fit` with the model's seed; the test set is not used. Only two networks stop
    early: one has only early stopping, the other also has all regularizers.

    Parameters
    ----------
    model : TableModel
        A model of :func:`bridle.fit` or :func:`bridle.search`. Of a search's best
        configuration the six strengths of :class:`bridle.Strengths`, the learning rate, the batch
        size and the embedding of numbers are used.
    table : path, DataFrame or (X, y)
        The table that it was fitted to.
    rows : int
        Maximum number of training rows; at most half as many are held out. If a part has more rows,
        evenly spaced ones are taken.
    steps : int
        Maximum number of steps. The model's own number of epochs is never exceeded.
    factors : sequence of float
        The strengths of the paths, as multiples of the default strengths: 1e-4 for L1 and 1e-3
        for L2.
    groups, time : array, optional
        What the model was fitted with, if they were given as values; a column is known.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch.

    Returns
    -------
    Ablation

    Raises
    ------
    UsageError
        If the model file has no record of its regularizers, a number is out of range, or the groups
        or times of the fit are needed.
    DataError
        If the table cannot be used.

    Examples
    --------
    >>> import pandas as pd, bridle
    >>> table = pd.DataFrame({"x": range(100), "y": ["no"] * 50 + ["yes"] * 50})
    >>> model = bridle.fit(table, target="y", recipe=bridle.Recipe(epochs=3)).model
    >>> found = bridle.ablate(model, table, factors=[1, 10])
    >>> [each.label for each in found.of("plain", "alone")]
    ['plain', 'L1 0.0001', 'L2 0.001', 'dropout, keep 0.5']
    >>> [f"{each.strengths.l1:g}" for each in found.of("L1 path")]
    ['0.0001', '0.001']
    """
    facts = model.facts
    if "strengths" not in facts:
        raise UsageError(
            "the model has no record of its regularizers; fit it with bridle.fit or bridle.search"
        )
    if rows < 10 or steps < 1 or min(factors, default=1) <= 0:
        raise UsageError(
            f"rows is {rows}, steps is {steps} and factors is {list(factors)}; give at least "
            "10 rows, 1 step and factors above 0"
        )
    own = Strengths(**facts["strengths"])
    recipe, seed = recipe_of(facts), int(facts.get("seed", 0))
    members = _members(own, DEFAULT_STRENGTHS[model.task], factors)
    data, of_held = _parts(model, table, seed, rows, recipe, fitted_by(model, table, groups, time))
    batches = -(-len(data["training"].y) // recipe.batch_size)
    recipe = replace(recipe, epochs=max(1, min(recipe.epochs, steps // batches)))
    network = Network(
        model.network.sizes,
        seeds=[seed] * len(members),
        activation=model.network.activation,
        **noises_of([each.strengths for each in members]),
        embedding=embedding_of_facts(facts, model.network.embedding),
    )
    history = _train(network, data, model.objective, members, recipe, seed, on_epoch)
    judged = {
        "training": judge_members(network, data["training"], model.target),
        "held out": judge_members(network, data["held out"], model.target, of_held),
    }
    return Ablation(
        score_name=judged["held out"][0].score_name,
        networks=_networks(members, network, judged, history.epochs_kept.tolist()),
        population=network,
        rows={name: len(part.y) for name, part in data.items()},
        epochs=recipe.epochs,
    )


@dataclass(frozen=True)
class _Member:
    """A network to train."""

    label: str
    role: str
    strengths: Strengths


def _train(
    network: Network,
    data: Mapping[str, Dataset],
    objective: Objective,
    members: Sequence[_Member],
    recipe: Recipe,
    seed: int,
    on_epoch: Callable[[int, int], None] | None,
) -> History:
    stop_early = {"early stopping", "together"}
    return train(
        network,
        data["training"],
        data["held out"],
        objective=objective,
        learning_rate=recipe.learning_rate,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        penalties=penalties_of([each.strengths for each in members]),
        patience=[recipe.patience if each.role in stop_early else None for each in members],
        seed=seed,
        on_epoch=on_epoch,
        training_curves=False,
    )


def _networks(
    members: Sequence[_Member | Ablated],
    network: Network,
    judged: Mapping[str, Sequence[Judged]],
    epochs: Sequence[int],
) -> tuple[Ablated, ...]:
    weights = torch.cat([w.detach().flatten(1) for w in network.weights], dim=1)
    zeros = (weights == 0).double().mean(1).tolist()
    training, held_out = judged["training"], judged["held out"]
    return tuple(
        Ablated(
            label=each.label,
            role=each.role,
            strengths=each.strengths,
            judgement=judge_gap(training[at], held_out[at]),
            against_plain=compare(held_out[0], held_out[at]),
            against_stopping=compare(held_out[1], held_out[at]),
            zeros=zeros[at],
            epochs=epochs[at],
        )
        for at, each in enumerate(members)
    )


def with_networks_of(found: Ablation, result: FitResult) -> Ablation:
    """Return an ablation whose networks that the fit has trained too are the fit's own.

    A training is repeated only to rounding, since a product's sums may be in another order in a
    larger population. So the numbers of the plain network, of the one with early stopping alone,
    and of the one with all regularizers are those of the fit. Unchanged if the ablation has other
    rows or epochs.
    """
    data = {name: result.data[name] for name in ("training", "held out")}
    rows = {name: len(part.y) for name, part in data.items()}
    if found.rows != rows or found.epochs != len(result.history.train_loss):
        return found
    fitted = {"plain": (PLAIN, result.plain), "together": (REGULARIZED, result.regularized)}
    if result.stopped is not None:
        fitted["early stopping"] = (STOPPED, result.stopped)
    population = found.population.take(range(found.population.members))
    of_held = groups_of(result.grouping, result.places["held out"])
    own, judged = (
        {
            name: judge_members(
                each, part, result.model.target, of_held if name == "held out" else None
            )
            for name, part in data.items()
        }
        for each in (result.population, population)
    )
    for at, each in enumerate(found.networks):
        if each.role in fitted:
            member = fitted[each.role][0]
            for name in judged:
                judged[name][at] = own[name][member]
            with torch.no_grad():
                for ours, theirs in zip(population.weights, result.population.weights, strict=True):
                    ours[at] = theirs[member]
    networks = _networks(
        found.networks, population, judged, [each.epochs for each in found.networks]
    )
    networks = tuple(
        replace(each, epochs=fitted[each.role][1].epochs) if each.role in fitted else each
        for each in networks
    )
    return replace(found, networks=networks, population=population)


def recipe_of(facts: Mapping[str, Any]) -> Recipe:
    """Return the model's recipe; that of a search trains as long as its best configuration did."""
    known = {each.name for each in fields(Recipe)}
    given = {name: value for name, value in facts.get("recipe", {}).items() if name in known}
    recipe = Recipe(**given)
    if "epochs" not in given and "fitted" in facts:
        recipe = replace(recipe, epochs=max(1, int(facts["fitted"]["epochs"])))
    return recipe


def _members(own: Strengths, default: Strengths, factors: Sequence[float]) -> list[_Member]:
    """Return the networks to train, the plain one first."""
    off = Strengths()
    acting = [name for name in LABELS if getattr(own, name) != getattr(off, name)]
    # L1, L2 and dropout are always included, at the default strength if the model does not use them
    values = {name: getattr(own if name in acting else default, name) for name in LABELS}
    alone = [name for name in LABELS if name in acting or name in ("l1", "l2", "keep_prob")]
    members = [_Member("plain", "plain", off), _Member("early stopping", "early stopping", off)]
    members += [
        _Member(LABELS[name].format(values[name]), "alone", replace(off, **{name: values[name]}))
        for name in alone
    ]
    members.append(_Member("all together, as fitted", "together", own))
    for name in ("l1", "l2"):
        path = f"{name.upper()} path"
        for factor in factors:
            strength = getattr(default, name) * factor
            label = f"{path} {strength:.3g}"
            members.append(_Member(label, path, replace(off, **{name: strength})))
    return members


def _parts(
    model: TableModel,
    table: Rows,
    seed: int,
    rows: int,
    recipe: Recipe,
    by: Grouping | None,
) -> tuple[dict[str, Dataset], np.ndarray[Any, Any] | None]:
    """Return the training and the held-out rows, and the groups of the latter."""
    features, truth = rows_for_model(model, table)
    codes = model.target.transform(truth)
    classes = isinstance(model.target, ClassTarget)
    parts = three_parts(len(truth), codes if classes else None, seed, by)
    sizes = {"training": rows, "held out": rows // 2}
    chosen = {name: _spaced(parts[name], size) for name, size in sizes.items()}
    found = {
        name: Dataset(
            torch.from_numpy(model.encoder.transform(features.iloc[at])),
            torch.from_numpy(codes[at]),
        )
        for name, at in chosen.items()
    }
    training = found["training"]
    weighted = {
        name: with_class_weights(part, training, model.target, recipe)
        for name, part in found.items()
    }
    return weighted, groups_of(by, chosen["held out"])


def _spaced(rows: np.ndarray[Any, Any], most: int) -> np.ndarray[Any, Any]:
    """Return at most ``most`` rows, evenly spaced, since a table may be sorted by class."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
