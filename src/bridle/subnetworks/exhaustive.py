"""All subnetworks of a small network: each named by its bits, with its probability."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.objectives import Objective
from bridle.networks.population import Network
from bridle.noise import DropConnect, Dropout
from bridle.subnetworks.average import averaged
from bridle.subnetworks.moments import EnsemblePrediction, Mean
from bridle.subnetworks.scores import Masks, at_once

__all__ = ["all_subnetworks", "mean_over_all"]

LIMIT = 1 << 20
"""How many subnetworks are enumerated at most, unless asked otherwise."""


class _Bits:
    """What may be dropped in one member: its units or weights in order, each one bit of a code."""

    def __init__(self, network: Network, member: int) -> None:
        self.network, self.member = network, member
        place = torch.tensor([member])
        self.fields: list[tuple[int, bool, tuple[int, ...], float, float]] = []
        for layer, shape in enumerate(pairwise(network.sizes)):
            units = network.hidden_noise if layer else network.input_noise
            for noise, on_weights in ((units, False), (network.weight_noise, True)):
                if noise is None:
                    continue
                if not isinstance(noise, Dropout | DropConnect):
                    raise UsageError(
                        f"{noise} has no list of masks with a probability each: all subnetworks "
                        "are those of bridle.Dropout and DropConnect; sample some instead, with "
                        "predict_ensemble"
                    )
                keep = float(noise.take(place).drawn_keep_prob)
                if keep < 1:
                    scale = 1 / keep if noise.inverted else 1.0
                    wide = shape if on_weights else shape[:1]
                    self.fields.append((layer, on_weights, wide, keep, scale))
        self.count = sum(torch.Size(wide).numel() for _, _, wide, _, _ in self.fields)

    def check(self, limit: int) -> None:
        """Raise a UsageError where there is nothing to enumerate, or too much."""
        if not self.count:
            raise UsageError(
                "the network draws no masks, so that it has no subnetworks: give it hidden_noise, "
                "input_noise or weight_noise with a keep probability below 1"
            )
        if self.count >= 63 or 1 << self.count > limit:
            raise UsageError(
                f"the network has 2^{self.count} subnetworks, and limit is {limit}: sample some "
                "instead, with predict_ensemble or subnetworks(range(k)), or raise the limit"
            )

    def of(self, codes: Tensor) -> tuple[Masks, Tensor]:
        """Return the masks of some codes, int64 ``[names]``, and their probabilities."""
        like = self.network.weights[0]
        kept = (codes[:, None] >> torch.arange(self.count)) & 1
        share = torch.ones(len(codes), dtype=torch.float64)
        layers = len(self.network.weights)
        masks, start = Masks([None] * layers, [None] * layers), 0
        for layer, on_weights, wide, keep, scale in self.fields:
            bits = kept[:, start : start + torch.Size(wide).numel()]
            start += bits.shape[1]
            share *= keep ** bits.sum(1).double() * (1 - keep) ** (1 - bits).sum(1).double()
            factors = (bits.double() * scale).to(like).view(len(codes), *wide)
            if on_weights:
                weight = self.network.weights[layer][self.member].detach()
                masks.weights[layer] = weight * factors
            else:
                masks.factors[layer] = factors
        return masks, share.to(like.device)


def all_subnetworks(network: Network, *, limit: int = LIMIT) -> Iterator[tuple[float, Network]]:
    """Return every subnetwork of a small network, each with the probability that it is drawn.

    They are those of :meth:`bridle.Network.subnetwork`, 2ⁿ of them where n units (inputs, weights)
    may be dropped. In the order of a binary number whose lowest bit is the first unit of the first
    layer, 1 where it is kept; in a layer the units come before the weights.

    Parameters
    ----------
    network : Network
        Of one member.
    limit : int
        How many are too many.

    Returns
    -------
    iterator of (float, Network)
        Each made when it is asked for; the probabilities sum to 1.

    Raises
    ------
    UsageError
        If there are more than ``limit``, or none, or if the network has several members.

    Examples
    --------
    >>> import bridle
    >>> network = bridle.Network([4, 2, 3], hidden_noise=bridle.Dropout(keep_prob=0.75))
    >>> [(share, small.sizes[1]) for share, small in bridle.all_subnetworks(network)]
    [(0.0625, 1), (0.1875, 1), (0.1875, 1), (0.5625, 2)]
    """
    if network.members != 1:
        raise UsageError(
            f"the Network has {network.members} members, each with subnetworks of its own; take "
            "one of them first: network.take([i])"
        )
    bits = _Bits(network, 0)
    bits.check(limit)

    def each() -> Iterator[tuple[float, Network]]:
        for code in range(1 << bits.count):
            masks, share = bits.of(torch.tensor([code]))
            weights = [
                network.weights[layer][0] if masked is None else masked[0]
                for layer, masked in enumerate(masks.weights)
            ]
            factors = [None if drawn is None else drawn[0] for drawn in masks.factors]
            yield float(share), network.thinned(weights, factors)

    return each()


def mean_over_all(
    network: Network,
    X: Tensor,
    *,
    mean: Mean = "arithmetic",
    objective: str | Objective = "cross_entropy",
    batch_rows: int = 1024,
    limit: int = LIMIT,
) -> EnsemblePrediction:
    """Return the exact mean over all 2ⁿ subnetworks of a small network, by their probabilities.

    What :func:`bridle.predict_ensemble` samples. ``distance(bridle.predict(network, X))`` of the
    result is how far one weight-scaled pass is from the true average. For one softmax layer under
    dropout of its inputs, the geometric mean is the weight-scaled pass, exactly (Srivastava et al.
    2014; Goodfellow et al. 2016, section 7.12).

    Parameters
    ----------
    network, X, mean, objective, batch_rows
        As in :func:`bridle.predict_ensemble`.
    limit : int
        How many subnetworks are too many.

    Returns
    -------
    EnsemblePrediction

    Raises
    ------
    UsageError
        If there are more than ``limit``, and as :func:`bridle.predict_ensemble` does.

    Examples
    --------
    >>> import torch, bridle
    >>> softmax = bridle.Network([6, 3], input_noise=bridle.Dropout(keep_prob=0.5))
    >>> X = torch.randn(5, 6)
    >>> weight_scaled = bridle.predict(softmax, X)
    >>> geometric = bridle.mean_over_all(softmax, X, mean="geometric")
    >>> bool(geometric.distance(weight_scaled).max() < 1e-6)
    True
    >>> bool(bridle.mean_over_all(softmax, X).distance(weight_scaled).max() > 1e-3)
    True
    """
    every = [_Bits(network, member) for member in range(network.members)]
    for bits in every:
        bits.check(limit)

    def drawn(member: int, rows: int) -> Iterator[tuple[Masks, Tensor | None]]:
        for codes in torch.arange(1 << every[member].count).split(at_once(network, rows)):
            yield every[member].of(codes)

    count = 1 << max(bits.count for bits in every)
    return averaged(network, X, drawn, count, mean, objective, batch_rows)
