"""The local workers of a search: this process trains, and other processes beside it.

A process that starts needs seconds for its imports. This one trains meanwhile, and the others come
in when they are ready. They stay for the next search.
"""

from __future__ import annotations

import atexit
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import torch

from bridle.errors import TrainingError
from bridle.search.data import SearchData
from bridle.search.job import Job, TrialResult, run_job

__all__ = ["TRIES", "LocalWorkers", "end_idle_workers", "start_workers"]

TRIES = 3
"""How many workers may die before the search ends."""

_COMMAND = "import sys; sys.path[:] = sys.argv[1:]; from bridle.search.worker import serve; serve()"
_THREADS = ("OMP", "MKL", "OPENBLAS", "BLIS", "NUMEXPR", "NUMBA", "VECLIB_MAXIMUM")

_Result = tuple[list[TrialResult], float]


@dataclass
class _Run:
    """The jobs of a rung that wait for a worker, and what the other processes answered."""

    path: str
    waiting: SimpleQueue[Job | None] = field(default_factory=SimpleQueue)
    answers: SimpleQueue[tuple[Job | None, Any]] = field(default_factory=SimpleQueue)


class _Worker:
    """Another process, and the thread that gives it jobs."""

    def __init__(self) -> None:
        one_thread = {f"{each}_NUM_THREADS": "1" for each in _THREADS}
        self.owner = os.getpid()
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _COMMAND, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **one_thread},
            start_new_session=True,  # an interrupt in a terminal goes to this process alone
        )
        self.lost = False
        self.runs: SimpleQueue[_Run | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it can be given jobs; a forked process has no use of its parent's workers."""
        return self.owner == os.getpid() and not self.lost and self.process.poll() is None

    def end(self) -> None:
        """End the process, also in the middle of a job."""
        self.runs.put(None)
        self.process.kill()
        self._thread.join()

    def _serve(self) -> None:
        """Give it jobs until it is lost or ends, and leave nothing open."""
        self._take_jobs()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # it did not receive all of a job
                pipe.close()  # type: ignore[union-attr]

    def _take_jobs(self) -> None:
        """Wait for the imports, then take jobs of each run while there are some."""
        ready = self._answer() is not _LOST
        for run in iter(self.runs.get, None):
            job, answer = None, _LOST
            while ready and (job := run.waiting.get()) is not None:
                answer = self._call(run.path, job)
                if answer is _LOST:
                    break
                run.answers.put((job, answer))
            if job is not None or not ready:
                self.lost = True
                run.answers.put((job, _LOST))
                return

    def _call(self, path: str, job: Job) -> Any:
        pipe = self.process.stdin
        try:
            pickle.dump((path, job), pipe, protocol=pickle.HIGHEST_PROTOCOL)  # type: ignore[arg-type]
            pipe.flush()  # type: ignore[union-attr]
        except OSError:
            return _LOST
        return self._answer()

    def _answer(self) -> Any:
        try:
            return pickle.load(self.process.stdout)  # type: ignore[arg-type]  # noqa: S301
        except (EOFError, OSError, pickle.UnpicklingError):
            return _LOST


_LOST = object()
_idle: list[_Worker] = []


def start_workers(workers: int) -> None:
    """Start the processes that a search with so many workers needs beside this one."""
    _keep([_take() for _ in range(workers - 1)])


def _take() -> _Worker:
    """Return an idle worker, or a new one."""
    while _idle:
        worker = _idle.pop()
        if worker.alive:
            return worker
        if worker.owner == os.getpid():
            worker.end()  # it waited too long
    return _Worker()


def _keep(workers: list[_Worker]) -> None:
    _idle.extend(each for each in workers if each.alive)


@atexit.register
def end_idle_workers() -> None:
    """End the processes that wait for the next search."""
    while _idle:
        worker = _idle.pop()
        if worker.alive:
            worker.end()


def _patiently(answers: SimpleQueue[tuple[Job | None, Any]]) -> tuple[Job | None, Any]:
    """Return the next answer; on Windows a wait without an end could not be interrupted."""
    while True:
        with suppress(Empty):
            return answers.get(timeout=1.0)


class LocalWorkers:
    """Runs the jobs of a search in this process and in others, one thread each.

    Parameters
    ----------
    data : SearchData
        The rows that the jobs train on. They are written to a file once, for the other processes.
    workers : int
        The number of processes, with this one.
    """

    def __init__(self, data: SearchData, workers: int) -> None:
        self.data = data
        self.others = workers - 1
        folder = tempfile.mkdtemp(prefix="bridle-")
        self._path = Path(folder) / "rows"
        # Windows keeps a file that a worker has open
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __call__(self, jobs: Iterator[Job]) -> Iterator[_Result]:
        """Yield the result of each job when it is done.

        Raises
        ------
        TrainingError
            If three workers died. The job of one that dies runs again.
        """
        if not self._path.exists():
            torch.save(self.data, self._path)
        run, workers = _Run(str(self._path)), [_take() for _ in range(self.others)]
        for worker in workers:
            worker.runs.put(run)
        try:
            yield from self._run(jobs, run, workers)
        except BaseException:
            while workers:
                workers.pop().end()
            raise
        finally:
            for _ in workers:
                run.waiting.put(None)
            _keep(workers)

    def _run(self, jobs: Iterator[Job], run: _Run, workers: list[_Worker]) -> Iterator[_Result]:
        """Train what waits, collect what the others answer, until there is neither."""
        lost, open_jobs = 0, 0
        while True:
            # a worker that ends a job while this process trains has the next one at hand
            while run.waiting.qsize() <= 2 * self.others and (job := next(jobs, None)) is not None:
                run.waiting.put(job)
                open_jobs += 1
            if not open_jobs:
                return
            job, answer = self._next(run)
            if answer is _LOST:
                lost += 1
                if lost == TRIES:
                    raise TrainingError(
                        f"worker processes died {TRIES} times; give them more memory, or lower "
                        "`memory` to make jobs smaller"
                    )
                if job is not None:
                    run.waiting.put(job)
                workers[:] = [each for each in workers if each.alive]
                new = [_take() for _ in range(self.others - len(workers))]
                for worker in new:
                    worker.runs.put(run)
                workers += new
                continue
            open_jobs -= 1
            result, error = answer
            if error is not None:
                raise error
            yield result

    def _next(self, run: _Run) -> tuple[Job | None, Any]:
        """Return an answer that is there, or train a job that waits, or wait for an answer."""
        with suppress(Empty):
            return run.answers.get_nowait()
        try:
            job = run.waiting.get_nowait()
        except Empty:
            return _patiently(run.answers)
        assert job is not None  # noqa: S101
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return job, (run_job(self.data, job), None)
        finally:
            torch.set_num_threads(threads)
