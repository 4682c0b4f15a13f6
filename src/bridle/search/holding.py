"""From rows, a space and a budget to a contest that is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bridle.errors import UsageError
from bridle.search.answer import ANSWERS
from bridle.search.budget import memory_for, plan_for, seconds_of
from bridle.search.configuration import PLAIN, Space
from bridle.search.engine import runner_of
from bridle.search.halving import Contest, Progress
from bridle.search.journal import Journal, fingerprint
from bridle.search.task import Task

__all__ = ["Terms", "hold"]

RESERVED = {"ensemble": 0.06, "best": 0.06, "refit": 0.2}  # of the budget, for what comes after


@dataclass(frozen=True)
class Terms:
    """What a contest is held by; the names are those of :func:`bridle.search`.

    Raises
    ------
    UsageError
        If a value is out of range.
    """

    scoring: str
    budget: float | str | None = None
    configurations: int | None = None
    epochs: int | None = None
    answer: str = "ensemble"
    seed: int = 0
    engine: str = "local"
    workers: int = 1
    memory: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"seed is {self.seed}; it must be 0 or more and below 2**32")
        if self.epochs is not None and self.epochs < 1:
            raise UsageError(f"epochs is {self.epochs}; it must be 1 or more")
        if self.answer not in ANSWERS:
            known = ", ".join(map(repr, ANSWERS))
            raise UsageError(f"answer is {self.answer!r}; it is one of {known}")
        if self.configurations is not None:
            if self.budget is not None:
                raise UsageError("budget and configurations are both given; give one of them")
            if self.configurations < 2:
                raise UsageError(f"configurations is {self.configurations}; it must be 2 or more")
        _ = self.seconds, memory_for(self.memory, "cpu")

    @property
    def seconds(self) -> float | None:
        """The budget; a minute where neither it nor a number of configurations is given."""
        if self.configurations is not None:
            return None
        return seconds_of("1m" if self.budget is None else self.budget)


def hold(
    task: Task,
    shapes: tuple[tuple[int, ...], ...],
    terms: Terms,
    *,
    began: float,
    test_rows: int = 0,
    journal: Journal | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Contest:
    """Hold a contest, to its end or until it is interrupted.

    Parameters
    ----------
    task : Task
    shapes : tuple of tuple of int
        Units of the hidden layers, to choose from.
    terms : Terms
    began : float
        When the budget's time began, by ``time.monotonic()``.
    test_rows : int
        How many rows the answer will predict, for which time is kept.
    journal : Journal, optional
        Where all is written down; a search that it holds already goes on.
    on_progress : callable, optional

    Returns
    -------
    Contest

    Raises
    ------
    UsageError
        If the budget or the memory is too small, or the journal is of other data.
    TrainingError
        If no configuration gave finite outputs, or workers were lost again and again.
    """
    space = Space(
        shapes,
        tuple(task.inputs),
        classes=bool(task.classes),
        balanced=terms.scoring == "balanced_accuracy",
    )
    seconds, left, more = terms.seconds, 1 - RESERVED[terms.answer], 0.0
    if journal is not None and journal.document:
        plan, seconds = journal.resumed(fingerprint(task))
        spent = journal.seconds
    else:
        spent = time.monotonic() - began
        plan, after = plan_for(
            task,
            [PLAIN.with_shape(each, some) for each in space.shapes for some in space.bins],
            seconds=None if seconds is None else seconds * left - spent,
            configurations=terms.configurations,
            epochs=terms.epochs,
            memory=memory_for(terms.memory, task.device),
            seed=terms.seed,
            scoring=terms.scoring,
            workers=terms.workers,
            test_rows=test_rows,
            clocked=terms.engine == "local",
        )
        more = max(0.0, after - (1 - left) * (seconds or 0.0))
        if journal is not None:
            journal.begin(plan, fingerprint(task), seconds)
        spent = time.monotonic() - began
    runner = runner_of(terms.engine, task, terms.workers)
    contest = Contest(
        plan,
        space,
        runner if journal is None else journal.runner(runner),
        left=None if seconds is None else seconds * left - spent - more,
        workers=terms.workers,
        journal=journal,
        on_progress=on_progress,
    )
    contest.hold()
    return contest
