"""From the contest's end to one predictor: the best configurations' networks, or a refit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.networks.population import Network, predict
from bridle.noise import DropConnect, Dropout
from bridle.search.configuration import Configuration
from bridle.search.halving import PLAIN_ID, Contest, Entry, Plan
from bridle.search.shard import Shard
from bridle.search.task import Task

__all__ = ["ANSWERS", "averaged", "networks_of", "own_rows", "refit", "winners_of", "zeros_of"]

ANSWERS = ("ensemble", "best", "refit")
TOGETHER = 8
REFITS = 5
_REFIT_IDS = 10**9


def winners_of(contest: Contest, answer: str) -> list[Entry]:
    """Return the configurations that predict, the best first.

    For an ensemble these are the first eight that earned the last rung and have the hidden layers
    of the best; else it is the best.
    """
    best, *others = contest.finalists
    if answer != "ensemble":
        return [best]
    earned = contest.plan.kept(len(contest.plan.steps) - 1, len(contest.entries))
    same = [
        each
        for each in others[: max(1, earned) - 1]
        if each.configuration.hidden == best.configuration.hidden and each.id != PLAIN_ID
    ]
    return [best, *same[: TOGETHER - 1]]


def networks_of(task: Task, entries: Sequence[Entry], bins: int) -> Network:
    """Return the networks of configurations, each with its folds, with their best weights.

    Member ``k * folds + v``. All take the inputs of ``bins``: the weights of inputs that a
    configuration does not have are zero.
    """
    inputs, folds = task.inputs[bins].shape[1], task.folds
    weights = [_parameters(entry) for entry in entries]
    for own in weights:
        own[0] = F.pad(own[0], (0, 0, 0, inputs - own[0].shape[1]))
    joined = [torch.cat(each) for each in zip(*weights, strict=True)]
    return _network(
        task,
        inputs,
        [each.configuration for each in entries],
        members=folds,
        steps=[each.best_step for each in entries],
        parameters=joined,
    )


def _parameters(entry: Entry) -> list[Tensor]:
    """Return the parameters that a configuration was best with: weights by layer, then biases."""
    state = entry.state
    if state is None:
        raise AssertionError(f"the weights of configuration {entry.id} were forgotten")
    count = sum(name.startswith("best.") for name in state)
    return [torch.from_numpy(np.asarray(state[f"best.{at}"])) for at in range(count)]


def zeros_of(entries: Sequence[Entry]) -> tuple[float, ...]:
    """Return the share of exact zeros among the weights of each layer, averaged over entries."""
    layers = len(entries[0].configuration.hidden) + 1
    shares = [
        [float((weight == 0).double().mean()) for weight in _parameters(each)[:layers]]
        for each in entries
    ]
    return tuple(np.mean(shares, axis=0).tolist())


def _network(
    task: Task,
    inputs: int,
    configurations: Sequence[Configuration],
    *,
    members: int,
    steps: Sequence[int],
    parameters: Sequence[Tensor],
) -> Network:
    """Return so many members for each configuration, after its steps, with these parameters."""

    def noise(kind: Any, name: str) -> Any:
        keeps = [getattr(each, name) for each in configurations]
        if min(keeps) == 1:
            return None
        if len(set(keeps)) == 1:
            return kind(keep_prob=keeps[0])
        column = torch.tensor(keeps, dtype=torch.float64).repeat_interleave(members)
        return kind(keep_prob=column)

    network = Network(
        [inputs, *configurations[0].hidden, task.outputs],
        seeds=list(range(members * len(configurations))),
        hidden_noise=noise(Dropout, "keep_prob"),
        input_noise=noise(Dropout, "input_keep_prob"),
        weight_noise=noise(DropConnect, "drop_connect_keep_prob"),
    )
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), parameters, strict=True):
            parameter.copy_(value)
        network.steps.copy_(torch.tensor(steps).repeat_interleave(members))
    return network.eval()


def refit(task: Task, entry: Entry, plan: Plan) -> Network:
    """Train a configuration on all rows, from five seeds, as long as it was best for.

    The steps grow with the rows, so that each row is seen as often as in a fold.
    """
    everything = replace(task, fold=torch.full_like(task.fold, -1))
    rows = sum(len(task.rows_of(v)[0]) for v in range(task.folds)) / task.folds
    shard = Shard(
        everything,
        [entry.configuration] * REFITS,
        range(_REFIT_IDS, _REFIT_IDS + REFITS),
        seed=plan.seed,
        batch_size=plan.batch_size,
    )
    shard.train(max(1, round(entry.best_step * len(task.y) / rows)))
    inputs = task.inputs[entry.configuration.bins].shape[1]
    return _network(
        task,
        inputs,
        [entry.configuration],
        members=REFITS,
        steps=[shard.step],
        parameters=[each.cpu() for each in shard.average],
    )


def averaged(outputs: Tensor, *, classes: bool) -> Tensor:
    """Return the average of members as outputs ``[rows, outputs]``: of probabilities, or values."""
    if not classes:
        return outputs.double().mean(0)
    return outputs.double().softmax(-1).mean(0).clamp(min=1e-12).log()


def own_rows(task: Task, network: Network, bins: int) -> tuple[Tensor, Tensor]:
    """Return outputs for the judged rows by members that learned them, and by those that did not.

    Each ``[judged, outputs]``, averaged over the configurations.
    """
    outputs = predict(network, task.inputs[bins][task.judged])
    by_fold = outputs.unflatten(0, (-1, task.folds))
    fold = task.fold[task.judged]
    rows = torch.arange(len(fold))
    seen = by_fold[:, (fold + 1) % task.folds, rows]
    unseen = by_fold[:, fold, rows]
    classes = bool(task.classes)
    return averaged(seen, classes=classes), averaged(unseen, classes=classes)
