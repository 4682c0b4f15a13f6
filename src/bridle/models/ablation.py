"""Each regularizer alone, and L1 and L2 by strength: all as members of one population."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.models.fit import judge_members, three_parts, weighted
from bridle.models.recipe import DEFAULT_STRENGTHS, Recipe, Strengths, penalties_of
from bridle.models.table_model import TableModel
from bridle.networks.history import Dataset
from bridle.networks.population import Network
from bridle.networks.training import train
from bridle.noise import DropConnect, Dropout
from bridle.statistics import GapJudgement, judge_gap
from bridle.statistics.scores import Comparison, compare
from bridle.tables import ClassTarget, read_table, target_column

__all__ = ["Ablated", "Ablation", "ablate"]

PATH_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""The strengths of the paths, in units of the default ones."""

LABELS = {
    "l1": "L1 {:.3g}",
    "l2": "L2 {:.3g}",
    "keep_prob": "dropout, keep {:.3g}",
    "input_keep_prob": "input dropout, keep {:.3g}",
    "drop_connect_keep_prob": "DropConnect, keep {:.3g}",
    "max_norm": "max-norm {:.3g}",
}


@dataclass(frozen=True)
class Ablated:
    """One network of an ablation.

    Attributes
    ----------
    label : str
        What acts, such as "L1 0.0001".
    role : {"plain", "early stopping", "alone", "together", "L1 path", "L2 path"}
    strengths : Strengths
    judgement : GapJudgement
        Its scores in training and held out, and its gap.
    against_plain : Comparison
        In pairs with the plain network, on the held-out rows.
    zeros : float
        The share of its weights that is exactly zero.
    epochs : int
        The epoch whose weights it has.
    """

    label: str
    role: str
    strengths: Strengths
    judgement: GapJudgement
    against_plain: Comparison
    zeros: float
    epochs: int


@dataclass(frozen=True, eq=False)
class Ablation:
    """The result of :func:`bridle.ablate`.

    Attributes
    ----------
    score_name : str
    networks : tuple of Ablated
        The plain one first.
    population : Network
        Their networks, in the same order.
    rows : dict of str to int
        "training" and "held out". The test part stays closed.
    epochs : int
        How long was trained, at most.
    """

    score_name: str
    networks: tuple[Ablated, ...]
    population: Network
    rows: dict[str, int]
    epochs: int

    def of(self, *roles: str) -> tuple[Ablated, ...]:
        """Return the networks that have one of the roles."""
        return tuple(each for each in self.networks if each.role in roles)

    def weights(self, label: str) -> list[Tensor]:
        """Return a network's weights, layer by layer, ``[inputs, units]``.

        Raises
        ------
        UsageError
            If no network has the label.
        """
        labels = [each.label for each in self.networks]
        if label not in labels:
            raise UsageError(f"no network is called {label!r}; there are {', '.join(labels)}")
        return [w[labels.index(label)].detach() for w in self.population.weights]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: everything but the weights."""
        networks = [
            asdict(each)
            | {
                "judgement": each.judgement.to_dict(),
                "against_plain": {
                    **asdict(each.against_plain),
                    "answer": each.against_plain.answer,
                },
            }
            for each in self.networks
        ]
        return {
            "score_name": self.score_name,
            "rows": self.rows,
            "epochs": self.epochs,
            "networks": networks,
        }


def ablate(
    model: TableModel,
    table: str | PathLike[str] | pd.DataFrame,
    *,
    rows: int = 2000,
    steps: int = 600,
    factors: Sequence[float] = PATH_FACTORS,
    on_epoch: Callable[[int, int], None] | None = None,
) -> Ablation:
    """Train a model's network again without its regularizers, with each alone, and with all.

    Beside them stand paths: the same network at many strengths of L1, and of L2. All are members
    of one population, with the same weights to begin with and the same batches, so that what acts
    is all that differs. Rows to learn from and held-out rows are those of :func:`bridle.fit` with
    the model's seed; the test part stays closed. Every network is trained to the end, but for
    those with early stopping: the one with nothing else, and the one with everything.

    Parameters
    ----------
    model : TableModel
        Of :func:`bridle.fit` or :func:`bridle.search`; of a search only the six strengths of
        :class:`bridle.Strengths` take part.
    table : path or DataFrame
        The table that it was fitted to.
    rows : int
        How many rows to train on, at most, and half as many to hold out, evenly spaced.
    steps : int
        How many steps to train, at most; what a fit would do in fewer is done in full.
    factors : sequence of float
        The strengths of the paths, in units of the default ones, 1e-4 for L1 and 1e-3 for L2.
    on_epoch : callable, optional
        Called with (epoch, epochs) after each epoch.

    Returns
    -------
    Ablation

    Raises
    ------
    UsageError
        If the model does not say how it was regularized, or a number is out of range.
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
        raise UsageError("the model does not say how it was regularized; fit it with bridle.fit")
    if rows < 10 or steps < 1 or min(factors, default=1) <= 0:
        raise UsageError(
            f"rows is {rows}, steps {steps}, factors {list(factors)}; give 10 rows, 1 step and "
            "factors above 0 at least"
        )
    own = Strengths(**facts["strengths"])
    recipe = _recipe(facts)
    members = _members(own, DEFAULT_STRENGTHS[model.task], factors)
    data = _parts(model, read_table(table), int(facts.get("seed", 0)), rows, recipe)
    batches = -(-len(data["training"].y) // recipe.batch_size)
    epochs = max(1, min(recipe.epochs, steps // batches))
    seed = int(facts.get("seed", 0))
    network = Network(
        model.network.sizes,
        seeds=[seed] * len(members),
        activation=model.network.activation,
        **_noises([strengths for _, _, strengths in members]),
    )
    stops = {"early stopping", "together"}
    history = train(
        network,
        data["training"],
        data["held out"],
        objective=model.objective,
        learning_rate=recipe.learning_rate,
        epochs=epochs,
        batch_size=recipe.batch_size,
        penalties=penalties_of([strengths for _, _, strengths in members]),
        patience=[recipe.patience if role in stops else None for _, role, _ in members],
        seed=seed,
        on_epoch=on_epoch,
    )
    judged = {name: judge_members(network, part, model.target) for name, part in data.items()}
    weights = torch.cat([w.detach().flatten(1) for w in network.weights], dim=1)
    zeros = (weights == 0).double().mean(1).tolist()
    held_out = judged["held out"]
    networks = tuple(
        Ablated(
            label=label,
            role=role,
            strengths=strengths,
            judgement=judge_gap(judged["training"][at], held_out[at]),
            against_plain=compare(held_out[0], held_out[at]),
            zeros=zeros[at],
            epochs=int(history.epochs_kept[at]),
        )
        for at, (label, role, strengths) in enumerate(members)
    )
    counts = {name: len(part.y) for name, part in data.items()}
    return Ablation(held_out[0].score_name, networks, network, counts, epochs)


def _recipe(facts: Mapping[str, Any]) -> Recipe:
    """Return how the model was trained; a search says how long its best configuration was."""
    known = {each.name for each in fields(Recipe)}
    given = {name: value for name, value in facts.get("recipe", {}).items() if name in known}
    recipe = Recipe(**given)
    if "epochs" not in given and "fitted" in facts:
        recipe = replace(recipe, epochs=max(1, int(facts["fitted"]["epochs"])))
    return recipe


def _members(
    own: Strengths, default: Strengths, factors: Sequence[float]
) -> list[tuple[str, str, Strengths]]:
    """Return label, role and strengths of each network."""
    off = Strengths()
    acting = [name for name in LABELS if getattr(own, name) != getattr(off, name)]
    # L1, L2 and dropout are shown in any case, at the default strength where the model has none
    shown = {name: getattr(own if name in acting else default, name) for name in LABELS}
    alone = [name for name in LABELS if name in acting or name in ("l1", "l2", "keep_prob")]
    members = [("plain", "plain", off), ("early stopping", "early stopping", off)]
    members += [
        (LABELS[name].format(shown[name]), "alone", replace(off, **{name: shown[name]}))
        for name in alone
    ]
    members.append(("all together, as fitted", "together", own))
    for name in ("l1", "l2"):
        for factor in factors:
            strength = getattr(default, name) * factor
            label = f"{name.upper()} path {strength:.3g}"
            members.append((label, f"{name.upper()} path", replace(off, **{name: strength})))
    return members


def _noises(members: Sequence[Strengths]) -> dict[str, Any]:
    kinds: dict[str, tuple[type[Dropout] | type[DropConnect], str]] = {
        "hidden_noise": (Dropout, "keep_prob"),
        "input_noise": (Dropout, "input_keep_prob"),
        "weight_noise": (DropConnect, "drop_connect_keep_prob"),
    }
    keeps = {
        name: torch.tensor([getattr(each, field) for each in members], dtype=torch.float64)
        for name, (_, field) in kinds.items()
    }
    return {
        name: kinds[name][0](keep_prob=keep)
        for name, keep in keeps.items()
        if bool((keep < 1).any())
    }


def _parts(
    model: TableModel, frame: pd.DataFrame, seed: int, rows: int, recipe: Recipe
) -> dict[str, Dataset]:
    features, truth = target_column(frame, model.target_name)
    codes = model.target.transform(truth)
    classes = isinstance(model.target, ClassTarget)
    parts = three_parts(len(truth), codes if classes else None, seed)
    sizes = {"training": rows, "held out": rows // 2}
    chosen = {name: _spaced(parts[name], size) for name, size in sizes.items()}
    found = {
        name: Dataset(
            torch.from_numpy(model.encoder.transform(features.iloc[at])),
            torch.from_numpy(codes[at]),
        )
        for name, at in chosen.items()
    }
    codec = model.target if isinstance(model.target, ClassTarget) else None
    training = found["training"]
    return {name: weighted(part, training, codec, recipe) for name, part in found.items()}


def _spaced(rows: np.ndarray[Any, Any], most: int) -> np.ndarray[Any, Any]:
    """Return at most so many rows, evenly spaced: a table may be sorted by class."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
