"""Losses and scores after an epoch, and the history of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bridle.networks.history import Dataset, History
from bridle.networks.objectives import Objective
from bridle.networks.population import Network, predict
from bridle.networks.stopping import BestWeights
from bridle.penalties import Penalty

__all__ = ["evaluate_epoch", "evaluate_held_out", "history_of"]

_ROWS_AT_ONCE = 4096  # bounds the memory of a pass with noise on


@torch.no_grad()
def _evaluate(
    network: Network, data: Dataset, objective: Objective, *, noise: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the mean loss and the score of each member, float64 ``[members]``."""
    outputs = _noisy_outputs(network, data.X) if noise else predict(network, data.X)
    rows = objective.loss(outputs, data.y).double()
    weighted = rows if data.weight is None else rows * data.weight
    return weighted.mean(1), objective.score(outputs, data.y).double()


def _noisy_outputs(network: Network, X: Tensor) -> Tensor:
    """Return the outputs with noise on, in parts that have the masks of the whole batch."""
    rows = torch.arange(X.shape[0])
    parts = zip(X.split(_ROWS_AT_ONCE), rows.split(_ROWS_AT_ONCE), strict=True)
    return torch.cat([network(part, noise=True, rows=index) for part, index in parts], dim=1)


@torch.no_grad()
def _penalty(network: Network, penalties: Sequence[Penalty]) -> Tensor:
    """Return R(w) of each member, float64 ``[members]``."""
    total = torch.zeros(network.members, dtype=torch.float64)
    for penalty in penalties:
        for weight in network.weights:
            # a strength that is one number gives one value for the whole tensor
            value = penalty.value(weight.double())
            if value.ndim == 0 and network.members > 1:
                value = torch.stack([penalty.value(part.double()) for part in weight])
            total += value
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
    if network.has_noise:
        noise = _evaluate(network, training, objective, noise=True)[0] - train_loss
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
    """Return the history of epochs that :func:`evaluate_epoch` evaluated."""
    columns = torch.stack(list(curves), dim=1).numpy()
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
