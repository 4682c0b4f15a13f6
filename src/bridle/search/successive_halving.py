"""Successive halving: train many trials for a few steps, and the better ones for more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from bridle.errors import TrainingError
from bridle.search.configuration import PLAIN, Shape, Space
from bridle.search.job import Job, Runner, TrialResult
from bridle.search.plan import ETA, Plan
from bridle.search.splitting import split_trials
from bridle.search.trial import PLAIN_ID, Trial

__all__ = ["Progress", "Storage", "SuccessiveHalving"]

MIN_PROMOTED = 3
SAFETY = 0.95


class Storage(Protocol):
    """Stores the decisions that depended on time, and deletes states that are not needed."""

    def decide(self, what: str, value: int) -> int:
        """Return the stored decision; if there is none, store ``value`` and return it."""

    def decision(self, what: str) -> int | None:
        """Return the stored decision, or None."""

    def delete_state(self, rung: int, number: int) -> None:
        """Delete the state of a trial that is not promoted."""


@dataclass(frozen=True)
class Progress:
    """The progress of a search.

    Attributes
    ----------
    done : float
        The share of the work that is done, from 0 to 1.
    best : float
        The best validation score so far.
    configurations : int
        The number of configurations sampled so far.
    rung : int
        The rung of successive halving that is being trained, from 0.
    """

    done: float
    best: float
    configurations: int
    rung: int


class SuccessiveHalving:
    """Successive halving over the rungs of a plan (Li et al. 2018).

    Parameters
    ----------
    plan : Plan
    space : Space
        Where configurations are sampled from.
    run_jobs : callable
        Runs jobs and yields their results.
    left : float, optional
        Seconds until the deadline. Without it the plan alone decides.
    workers : int
    storage : Storage, optional
    on_progress : callable, optional
    """

    def __init__(
        self,
        plan: Plan,
        space: Space,
        run_jobs: Runner,
        *,
        left: float | None = None,
        workers: int = 1,
        storage: Storage | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.plan = plan
        self.space = space
        self.run_jobs = run_jobs
        self.began = time.monotonic()
        self.deadline = None if left is None else self.began + left
        self.storage = storage
        self.workers = workers
        self.trials: dict[int, Trial] = {}
        self.on_progress = on_progress or (lambda _: None)
        self.interrupted = False
        self.rung_ends = [plan.steps[0]]  # the last step of each rung so far
        self._random = np.random.default_rng([plan.seed, 0x5EA])
        self._work_done = 0.0
        self._job_seconds = 0.0
        self._seconds_per_trial: dict[Shape, float] = {}

    # -------------------------------------------------------------------------------- ranking

    def ranked(self, trials: Sequence[Trial] | None = None) -> list[Trial]:
        """Return the trials that did not fail, best first; ties go to the lower id."""
        pool = list(self.trials.values()) if trials is None else trials
        valid = [each for each in pool if each.scores and not each.failed]
        return sorted(valid, key=lambda each: (-each.best[0], -each.best[1], each.id))

    @property
    def finalists(self) -> list[Trial]:
        """The trials of the last rung that was reached, ranked."""
        ranked = self.ranked()
        last = max((each.rung for each in ranked), default=-1)
        return [each for each in ranked if each.rung == last]

    # ------------------------------------------------------------------------------------ run

    def run(self) -> None:
        """Run all rungs, or stop at a KeyboardInterrupt.

        Raises
        ------
        TrainingError
            If no trial gave finite outputs, or none was evaluated before the interrupt.
        """
        cause: KeyboardInterrupt | None = None
        try:
            for rung in range(len(self.plan.steps)):
                self._run_rung(rung)
        except KeyboardInterrupt as interrupt:
            self.interrupted, cause = True, interrupt
        evaluated = [each for each in self.trials.values() if each.scores]
        if self.interrupted and not evaluated:
            raise TrainingError(
                "the search was interrupted before any configuration was evaluated, so there is no "
                "model; run it again"
            ) from cause
        if not self.ranked():
            raise TrainingError(
                f"none of {len(evaluated)} configurations gave finite outputs; "
                "look for extreme values in the table"
            )

    def train_plain(self, run_jobs: Runner) -> None:
        """Train the plain trial for the first rung, if an interrupt came before its evaluation."""
        if PLAIN_ID in self.trials and self.trials[PLAIN_ID].scores:
            return
        job = self._job([self._sample_trial(PLAIN_ID)], 0)
        for results, _ in run_jobs(iter([job])):
            self.trials[PLAIN_ID].record(results[0], 0)

    def _work_shares(self) -> list[float]:
        """Return the share of the work in each rung."""
        ends = (0, *self.plan.steps)
        work = [
            (stop - start + self.plan.evaluation_cost) / ETA**rung
            for rung, (start, stop) in enumerate(pairwise(ends))
        ]
        return [each / sum(work) for each in work]

    def _run_rung(self, rung: int) -> None:
        jobs = self._first_jobs() if rung == 0 else self._next_jobs(rung)
        evaluated = 0
        for results, seconds in self.run_jobs(jobs):
            for result in results:
                self.trials[result.id].record(result, rung)
            evaluated += len(results)
            self._record_time(rung, results, seconds)
            self._delete_states(rung)
            self.on_progress(self._progress(rung, evaluated))

    def _record_time(self, rung: int, results: Sequence[TrialResult], seconds: float) -> None:
        start = self.rung_ends[rung - 1] if rung else 0
        self._work_done += (len(results) + self.plan.job_cost) * (self.rung_ends[rung] - start)
        self._work_done += len(results) * self.plan.evaluation_cost
        self._job_seconds += seconds
        shape = self.trials[results[0].id].configuration.shape
        self._seconds_per_trial[shape] = max(seconds / len(results), 1e-9)

    def _progress(self, rung: int, evaluated: int) -> Progress:
        shares = self._work_shares()
        begun = len(self.trials) if rung else self.plan.configurations
        part = evaluated / max(1, self.plan.promoted(rung, begun))
        if rung == 0 and self.deadline is not None:  # this rung may end early
            whole = shares[0] * (self.deadline - self.began)
            part = max(part, (time.monotonic() - self.began) / whole if whole > 0 else 1.0)
        done = sum(shares[:rung]) + shares[rung] * min(1.0, part)
        ranked = self.ranked()
        best = ranked[0].best[0] if ranked else -math.inf
        return Progress(done, best, len(self.trials), rung)

    def _first_jobs(self) -> Iterator[Job]:
        """Sample configurations until there are enough, or until the rung's time is over."""
        if self.deadline is None and self.plan.workers > 1:
            trials = map(self._sample_trial, range(self.plan.configurations))
            yield from self._jobs_of(list(trials), 0)
            return
        waiting: dict[Shape, list[Trial]] = {}
        limit = None
        if self.deadline is not None:
            limit = self.began + self._work_shares()[0] * (self.deadline - self.began)
        number = 0
        decided = None if self.storage is None else self.storage.decision("configurations")
        limit = limit if decided is None else None
        while number < (self.plan.configurations if decided is None else decided):
            trial = self._sample_trial(number)
            number += 1
            group = waiting.setdefault(trial.configuration.shape, [])
            group.append(trial)
            if len(group) == self.plan.trials_per_job:
                waiting[trial.configuration.shape] = []
                yield self._job(group, 0)
                left = sum(map(len, waiting.values()))
                if limit is not None and self._first_rung_end(left) > limit:
                    break
        if self.storage is not None:
            self.storage.decide("configurations", number)
        for group in waiting.values():
            if group:
                yield self._job(group, 0)

    def _first_rung_end(self, left: int) -> float:
        """Predict the time at which the first rung ends if ``left`` more trials have to train."""
        evaluated = sum(bool(each.scores) for each in self.trials.values())
        each = self._job_seconds / evaluated / self.workers if evaluated else 0.0
        return time.monotonic() + left * each

    def _sample_trial(self, number: int) -> Trial:
        if number == PLAIN_ID:
            plain = PLAIN.with_shape(self.space.shapes[0], self.space.bins[0])
            return Trial(number, plain)
        return Trial(number, self.space.sample(self._random))

    def _next_jobs(self, rung: int) -> Iterator[Job]:
        return self._jobs_of(sorted(self._promote(rung), key=lambda each: each.id), rung)

    def _jobs_of(self, trials: Sequence[Trial], rung: int) -> Iterator[Job]:
        """Yield the jobs of trials that are known, for all workers."""
        parts = split_trials(trials, self.plan.trials_per_job, self.plan.workers)
        seconds_of = self._seconds_per_trial
        costs = [seconds_of.get(part[0].configuration.shape, 1.0) * len(part) for part in parts]
        waiting, began = sum(costs), time.monotonic()
        # the longest jobs go first, so that no worker ends long after the others
        for place in sorted(range(len(parts)), key=lambda at: -costs[at]):
            seconds = None
            if self.deadline is not None and rung == len(self.plan.steps) - 1:
                # several workers fetch jobs in advance; one worker fetches a job when it is idle
                now = began if self.workers > 1 else time.monotonic()
                share = min(1.0, self.workers * costs[place] / waiting)
                seconds = max(0.0, self.deadline - now) * share
            if self.workers == 1:
                waiting -= costs[place]
            yield self._job(parts[place], rung, seconds)

    def _job(self, group: list[Trial], rung: int, seconds: float | None = None) -> Job:
        for trial in group:
            self.trials[trial.id] = trial
        states = tuple(each.state for each in group if each.state is not None)
        return Job(
            configurations=tuple(each.configuration for each in group),
            ids=tuple(each.id for each in group),
            states=states if rung else None,
            start=self.rung_ends[rung - 1] if rung else 0,
            stop=self.rung_ends[rung],
            evaluations=self.plan.evaluations,
            rung=rung,
            seed=self.plan.seed,
            batch_size=self.plan.batch_size,
            scoring=self.plan.scoring,
            seconds=seconds,
        )

    def _promote(self, rung: int) -> list[Trial]:
        """Return the trials of a rung: the better part of the last rung, and the plain trial.

        With a deadline the number of trials depends on the time left: more trials are promoted if
        there is time, fewer if there is not. If even the fewest trials take too long, the rung gets
        fewer steps.
        """
        evaluated = sum(bool(each.scores) for each in self.trials.values())
        ready = [each for each in self.ranked() if each.rung == rung - 1]
        count, stop = self.plan.promoted(rung, evaluated), self.plan.steps[rung]
        if self.deadline is not None and self._work_done:
            left = self.deadline - time.monotonic()
            left *= SAFETY * self.workers * self._work_done / self._job_seconds
            self._work_done = self._job_seconds = 0.0  # the last rung predicts the next one best
            # the other trials have not kept their states
            most = min(len(ready), self.plan.promoted(rung, self.plan.configurations))
            while count < most and self._remaining_work(rung, count + 1) <= left:
                count += 1
            while count > MIN_PROMOTED and self._remaining_work(rung, count) > left:
                count -= 1
            start = self.rung_ends[rung - 1]
            share = min(1.0, max(0.0, left) / self._remaining_work(rung, count))
            stop = start + max(1, int(share * (stop - start)))
        if self.storage is not None:
            count = self.storage.decide(f"rung {rung}", count)
            stop = self.storage.decide(f"rung {rung} stop", stop)
        self.rung_ends.append(stop)
        promoted = ready[:count]
        plain = self.trials.get(PLAIN_ID)
        if plain is not None and plain not in promoted and plain in ready:
            promoted = [*promoted, plain]
        return promoted

    def _remaining_work(self, rung: int, count: int) -> float:
        """Return the work from a rung to the end, if it has ``count`` trials and the plain one.

        The unit is one step of one trial.
        """
        ends, job_cost = self.plan.steps, self.plan.shapes * self.plan.job_cost
        work = 0.0
        for at in range(rung, len(ends)):
            trials, steps = math.ceil(count / ETA ** (at - rung)) + 1, ends[at] - ends[at - 1]
            work += steps * (trials + job_cost) + self.plan.evaluation_cost * trials
        return work

    def _delete_states(self, rung: int) -> None:
        """Delete the states of trials that cannot be promoted."""
        last = rung == len(self.plan.steps) - 1
        kept = len(self.trials) if last else self.plan.promoted(rung + 1, self.plan.configurations)
        ranked = [each for each in self.ranked() if each.state is not None and each.rung == rung]
        for trial in [*ranked[max(kept, 1) :], *(e for e in self.trials.values() if e.failed)]:
            if trial.id != PLAIN_ID and trial.state is not None:
                trial.state = None
                if self.storage is not None:
                    self.storage.delete_state(rung, trial.id)
