"""Trainable embeddings of numbers, in front of the first layer of a population."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.ops.embedding import can_embed, embed

__all__ = [
    "Embedding",
    "PeriodicEmbedding",
    "check_embedding",
    "design_of",
    "first_inputs",
    "shape_of",
    "squares_of_inputs",
]

_VALUES_AT_ONCE = 2**24  # cosines of a pass without gradients; bounds the memory


@dataclass(frozen=True)
class PeriodicEmbedding:
    """Periodic embeddings of the first inputs of a :class:`bridle.Network`.

    The first layer gets more inputs. For each of the first ``numbers`` inputs x, these are

        Σₖ vₖ cos(2π (wₖ x + sₖ)) + c

    with frequencies w, shifts s, weights v and biases c that are trained. Each input has its own
    (Gorishniy et al. 2022; with a bias and beside the inputs themselves: Holzmüller et al. 2024). A
    network can so follow a function of a number that turns often, which a plain ReLU network
    learns slowly. Inputs should be of about unit scale.

    Frequencies start from a normal distribution, shifts from a uniform one over a whole turn, and
    weights and biases from a uniform one between ±1 / √waves.

    The outputs come after the inputs: first those of the first number. Noise on the inputs drops
    them like other inputs: the embedding takes the numbers without noise, and stream 0 has a mask
    for each output.

    Parameters
    ----------
    numbers : int
        How many of the first inputs are embedded.
    deviation : float or sequence of float
        The standard deviation of the initial frequencies, in turns per unit of the input. A
        sequence has one for each member.
    waves : int
        The number of cosines of each input.
    outputs : int
        The number of outputs of each input.

    Raises
    ------
    UsageError
        If a number is less than 1, or a deviation is no number, negative or not finite.

    Examples
    --------
    >>> import torch, bridle
    >>> from bridle.networks import PeriodicEmbedding
    >>> network = bridle.Network([5, 8, 1], embedding=PeriodicEmbedding(2, deviation=0.3))
    >>> list(network.weights[0].shape)  # 5 inputs, and 3 outputs of each of the first two
    [1, 11, 8]
    >>> network(torch.zeros(4, 5)).shape
    torch.Size([1, 4, 1])
    """

    numbers: int
    deviation: float | Sequence[float] = 0.1
    waves: int = 16
    outputs: int = 3

    def __post_init__(self) -> None:
        for name in ("numbers", "waves", "outputs"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(f"{name} is {value!r}; give an integer from 1 on")
        if not self._has_deviations():
            raise UsageError(
                f"deviation is {self.deviation!r}; give numbers from 0 on: they are the standard "
                "deviations of frequencies"
            )

    def _has_deviations(self) -> bool:
        """Whether each deviation is a number from 0 on, and none is a boolean."""
        stated: Any = self.deviation
        given = stated if isinstance(stated, Sequence) else [stated]
        if isinstance(given, str | bytes) or not len(given):
            return False
        if not all(isinstance(each, Real) and not isinstance(each, bool) for each in given):
            return False
        try:
            return all(0 <= float(each) < math.inf for each in given)
        except OverflowError:
            return False

    @property
    def count(self) -> int:
        """The number of inputs that the first layer gets more."""
        return self.numbers * self.outputs

    def deviations(self, members: int) -> list[float]:
        """Return the deviation of each member."""
        if isinstance(self.deviation, Sequence):
            return [float(each) for each in self.deviation]
        return [float(self.deviation)] * members


class Embedding(nn.Module):
    """The parameters of a :class:`PeriodicEmbedding`, for each member of a population.

    Attributes
    ----------
    frequencies, shifts : Tensor
        ``[members, numbers, waves]``.
    weight : Tensor
        ``[members, numbers, waves, outputs]``.
    bias : Tensor
        ``[members, numbers, 1, outputs]``.
    deviation : Tensor
        float64 ``[members]``: that of the initial frequencies.
    """

    deviation: Tensor

    def __init__(
        self,
        design: PeriodicEmbedding,
        generators: Sequence[torch.Generator],
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        spread = torch.tensor(design.deviations(len(generators)), dtype=torch.float64)
        self.register_buffer("deviation", spread)
        waves = (design.numbers, design.waves)
        bound = 1 / math.sqrt(design.waves)

        def uniform(generator: torch.Generator, *shape: int) -> Tensor:
            return 2 * torch.rand(shape, generator=generator) - 1

        found: list[list[Tensor]] = [[], [], [], []]
        for size, generator in zip(spread.tolist(), generators, strict=True):
            found[0].append(size * torch.randn(waves, generator=generator))
            found[1].append(uniform(generator, *waves) / 2)
            found[2].append(uniform(generator, *waves, design.outputs) * bound)
            found[3].append(uniform(generator, design.numbers, 1, design.outputs) * bound)
        self.frequencies, self.shifts, self.weight, self.bias = (
            nn.Parameter(torch.stack(each).to(dtype)) for each in found
        )

    @property
    def design(self) -> PeriodicEmbedding:
        """What the parameters are of; with several deviations, the highest."""
        numbers, waves, outputs = self.shape
        return PeriodicEmbedding(numbers, float(self.deviation.max()), waves, outputs)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers, the waves of each, and the outputs of each."""
        _, numbers, waves, outputs = self.weight.shape
        return numbers, waves, outputs

    def extra_repr(self) -> str:
        """Return the sizes, for printing."""
        numbers, waves, outputs = self.shape
        return f"numbers={numbers}, waves={waves}, outputs={outputs}"

    def taken(self, index: Tensor) -> Embedding:
        """Return the embedding of some members, which shares no memory with this one."""
        own = Embedding.__new__(Embedding)
        nn.Module.__init__(own)
        own.register_buffer("deviation", self.deviation[index])
        for name, value in self.named_parameters():
            setattr(own, name, nn.Parameter(value[index], requires_grad=value.requires_grad))
        return own

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the inputs with the outputs after them.

        Parameters
        ----------
        hidden : Tensor
            ``[members, rows, inputs]``.

        Returns
        -------
        Tensor
            ``[members, rows, inputs + numbers · outputs]``.
        """
        parameters = (self.frequencies, self.shifts, self.weight, self.bias)
        if not torch.is_grad_enabled() and can_embed(hidden, parameters):
            return embed(hidden, parameters)
        values = self.frequencies.numel() * hidden.shape[1]
        if torch.is_grad_enabled() or values <= _VALUES_AT_ONCE:
            return self._joined(hidden)
        rows = max(1, _VALUES_AT_ONCE // self.frequencies.numel())
        return torch.cat([self._joined(part) for part in hidden.split(rows, dim=1)], dim=1)

    def _joined(self, hidden: Tensor) -> Tensor:
        x = hidden[..., : self.frequencies.shape[1]].mT[..., None]  # [members, numbers, rows, 1]
        turns = x * self.frequencies[:, :, None] + self.shifts[:, :, None]
        # whole turns are removed first, which is exact, so that all libraries agree on the cosine
        waves = torch.cos(2 * math.pi * (turns - turns.detach().round()))
        found = waves @ self.weight + self.bias
        return torch.cat([hidden, found.transpose(1, 2).flatten(2)], dim=-1)


def check_embedding(design: PeriodicEmbedding | None, inputs: int, members: int) -> None:
    """Raise a UsageError if an embedding does not fit the inputs or the number of members."""
    if design is None:
        return
    if not isinstance(design, PeriodicEmbedding):
        raise UsageError(
            f"embedding is {design!r}; give a bridle.networks.PeriodicEmbedding, or None"
        )
    if design.numbers > inputs:
        raise UsageError(
            f"the embedding is of {design.numbers} numbers, but the network has {inputs} inputs; "
            "give at most as many"
        )
    given = len(design.deviations(members))
    if given != members:
        raise UsageError(
            f"the embedding has {given} deviations for {members} members; give one per member, or "
            "a single number"
        )


def design_of(embedding: Embedding | None) -> PeriodicEmbedding | None:
    """Return what another network with such an embedding is built with."""
    return None if embedding is None else embedding.design


def shape_of(embedding: Embedding | None) -> tuple[int, int, int] | None:
    """Return what a compiled pass takes; see :func:`bridle.ops.population.population_steps`."""
    return None if embedding is None else embedding.shape


def squares_of_inputs(embedding: Embedding | None, weight: Tensor) -> Tensor:
    """Return the sum of squares of each input's weights in the first layer, ``[inputs]``.

    The weights of the outputs of an embedding are those of the number that it embeds. ``weight`` is
    that of the first layer.
    """
    squares = weight.detach().square().sum((0, 2))
    if embedding is None:
        return squares
    numbers, _, outputs = embedding.shape
    found, more = squares.split([len(squares) - numbers * outputs, numbers * outputs])
    found[:numbers] += more.view(numbers, outputs).sum(1)
    return found


def first_inputs(embedding: Embedding | None, hidden: Tensor) -> Tensor:
    """Return what enters the first layer: inputs ``[members, rows, inputs]``, embedded if so."""
    return hidden if embedding is None else embedding(hidden)
