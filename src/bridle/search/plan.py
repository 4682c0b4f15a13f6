"""The plan of a search: its rungs, the number of trials, and how both fit the budget."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from bridle.errors import UsageError
from bridle.search.configuration import Configuration
from bridle.search.data import LARGE, SearchData
from bridle.search.embedded import embedding_of
from bridle.search.job import Job
from bridle.search.reserve import MOST_SHARE, evidence_seconds, measured_load
from bridle.search.step_timing import Costs, measure_costs

__all__ = [
    "ENSEMBLE_SIZE",
    "ETA",
    "REFITS",
    "Plan",
    "batch_size_for",
    "plan_search",
    "refits_of_each",
]

ETA = 3
"""The reciprocal of the share of trials that is promoted to the next rung."""
RUNGS = 3
LARGE_GROWTH = 5
"""How many times the steps of a rung those of the next are, for a large table. Else it is ETA."""
EVALUATIONS = 4
"""How often a trial is evaluated in each rung."""
ENSEMBLE_SIZE = 8
"""Maximum number of trials whose networks are averaged into the final model."""
REFITS = 5
"""The fewest networks that a refit trains."""

EPOCHS = 120
MIN_STEPS, MAX_STEPS = 900, 12_000
MIN_TRIALS, ENOUGH_TRIALS, MAX_TRIALS = 9, 27, 2000
SPARE_TRIALS = 2.0  # planned trials, as a multiple of those that seem affordable
MAX_TRIALS_PER_JOB = {"cpu": 8, "cuda": 512}
MAX_TRIALS_PER_WORKER_JOB = 4  # while it is not known how many will come: workers end together
MAX_MEASURED_TRIALS = 64


@dataclass(frozen=True)
class Plan:
    """The plan of a search. With the data and the seed it determines the result.

    Attributes
    ----------
    steps : tuple of int
        The last step of each rung.
    configurations : int
        The number of trials in the first rung, with the plain one.
    trials_per_job : int
        The number of trials that train together in one job.
    evaluations : int
        The number of evaluations of a trial in each rung.
    batch_size, seed : int
    scoring : str
    workers : int
        The number of workers, so that the jobs of a rung can be of equal size.
    shapes : int
        The number of shapes. Only trials of one shape can train together.
    job_cost : float
        The cost of a job's step that does not depend on the number of its trials, in steps of one
        trial. It is high on a GPU, where a few trials take as long as many.
    evaluation_cost : float
        The cost of a trial's evaluations in one rung, with everything else that is not training,
        in steps of one trial.
    """

    steps: tuple[int, ...]
    configurations: int
    trials_per_job: int
    evaluations: int
    batch_size: int
    seed: int
    scoring: str
    workers: int = 1
    shapes: int = 1
    job_cost: float = 0.0
    evaluation_cost: float = 0.0

    def promoted(self, rung: int, begun: int) -> int:
        """Return how many of ``begun`` trials are promoted to a rung."""
        return max(1, math.ceil(begun / ETA**rung))


def refits_of_each(trials: int) -> int:
    """Return how many networks a refit trains of each of its configurations."""
    return math.ceil(REFITS / trials)


def batch_size_for(rows: int) -> int:
    """Return the batch size for a number of training rows: 128, or less for fewer rows."""
    return min(128, max(16, 2 ** int(rows / 12).bit_length() // 2))


def plan_search(
    data: SearchData,
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
    refits: int = 0,
    clocked: bool = True,
    budget: float = 0.0,
    share: float = 1.0,
) -> tuple[Plan, float]:
    """Plan a search for a number of seconds or for a number of configurations.

    Parameters
    ----------
    data : SearchData
    shapes : sequence of Configuration
        One configuration of each shape. All shapes are sampled equally often.
    seconds : float or None
        The time for training and for the final model.
    configurations : int or None
        The number of configurations to begin with; then ``seconds`` is not used.
    epochs : int or None
        The epochs of the last rung.
    memory : float
        For the networks and the encoded rows, in bytes.
    seed : int
    scoring : str
    workers : int
    test_rows : int
        The number of other rows that the final model will predict.
    refits : int
        How many models are trained again on all rows after the last rung.
    clocked : bool
        Whether jobs are created one by one, so that the first rung can end when its time is up.
    budget, share : float
        The whole budget, and the share of it that is not reserved; for the advice if it is short.

    Returns
    -------
    tuple
        The plan, and the seconds that the final model and its evidence will take; 0 for a number
        of configurations.

    Raises
    ------
    UsageError
        If the time is too short for the smallest search, or the memory for one configuration.
    """
    most = MAX_TRIALS_PER_JOB[data.device]
    if workers > 1 and configurations is None:
        most = MAX_TRIALS_PER_WORKER_JOB
    trials_per_job, most_trials = _memory_limits(data, shapes, memory, workers, most)
    rows = min(len(data.rows_of(v)[0]) for v in range(data.folds))
    batch_size = batch_size_for(rows)
    if epochs is None:
        longest = int(min(MAX_STEPS, max(MIN_STEPS, EPOCHS * rows / batch_size)))
    else:
        longest = math.ceil(epochs * rows / batch_size)
    growth = ETA if len(data.y) < LARGE else LARGE_GROWTH
    costs, final_seconds = Costs(fixed=0.0, step=1.0, evaluation=0.0), 0.0
    if configurations is not None:
        count = min(configurations, most_trials)
    else:
        began = time.perf_counter()
        new_job = partial(Job, seed=seed, batch_size=batch_size, scoring=scoring)
        measured = min(trials_per_job, MAX_MEASURED_TRIALS)
        with measured_load() as load:
            costs = measure_costs(data, shapes, measured, new_job, workers, evaluations=EVALUATIONS)
        scored = max(1, int(data.scored.sum()))
        final_seconds = (ENSEMBLE_SIZE + 1) * data.folds * costs.evaluation
        final_seconds *= 1 + test_rows / scored
        model = _TimeModel.of(costs, len(shapes), growth)
        affordable = model.most_trials((seconds or 0.0) * workers, longest)
        final_seconds += evidence_seconds(
            seconds or 0.0,
            min(MAX_TRIALS, max(MIN_TRIALS, affordable)),
            test_rows=test_rows,
            outputs=data.outputs,
            scoring=scoring,
            load=load(),
        )
        measuring = time.perf_counter() - began
        available = max(0.0, (seconds or 0.0) - measuring - final_seconds) * workers
        needed = model.seconds(MIN_TRIALS, RUNGS * growth**2) / workers + measuring + final_seconds
        _check_time(needed, seconds or 0.0, budget, share)
        # if time is short, training is shortened before the last rung has fewer than three trials
        affordable = model.most_steps(available, ENOUGH_TRIALS)
        longest = min(longest, max(MIN_STEPS, affordable), model.most_steps(available, MIN_TRIALS))
        enough = model.most_trials(available, longest)
        # if time ends the first rung, more trials are planned than seem affordable
        if clocked and (data.device == "cpu" or enough > 4 * trials_per_job):
            enough *= SPARE_TRIALS
        count = int(min(MAX_TRIALS, most_trials, max(MIN_TRIALS, enough)))
        more = len(data.y) / rows  # each row is seen as often as in a fold
        again = min(ENSEMBLE_SIZE, math.ceil(count / ETA ** (RUNGS - 1)))
        each = costs.step * refits_of_each(again) / data.folds + costs.fixed
        final_seconds += refits * longest * more * again * each
    plan = Plan(
        steps=tuple(max(1, longest // growth ** (RUNGS - 1 - rung)) for rung in range(RUNGS)),
        configurations=count,
        trials_per_job=trials_per_job,
        evaluations=EVALUATIONS,
        batch_size=batch_size,
        seed=seed,
        scoring=scoring,
        workers=workers,
        shapes=len(shapes),
        job_cost=costs.fixed / costs.step,
        evaluation_cost=EVALUATIONS * costs.evaluation / costs.step,
    )
    return plan, final_seconds


# ---------------------------------------------------------------------------------- memory


def _memory_limits(
    data: SearchData, shapes: Sequence[Configuration], memory: float, workers: int, most: int
) -> tuple[int, int]:
    """Return the maximum number of trials in a job, and in the search."""
    training, waiting = map(max, zip(*(_bytes_of(data, each) for each in shapes), strict=True))
    rows = sum(each.numel() * each.element_size() for each in data.inputs.values())
    rows += sum(each.codes.numel() * 8 for each in data.encoded.values())
    if rows + training > memory:
        raise UsageError(
            f"memory is {memory / 1e9:.3g}GB, but the encoded rows take {rows / 1e9:.3g}GB and one "
            f"configuration with its folds {training / 1e9:.3g}GB; give more memory, or smaller "
            "layers"
        )
    memory -= rows
    per_job = int(min(most, max(1, memory // (2 * workers * training))))
    return per_job, max(MIN_TRIALS, int(memory / 2 / waiting) * ETA)


def _bytes_of(data: SearchData, configuration: Configuration) -> tuple[int, int]:
    """Return the memory of a trial while it trains, and while it waits for the next rung."""
    inputs = data.inputs[configuration.bins].shape[1]
    embedding = embedding_of([configuration], 1, data.numbers)
    more = 0 if embedding is None else embedding.count
    sizes = [inputs + more, *configuration.hidden, data.outputs]
    k = configuration.shared_members
    pairs = list(pairwise(sizes))
    weights = sum(a * b for a, b in pairs[:-1]) + k * (pairs[-1][0] * pairs[-1][1] + sum(sizes[1:]))
    if embedding is not None:
        waves = data.numbers * embedding.waves
        weights += waves * (2 + embedding.outputs) + more
        sizes.append(2 * waves)  # the cosines and sines of a row
    activations = data.folds * 128 * sum(sizes) * 16
    if k > 1:  # adapters, what enters and leaves each product, and masked or folded weights
        weights += k * sum(a + b for a, b in pairs[:-1])
        activations = k * (3 * activations + data.folds * sum(a * b for a, b in pairs) * 12)
    return data.folds * weights * 4 * 9 + activations, data.folds * weights * 20


# ------------------------------------------------------------------------------------ time


@dataclass(frozen=True)
class _TimeModel:
    """The seconds of a search, all workers together, by its trials and the steps of its last rung.

    ``trials × (steps × step + evaluations) + steps × job``
    """

    step: float
    evaluations: float
    job: float

    @classmethod
    def of(cls, costs: Costs, shapes: int, growth: int) -> _TimeModel:
        """Sum costs over the rungs: each has a third of the trials, and ``growth`` × the steps."""
        share = sum(1 / growth ** (RUNGS - 1 - r) / ETA**r for r in range(RUNGS))
        share -= sum(1 / growth ** (RUNGS - r) / ETA**r for r in range(1, RUNGS))
        evaluations = costs.evaluation * EVALUATIONS * sum(1 / ETA**r for r in range(RUNGS))
        return cls(costs.step * share, evaluations, costs.fixed * shapes)

    def seconds(self, trials: int, steps: int) -> float:
        """Return how long a search takes."""
        return trials * (steps * self.step + self.evaluations) + steps * self.job

    def most_steps(self, seconds: float, trials: int) -> int:
        """Return the steps of the last rung that fit."""
        return int((seconds - trials * self.evaluations) / (trials * self.step + self.job))

    def most_trials(self, seconds: float, steps: int) -> float:
        """Return the trials that fit."""
        return (seconds - steps * self.job) / (steps * self.step + self.evaluations)


BOOSTING_SHARE = 0.1
"""The share of the budget that gradient boosting may take, if it takes no more."""


def _check_time(needed: float, seconds: float, budget: float, share: float) -> None:
    """Raise a UsageError if the smallest search takes longer than there are seconds.

    More budget is not all left for training: a share is reserved, gradient boosting may fit into
    it, and the evidence takes more.
    """
    if max(0.0, seconds) < needed:
        short = 1.2 * (needed / (1 - MOST_SHARE) - seconds) + BOOSTING_SHARE * budget
        more = math.ceil(short / (share - BOOSTING_SHARE) + 1)
        total = f" (a budget of {math.ceil(budget + more)} s)" if budget else ""
        raise UsageError(
            f"the budget leaves {max(0.0, seconds):.2g} s for training and the final model, but "
            f"the smallest search takes {needed:.2g} s on this machine: "
            f"give {more} s more{total}, or smaller layers"
        )
