"""All subnetworks of a small network, with their probabilities, and their exact mean."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.objectives import Objective
from bridle.networks.population import Network
from bridle.noise import DropConnect, Dropout
from bridle.subnetworks.average import average_over
from bridle.subnetworks.evaluator import Masks, chunk_size
from bridle.subnetworks.moments import EnsemblePrediction, Mean

__all__ = ["all_subnetworks", "mean_over_all"]

LIMIT = 1 << 20
"""The default maximum number of subnetworks to enumerate."""


class _MaskCodes:
    """Integer codes for the masks of one member: one bit for each unit or weight with noise."""

    def __init__(self, network: Network, member: int) -> None:
        self.network, self.member = network, member
        place = torch.tensor([member])
        self.fields: list[tuple[int, bool, tuple[int, ...], float, float]] = []
        for layer, shape in enumerate(weight.shape[1:] for weight in network.weights):
            units = network.hidden_noise if layer else network.input_noise
            for noise, on_weights in ((units, False), (network.weight_noise, True)):
                if noise is None:
                    continue
                if not isinstance(noise, Dropout | DropConnect):
                    raise UsageError(
                        f"{noise} does not have finitely many masks to enumerate, only "
                        "bridle.Dropout and DropConnect do; sample subnetworks instead, with "
                        "predict_ensemble"
                    )
                keep = float(noise.take(place).drawn_keep_prob)
                if keep < 1:
                    scale = 1 / keep if noise.inverted else 1.0
                    wide = shape if on_weights else shape[:1]
                    self.fields.append((layer, on_weights, wide, keep, scale))
        self.count = sum(torch.Size(wide).numel() for _, _, wide, _, _ in self.fields)

    def check(self, limit: int) -> None:
        """Raise a UsageError if there are no subnetworks, or more than ``limit``."""
        if not self.count:
            raise UsageError(
                "the network has no noise, so it has no subnetworks: give it hidden_noise, "
                "input_noise or weight_noise with a keep probability below 1"
            )
        if self.count >= 63 or 1 << self.count > limit:
            raise UsageError(
                f"the network has 2^{self.count} subnetworks, more than limit={limit}: sample "
                "some with predict_ensemble or subnetworks(range(k)), or raise the limit"
            )

    def of(self, codes: Tensor) -> tuple[Masks, Tensor]:
        """Return the masks of codes, int64 ``[subnetworks]``, and their probabilities."""
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
    """Return every subnetwork of a small network, with its probability.

    If n units (inputs, weights) can be dropped, there are 2ⁿ subnetworks, as in
    :meth:`bridle.Network.subnetwork`. They are ordered by a binary number: its lowest bit is the
    first unit of the first layer, 1 if the unit is kept. Within a layer, units come before
    weights.

    Parameters
    ----------
    network : Network
        A network with one member.
    limit : int
        The maximum number of subnetworks.

    Returns
    -------
    iterator of (float, Network)
        Networks are made one at a time. The probabilities sum to 1.

    Raises
    ------
    UsageError
        If there are more than ``limit`` subnetworks or none, or if the network has several
        members.

    Examples
    --------
    >>> import bridle
    >>> network = bridle.Network([4, 2, 3], hidden_noise=bridle.Dropout(keep_prob=0.75))
    >>> [(share, small.sizes[1]) for share, small in bridle.all_subnetworks(network)]
    [(0.0625, 1), (0.1875, 1), (0.1875, 1), (0.5625, 2)]
    """
    if network.members != 1:
        raise UsageError(
            f"the Network has {network.members} members, each with its own subnetworks; take one "
            "member first: network.take([i])"
        )
    codes = _MaskCodes(network, 0)
    codes.check(limit)

    def each() -> Iterator[tuple[float, Network]]:
        for code in range(1 << codes.count):
            masks, share = codes.of(torch.tensor([code]))
            weights = [
                network.weights[layer][0] if masked is None else masked[0]
                for layer, masked in enumerate(masks.weights)
            ]
            factors = [None if factor is None else factor[0] for factor in masks.factors]
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
    """Return the exact mean over all 2ⁿ subnetworks of a small network.

    Each subnetwork is weighted by its probability. :func:`bridle.predict_ensemble` estimates this
    mean by sampling. The result's ``distance(bridle.predict(network, X))`` is the distance of one
    weight-scaled pass from the true mean. For a single softmax layer with dropout on its inputs,
    the weight-scaled pass equals the geometric mean exactly (Srivastava et al. 2014; Goodfellow et
    al. 2016, section 7.12).

    Parameters
    ----------
    network, X, mean, objective, batch_rows
        As in :func:`bridle.predict_ensemble`.
    limit : int
        The maximum number of subnetworks.

    Returns
    -------
    EnsemblePrediction

    Raises
    ------
    UsageError
        If there are more than ``limit`` subnetworks, and in the cases of
        :func:`bridle.predict_ensemble`.

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
    by_member = [_MaskCodes(network, member) for member in range(network.members)]
    for each in by_member:
        each.check(limit)

    def masks_for(member: int, rows: int) -> Iterator[tuple[Masks, Tensor | None]]:
        codes = by_member[member]
        for chunk in torch.arange(1 << codes.count).split(chunk_size(network, rows)):
            yield codes.of(chunk)

    count = 1 << max(each.count for each in by_member)
    return average_over(network, X, masks_for, count, mean, objective, batch_rows)
