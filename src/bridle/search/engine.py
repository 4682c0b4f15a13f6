"""Run the jobs of a search: in this process, in worker processes, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from threading import Thread
from typing import Any

import joblib

from bridle.errors import TrainingError, UsageError
from bridle.search.data import SearchData
from bridle.search.job import Job, TrialResult, run_job, run_on_one_thread
from bridle.search.stored_data import StoredData, StoredState, imported, run_stored

__all__ = ["ENGINES", "check_engine", "runner_of", "start_workers"]

ENGINES = ("local", "dask", "ray", "joblib")
TRIES = 3
_LOCAL = {"backend": "loky", "inner_max_num_threads": 1}
_START_SECONDS = 60.0


def check_engine(engine: str, workers: int) -> None:
    """Raise a UsageError if there is no such engine, or no worker."""
    if engine not in ENGINES:
        raise UsageError(f"engine is {engine!r}; it must be one of {', '.join(map(repr, ENGINES))}")
    if workers < 1:
        raise UsageError(f"workers is {workers}; it must be 1 or more")


def start_workers(engine: str, workers: int) -> Callable[[], None]:
    """Start the processes of the local engine; return a function that waits until they are ready.

    They import what jobs need while this process does something else.
    """
    if engine != "local" or workers == 1:
        return lambda: None

    def start() -> None:
        with suppress(Exception), joblib.parallel_config(**_LOCAL):  # the first job meets it again
            joblib.Parallel(workers)(joblib.delayed(imported)() for _ in range(workers))

    thread = Thread(target=start, daemon=True)
    thread.start()
    return lambda: thread.join(_START_SECONDS)


def runner_of(engine: str, data: SearchData, workers: int) -> Any:
    """Return a function ``run(jobs)`` that runs jobs and yields the result of each when it is done.

    Parameters
    ----------
    engine : {"local", "dask", "ray", "joblib"}
        "local" uses this process, or ``workers`` processes of one thread each. "dask" and "ray"
        use the cluster that is connected. "joblib" uses the backend that
        ``joblib.parallel_config`` sets. If a worker process dies, its job runs
        again; there are at most three attempts.
    data : SearchData
        The rows that the jobs train on.
    workers : int
        The number of processes of the local engine.

    Returns
    -------
    callable

    Raises
    ------
    UsageError
        If the engine's package is not installed.
    """
    if engine == "local" and workers == 1:
        return lambda jobs: (run_job(data, job) for job in jobs)
    backend = _backend(engine)
    stored = StoredData(data) if engine == "local" else None

    def sending(job: Job) -> Any:
        if stored is None:
            return joblib.delayed(run_on_one_thread)(data, job)
        return joblib.delayed(run_stored)(stored.path, job)

    def run(jobs: Iterator[Job]) -> Iterator[tuple[list[TrialResult], float]]:
        waiting: dict[tuple[int, ...], Job] = {}

        def sent(source: Iterator[Job]) -> Iterator[Any]:
            for job in source:
                waiting[job.ids] = job
                yield sending(job)

        source: Iterator[Job] = jobs
        for left in reversed(range(TRIES)):
            try:
                with joblib.parallel_config(**backend):
                    parallel = joblib.Parallel(
                        n_jobs=workers if engine == "local" else None,
                        return_as="generator_unordered" if engine == "local" else "list",
                        pre_dispatch="2 * n_jobs" if engine == "local" else "all",
                    )
                    for results, seconds in parallel(sent(source)):
                        waiting.pop(tuple(each.id for each in results))
                        yield [_owned(each) for each in results], seconds
                return
            except Exception as error:
                if not _is_lost_worker(error):
                    raise
                if not left:
                    raise TrainingError(
                        f"worker processes died {TRIES} times ({type(error).__name__}); give them "
                        "more memory, or lower `memory` to make jobs smaller"
                    ) from error
            source = chain(list(waiting.values()), jobs)

    return run


def _backend(engine: str) -> dict[str, Any]:
    if engine == "joblib":
        return {}
    if engine == "local":
        return _LOCAL
    try:
        if engine == "dask":
            import distributed  # noqa: F401
        else:
            from ray.util.joblib import register_ray

            register_ray()
    except ImportError as error:
        package = {"dask": "'dask[distributed]'", "ray": "ray"}[engine]
        raise UsageError(f"{engine} is not installed: pip install {package}") from error
    return {"backend": engine}


def _owned(result: TrialResult) -> TrialResult:
    if isinstance(result.state, StoredState):
        return replace(result, state=result.state.delete_with_this())
    return result


def _is_lost_worker(error: Exception) -> bool:
    """Whether an error means that a worker was lost, and not that the job itself failed."""
    names = {each.__name__ for each in type(error).__mro__}
    lost = {"TerminatedWorkerError", "BrokenProcessPool", "KilledWorker", "RayActorError"}
    return bool(names & (lost | {"WorkerCrashedError", "CommClosedError", "ActorDiedError"}))
