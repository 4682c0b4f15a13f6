"""The parts of a population's layers: activations, noises, initial weights, and checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.networks.embedding import Embedding
from bridle.noise import AlphaDropout, DropConnect, Dropout, GaussianDropout, Scaling, Scheduled

__all__ = [
    "ACTIVATIONS",
    "Layers",
    "UnitNoise",
    "WeightNoise",
    "addresses",
    "check_architecture",
    "check_inputs",
    "check_noises",
    "he_normal",
    "rescale_weights",
]

UnitNoise = Dropout | GaussianDropout | AlphaDropout | Scheduled
WeightNoise = DropConnect | Scheduled

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "identity": lambda x: x,
}

_UNIT_KINDS = (Dropout, GaussianDropout, AlphaDropout)


class Layers(Protocol):
    """The attributes of a :class:`bridle.Network` that its forward pass reads."""

    sizes: tuple[int, ...]
    activation: str
    input_noise: UnitNoise | None
    hidden_noise: UnitNoise | None
    weight_noise: WeightNoise | None
    seeds: Tensor
    embedding: Embedding | None

    @property
    def weights(self) -> nn.ParameterList | list[Tensor]:
        """The weights of each layer, ``[members, in, out]``."""

    @property
    def biases(self) -> nn.ParameterList | list[Tensor]:
        """The biases of each layer, ``[members, 1, out]``."""

    def address(self, stream: int) -> Tensor:
        """Return the addresses of a stream's masks at the current step: int64 ``[members, 3]``."""


def addresses(seeds: Tensor, stream: int, steps: Tensor) -> Tensor:
    """Return the addresses of a stream's masks, int64 ``[members, 3]``."""
    return torch.stack([seeds, torch.full_like(seeds, stream), steps], dim=-1)


def check_architecture(sizes: Sequence[int], activation: str, seeds: Sequence[int]) -> None:
    """Raise a UsageError if a size, the activation or the number of members is invalid."""
    if len(sizes) < 2 or any(size < 1 for size in sizes):
        raise UsageError(
            f"sizes is {list(sizes)}; give two or more sizes of at least 1, inputs first"
        )
    if activation not in ACTIVATIONS:
        raise UsageError(
            f"activation is {activation!r}; it must be one of {', '.join(map(repr, ACTIVATIONS))}"
        )
    if not seeds:
        raise UsageError("seeds is empty; give one seed per member")


def check_noises(
    members: int, hidden: UnitNoise | None, inputs: UnitNoise | None, weights: WeightNoise | None
) -> None:
    """Raise a UsageError if a noise does not fit its place or the number of members."""
    for name, noise, kinds in (
        ("hidden_noise", hidden, _UNIT_KINDS),
        ("input_noise", inputs, _UNIT_KINDS),
        ("weight_noise", weights, (DropConnect,)),
    ):
        inner = noise.noise if isinstance(noise, Scheduled) else noise
        if inner is not None and not isinstance(inner, kinds):
            raise UsageError(
                f"{name} is {noise}, which a Network cannot use; give one of "
                f"{', '.join(kind.__name__ for kind in kinds)}, or put this noise into a model of "
                "your own with bridle.regularize"
            )
    for noise in (hidden, inputs, weights):
        keep = noise.keep_prob if noise is not None else None
        if isinstance(keep, Tensor) and keep.shape[0] != members:
            raise UsageError(
                f"{noise} has {keep.shape[0]} keep probabilities for {members} members; "
                "give one per member, or a single number"
            )


def check_inputs(layers: Layers, X: Tensor) -> None:
    """Raise a UsageError if the shape of ``X`` does not fit the network."""
    if X.ndim not in (2, 3) or X.shape[-1] != layers.sizes[0]:
        raise UsageError(
            f"X has the shape {list(X.shape)}; this network takes [rows, {layers.sizes[0]}] or "
            f"[{len(layers.seeds)}, rows, {layers.sizes[0]}]"
        )


def he_normal(
    fan_in: int, fan_out: int, generators: Sequence[torch.Generator], dtype: torch.dtype
) -> Tensor:
    """Return initial weights ``[members, in, out]``, one generator per member (He et al. 2015)."""
    draws = [torch.randn(fan_in, fan_out, generator=generator) for generator in generators]
    return (torch.stack(draws) * math.sqrt(2 / fan_in)).to(dtype)


def rescale_weights(layers: Layers, scaling: Scaling) -> None:
    """Multiply the weights so that the noises can change to ``scaling``, in place."""
    for layer, weight in enumerate(layers.weights):
        unit_noise = layers.hidden_noise if layer else layers.input_noise
        for noise in (unit_noise, layers.weight_noise):
            if noise is None or noise.scaling == scaling:
                continue
            keep = torch.as_tensor(noise.drawn_keep_prob, dtype=torch.float64).view(-1, 1, 1)
            factor = keep if scaling == "inverted" else 1 / keep
            weight.copy_((weight.double() * factor.to(weight.device)).to(weight.dtype))
