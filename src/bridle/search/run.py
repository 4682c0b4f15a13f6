"""Run a search's successive halving, from its settings to its last rung."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridle.errors import UsageError
from bridle.models.arguments import whole_of
from bridle.networks.shared_members import check_shared
from bridle.search.budget import memory_for, seconds_of
from bridle.search.configuration import Space
from bridle.search.data import SearchData
from bridle.search.embedded import MOST_NUMBERS, can_embed
from bridle.search.engine import runner_of
from bridle.search.final_model import ANSWERS
from bridle.search.plan import Plan, plan_search
from bridle.search.run_directory import RunDirectory, data_fingerprint
from bridle.search.successive_halving import Progress, SuccessiveHalving

__all__ = ["SearchSettings", "run_search"]

RESERVED = {"ensemble": 0.06, "best": 0.06, "refit": 0.2}
"""The share of the budget that is reserved for the final model and its evidence."""


@dataclass(frozen=True)
class SearchSettings:
    """The settings of a search, by the names of the arguments of :func:`bridle.search`.

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
    shared_members: int = 1
    embeddings: bool = False

    def __post_init__(self) -> None:
        for name in ("configurations", "epochs", "workers", "shared_members"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, whole_of(name, getattr(self, name)))
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"seed is {self.seed}; it must be 0 or more and below 2**32")
        check_shared(self.shared_members)
        if self.embeddings and self.shared_members > 1:
            raise UsageError(
                f"embeddings is True and shared_members is {self.shared_members}, but networks "
                "that share weights have no embeddings; leave out one of the two"
            )
        if self.epochs is not None and self.epochs < 1:
            raise UsageError(f"epochs is {self.epochs}; it must be 1 or more")
        if self.answer not in ANSWERS:
            known = ", ".join(map(repr, (*ANSWERS, "auto")))
            raise UsageError(f"answer is {self.answer!r}; it must be one of {known}")
        if self.configurations is not None:
            if self.budget is not None:
                raise UsageError(
                    f"budget is {self.budget!r} and configurations is {self.configurations}; "
                    "give one of them"
                )
            if self.configurations < 2:
                raise UsageError(f"configurations is {self.configurations}; it must be 2 or more")
        _ = self.seconds, memory_for(self.memory, "cpu")  # raises if one cannot be parsed

    @property
    def asked(self) -> dict[str, Any]:
        """The settings that a resumed search keeps."""
        names = ("configurations", "epochs", "scoring", "seed", "shared_members", "embeddings")
        return {"budget": self.seconds} | {name: getattr(self, name) for name in names}

    @property
    def seconds(self) -> float | None:
        """The budget, a minute by default; None if a number of configurations is given."""
        if self.configurations is not None:
            return None
        return seconds_of("1m" if self.budget is None else self.budget)


def run_search(
    data: SearchData,
    shapes: tuple[tuple[int, ...], ...],
    settings: SearchSettings,
    *,
    began: float,
    test_rows: int = 0,
    directory: RunDirectory | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_plan: Callable[[], object] = lambda: None,
) -> SuccessiveHalving:
    """Run a search to its end, or until it is interrupted.

    Parameters
    ----------
    data : SearchData
    shapes : tuple of tuple of int
        The hidden layers to choose from.
    settings : SearchSettings
    began : float
        The time at which the budget began, by ``time.monotonic()``.
    test_rows : int
        The number of other rows that the final model will predict; time is reserved for them.
    directory : RunDirectory, optional
        Where everything is stored. If it holds a search already, that search is resumed.
    on_progress : callable, optional
    on_plan : callable, optional
        Called when what a step costs has been measured.

    Returns
    -------
    SuccessiveHalving

    Raises
    ------
    UsageError
        If the budget or the memory is too small, or if the directory holds a search on other data.
    TrainingError
        If no configuration gave finite outputs, or workers were lost repeatedly.
    """
    if settings.embeddings and not can_embed(data.numbers):
        raise UsageError(
            f"embeddings is True, but the table has {data.numbers} numerical features; there must "
            f"be from 1 to {MOST_NUMBERS}: leave embeddings out"
        )
    space = Space(
        shapes,
        tuple(data.inputs),
        classes=bool(data.classes),
        balanced=settings.scoring == "balanced_accuracy",
        embeds=settings.embeddings,
        shared_members=settings.shared_members,
    )
    seconds, share, extra = settings.seconds, 1 - RESERVED[settings.answer], 0.0
    if directory is not None and directory.document:
        plan, seconds = directory.resume(data_fingerprint(data))
        spent = directory.seconds
    else:
        spent = time.monotonic() - began
        left = None if seconds is None else seconds * share - spent
        plan, final_seconds = _plan(data, space, settings, left, test_rows, share)
        extra = max(0.0, final_seconds - (1 - share) * (seconds or 0.0))
        if directory is not None:
            directory.start(
                plan,
                data_fingerprint(data),
                seconds,
                settings.asked,
                bins=max(data.inputs),
            )
        spent = time.monotonic() - began
    on_plan()
    runner = runner_of(settings.engine, data, settings.workers)
    halving = SuccessiveHalving(
        plan,
        space,
        runner if directory is None else directory.caching(runner),
        left=None if seconds is None else seconds * share - spent - extra,
        workers=settings.workers,
        storage=directory,
        on_progress=on_progress,
    )
    halving.run()
    if halving.interrupted:
        halving.train_plain(runner)  # what the model is compared with; it is not stored
    return halving


def _plan(
    data: SearchData,
    space: Space,
    settings: SearchSettings,
    left: float | None,
    test_rows: int,
    share: float,
) -> tuple[Plan, float]:
    return plan_search(
        data,
        space.configurations,
        seconds=left,
        configurations=settings.configurations,
        epochs=settings.epochs,
        memory=memory_for(settings.memory, data.device),
        seed=settings.seed,
        scoring=settings.scoring,
        workers=settings.workers,
        test_rows=test_rows,
        refits=(settings.answer == "refit") + (data.trained is not None),
        clocked=settings.engine == "local",
        budget=settings.seconds or 0.0,
        share=share,
    )
