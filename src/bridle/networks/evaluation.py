"""Losses and scores after an epoch, and the history of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridle.networks.embedding import Embedding
from bridle.networks.forward import training_forward
from bridle.networks.history import Dataset, History
from bridle.networks.layers import UnitNoise, WeightNoise, addresses
from bridle.networks.noise_off import outputs_of
from bridle.networks.objectives import Objective
from bridle.networks.population import Network
from bridle.networks.stopping import BestWeights
from bridle.noise.base import BernoulliMask
from bridle.penalties import Penalty

__all__ = ["evaluate_epoch", "evaluate_held_out", "history_of"]

_ROWS_AT_ONCE = 4096  # bounds the memory of a pass with noise on


@dataclass
class _Members:
    """Some members of a network, as :class:`bridle.networks.layers.Layers`.

    Unlike :meth:`bridle.Network.take`, it initializes no new network, which takes longer than a
    pass over a small table.
    """

    sizes: tuple[int, ...]
    weights: list[Tensor]
    biases: list[Tensor]
    activation: str
    input_noise: UnitNoise | None
    hidden_noise: UnitNoise | None
    weight_noise: WeightNoise | None
    seeds: Tensor
    steps: Tensor
    embedding: Embedding | None

    @classmethod
    def of(cls, network: Network, index: Tensor) -> _Members:
        return cls(
            network.sizes,
            [weight[index] for weight in network.weights],
            [bias[index] for bias in network.biases],
            network.activation,
            network.input_noise and network.input_noise.take(index),
            network.hidden_noise and network.hidden_noise.take(index),
            network.weight_noise and network.weight_noise.take(index),
            network.seeds[index],
            network.steps[index],
            network.embedding and network.embedding.taken(index),
        )

    def address(self, stream: int) -> Tensor:
        return addresses(self.seeds, stream, self.steps)


def _measured(outputs: Tensor, data: Dataset, objective: Objective) -> tuple[Tensor, Tensor]:
    """Return the mean loss and the score of each member, float64 ``[members]``."""
    rows = objective.loss(outputs, data.y).double()
    weighted = rows if data.weight is None else rows * data.weight
    return weighted.mean(1), objective.score(outputs, data.y).double()


@torch.no_grad()
def _evaluate(network: Network, data: Dataset, objective: Objective) -> tuple[Tensor, Tensor]:
    return _measured(outputs_of(network, data.X), data, objective)


@torch.no_grad()
def _noisy_loss(network: Network, index: Tensor, data: Dataset, objective: Objective) -> Tensor:
    """Return the mean loss of some members with noise on.

    The rows are split into parts that have the masks of the whole batch.
    """
    members = _Members.of(network, index)
    numbers = torch.arange(data.X.shape[0])
    parts = zip(data.X.split(_ROWS_AT_ONCE), numbers.split(_ROWS_AT_ONCE), strict=True)
    found = [training_forward(members, X.expand(len(index), -1, -1), rows) for X, rows in parts]
    return _measured(torch.cat(found, dim=1), data, objective)[0]


def _noisy_members(network: Network) -> Tensor:
    """Return the members that noise changes, int64; all of them if a schedule may change it."""
    changed = torch.zeros(network.members, dtype=torch.bool)
    for noise in (network.input_noise, network.hidden_noise, network.weight_noise):
        if isinstance(noise, BernoulliMask):
            changed |= torch.as_tensor(noise.keep_prob).cpu() < 1
        elif noise is not None:
            changed[:] = True
    return changed.nonzero()[:, 0]


@torch.no_grad()
def _penalty(network: Network, penalties: Sequence[Penalty]) -> Tensor:
    """Return R(w) of each member, float64 ``[members]``."""
    total = torch.zeros(network.members, dtype=torch.float64)
    for weight in network.weights:
        for penalty in penalties:
            if penalty.elastic is not None:
                total += _elastic(weight, *penalty.elastic)
                continue
            # a constraint holds to the rounding of the weights' own dtype
            at = weight if penalty.constraint else weight.double()
            value = penalty.value(at)
            # a strength that is one number gives one value for the whole tensor
            if value.ndim == 0 and network.members > 1:
                value = torch.stack([penalty.value(part) for part in at])
            total += value
    return total


def _elastic(weight: Tensor, l1: float | Tensor, l2: float | Tensor) -> Tensor:
    """Return ``l1 Σ|w| + ½ l2 Σw²`` of each member, without a sum whose strength is 0."""
    total = torch.zeros(len(weight), dtype=torch.float64)
    flat = weight.flatten(1)
    l1, l2 = (torch.as_tensor(each, dtype=torch.float64) for each in (l1, l2))
    if l1.any():
        total += l1 * flat.abs().sum(1, dtype=torch.float64)
    if l2.any():
        total += l2 * torch.linalg.vector_norm(flat, dim=1, dtype=torch.float64).square() / 2
    return total


def evaluate_held_out(network: Network, held_out: Dataset, objective: Objective) -> Tensor:
    """Return what :func:`evaluate_epoch` does, with NaN for all but the held-out rows."""
    found = torch.full((6, network.members), torch.nan, dtype=torch.float64)
    found[1], found[3] = _evaluate(network, held_out, objective)
    return found


def evaluate_epoch(
    network: Network,
    training: Dataset,
    held_out: Dataset,
    objective: Objective,
    penalties: Sequence[Penalty],
) -> Tensor:
    """Return losses, scores, noise and penalty after an epoch, float64 ``[6, members]``."""
    train_loss, train_score = _evaluate(network, training, objective)
    held_out_loss, held_out_score = _evaluate(network, held_out, objective)
    noise = torch.zeros_like(train_loss)
    noisy = _noisy_members(network)
    if len(noisy):
        noise[noisy] = _noisy_loss(network, noisy, training, objective) - train_loss[noisy]
    return torch.stack(
        [
            train_loss,
            held_out_loss,
            train_score,
            held_out_score,
            noise,
            _penalty(network, penalties),
        ]
    )


def history_of(
    curves: Sequence[Tensor], best: BestWeights, objective: Objective, **others: Any
) -> History:
    """Return the history of the members of ``best``, whose epochs were evaluated."""
    columns = torch.stack(list(curves), dim=1)[..., best.source].numpy()
    return History(
        train_loss=columns[0],
        held_out_loss=columns[1],
        train_score=columns[2],
        held_out_score=columns[3],
        noise=columns[4],
        penalty=columns[5],
        epochs_kept=best.epoch.numpy(),
        score_name=objective.score_name,
        **others,
    )
