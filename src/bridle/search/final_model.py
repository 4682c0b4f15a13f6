"""The model of a search: the best trials' networks averaged, the best one's, or a refit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.networks.population import Network, predict
from bridle.networks.shared_members import fold
from bridle.noise import DropConnect, Dropout
from bridle.search.configuration import Configuration
from bridle.search.data import SearchData
from bridle.search.embedded import embedding_of, same_shape
from bridle.search.plan import ENSEMBLE_SIZE, Plan, refits_of_each
from bridle.search.successive_halving import SuccessiveHalving
from bridle.search.temperature import Temperature, fit_temperature
from bridle.search.trial import PLAIN_ID, Trial
from bridle.search.trial_population import TrialPopulation

__all__ = [
    "ANSWERS",
    "Answer",
    "answer_of",
    "average_outputs",
    "best_trials",
    "held_out_outputs",
    "network_of",
    "refit",
    "zero_shares",
]

ANSWERS = ("ensemble", "best", "refit")
_FIRST_REFIT_ID = 10**9


def best_trials(halving: SuccessiveHalving, answer: str) -> list[Trial]:
    """Return the trials that the model consists of, best first.

    For an ensemble or a refit these are at most the first eight of those that the plan promoted to
    the last rung, and only those with the hidden layers and shared members of the best one.
    Otherwise it is the best trial.
    """
    best, *others = halving.finalists
    if answer == "best":
        return [best]
    promoted = halving.plan.promoted(len(halving.plan.steps) - 1, len(halving.trials))
    same = [
        each
        for each in others[: max(1, promoted) - 1]
        if each.configuration.hidden == best.configuration.hidden
        and each.configuration.shared_members == best.configuration.shared_members
        and each.id != PLAIN_ID
    ]
    return [best, *same[: ENSEMBLE_SIZE - 1]]


def network_of(data: SearchData, trials: Sequence[Trial], bins: int) -> Network:
    """Return the best weights of trials as one population: member ``k * folds + v``.

    Networks that share weights are plain ones here, with their adapters multiplied into the
    weights: network j of m is member ``(k * folds + v) * m + j``. All members take the inputs of
    the encoding with ``bins``, and embed numbers if one of the trials does. The weights of inputs
    that a configuration does not have are zero, and so is an embedding that it does not have.
    """
    return _joined(
        data,
        data.inputs[bins].shape[1],
        trials,
        [_parameters(trial) for trial in trials],
        data.folds,
        [each.best_step for each in trials],
    )


def _joined(
    data: SearchData,
    inputs: int,
    trials: Sequence[Trial],
    parameters: Sequence[list[Tensor]],
    networks: int,
    steps: Sequence[int],
) -> Network:
    """Return the networks of trials, so many of each, as one population."""
    first = trials[0].configuration
    same = same_shape(parameters, len(first.hidden) + 1, inputs)
    return _network(
        data,
        inputs,
        [each.configuration for each in trials],
        members=networks * first.shared_members,
        steps=steps,
        parameters=[torch.cat(each) for each in zip(*same, strict=True)],
    )


def _parameters(trial: Trial) -> list[Tensor]:
    """Return the parameters of the best evaluation, plain: weights by layer, then biases."""
    state = trial.state
    if state is None:
        raise AssertionError(f"the state of trial {trial.id} was deleted")
    count = sum(name.startswith("best.") for name in state)
    best = [torch.from_numpy(np.asarray(state[f"best.{at}"])) for at in range(count)]
    return _plain(best, trial.configuration)


def _plain(parameters: Sequence[Tensor], configuration: Configuration) -> list[Tensor]:
    """Return parameters in which no networks share weights."""
    if configuration.shared_members == 1:
        return list(parameters)
    return fold(parameters, len(configuration.hidden) + 1)


def zero_shares(trials: Sequence[Trial]) -> tuple[float, ...]:
    """Return the share of exact zeros among the weights of each layer, averaged over trials."""
    layers = len(trials[0].configuration.hidden) + 1
    shares = [
        [float((weight == 0).double().mean()) for weight in _parameters(each)[:layers]]
        for each in trials
    ]
    return tuple(np.mean(shares, axis=0).tolist())


def _network(
    data: SearchData,
    inputs: int,
    configurations: Sequence[Configuration],
    *,
    members: int,
    steps: Sequence[int],
    parameters: Sequence[Tensor],
) -> Network:
    """Return a population with ``members`` members for each configuration, and these parameters."""

    def noise(kind: Any, name: str) -> Any:
        keeps = [getattr(each, name) for each in configurations]
        if min(keeps) == 1:
            return None
        if len(set(keeps)) == 1:
            return kind(keep_prob=keeps[0])
        column = torch.tensor(keeps, dtype=torch.float64).repeat_interleave(members)
        return kind(keep_prob=column)

    network = Network(
        [inputs, *configurations[0].hidden, data.outputs],
        seeds=list(range(members * len(configurations))),
        hidden_noise=noise(Dropout, "keep_prob"),
        input_noise=noise(Dropout, "input_keep_prob"),
        weight_noise=noise(DropConnect, "drop_connect_keep_prob"),
        embedding=embedding_of(configurations, members, data.numbers),
    )
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), parameters, strict=True):
            parameter.copy_(value)
        network.steps.copy_(torch.tensor(steps).repeat_interleave(members))
    return network.eval()


def refit(data: SearchData, trials: Sequence[Trial], plan: Plan) -> Network:
    """Train the configurations of trials on all rows, at least five networks together.

    Each is trained to the trial's best step, scaled up by the number of rows: each row is seen as
    often as in a fold.
    """
    all_rows = data.without_folds()
    rows = sum(len(data.rows_of(v)[0]) for v in range(data.folds)) / data.folds
    networks = refits_of_each(len(trials))
    trained, steps = [], []
    for at, trial in enumerate(trials):
        first = _FIRST_REFIT_ID + at * networks
        population = TrialPopulation(
            all_rows,
            [trial.configuration] * networks,
            range(first, first + networks),
            seed=plan.seed,
            batch_size=plan.batch_size,
        )
        population.train(max(1, round(trial.best_step * len(data.y) / rows)))
        trained.append(_plain([each.cpu() for each in population.average], trial.configuration))
        steps.append(population.step)
    inputs = data.inputs[max(each.configuration.bins for each in trials)].shape[1]
    return _joined(data, inputs, trials, trained, networks, steps)


def average_outputs(
    outputs: Tensor, *, classes: bool, temperature: Temperature | None = None
) -> Tensor:
    """Average the outputs of members, ``[rows, outputs]``.

    For classification the probabilities are averaged, and their logarithm at the temperature is
    returned.
    """
    if not classes:
        return outputs.double().mean(0)
    logs = outputs.double().log_softmax(-1).logsumexp(0)
    return (logs if temperature is None else logs / temperature.value).log_softmax(-1)


def held_out_outputs(
    data: SearchData, network: Network, bins: int, shared_members: int = 1
) -> Tensor:
    """Return each trial's outputs for the scored rows, by the members not trained on them.

    ``[trials, rows, outputs]``, or ``[trials * shared_members, rows, outputs]`` if networks shared
    their weights.
    """
    outputs = predict(network, data.inputs[bins][data.scored])
    fold = data.fold[data.scored]
    parts = outputs.unflatten(0, (-1, data.folds, shared_members)).transpose(1, 2).flatten(0, 1)
    return parts[:, fold, torch.arange(len(fold))]


@dataclass(frozen=True, eq=False)
class Answer:
    """The networks that a search answers with.

    Attributes
    ----------
    network : Network
        The networks that predict.
    bins : int
        The encoding that they take.
    held_out : Tensor
        The outputs of the networks of the folds for the scored rows, ``[trials, rows, outputs]``;
        see :func:`held_out_outputs`.
    temperature : Temperature, optional
        That of the averaged probabilities; None for regression.
    """

    network: Network
    bins: int
    held_out: Tensor
    temperature: Temperature | None


def answer_of(
    data: SearchData,
    trials: Sequence[Trial],
    plan: Plan,
    answer: str,
    groups: np.ndarray[Any, Any] | None = None,
) -> Answer:
    """Return the networks of the best trials, with the temperature that suits the held-out rows.

    Parameters
    ----------
    data : SearchData
    trials : sequence of Trial
        What :func:`best_trials` returned.
    plan : Plan
    answer : {"ensemble", "best", "refit"}
    groups : array ``[rows]``, optional
        The group of each row.
    """
    bins = max(each.configuration.bins for each in trials)
    folds = network_of(data, trials, bins)
    network = refit(data, trials, plan) if answer == "refit" else folds
    held_out = held_out_outputs(data, folds, bins, trials[0].configuration.shared_members)
    if not data.classes:
        return Answer(network, bins, held_out, None)
    scored = data.scored
    own = None if groups is None else groups[scored.numpy()]
    more = data.folds > 1 or answer == "refit"
    found = fit_temperature(held_out, data.y[scored], own, averages_more=more)
    return Answer(network, bins, held_out, found)
