"""Successive halving: sampling, promotion, jobs, and trials that diverge."""

import math
import time

import numpy as np
import pytest
import torch
from search_cases import SMALL, configured, make_data, make_plan, make_population, run_halving

from bridle.errors import TrainingError
from bridle.search import PLAIN, Configuration, Space
from bridle.search.job import run_job
from bridle.search.scoring import scores_of
from bridle.search.splitting import split_trials
from bridle.search.successive_halving import SuccessiveHalving
from bridle.search.trial import Trial


def test_what_a_job_takes_whatever_its_size_counts_in_each_rung():
    plan = make_plan(shapes=2, job_cost=5.0)
    halving = SuccessiveHalving(plan, Space(shapes=(SMALL,)), lambda jobs: iter(()))
    # three and the plain one for 2 steps, one and the plain one for 4
    assert halving._remaining_work(1, 3) == 2 * (4 + 2 * 5.0) + 4 * (2 + 2 * 5.0)


@pytest.mark.parametrize(("left", "going"), [(1e3, 6), (0.0, 3), (None, 4)])
def test_more_go_on_where_time_is_left_and_fewer_where_it_is_short(left, going):
    data = make_data()
    plan = make_plan(configurations=18, evaluation_cost=1.0)
    halving = SuccessiveHalving(
        plan, Space(shapes=(SMALL,)), lambda jobs: (run_job(data, j) for j in jobs), left=left
    )
    halving._first_jobs = lambda: iter(
        [halving._job([halving._sample_trial(number) for number in range(12)], 0)]
    )
    halving._run_rung(0)
    ranked = halving.ranked()
    chosen = halving._promote(1)
    assert chosen[:going] == ranked[:going]  # of twelve a third, or as many as were planned
    assert len(chosen) <= going + 1  # the plain one
    assert all(each.state for each in chosen)


def test_a_third_goes_on_and_the_plain_one_to_the_end():
    halving = run_halving(make_data())
    rungs = [each.rung for each in halving.trials.values()]
    plain = halving.trials[0]
    assert plain.configuration == PLAIN.with_shape(SMALL, 0)
    assert plain.rung == 2
    assert sum(rung >= 1 for rung in rungs) in (3, 4)  # the plain one may be extra
    assert sum(rung == 2 for rung in rungs) in (1, 2)
    assert len(plain.scores) == 6
    assert plain.steps == [1, 2, 3, 4, 6, 8]


def test_two_searches_are_equal_bit_for_bit():
    data = make_data()
    first, second = run_halving(data), run_halving(data)
    for one, other in zip(first.trials.values(), second.trials.values(), strict=True):
        assert one.scores == other.scores
        assert one.losses == other.losses
    mine, its = (each.finalists[0].state for each in (first, second))
    assert all(np.array_equal(mine[name], its[name]) for name in mine)


def test_the_best_weights_are_those_of_the_best_evaluation():
    data = make_data()
    halving = run_halving(data, steps=(40, 80, 160), evaluations=4)
    for trial in halving.trials.values():
        if trial.state is None:
            continue
        score, loss, step = trial.state["best_seen"].tolist()
        assert (score, loss) == trial.best
        assert step == trial.best_step
    best = halving.finalists[0]
    replay = make_population(data, [best.configuration], [best.id])
    replay.train(best.best_step)
    found = scores_of(replay.held_out_outputs(), data.y, "accuracy")
    assert float(found[0]) == pytest.approx(best.best[0], abs=0.02)


def test_of_equal_scores_the_lower_loss_and_then_the_earlier_goes_first():
    halving = run_halving(make_data())
    first, second, third = list(halving.trials.values())[:3]
    for each, loss in ((first, 0.5), (second, 0.4), (third, 0.4)):
        each.scores, each.losses = [0.7], [loss]
    assert halving.ranked([first, third, second]) == [second, third, first]


class Wild(Space):
    """Every third configuration learns far too fast."""

    def sample(self, random):
        drawn = super().sample(random)
        wild = random.random() < 0.4
        return Configuration(
            **{**drawn.__dict__, "learning_rate": 1e30 if wild else drawn.learning_rate}
        )


def test_configurations_are_sampled_for_the_score():
    def drawn(**given):
        random = np.random.default_rng(0)
        return [Space((SMALL,), (0, 16), **given).sample(random) for _ in range(1000)]

    def share(values):
        return sum(values) / 1000

    weighed = [each.class_weight for each in drawn(balanced=True)]
    assert share(each == 1 for each in weighed) == pytest.approx(0.7, abs=0.05)
    assert 0 not in weighed
    alike = [each.class_weight for each in drawn()]
    assert share(each == 0 for each in alike) == pytest.approx(0.7, abs=0.05)
    assert share(each.bins == 16 for each in drawn()) == pytest.approx(0.5, abs=0.05)
    values = drawn(classes=False)
    assert share(each.bins == 16 for each in values) == pytest.approx(0.75, abs=0.05)
    assert not any(each.class_weight or each.label_smoothing for each in values)


def test_members_that_diverge_are_dropped_and_the_rest_is_unharmed():
    data = make_data()
    jobs = lambda jobs: (run_job(data, job) for job in jobs)  # noqa: E731
    halving = SuccessiveHalving(make_plan(), Wild(shapes=(SMALL,)), jobs)
    halving.run()
    failed = [each for each in halving.trials.values() if each.failed]
    assert failed
    assert all(each.rung == 0 and each.state is None for each in failed)
    assert all(math.isfinite(each.scores[-1]) for each in halving.finalists)
    assert np.isfinite(halving.finalists[0].state["best.0"]).all()


def test_nothing_finite_is_an_error():
    data = make_data()
    data.inputs[0][5, 2] = torch.inf
    with pytest.raises(TrainingError, match="none of 9 configurations gave finite outputs"):
        run_halving(data)


def test_jobs_are_even_for_one_worker_and_get_smaller_for_several():
    trials = [Trial(at, configured()) for at in range(34)]
    assert [len(part) for part in split_trials(trials, 8, 1)] == [7, 7, 6, 7, 7]
    assert [len(part) for part in split_trials(trials, 8, 2)] == [8, 7, 5, 4, 3, 2, 2, 1, 1, 1]
    assert [len(part) for part in split_trials(trials[:9], 2, 2)] == [2, 2, 2, 1, 1, 1]
    assert [len(part) for part in split_trials(trials[:1], 8, 2)] == [1]
    assert [each for part in split_trials(trials, 8, 3) for each in part] == trials
    binned = [Trial(at, configured(bins=16)) for at in range(34, 58)]
    parts = split_trials([*trials, *binned], 8, 2)
    assert [len(part) for part in parts] == [8, 8, 8, 8, 7, 5, 4, 3, 2, 2, 1, 1, 1]
    assert [each for part in parts for each in part] == [*binned, *trials]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_costly_jobs_begin_and_share_the_time_that_is_left(workers):
    data = make_data()
    plan = make_plan(configurations=12, trials_per_job=3)
    space = Space(shapes=(SMALL, (8, 8)))
    run = lambda jobs: (run_job(data, job) for job in jobs)  # noqa: E731
    halving = SuccessiveHalving(plan, space, run, left=60.0, workers=workers)
    for rung in (0, 1):
        halving._run_rung(rung)
    halving._seconds_per_trial = {((8, 8), 0, False, 1): 9.0, (SMALL, 0, False, 1): 1.0}
    halving.deadline = time.monotonic() + 60
    jobs = list(halving._next_jobs(2))
    costs = [(9 if j.configurations[0].hidden == (8, 8) else 1) * len(j.ids) for j in jobs]
    assert len(costs) > 1
    assert costs == sorted(costs, reverse=True)
    among = [sum(costs[at:] if workers == 1 else costs) for at in range(len(costs))]
    shares = [min(1, workers * cost / of) for cost, of in zip(costs, among, strict=True)]
    assert [job.seconds for job in jobs] == pytest.approx([60 * s for s in shares], rel=0.05)


def test_ctrl_c_before_anything_is_known():
    def run(jobs):
        raise KeyboardInterrupt
        yield

    with pytest.raises(TrainingError, match="interrupted before any configuration was evaluated"):
        SuccessiveHalving(make_plan(), Space(shapes=(SMALL,)), run).run()
