"""A worker process of a search: it trains the jobs that come from the process that started it.

It imports what training needs and nothing else, since its imports are time in which it trains
nothing.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["IDLE_SECONDS", "serve"]

IDLE_SECONDS = 300.0
"""How long a worker waits for the next job before it ends."""


def serve() -> None:
    """Answer the jobs that arrive on the standard input, until it ends.

    The first answer is None: the imports are done. Each call is a pair of the file of the data and
    a job; each answer is a pair of the job's result and the error that it raised.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the matter of the first process
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    waiting: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(calls, waiting), daemon=True).start()
    gc.disable()
    import torch

    from bridle.search.data import SearchData
    from bridle.search.job import run_job

    gc.freeze()
    gc.enable()
    torch.set_num_threads(1)
    _send(answers, None)
    known: dict[str, SearchData] = {}
    while True:
        try:
            path, job = waiting.get(timeout=IDLE_SECONDS)
        except Empty:
            return
        answer: tuple[Any, Exception | None]
        try:
            if path not in known:
                # the rows of a mapped file are in memory once for all workers
                data = torch.load(path, weights_only=False, mmap=os.name == "posix")
                known = {path: data}
            answer = run_job(known[path], job), None
        except Exception as error:
            answer = None, error
        _send(answers, answer)


def _receive(calls: Any, waiting: SimpleQueue[Any]) -> None:
    """Receive calls; end this process when the first one has ended, also within a job."""
    while True:
        try:
            waiting.put(pickle.load(calls))  # noqa: S301
        except EOFError:
            os._exit(0)


def _send(answers: Any, answer: Any) -> None:
    pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
    answers.flush()
