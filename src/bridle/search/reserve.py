"""The part of a budget that is kept for what follows the training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from bridle.search.comparison import RESAMPLES
from bridle.search.importance import MIN_TRIALS
from bridle.search.scoring import scores_of

__all__ = ["MOST_SHARE", "evidence_seconds", "measured_load"]

_FIXED, _FOREST, _TRIAL = 0.4, 0.4, 0.002
"""Seconds of one core: to print and exit, for the importance of strengths, and for each trial."""
_MOST_LOAD = 10.0
MOST_SHARE = 0.15


def evidence_seconds(
    seconds: float, trials: float, *, test_rows: int, outputs: int, scoring: str, load: float
) -> float:
    """Estimate the time from the model's outputs to the end of the program.

    It is at most 15 % of the budget, so that a short one still has time to train.

    Parameters
    ----------
    seconds : float
        The budget.
    trials : float
        The expected number of trials.
    test_rows, outputs : int
        The size of the outputs for the test set.
    scoring : str
        A score other than accuracy and R² has a bootstrap interval.
    load : float
        What :func:`measured_load` found.
    """
    found = load * (_FIXED + (_FOREST if trials >= MIN_TRIALS else 0) + _TRIAL * trials)
    if test_rows and scoring not in ("accuracy", "r2"):
        y = torch.arange(test_rows) % max(2, outputs)
        began = time.perf_counter()
        scores_of(torch.zeros(3, test_rows, outputs), y, scoring)
        found += RESAMPLES * (time.perf_counter() - began)
    return min(found, MOST_SHARE * max(0.0, seconds))


@contextmanager
def measured_load() -> Iterator[Callable[[], float]]:
    """Measure how long the work of a ``with`` block takes, compared with its time on a core.

    It is 1 on an idle machine, and 2 if this thread gets half of a core.
    """
    began, worked = time.perf_counter(), time.thread_time()
    spent = [1.0]
    yield lambda: spent[0]
    own = time.thread_time() - worked
    spent[0] = min(_MOST_LOAD, max(1.0, (time.perf_counter() - began) / max(own, 1e-3)))
