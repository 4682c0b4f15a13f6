"""``SharedNetwork``: networks that share their weight matrices and differ in small adapters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.networks.embedding import Embedding
from bridle.networks.forward import prediction_forward, training_forward
from bridle.networks.layers import (
    UnitNoise,
    WeightNoise,
    addresses,
    check_architecture,
    check_inputs,
    check_noises,
    he_normal,
)
from bridle.networks.population import Network

__all__ = [
    "MAX_SHARED",
    "SharedNetwork",
    "average_shared",
    "check_plain",
    "check_shared",
    "fold",
    "shared_seeds",
]

MAX_SHARED = 32
"""The most networks that can share their weights."""


def check_shared(shared_members: Any) -> None:
    """Raise a UsageError if the number of networks that share weights is out of range."""
    whole = isinstance(shared_members, Integral) and not isinstance(shared_members, bool)
    if not whole or not 1 <= shared_members <= MAX_SHARED:
        raise UsageError(
            f"shared_members is {shared_members!r}; it must be 1 to {MAX_SHARED}, a whole number"
        )


def shared_seeds(seed: int, shared_members: int) -> list[int]:
    """Return the seed of each network that shares the weights of a member.

    The first has the member's own seed. The others have the first word of
    ``numpy.random.SeedSequence([seed, j])``, so that a network's masks do not depend on how many
    networks share the weights.

    Examples
    --------
    >>> from bridle.networks.shared_members import shared_seeds
    >>> shared_seeds(7, 3) == shared_seeds(7, 4)[:3]
    True
    """
    others = (np.random.SeedSequence([seed, j]) for j in range(1, shared_members))
    return [seed, *(int(each.generate_state(1)[0]) for each in others)]


def fold(parameters: Sequence[Tensor], layers: int) -> list[Tensor]:
    """Multiply adapters into the weights: ``W' = r ⊙ W ⊙ s``.

    Parameters
    ----------
    parameters : sequence of Tensor
        Those of a :class:`SharedNetwork` with this number of layers, in its order.
    layers : int

    Returns
    -------
    list of Tensor
        The parameters of a :class:`bridle.Network` with ``members · k`` members: the weights
        ``[members · k, in, out]`` of each layer, then the biases ``[members · k, 1, out]``.
    """
    hidden = layers - 1
    weights, biases = parameters[:layers], parameters[layers : 2 * layers]
    inputs, outputs = parameters[2 * layers :][:hidden], parameters[2 * layers + hidden :]
    folded = [
        (r[..., None] * weight[:, None] * s[..., None, :]).flatten(0, 1)
        for weight, r, s in zip(weights[:hidden], inputs, outputs, strict=True)
    ]
    return [*folded, weights[-1].flatten(0, 1), *(bias.flatten(0, 1) for bias in biases)]


def average_shared(outputs: Tensor, shared_members: int, *, classes: bool) -> Tensor:
    """Average the outputs of networks that share weights, ``[members, rows, outputs]``.

    For classification the probabilities are averaged, and their logarithm is returned.
    """
    if shared_members == 1:
        return outputs
    outputs = outputs.unflatten(0, (-1, shared_members))
    if not classes:
        return outputs.mean(1)
    return outputs.log_softmax(-1).logsumexp(1) - math.log(shared_members)


class SharedNetwork(nn.Module):
    """A population of groups of ``k`` networks; the networks of a group share weight matrices.

    Network ``j`` of a group has the weights ``diag(r_j) W diag(s_j)`` in each hidden layer
    (BatchEnsemble, Wen et al. 2020), with the group's matrix ``W`` and its own vectors ``r_j`` and
    ``s_j``. Its biases and its output layer are its own (TabM, Gorishniy et al. 2025). In the first
    layer ``r_j`` starts with random signs, elsewhere ``r_j`` and ``s_j`` start at 1.

    Masks are those of network ``j``'s own seed (:func:`shared_seeds`), with the streams and steps
    of :class:`bridle.Network`; those of weights are on ``W``.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, inputs first, outputs last.
    seeds : sequence of int
        One for each group.
    shared_members : int
        The number of networks in a group, k, up to 32.
    hidden_noise, input_noise, weight_noise : optional
        As in :class:`bridle.Network`. A tensor of keep probabilities has one for each network,
        ``[members · k]``.

    Attributes
    ----------
    shared : ParameterList
        The weights ``[members, in, out]`` of each hidden layer, then those of the output layer,
        ``[members, k, in, out]``.
    offsets : ParameterList
        The biases of each layer, ``[members, k, 1, out]``.
    input_scales, output_scales : ParameterList
        r and s of each hidden layer, ``[members, k, in]`` and ``[members, k, out]``.

    Raises
    ------
    UsageError
        If an argument is invalid.

    Examples
    --------
    >>> import torch
    >>> from bridle.networks import SharedNetwork
    >>> network = SharedNetwork([4, 8, 3], seeds=[0], shared_members=5)
    >>> X = torch.randn(6, 4)
    >>> network(X).shape
    torch.Size([5, 6, 3])
    >>> torch.allclose(network.folded()(X), network(X))
    True
    """

    seeds: Tensor
    steps: Tensor
    activation = "relu"
    embedding: Embedding | None = None

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        seeds: Sequence[int],
        shared_members: int,
        hidden_noise: UnitNoise | None = None,
        input_noise: UnitNoise | None = None,
        weight_noise: WeightNoise | None = None,
    ) -> None:
        super().__init__()
        check_shared(shared_members)
        check_architecture(sizes, self.activation, seeds)
        members, k = len(seeds), int(shared_members)
        check_noises(members * k, hidden_noise, input_noise, weight_noise)
        self.sizes = tuple(sizes)
        self.shared_members = k
        self.hidden_noise = hidden_noise
        self.input_noise = input_noise
        self.weight_noise = weight_noise
        own = [each for seed in seeds for each in shared_seeds(seed, k)]
        self.register_buffer("seeds", torch.tensor(own, dtype=torch.int64))
        self.register_buffer("steps", torch.zeros(len(own), dtype=torch.int64))
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        own_generators = [torch.Generator().manual_seed(seed + 2**32) for seed in own]
        self.shared, self.offsets = nn.ParameterList(), nn.ParameterList()
        self.input_scales, self.output_scales = nn.ParameterList(), nn.ParameterList()
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            self.offsets.append(nn.Parameter(torch.zeros(members, k, 1, fan_out)))
            if layer == len(sizes) - 2:
                head = he_normal(fan_in, fan_out, own_generators, torch.float32)
                self.shared.append(nn.Parameter(head.unflatten(0, (members, k))))
                continue
            self.shared.append(nn.Parameter(he_normal(fan_in, fan_out, generators, torch.float32)))
            scales = torch.ones(members, k, fan_in)
            if layer == 0:
                signs = [torch.randint(2, (fan_in,), generator=each) for each in own_generators]
                scales = torch.stack(signs).view(members, k, fan_in) * 2.0 - 1
            self.input_scales.append(nn.Parameter(scales))
            self.output_scales.append(nn.Parameter(torch.ones(members, k, fan_out)))

    @property
    def members(self) -> int:
        """The number of groups."""
        return self.shared[0].shape[0]

    @property
    def weights(self) -> list[Tensor]:
        """The weights of each layer with the adapters, ``[members · k, in, out]``."""
        return fold(list(self.parameters()), len(self.shared))[: len(self.shared)]

    @property
    def biases(self) -> list[Tensor]:
        """The biases of each layer, ``[members · k, 1, out]``."""
        return [bias.flatten(0, 1) for bias in self.offsets]

    def address(self, stream: int) -> Tensor:
        """Return the addresses of a stream's masks at the current step, ``[members · k, 3]``."""
        return addresses(self.seeds, stream, self.steps)

    def forward(self, X: Tensor, *, noise: bool | None = None) -> Tensor:
        """Return the outputs of every network, ``[members · k, rows, outputs]``.

        Parameters
        ----------
        X : Tensor
            ``[rows, inputs]``, the same for all, or ``[members, rows, inputs]``.
        noise : bool, optional
            As in :meth:`bridle.Network.forward`.

        Raises
        ------
        UsageError
            If the shape of ``X`` does not fit the network.
        """
        noise = self.training if noise is None else noise
        check_inputs(self, X)
        if X.ndim == 2:
            hidden = X.expand(len(self.seeds), -1, -1)
        else:
            hidden = X.repeat_interleave(self.shared_members, 0)
        layers = _Folded(self)
        return (
            training_forward(layers, hidden, None) if noise else prediction_forward(layers, hidden)
        )

    @torch.no_grad()
    def folded(self) -> Network:
        """Return the networks as a plain population of ``members · k``, with folded weights.

        ``W'_j = diag(r_j) W diag(s_j)``: outputs are the same up to rounding, with or without
        noise, and a weight that is zero for all networks is zero in each.

        Examples
        --------
        >>> from bridle.networks import SharedNetwork
        >>> SharedNetwork([4, 8, 3], seeds=[0, 1], shared_members=5).folded().members
        10
        """
        network = Network(
            self.sizes,
            seeds=self.seeds.tolist(),
            hidden_noise=self.hidden_noise,
            input_noise=self.input_noise,
            weight_noise=self.weight_noise,
        ).to(self.seeds.device)
        values = fold(list(self.parameters()), len(self.shared))
        for to, value in zip(network.parameters(), values, strict=True):
            to.copy_(value)
        network.steps.copy_(self.steps)
        return network.train(self.training)


def check_plain(network: Network | SharedNetwork) -> None:
    """Refuse networks that share weights: penalties act on the weights of plain ones."""
    if isinstance(network, SharedNetwork):
        raise UsageError(
            "a SharedNetwork is trained by bridle.search(shared_members=...) only; train the plain "
            "population that network.folded() returns"
        )


class _Folded:
    """The layers of a forward pass, whose weights are folded once."""

    embedding: Embedding | None = None

    def __init__(self, network: SharedNetwork) -> None:
        self.sizes, self.activation = network.sizes, network.activation
        self.input_noise, self.hidden_noise = network.input_noise, network.hidden_noise
        self.weight_noise, self.seeds = network.weight_noise, network.seeds
        self.weights, self.biases = network.weights, network.biases
        self.address = network.address
