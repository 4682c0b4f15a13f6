"""How much a search may take, and the plan that fits it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from statistics import fmean

import torch

from bridle.errors import UsageError
from bridle.search.advance import Job, advance
from bridle.search.answer import TOGETHER
from bridle.search.configuration import Configuration
from bridle.search.halving import ETA, Plan
from bridle.search.shard import Shard
from bridle.search.task import Task

__all__ = ["memory_for", "memory_in_bytes", "plan_for", "seconds_of"]

EPOCHS = 120
FEWEST_STEPS, MOST_STEPS = 900, 12_000
RUNGS = 3
LOOKS = 4
FEWEST, ENOUGH, MOST = 9, 27, 2000
SPARE = 2.0
TOGETHER_ON = {"cpu": 8, "cuda": 512}  # configurations of one job, at most
FOR_WORKERS = 4  # ... where workers wait for each other at the end of a rung
MEASURED = 64  # configurations that a step is measured with, at most
MEMORY = {"cpu": 2e9, "cuda": 8e9}  # bytes, unless told otherwise
_UNITS = {"s": 1, "m": 60, "h": 3600}
_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9}


def seconds_of(budget: float | str) -> float:
    """Return a budget such as 90, "90s", "2m" or "1.5h" in seconds.

    Raises
    ------
    UsageError
        If it is not of that form, or not above 0.

    Examples
    --------
    >>> seconds_of("2m")
    120.0
    """
    found = re.fullmatch(r"\s*([\d.]+)\s*([smh]?)\s*", str(budget))
    try:
        seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"budget is {budget!r}; give a time such as 90s, 2m or 1h")
    return seconds


def memory_in_bytes(memory: str) -> float:
    """Return an amount of memory such as "2GB" in bytes.

    Raises
    ------
    UsageError
        If it is not of that form.

    Examples
    --------
    >>> memory_in_bytes("1.5GB")
    1500000000.0
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(KB|MB|GB)\s*", memory, re.IGNORECASE)
    if not found or not float(found[1]):
        raise UsageError(f"memory is {memory!r}; give an amount such as 500MB or 2GB")
    return float(found[1]) * _BYTES[found[2].upper()]


def memory_for(memory: str | None, device: str) -> float:
    """Return the bytes of an amount, or of what a device has by default.

    2 GB; on a GPU 8 GB, and half of what is free there at most.

    Raises
    ------
    UsageError
        If it is not of the form of :func:`memory_in_bytes`.

    Examples
    --------
    >>> memory_for(None, "cpu")
    2000000000.0
    """
    if memory is not None:
        return memory_in_bytes(memory)
    if device == "cpu":
        return MEMORY["cpu"]
    return min(MEMORY[device], torch.cuda.mem_get_info()[0] / 2)


def batch_size_for(rows: int) -> int:
    """Return how many rows a step takes: 128, and fewer where there are few."""
    return min(128, max(16, 2 ** int(rows / 12).bit_length() // 2))


def _bytes_of(task: Task, configuration: Configuration) -> tuple[int, int]:
    """Return what a configuration needs while it trains, and while it waits."""
    inputs = task.inputs[configuration.bins].shape[1]
    sizes = [inputs, *configuration.hidden, task.outputs]
    weights = sum((a + 1) * b for a, b in pairwise(sizes))
    return task.folds * weights * 4 * 9 + task.folds * 128 * sum(
        sizes
    ) * 16, task.folds * weights * 20


def plan_for(
    task: Task,
    shapes: Sequence[Configuration],
    *,
    seconds: float | None,
    configurations: int | None,
    epochs: int | None,
    memory: float,
    seed: int,
    scoring: str,
    workers: int,
    test_rows: int = 0,
    clocked: bool = True,
) -> tuple[Plan, float]:
    """Return the plan of a search, by the clock or for a number of configurations.

    ``shapes`` has a configuration of each shape, which are drawn equally often. Returned too is
    how many seconds the answer will take for its own rows and ``test_rows``, where there is a time.
    ``clocked`` says that jobs are drawn one by one, so that the clock can end the first rung.

    Raises
    ------
    UsageError
        If the time is too short for the smallest search, or the memory for one configuration.
    """
    training, waiting = map(max, zip(*(_bytes_of(task, each) for each in shapes), strict=True))
    if training > memory:
        raise UsageError(
            f"memory is {memory / 1e9:.3g}GB and one configuration with its folds needs "
            f"{training / 1e9:.3g}GB; give more, or smaller layers"
        )
    rows = min(len(task.rows_of(v)[0]) for v in range(task.folds))
    batch_size = batch_size_for(rows)
    most = TOGETHER_ON[task.device] if workers == 1 else FOR_WORKERS
    together = int(min(most, max(1, memory // (2 * workers * training))))
    if epochs is None:
        longest = int(min(MOST_STEPS, max(FEWEST_STEPS, EPOCHS * rows / batch_size)))
    else:
        longest = math.ceil(epochs * rows / batch_size)
    room = max(FEWEST, int(memory / 2 / waiting) * ETA)
    after = each_job = looking = 0.0
    if configurations is not None:
        count = min(configurations, room)
    else:
        began = time.perf_counter()
        measured = min(together, MEASURED)
        trial = partial(Job, seed=seed, batch_size=batch_size, scoring=scoring)
        costs = [_seconds_of(task, one, measured, trial, workers) for one in shapes]
        fixed, step, look = (fmean(each) for each in zip(*costs, strict=True))
        judged = max(1, int(task.judged.sum()))
        after = (TOGETHER + 1) * task.folds * look * (1 + test_rows / judged)
        measuring = time.perf_counter() - began
        available = max(0.0, (seconds or 0.0) - measuring - after) * workers
        share = sum(1 / ETA ** (RUNGS - 1 - r) / ETA**r for r in range(RUNGS))
        share -= sum(1 / ETA ** (RUNGS - r) / ETA**r for r in range(1, RUNGS))
        each_job, looking, fixed = fixed / step, LOOKS * look / step, fixed * len(shapes)
        step, look = step * share, look * LOOKS * sum(1 / ETA**r for r in range(RUNGS))
        # step and look are now a configuration's
        least = FEWEST * (RUNGS * ETA**2 * step + look) + RUNGS * ETA**2 * fixed
        if available < least:
            needed, left = least / workers + after, seconds or 0.0
            raise UsageError(
                f"the budget leaves {max(0.0, left):.2g} s for training and answer, and the "
                f"smallest search takes {needed:.2g} s here: "
                f"give {math.ceil(1.2 * (needed - left) + 1)} s more, or smaller layers"
            )

        def affordable(many: int) -> int:
            return int((available - many * look) / (many * step + fixed))

        # where time is short, first shorter training, so that the last rung has three to average
        longest = min(longest, max(FEWEST_STEPS, affordable(ENOUGH)), affordable(FEWEST))
        # where the clock ends the first rung, more are planned than there seems to be time for
        enough = (available - longest * fixed) / (longest * step + look)
        if clocked and (task.device == "cpu" or enough > 4 * together):
            enough *= SPARE
        count = int(min(MOST, room, max(FEWEST, enough)))
    steps = tuple(max(1, longest // ETA ** (RUNGS - 1 - rung)) for rung in range(RUNGS))
    plan = Plan(
        steps=steps,
        configurations=count,
        together=together,
        looks=LOOKS,
        batch_size=batch_size,
        seed=seed,
        scoring=scoring,
        workers=workers,
        shapes=len(shapes),
        fixed=each_job,
        looking=looking,
    )
    return plan, after


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _seconds_of(
    task: Task,
    configuration: Configuration,
    together: int,
    trial: Callable[..., Job],
    workers: int,
) -> tuple[float, float, float]:
    """Measure steps and looks, with all folds and a worker's threads.

    Returned is what a step takes whatever the number of configurations (0 on a CPU, where many take
    as many times what one takes), a step for each of them, and a look for each, with all that a job
    does beside its steps.
    """
    regularized = Configuration(
        keep_prob=0.5, input_keep_prob=0.9, mixup=0.3, averaging=8.0, l1=1e-5, l2=1e-4
    ).with_shape(*configuration.shape)
    many = _Measured(task, (regularized,) * together, trial, workers)
    step = many.step()
    look = max(0.0, many.job(LOOKS) / LOOKS - step)
    if task.device == "cpu" or together == 1:
        return 0.0, step / together, look / together
    one = min(_Measured(task, (regularized,), trial, workers).step(), step)
    each = max((step - one) / (together - 1), 0.1 * step / together)
    return max(0.0, step - together * each), each, look / together


class _Measured:
    """Configurations in one part of the search, on trial."""

    def __init__(
        self,
        task: Task,
        configurations: tuple[Configuration, ...],
        trial: Callable[..., Job],
        workers: int,
    ) -> None:
        self.task = task
        self.configurations = configurations
        self.trial = trial
        job = self._job(1)
        self.shard = Shard(task, configurations, job.ids, seed=job.seed, batch_size=job.batch_size)
        self.threads = 1 if workers > 1 else torch.get_num_threads()

    def _seconds(self, work: Callable[[], object]) -> float:
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            _wait(self.task.device)
            began = time.perf_counter()
            work()
            _wait(self.task.device)
            return time.perf_counter() - began
        finally:
            torch.set_num_threads(threads)

    def _train(self, steps: int) -> float:
        return self._seconds(partial(self.shard.train, steps)) / steps

    def step(self) -> float:
        """Return the seconds of a step."""
        first = self._train(2)  # finds cold caches
        if self.task.device == "cuda":  # and kernels to compile
            first = self._train(2)
        return 1.05 * self._train(min(30, max(3, int(0.25 / first))))

    def job(self, steps: int) -> float:
        """Return the seconds of a job of so many steps, each with a look."""
        return self._seconds(partial(advance, self.task, self._job(steps)))

    def _job(self, steps: int) -> Job:
        return self.trial(
            configurations=self.configurations,
            ids=tuple(range(len(self.configurations))),
            states=None,
            start=0,
            stop=steps,
            looks=steps,
            rung=0,
        )
