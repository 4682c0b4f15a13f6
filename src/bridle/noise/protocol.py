"""The ``Noise`` protocol: a random mask in training, with an exact rule for prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import RESOLUTION

__all__ = [
    "KeepProb",
    "Noise",
    "Scaling",
    "Spot",
    "check_scaling",
    "drawn_probability",
    "resolve",
]

KeepProb = float | Tensor
"""A keep probability: one number, or a tensor ``[members]``."""

Scaling = Literal["inverted", "classic"]


@dataclass(frozen=True)
class Spot:
    """The place of a noise in a model."""

    index: int
    """Index of the place among all places of the rule, from 0, in the order of the model."""

    count: int
    """Number of places of the rule."""

    batch_first: bool | None
    """Whether the batch axis precedes the time axis here; None if unknown."""

    device: torch.device | None
    """Device of the model's parameters, if it has any."""


@runtime_checkable
class Noise(Protocol):
    """A random mask on a tensor in training, and the rule that replaces it at prediction."""

    scaling: Scaling

    @property
    def keep_prob(self) -> KeepProb:
        """The requested keep probability."""

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The keep probability of the masks: a multiple of 1/65536."""

    def train(self, x: Tensor, address: Tensor) -> Tensor:
        """Return ``x`` with the mask of an address applied."""

    def predict(self, x: Tensor) -> Tensor:
        """Return what replaces the masked ``x`` at prediction: ``x`` itself, or ``p x``."""

    def take(self, members: Tensor) -> Self:
        """Return the noise of some members of the population."""

    def rescaled(self, scaling: Scaling) -> Self:
        """Return the same noise with the other scaling."""


def resolve(name: str, keep_prob: KeepProb | None, drop_prob: KeepProb | None) -> KeepProb:
    """Return the keep probability from exactly one of the two, or raise a UsageError."""
    given, word = (keep_prob, "keep_prob") if drop_prob is None else (drop_prob, "drop_prob")
    if given is None:
        raise UsageError(
            f"{name} needs a probability; give keep_prob=… or drop_prob=… (1 - keep_prob)"
        )
    if keep_prob is not None and drop_prob is not None:
        raise UsageError(
            f"{name} got keep_prob={keep_prob} and drop_prob={drop_prob}; give exactly one of them"
        )
    if isinstance(given, Tensor):
        given = given.detach().to(torch.float64)
        if given.ndim != 1:
            raise UsageError(
                f"{word} has the shape {list(given.shape)}; give a number, or a tensor [members]"
            )
    keep = given if drop_prob is None else 1 - given
    for asked, number in zip(_numbers(given), _numbers(keep), strict=True):
        if not 0 < number <= 1:  # NaN fails too
            bounds = "above 0 and at most 1" if word == "keep_prob" else "at least 0 and below 1"
            raise UsageError(f"{word} is {asked}; it must be {bounds}")
    return keep


def _numbers(value: KeepProb) -> list[float]:
    return value.tolist() if isinstance(value, Tensor) else [value]


def check_scaling(scaling: str) -> None:
    """Raise a UsageError if a scaling is unknown."""
    if scaling not in ("inverted", "classic"):
        raise UsageError(f"scaling is {scaling!r}; it must be 'inverted' or 'classic'")


def drawn_probability(keep_prob: KeepProb) -> KeepProb:
    """Return the nearest multiple of 1/65536, and at least 1/65536: masks have 16-bit lanes.

    Examples
    --------
    >>> drawn_probability(0.5), drawn_probability(1e-9) == 1 / 65536
    (0.5, True)
    """
    if isinstance(keep_prob, Tensor):
        return (keep_prob * RESOLUTION).round().clamp(min=1) / RESOLUTION
    return max(1, round(keep_prob * RESOLUTION)) / RESOLUTION
