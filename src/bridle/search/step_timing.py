"""Measure what training and evaluation of a search's trials cost on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import torch

from bridle.search.configuration import Configuration, input_noise_share
from bridle.search.data import SearchData
from bridle.search.job import Job, run_job
from bridle.search.trial_population import TrialPopulation

__all__ = ["Costs", "measure_costs"]


@dataclass(frozen=True)
class Costs:
    """Seconds with all folds and the threads of one worker.

    Attributes
    ----------
    fixed : float
        The part of a job's step that does not depend on the number of trials. It is 0 on a CPU,
        where the time is proportional to the number of trials.
    step : float
        One step of one trial.
    evaluation : float
        One evaluation of one trial, with a share of everything else that a job does.
    """

    fixed: float
    step: float
    evaluation: float


def measure_costs(
    data: SearchData,
    shapes: Sequence[Configuration],
    trials: int,
    new_job: Callable[..., Job],
    workers: int,
    *,
    evaluations: int,
) -> Costs:
    """Measure steps and evaluations with ``trials`` trials of each shape; return the mean costs."""
    costs = [_costs_of(data, each, trials, new_job, workers, evaluations) for each in shapes]
    fixed, step, evaluation = (fmean(each) for each in zip(*costs, strict=True))
    return Costs(fixed, step, evaluation)


def _costs_of(
    data: SearchData,
    configuration: Configuration,
    trials: int,
    new_job: Callable[..., Job],
    workers: int,
    evaluations: int,
) -> tuple[float, float, float]:
    """Return the costs of one shape, with many regularizers on."""
    regularized = Configuration(
        keep_prob=0.5, mixup=0.3, averaging=8.0, l1=1e-5, l2=1e-4
    ).with_shape(*configuration.shape)
    # noise on encoded inputs makes a step much longer, so that its share of the trials counts
    masked = replace(regularized, input_keep_prob=0.9)
    noisy = math.ceil(trials * input_noise_share(classes=bool(data.classes), bins=regularized.bins))
    measured = (masked,) * noisy + (regularized,) * (trials - noisy)
    many = _TimedPopulation(data, measured, new_job, workers)
    step = many.step_seconds()
    evaluation = max(0.0, many.job_seconds(evaluations) / evaluations - step)
    if data.device == "cpu" or trials == 1:
        return 0.0, step / trials, evaluation / trials
    one = min(_TimedPopulation(data, (regularized,), new_job, workers).step_seconds(), step)
    each = max((step - one) / (trials - 1), 0.1 * step / trials)
    return max(0.0, step - trials * each), each, evaluation / trials


class _TimedPopulation:
    """A population whose steps and jobs are timed."""

    def __init__(
        self,
        data: SearchData,
        configurations: tuple[Configuration, ...],
        new_job: Callable[..., Job],
        workers: int,
    ) -> None:
        self.data = data
        self.configurations = configurations
        self.new_job = new_job
        job = self._job(1)
        self.population = TrialPopulation(
            data, configurations, job.ids, seed=job.seed, batch_size=job.batch_size
        )
        self.threads = 1 if workers > 1 else torch.get_num_threads()

    def step_seconds(self) -> float:
        """Return the seconds of a step."""
        first = self._train(2)  # warms up the caches
        if self.data.device == "cuda":  # and compiles kernels
            first = self._train(2)
        return 1.05 * self._train(min(30, max(3, int(0.25 / first))))

    def job_seconds(self, steps: int) -> float:
        """Return the seconds of a job with an evaluation after each step."""
        return self._seconds(partial(run_job, self.data, self._job(steps)))

    def _seconds(self, work: Callable[[], object]) -> float:
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            self._synchronize()
            began = time.perf_counter()
            work()
            self._synchronize()
            return time.perf_counter() - began
        finally:
            torch.set_num_threads(threads)

    def _synchronize(self) -> None:
        if self.data.device == "cuda":
            torch.cuda.synchronize()

    def _train(self, steps: int) -> float:
        return self._seconds(partial(self.population.train, steps)) / steps

    def _job(self, steps: int) -> Job:
        return self.new_job(
            configurations=self.configurations,
            ids=tuple(range(len(self.configurations))),
            states=None,
            start=0,
            stop=steps,
            evaluations=steps,
            rung=0,
        )
