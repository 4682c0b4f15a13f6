"""The unit of work of a search: trials of one shape, trained to a step and evaluated on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.search.configuration import Configuration
from bridle.search.data import SearchData
from bridle.search.scoring import mean_losses, scores_of
from bridle.search.trial_population import TrialPopulation

__all__ = ["Arrays", "Job", "Runner", "TrialResult", "run_job", "run_on_one_thread"]

_STEPS_AT_ONCE, _STEPS_PER_CLOCK_CHECK = 16, 10
_BEST = (
    "best_seen"  # the entry of a state that holds the best score, the negative loss and the step
)

Arrays = Mapping[str, np.ndarray[Any, Any]]
"""The state of one trial, as arrays by name; the leading axis of an array is the folds."""


@dataclass(frozen=True)
class Job:
    """Trials to train; a job can be sent to another process or machine.

    Attributes
    ----------
    configurations : tuple of Configuration
        All of one shape.
    ids : tuple of int
        The trials' ids, in the order of the configurations.
    states : tuple of dict, or None
        The state of each trial at ``start``. None starts from new weights.
    start, stop : int
        The steps between which to train.
    evaluations : int
        The number of evaluations. They are evenly spaced, and the last one is at ``stop``.
    rung, seed, batch_size : int
    scoring : str
    seconds : float, optional
        The time limit. Training stops there, even before ``stop``.
    """

    configurations: tuple[Configuration, ...]
    ids: tuple[int, ...]
    states: tuple[Arrays, ...] | None
    start: int
    stop: int
    evaluations: int
    rung: int
    seed: int
    batch_size: int
    scoring: str
    seconds: float | None = None


@dataclass(frozen=True)
class TrialResult:
    """The evaluations of one trial in a job, and its state after the job.

    Attributes
    ----------
    id : int
    steps : tuple of int
        The step of each evaluation.
    scores, losses : tuple of float
        Score and loss of each evaluation on the scored rows. Each row is predicted by the member
        that held it out, with noise off.
    fold_scores : tuple of float
        The score of each fold at the last evaluation.
    state : dict of arrays, or None
        What is needed to continue training. None if it was deleted.
    """

    id: int
    steps: tuple[int, ...]
    scores: tuple[float, ...]
    losses: tuple[float, ...]
    fold_scores: tuple[float, ...]
    state: Arrays | None


Runner = Callable[[Iterator[Job]], Iterator[tuple[list[TrialResult], float]]]
"""Runs jobs, in any order, and yields for each its trials' results and its seconds."""


def run_on_one_thread(data: SearchData, job: Job) -> tuple[list[TrialResult], float]:
    """Run a job in a worker process, which imports this module and no more."""
    torch.set_num_threads(1)
    return run_job(data, job)


def run_job(data: SearchData, job: Job) -> tuple[list[TrialResult], float]:
    """Train and evaluate the trials of a job; return their results and the seconds it took."""
    began = time.perf_counter()
    population = TrialPopulation(
        data, job.configurations, job.ids, seed=job.seed, batch_size=job.batch_size
    )
    best = [(-math.inf, -math.inf, 0)] * len(job.ids)
    if job.states is not None:
        population.load_state({"step": job.start, **_merge(job.states)})
        best = [tuple(state[_BEST].tolist()) for state in job.states]
    else:
        population.keep_best(range(len(job.ids)))
    y = data.y[data.scored]
    stops = np.linspace(job.start, job.stop, job.evaluations + 1).round().astype(int)[1:]
    steps: list[int] = []
    scores: list[Tensor] = []
    losses: list[Tensor] = []
    deadline = math.inf if job.seconds is None else began + job.seconds
    at_once = _STEPS_AT_ONCE if job.seconds is None else _STEPS_PER_CLOCK_CHECK
    for stop in stops.tolist():
        while population.step < stop and (
            time.perf_counter() < deadline or population.step == job.start
        ):
            population.train(min(at_once, stop - population.step))
        if steps and population.step == steps[-1]:
            break
        stop = population.step
        outputs = population.held_out_outputs()
        steps.append(stop)
        scores.append(scores_of(outputs, y, job.scoring))
        losses.append(mean_losses(outputs, y, classes=bool(data.classes)))
        better = []
        for at in range(len(job.ids)):
            now = (float(scores[-1][at]), -float(losses[-1][at]))
            if now > best[at][:2]:
                best[at] = (*now, stop)
                better.append(at)
        population.keep_best(better)
    fold = data.fold[data.scored]
    folds = [fold == v for v in range(data.folds)]
    by_fold = [scores_of(outputs[:, rows], y[rows], job.scoring) for rows in folds]
    states = _split(population.state(), len(job.ids))
    for state, values in zip(states, best, strict=True):
        state[_BEST] = np.array(values, dtype=np.float64)
    results = [
        TrialResult(
            id=number,
            steps=tuple(steps),
            scores=tuple(float(each[at]) for each in scores),
            losses=tuple(float(each[at]) for each in losses),
            fold_scores=tuple(float(each[at]) for each in by_fold),
            state=states[at],
        )
        for at, number in enumerate(job.ids)
    ]
    return results, time.perf_counter() - began


def _split(state: dict[str, Any], count: int) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Split the state of a population into one state for each trial."""
    states: list[dict[str, np.ndarray[Any, Any]]] = [{} for _ in range(count)]
    for name, values in state.items():
        if name == "step":
            continue
        for layer, value in enumerate(values):
            for at, part in enumerate(value.cpu().chunk(count)):
                states[at][f"{name}.{layer}"] = part.numpy().copy()
    return states


def _merge(states: Sequence[Arrays]) -> dict[str, list[Tensor]]:
    """Merge the states of trials into the state of a population; the inverse of :func:`_split`."""
    merged: dict[str, list[Tensor]] = {}
    for name in states[0]:
        if name == _BEST:
            continue
        kind = name.partition(".")[0]
        # a worker may receive memory-mapped arrays, and torch warns of arrays that are read-only
        parts = [torch.from_numpy(np.require(state[name], requirements="W")) for state in states]
        merged.setdefault(kind, []).append(torch.cat(parts))
    return merged
