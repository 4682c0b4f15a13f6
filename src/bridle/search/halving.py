"""Successive halving: many configurations for a few steps, the better ones for more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from bridle.errors import TrainingError
from bridle.search.advance import Arrays, Job, Seen
from bridle.search.configuration import PLAIN, Configuration, Space

__all__ = ["Contest", "Entry", "Plan", "Progress"]

ETA = 3
FEWEST = 3
SAFETY = 0.95
PLAIN_ID = 0


def evenly(group: list[Entry], most: int, workers: int) -> list[list[Entry]]:
    """Cut a list into parts of at most so many; with workers, as many for each, of one size.

    They are three at least then, of one configuration if need be: who is done early has less to
    wait for.
    """
    count = math.ceil(len(group) / most)
    if workers > 1:
        count = min(len(group), workers * max(3, math.ceil(count / workers)))
    ends = [round(at * len(group) / count) for at in range(count + 1)]
    return [group[a:b] for a, b in pairwise(ends)]


class Decisions(Protocol):
    """Remembers what the clock decided, and forgets weights."""

    def decide(self, what: str, value: int) -> int:
        """Return what was decided before, or write a decision down."""

    def decided(self, what: str) -> int | None:
        """Return a decision, if it was made."""

    def forget(self, rung: int, number: int) -> None:
        """Remove the weights of a configuration that does not go on."""


Runner = Callable[[Iterator[Job]], Iterator[tuple[list[Seen], float]]]
"""Does jobs, in any order, and gives what was seen and the seconds of each."""


@dataclass(frozen=True)
class Plan:
    """How a search goes; with the data and the seed it determines the result.

    Attributes
    ----------
    steps : tuple of int
        The step at which each rung ends.
    configurations : int
        How many to begin with, the plain one included.
    together : int
        How many configurations train in one job.
    looks : int
        Evaluations in each rung.
    batch_size, seed : int
    scoring : str
    workers : int
        How many work at the same time, so that the jobs of a rung can be of one size.
    shapes : int
        How many there are; configurations of one train together.
    fixed : float
        What a job's step takes whatever its configurations, as so many of them: on a GPU, which
        has room for more, a few cost what many cost.
    looking : float
        What a configuration's looks of one rung take, with all that is not training, as so many of
        its steps.
    """

    steps: tuple[int, ...]
    configurations: int
    together: int
    looks: int
    batch_size: int
    seed: int
    scoring: str
    workers: int = 1
    shapes: int = 1
    fixed: float = 0.0
    looking: float = 0.0

    def kept(self, rung: int, begun: int) -> int:
        """Return how many of those that began go on to a rung."""
        return max(1, math.ceil(begun / ETA**rung))


@dataclass
class Entry:
    """One configuration in the contest, and what was seen of it."""

    id: int
    configuration: Configuration
    rung: int = -1
    steps: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    fold_scores: tuple[float, ...] = ()
    state: Arrays | None = field(default=None, repr=False)

    @property
    def best(self) -> tuple[float, float]:
        """The best score, and of equal scores the one with the lowest loss (negative)."""
        pairs = zip(self.scores, self.losses, strict=True)
        return max(((s, -x) for s, x in pairs), default=(-math.inf, -math.inf))

    @property
    def best_step(self) -> int:
        """The step of the weights that are kept."""
        pairs = [(s, -x) for s, x in zip(self.scores, self.losses, strict=True)]
        return self.steps[pairs.index(self.best)]

    @property
    def first_score(self) -> float:
        """The best score of the first rung, which all configurations went through alike."""
        count = max(1, len(self.scores) // (self.rung + 1))
        return max(self.scores[:count])

    @property
    def failed(self) -> bool:
        """Whether its outputs were not finite."""
        return bool(self.scores) and not math.isfinite(self.scores[-1])

    def see(self, seen: Seen, rung: int) -> None:
        """Take note of a job's end."""
        self.rung = rung
        self.steps += seen.steps
        self.scores += seen.scores
        self.losses += seen.losses
        self.fold_scores = seen.fold_scores
        self.state = seen.state


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    Attributes
    ----------
    done : float
        The share of its work that is done, from 0 to 1.
    best : float
        The best validation score so far.
    configurations : int
        How many were sampled so far.
    rung : int
        The rung of successive halving that is being trained, from 0.
    """

    done: float
    best: float
    configurations: int
    rung: int


class Contest:
    """The contest of configurations over the rungs of a plan."""

    def __init__(
        self,
        plan: Plan,
        space: Space,
        run: Runner,
        *,
        left: float | None = None,
        workers: int = 1,
        journal: Decisions | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.plan = plan
        self.space = space
        self.run = run
        self.began = time.monotonic()
        self.deadline = None if left is None else self.began + left
        self.journal = journal
        self.workers = workers
        self.entries: dict[int, Entry] = {}
        self.on_progress = on_progress or (lambda _: None)
        self.interrupted = False
        self.steps = [plan.steps[0]]  # where each rung ended
        self._random = np.random.default_rng([plan.seed, 0x5EA])
        self._worked = 0.0
        self._seconds = 0.0
        self._took: dict[tuple[tuple[int, ...], int], float] = {}  # each of a shape, in seconds

    # -------------------------------------------------------------------------------- ranking

    def ranked(self, entries: Sequence[Entry] | None = None) -> list[Entry]:
        """Return entries that did not fail, the best first; of equal ones the earlier."""
        pool = list(self.entries.values()) if entries is None else entries
        fine = [each for each in pool if each.scores and not each.failed]
        return sorted(fine, key=lambda each: (-each.best[0], -each.best[1], each.id))

    @property
    def finalists(self) -> list[Entry]:
        """Those that came furthest, ranked."""
        fine = self.ranked()
        last = max((each.rung for each in fine), default=-1)
        return [each for each in fine if each.rung == last]

    # ------------------------------------------------------------------------------------ run

    def hold(self) -> None:
        """Go through the rungs, to the end or until interrupted."""
        try:
            for rung in range(len(self.plan.steps)):
                self._rung(rung)
        except KeyboardInterrupt:
            self.interrupted = True
        seen = [each for each in self.entries.values() if each.scores]
        if self.interrupted and not seen:
            raise TrainingError("stopped before a configuration was trained: there is no answer")
        if not self.ranked():
            raise TrainingError(
                f"none of {len(seen)} configurations gave finite outputs; "
                "look for extreme values in the table"
            )

    def _shares(self) -> list[float]:
        """Return the share of the work that each rung has."""
        ends = (0, *self.plan.steps)
        work = [(b - a + self.plan.looking) / ETA**r for r, (a, b) in enumerate(pairwise(ends))]
        return [each / sum(work) for each in work]

    def _rung(self, rung: int) -> None:
        shares = self._shares()
        jobs = self._first_jobs(sum(shares[:1])) if rung == 0 else self._next_jobs(rung)
        seen_now = 0
        for found, seconds in self.run(jobs):
            for seen in found:
                self.entries[seen.id].see(seen, rung)
                seen_now += 1
            start = self.steps[rung - 1] if rung else 0
            self._worked += (len(found) + self.plan.fixed) * (self.steps[rung] - start)
            self._worked += len(found) * self.plan.looking
            self._seconds += seconds
            shape = self.entries[found[0].id].configuration.shape
            self._took[shape] = max(seconds / len(found), 1e-9)
            self._prune(rung)
            best = self.ranked()
            part = seen_now / self._expected(rung)
            if rung == 0 and self.deadline is not None:  # the clock may end it before
                whole = shares[0] * (self.deadline - self.began)
                part = max(part, (time.monotonic() - self.began) / whole if whole > 0 else 1.0)
            done = sum(shares[:rung]) + shares[rung] * min(1.0, part)
            self.on_progress(
                Progress(done, best[0].best[0] if best else -math.inf, len(self.entries), rung)
            )

    def _expected(self, rung: int) -> int:
        begun = len(self.entries) if rung else self.plan.configurations
        return max(1, self.plan.kept(rung, begun))

    def _first_jobs(self, share: float) -> Iterator[Job]:
        """Draw configurations, until there are enough or the rung's time is over."""
        waiting: dict[tuple[tuple[int, ...], int], list[Entry]] = {}
        limit = None
        if self.deadline is not None:
            limit = self.began + share * (self.deadline - self.began)
        number = 0
        fixed = None if self.journal is None else self.journal.decided("configurations")
        limit = limit if fixed is None else None
        while number < (self.plan.configurations if fixed is None else fixed):
            entry = self._drawn(number)
            number += 1
            group = waiting.setdefault(entry.configuration.shape, [])
            group.append(entry)
            if len(group) == self.plan.together:
                waiting[entry.configuration.shape] = []
                yield self._job(group, 0)
                if limit is not None and self._after(sum(map(len, waiting.values()))) > limit:
                    break
        if self.journal is not None:
            self.journal.decide("configurations", number)
        for group in waiting.values():
            if group:
                yield self._job(group, 0)

    def _after(self, count: int) -> float:
        """Return when the first rung would be over, if so many more configurations had to train."""
        seen = sum(bool(each.scores) for each in self.entries.values())
        each = self._seconds / seen / self.workers if seen else 0.0
        return time.monotonic() + count * each

    def _drawn(self, number: int) -> Entry:
        if number == PLAIN_ID:
            plain = PLAIN.with_shape(self.space.shapes[0], self.space.bins[0])
            return Entry(number, plain)
        return Entry(number, self.space.sample(self._random))

    def _next_jobs(self, rung: int) -> Iterator[Job]:
        going = self._survivors(rung)
        groups: dict[tuple[tuple[int, ...], int], list[Entry]] = {}
        for entry in sorted(going, key=lambda each: each.id):
            groups.setdefault(entry.configuration.shape, []).append(entry)
        parts = [
            part
            for group in groups.values()
            for part in evenly(group, self.plan.together, self.plan.workers)
        ]
        costs = [self._took.get(part[0].configuration.shape, 1.0) * len(part) for part in parts]
        waiting, began = sum(costs), time.monotonic()
        for place in sorted(range(len(parts)), key=lambda at: -costs[at]):  # no worker ends late
            seconds = None
            if self.deadline is not None and rung == len(self.plan.steps) - 1:
                # several workers ask for jobs ahead, one when it has done those before
                now = began if self.workers > 1 else time.monotonic()
                share = min(1.0, self.workers * costs[place] / waiting)
                seconds = max(0.0, self.deadline - now) * share
            if self.workers == 1:
                waiting -= costs[place]
            yield self._job(parts[place], rung, seconds)

    def _job(self, group: list[Entry], rung: int, seconds: float | None = None) -> Job:
        for entry in group:
            self.entries[entry.id] = entry
        states = tuple(each.state for each in group if each.state is not None)
        return Job(
            configurations=tuple(each.configuration for each in group),
            ids=tuple(each.id for each in group),
            states=states if rung else None,
            start=self.steps[rung - 1] if rung else 0,
            stop=self.steps[rung],
            looks=self.plan.looks,
            rung=rung,
            seed=self.plan.seed,
            batch_size=self.plan.batch_size,
            scoring=self.plan.scoring,
            seconds=seconds,
        )

    def _survivors(self, rung: int) -> list[Entry]:
        """Return who goes on: the better part, and the plain one for comparison.

        Where time is short, fewer go on, and at last for fewer steps; where it is left, more do.
        """
        begun = sum(bool(each.scores) for each in self.entries.values())
        ready = [each for each in self.ranked() if each.rung == rung - 1]
        count, stop = self.plan.kept(rung, begun), self.plan.steps[rung]
        if self.deadline is not None and self._worked:
            left = self.deadline - time.monotonic()
            left *= SAFETY * self.workers * self._worked / self._seconds
            self._worked = self._seconds = 0.0  # the next rung's pace is nearest to its own
            most = min(len(ready), self.plan.kept(rung, self.plan.configurations))  # have weights
            while count < most and self._work(rung, count + 1) <= left:
                count += 1
            while count > FEWEST and self._work(rung, count) > left:
                count -= 1
            start = self.steps[rung - 1]
            share = min(1.0, max(0.0, left) / self._work(rung, count))
            stop = start + max(1, int(share * (stop - start)))
        if self.journal is not None:
            count = self.journal.decide(f"rung {rung}", count)
            stop = self.journal.decide(f"rung {rung} stop", stop)
        self.steps.append(stop)
        going = ready[:count]
        plain = self.entries.get(PLAIN_ID)
        if plain is not None and plain not in going and plain in ready:
            going = [*going, plain]
        return going

    def _work(self, rung: int, count: int) -> float:
        """Return the configurations' steps from a rung on, if so many and the plain one go on."""
        ends, fixed = self.plan.steps, self.plan.shapes * self.plan.fixed
        found = 0.0
        for at in range(rung, len(ends)):
            going, steps = math.ceil(count / ETA ** (at - rung)) + 1, ends[at] - ends[at - 1]
            found += steps * (going + fixed) + self.plan.looking * going
        return found

    def _prune(self, rung: int) -> None:
        """Forget the weights of those who cannot go on."""
        last = rung == len(self.plan.steps) - 1
        room = len(self.entries) if last else self.plan.kept(rung + 1, self.plan.configurations)
        ranked = [each for each in self.ranked() if each.state is not None and each.rung == rung]
        for entry in [*ranked[max(room, 1) :], *(e for e in self.entries.values() if e.failed)]:
            if entry.id != PLAIN_ID and entry.state is not None:
                entry.state = None
                if self.journal is not None:
                    self.journal.forget(rung, entry.id)
