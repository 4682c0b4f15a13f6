"""Who does the jobs of a search: this process, others on this machine, or a cluster's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import joblib
import torch

from bridle.errors import TrainingError, UsageError
from bridle.search.advance import Job, Seen, advance
from bridle.search.task import Task

__all__ = ["ENGINES", "check_engine", "runner_of"]

ENGINES = ("local", "dask", "ray", "joblib")
TRIES = 3


def check_engine(engine: str, workers: int) -> None:
    """Raise a UsageError where there is no such engine, or no worker."""
    if engine not in ENGINES:
        raise UsageError(f"engine is {engine!r}; it is one of {', '.join(map(repr, ENGINES))}")
    if workers < 1:
        raise UsageError(f"workers is {workers}; it must be 1 or more")


def runner_of(engine: str, task: Task, workers: int) -> Any:
    """Return a function that does jobs: ``run(jobs)`` gives what was seen, as it is done.

    "local" is this process, or ``workers`` processes of one thread each; "dask" and "ray" are the
    cluster that is connected; "joblib" is whatever ``joblib.parallel_config`` says. A job whose
    worker is lost is done again, three times at most.

    Raises
    ------
    UsageError
        If its package is not installed.
    """
    if engine == "local" and workers == 1:
        return lambda jobs: (advance(task, job) for job in jobs)
    backend = _backend(engine)

    def run(jobs: Iterator[Job]) -> Iterator[tuple[list[Seen], float]]:
        waiting: dict[tuple[int, ...], Job] = {}

        def sent(source: Iterator[Job]) -> Iterator[Any]:
            for job in source:
                waiting[job.ids] = job
                yield joblib.delayed(_one_thread)(task, job)

        source: Iterator[Job] = jobs
        for left in reversed(range(TRIES)):
            try:
                with joblib.parallel_config(**backend):
                    parallel = joblib.Parallel(
                        n_jobs=workers if engine == "local" else None,
                        return_as="generator_unordered" if engine == "local" else "list",
                        pre_dispatch="2 * n_jobs" if engine == "local" else "all",
                    )
                    for seen, seconds in parallel(sent(source)):
                        waiting.pop(tuple(each.id for each in seen))
                        yield seen, seconds
                return
            except Exception as error:
                if not _is_loss(error):
                    raise
                if not left:
                    raise TrainingError(
                        f"workers were lost {TRIES} times ({type(error).__name__}); give them more "
                        "memory, or fewer configurations to a job (memory=…)"
                    ) from error
            source = _then(list(waiting.values()), jobs)

    return run


def _then(first: list[Job], rest: Iterator[Job]) -> Iterator[Job]:
    yield from first
    yield from rest


def _backend(engine: str) -> dict[str, Any]:
    if engine == "joblib":
        return {}
    if engine == "local":
        return {"backend": "loky", "inner_max_num_threads": 1}
    try:
        if engine == "dask":
            import distributed  # noqa: F401
        else:
            from ray.util.joblib import register_ray

            register_ray()
    except ImportError as error:
        raise UsageError(f"{engine} is not installed: pip install 'bridle[{engine}]'") from error
    return {"backend": engine}


def _is_loss(error: Exception) -> bool:
    """Whether a worker was lost, and not the job wrong."""
    names = {each.__name__ for each in type(error).__mro__}
    lost = {"TerminatedWorkerError", "BrokenProcessPool", "KilledWorker", "RayActorError"}
    return bool(names & (lost | {"WorkerCrashedError", "CommClosedError", "ActorDiedError"}))


def _one_thread(task: Task, job: Job) -> tuple[list[Seen], float]:
    torch.set_num_threads(1)
    return advance(task, job)
