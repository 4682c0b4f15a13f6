"""The settings of a fit: the strength of each regularizer, and how to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.models.arguments import number_of, numbers_of_units, whole_of
from bridle.networks.embedding import Embedding, PeriodicEmbedding, design_of
from bridle.noise import DropConnect, Dropout
from bridle.penalties import L1, L2, MaxNorm, Penalty

__all__ = [
    "DEFAULT_STRENGTHS",
    "Recipe",
    "Strengths",
    "embedding_of_facts",
    "embedding_of_recipe",
    "noises_of",
    "penalties_of",
]


@dataclass(frozen=True)
class Strengths:
    """The strength of each regularizer; by default all are off.

    Attributes
    ----------
    l1 : float
        λ of ``λ Σ|w|``.
    l2 : float
        λ of ``½ λ Σw²``.
    keep_prob : float
        The probability that dropout keeps a hidden unit.
    input_keep_prob : float
        The probability that dropout keeps an input.
    drop_connect_keep_prob : float
        The probability that DropConnect keeps a weight.
    max_norm : float, optional
        The bound on the norm of a unit's incoming weights.

    Raises
    ------
    UsageError
        If a strength is out of range.
    """

    l1: float = 0.0
    l2: float = 0.0
    keep_prob: float = 1.0
    input_keep_prob: float = 1.0
    drop_connect_keep_prob: float = 1.0
    max_norm: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None or each.default is not None:
                object.__setattr__(self, each.name, number_of(each.name, value))
        self.penalties(members=1)
        for name in ("keep_prob", "input_keep_prob", "drop_connect_keep_prob"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise UsageError(f"{name} is {value}; it must be above 0 and at most 1")

    @classmethod
    def among(cls, values: Mapping[str, Any]) -> Strengths:
        """Build the strengths from a mapping that may have other keys."""
        return cls(**{each.name: values[each.name] for each in fields(cls)})

    def penalties(self, members: int) -> list[Penalty]:
        """Return the penalties of a population in which only the last member is regularized."""
        return penalties_of([None] * (members - 1) + [self])

    def noises(self, members: int) -> dict[str, Any]:
        """Return the noises of a population in which only the last member is regularized."""
        return noises_of([None] * (members - 1) + [self])


def noises_of(members: Sequence[Strengths | None]) -> dict[str, Any]:
    """Return the noises of a population; a member without regularization has None."""
    kinds: dict[str, tuple[type[Dropout] | type[DropConnect], str]] = {
        "hidden_noise": (Dropout, "keep_prob"),
        "input_noise": (Dropout, "input_keep_prob"),
        "weight_noise": (DropConnect, "drop_connect_keep_prob"),
    }
    found: dict[str, Any] = {}
    for name, (kind, strength) in kinds.items():
        given = [1.0 if each is None else getattr(each, strength) for each in members]
        if min(given) < 1:
            found[name] = kind(keep_prob=torch.tensor(given, dtype=torch.float64))
    return found


def penalties_of(members: Sequence[Strengths | None]) -> list[Penalty]:
    """Return the penalties of a population; a member without regularization has None."""

    def column(name: str, off: float) -> Tensor:
        given = [getattr(each, name, None) for each in members]
        return torch.tensor([off if each is None else each for each in given], dtype=torch.float64)

    chosen: list[Penalty] = []
    if (l1 := column("l1", 0.0)).any():
        chosen.append(L1(l1))
    if (l2 := column("l2", 0.0)).any():
        chosen.append(L2(l2))
    unbounded = float(np.finfo(np.float32).max)
    if ((bound := column("max_norm", unbounded)) != unbounded).any():
        chosen.append(MaxNorm(bound))
    return chosen


DEFAULT_STRENGTHS = {
    "classification": Strengths(l1=1e-4, l2=1e-3, keep_prob=0.5),
    "regression": Strengths(l1=1e-4, l2=1e-3, keep_prob=0.95),
}
"""The strengths of each task if none is given. Dropout is weaker for regression, which it harms."""


@dataclass(frozen=True)
class Recipe:
    """How to train. The networks of a fit share it.

    Attributes
    ----------
    hidden : sequence of int
        Units of each hidden layer.
    epochs : int
        Maximum number of epochs. The plain network is trained for all of them.
    patience : int, optional
        Early stopping of all networks but the plain one: a network stops after this many epochs
        without a lower held-out loss, and takes the weights of the lowest one. None turns early
        stopping off.
    learning_rate : float
        The learning rate of Adam.
    batch_size : int
        Rows per step.
    class_weight : {None, "balanced"} or mapping
        The class weights. "balanced" gives each class the weight
        rows / (classes × rows of the class). In a mapping, classes that are left out have the
        weight 1.

    Raises
    ------
    UsageError
        If a value is out of range.
    """

    hidden: Sequence[int] = (256, 256)
    epochs: int = 100
    patience: int | None = 20
    learning_rate: float = 1e-3
    batch_size: int = 128
    class_weight: str | Mapping[Any, float] | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "batch_size"):
            if name != "patience" or self.patience is not None:
                object.__setattr__(self, name, whole_of(name, getattr(self, name)))
        object.__setattr__(self, "hidden", numbers_of_units("hidden", self.hidden))
        object.__setattr__(self, "learning_rate", number_of("learning_rate", self.learning_rate))
        whole = {"epochs": self.epochs, "batch_size": self.batch_size}
        whole |= {"hidden": min(self.hidden, default=1), "patience": self.patience or 1}
        for name, count in whole.items():
            if count < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not 0 < self.learning_rate < float("inf"):
            raise UsageError(f"learning_rate is {self.learning_rate}; it must be above 0")
        if isinstance(self.class_weight, Mapping):
            for name, weight in self.class_weight.items():
                if not 0 <= number_of(f"class_weight of {name!r}", weight) < float("inf"):
                    raise UsageError(f"class_weight of {name!r} is {weight}; it must be 0 or more")
        elif self.class_weight not in (None, "balanced"):
            raise UsageError(
                f"class_weight is {self.class_weight!r}; it must be None, 'balanced' or a mapping"
            )


def embedding_of_facts(
    facts: Mapping[str, Any], embedding: Embedding | None
) -> PeriodicEmbedding | None:
    """Return the embedding of numbers that a model's network is trained again with.

    It is that of the recipe: an average of several configurations has an embedding if one of them
    has, but the strengths and the recipe are those of the best one. Without a recipe, it is like
    ``embedding``, the model's own.
    """
    if "recipe" not in facts:
        return design_of(embedding)
    return embedding_of_recipe(facts["recipe"])


def embedding_of_recipe(recipe: Mapping[str, Any]) -> PeriodicEmbedding | None:
    """Return the embedding of numbers of a stored recipe, if it has one."""
    design = recipe.get("embedding")
    return None if design is None else PeriodicEmbedding(**design)
