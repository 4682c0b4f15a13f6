"""The unit of work of a search: some configurations, trained on to a step, and looked at."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.search.configuration import Configuration
from bridle.search.scoring import mean_losses, scores_of
from bridle.search.shard import Shard
from bridle.search.task import Task

__all__ = ["Job", "Seen", "advance"]

_CHECKED = 10  # steps between two looks at the clock

Arrays = dict[str, np.ndarray[Any, Any]]
"""What one configuration has learned, as arrays by name; the leading axis is the folds."""


@dataclass(frozen=True)
class Job:
    """What to do: it goes to whatever process or machine does it.

    Attributes
    ----------
    configurations : tuple of Configuration
        Of one shape.
    ids : tuple of int
    states : tuple of dict, or None
        What each has learned so far; None is nothing.
    start, stop : int
        The steps to train from and to.
    looks : int
        How often to evaluate on the way, evenly; the last at the stop.
    rung, seed, batch_size : int
    scoring : str
    seconds : float, optional
        When to stop at the latest.
    """

    configurations: tuple[Configuration, ...]
    ids: tuple[int, ...]
    states: tuple[Arrays, ...] | None
    start: int
    stop: int
    looks: int
    rung: int
    seed: int
    batch_size: int
    scoring: str
    seconds: float | None = None


@dataclass(frozen=True)
class Seen:
    """What became of one configuration in a job.

    Attributes
    ----------
    id : int
    steps : tuple of int
        When it was looked at.
    scores, losses : tuple of float
        Of the judged rows, each predicted by the member that held it out; noise off.
    fold_scores : tuple of float
        At the last look, fold by fold.
    state : dict of arrays, or None
        What it has learned; None where it is not needed any more.
    """

    id: int
    steps: tuple[int, ...]
    scores: tuple[float, ...]
    losses: tuple[float, ...]
    fold_scores: tuple[float, ...]
    state: Arrays | None


def advance(task: Task, job: Job) -> tuple[list[Seen], float]:
    """Do a job; return what was seen, and the seconds that it took."""
    began = time.perf_counter()
    shard = Shard(task, job.configurations, job.ids, seed=job.seed, batch_size=job.batch_size)
    best = [(-math.inf, -math.inf, 0)] * len(job.ids)
    if job.states is not None:
        shard.load({"step": job.start, **_gathered(job.states)})
        best = [tuple(state["best_seen"].tolist()) for state in job.states]
    else:
        shard.keep_best(range(len(job.ids)))
    folds = [task.judged_rows_of(v) for v in range(task.folds)]
    known = task.judged
    y = task.y[known]
    stops = np.linspace(job.start, job.stop, job.looks + 1).round().astype(int)[1:]
    steps: list[int] = []
    scores: list[Tensor] = []
    losses: list[Tensor] = []
    latest = math.inf if job.seconds is None else began + job.seconds
    for stop in stops.tolist():
        while shard.step < stop and (time.perf_counter() < latest or shard.step == job.start):
            shard.train(min(_CHECKED, stop - shard.step))
        if steps and shard.step == steps[-1]:
            break
        stop = shard.step
        outputs = shard.held_out()
        steps.append(stop)
        scores.append(scores_of(outputs[:, known], y, job.scoring))
        losses.append(mean_losses(outputs[:, known], y, classes=bool(task.classes)))
        better = []
        for at in range(len(job.ids)):
            now = (float(scores[-1][at]), -float(losses[-1][at]))
            if now > best[at][:2]:
                best[at] = (*now, stop)
                better.append(at)
        shard.keep_best(better)
    by_fold = [scores_of(outputs[:, rows], task.y[rows], job.scoring) for rows in folds]
    states = _scattered(shard.state(), len(job.ids))
    for state, seen in zip(states, best, strict=True):
        state["best_seen"] = np.array(seen, dtype=np.float64)
    found = [
        Seen(
            id=number,
            steps=tuple(steps),
            scores=tuple(float(each[at]) for each in scores),
            losses=tuple(float(each[at]) for each in losses),
            fold_scores=tuple(float(each[at]) for each in by_fold),
            state=states[at],
        )
        for at, number in enumerate(job.ids)
    ]
    return found, time.perf_counter() - began


def _scattered(state: dict[str, Any], count: int) -> list[Arrays]:
    """Split what a shard has learned by configuration."""
    states: list[Arrays] = [{} for _ in range(count)]
    for name, values in state.items():
        if name == "step":
            continue
        for layer, value in enumerate(values):
            for at, part in enumerate(value.cpu().chunk(count)):
                states[at][f"{name}.{layer}"] = part.numpy().copy()
    return states


def _gathered(states: Sequence[Arrays]) -> dict[str, list[Tensor]]:
    """Put together what :func:`_scattered` split."""
    found: dict[str, list[Tensor]] = {}
    for name in states[0]:
        if name == "best_seen":
            continue
        kind = name.partition(".")[0]
        # what a worker gets may be mapped memory, which torch wants to be writable
        parts = [torch.from_numpy(np.require(state[name], requirements="W")) for state in states]
        found.setdefault(kind, []).append(torch.cat(parts))
    return found
