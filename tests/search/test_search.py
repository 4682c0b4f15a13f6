"""The search: its tensor program, its contest, its answer, and what may go wrong on the way."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info
from torch.nn import functional as F  # noqa: N812

import bridle
from bridle.errors import DataError, TrainingError, UsageError
from bridle.search import PLAIN, Configuration, Space
from bridle.search.advance import Job, advance
from bridle.search.budget import memory_for, memory_in_bytes, plan_for, seconds_of
from bridle.search.comparing import boosting_outputs, boosting_seconds, outcome_of
from bridle.search.engine import runner_of
from bridle.search.explaining import explain
from bridle.search.halving import Contest, Entry, Plan, evenly
from bridle.search.losses import losses_of
from bridle.search.scoring import SCORINGS, scores_of
from bridle.search.shard import Shard
from bridle.search.task import Task, check_device, fold_of_rows
from conftest import CREDIT

SMALL = (16, 16)


def configured(**strengths):
    return Configuration(**{"hidden": SMALL, "averaging": 4.0} | strengths)


def make_task(rows=120, classes=3, folds=3, features=6):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(rows, features, generator=generator)
    noisy = X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * torch.randn(rows, generator=generator)
    if classes:
        y = torch.bucketize(noisy, noisy.quantile(torch.linspace(0, 1, classes + 1)[1:-1]))
    else:
        y = (noisy - noisy.mean()) / noisy.std()
    fold = torch.from_numpy(fold_of_rows(y.numpy(), folds, classes, 0))
    return Task({0: X}, y, fold, classes)


def make_shard(task, configurations, ids=None, seed=0):
    ids = range(len(configurations)) if ids is None else ids
    return Shard(task, configurations, ids, seed=seed, batch_size=16)


def a_table(rows=120, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, 4)), columns=list("abcd"))
    frame["town"] = random.choice(["Ulm", "Bonn", None], rows)
    right = frame["a"] + (frame["town"] == "Ulm") + random.normal(scale=0.3, size=rows) > 0.3
    return frame.assign(y=np.where(right, "yes", "no"))


FAST = {"configurations": 9, "epochs": 3, "hidden": [SMALL], "folds": 3}

# ------------------------------------------------------------------------------ tensor program


def test_a_member_is_the_same_whatever_it_trains_with():
    task = make_task()
    mine = configured(keep_prob=0.6, mixup=0.5, l1=1e-3, label_smoothing=0.1, class_weight=1.0)
    other = configured(learning_rate=5e-3, input_keep_prob=0.8, drop_connect_keep_prob=0.7)
    alone = make_shard(task, [mine], [7])
    together = make_shard(task, [other, mine, PLAIN.with_shape(SMALL, 0)], [3, 7, 0])
    for shard in (alone, together):
        shard.train(20)
    torch.testing.assert_close(alone.held_out()[0], together.held_out()[1], rtol=1e-4, atol=1e-5)


def test_training_is_adam_with_the_proximal_step_on_each_folds_batches():
    task = make_task()
    shard = make_shard(task, [configured(l1=0.01, l2=0.1, learning_rate=0.01)])
    twin = shard.network.take(range(task.folds))
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01, betas=(0.9, 0.99))
    for _ in range(5):
        rows = shard._batches(1)[0]
        bridle.train_step(
            twin,
            (task.inputs[0][rows], task.y[rows]),
            optimizer=optimizer,
            penalties=[bridle.L1(0.01), bridle.L2(0.1)],
            metric="adaptive",
        )
        shard.train(1)
    for ours, expected in zip(shard.parameters, twin.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-5)
    assert any(bool((w == 0).any()) for w in shard.network.weights)


def test_the_loss_smooths_mixes_and_weighs():
    task = make_task()
    shard = make_shard(task, [configured(label_smoothing=0.2, mixup=1.0, class_weight=0.5)])
    outputs, y = torch.randn(3, 16, 3), torch.randint(3, (3, 16))
    shares = torch.tensor([0.3, 0.6, 1.0])[:, None]
    found = losses_of(outputs, y, shares, shard.smoothing, shard.class_weight)
    for v in range(3):
        counts = torch.bincount(task.y[task.rows_of(v)[0]], minlength=3).double()
        weights = ((counts.sum() / (3 * counts)) ** 0.5).float()
        once = F.cross_entropy(outputs[v], y[v], label_smoothing=0.2, reduction="none")
        other = y[v].roll(1)
        twice = F.cross_entropy(outputs[v], other, label_smoothing=0.2, reduction="none")
        share = shares[v, 0]
        expected = share * weights[y[v]] * once + (1 - share) * weights[other] * twice
        # torch leaves class weights out of a smoothed loss in another way than by row
        torch.testing.assert_close(found[v], expected.mean())


def test_every_epoch_of_a_fold_sees_each_of_its_rows_once():
    task = make_task(rows=90)
    shard = make_shard(task, [configured()])
    seen = []
    for step in range(15):
        shard.step = step
        seen.append(shard._batches(1)[0])
    drawn = torch.cat(seen, dim=1)
    for v in range(task.folds):
        rows = task.rows_of(v)[0]
        for epoch in range(4):
            part = drawn[v, epoch * len(rows) : (epoch + 1) * len(rows)]
            assert torch.equal(part.sort().values, rows)


def test_the_average_is_polynomial_decay():
    task = make_task()
    shard = make_shard(task, [configured(averaging=0.0), configured(averaging=math.inf)])
    seen = []
    for _ in range(6):
        shard.train(1)
        seen.append(shard.parameters[0].detach().clone())
    folds = task.folds
    mean = torch.stack(seen)[:, :folds].mean(0)
    torch.testing.assert_close(shard.average[0][:folds], mean)  # 0 averages all steps evenly
    assert torch.equal(shard.average[0][folds:], seen[-1][folds:])


def test_each_row_is_predicted_by_the_member_that_held_it_out():
    task = make_task()
    shard = make_shard(task, [configured(averaging=math.inf), configured(averaging=math.inf)])
    shard.train(3)
    found = shard.held_out()
    outputs = bridle.predict(shard.network, task.inputs[0]).view(2, task.folds, -1, 3)
    for row, v in enumerate(task.fold.tolist()):
        torch.testing.assert_close(found[:, row], outputs[:, v, row])


@pytest.mark.parametrize("classes", [0, 3])
def test_max_norm_bounds_every_unit(classes):
    task = make_task(classes=classes)
    shard = make_shard(task, [configured(max_norm=0.5), configured()])
    shard.train(3)
    norms = shard.network.weights[1].detach().norm(dim=1)
    assert float(norms[: task.folds].max()) <= 0.5 + 1e-5
    assert float(norms[task.folds :].max()) > 0.5


# -------------------------------------------------------------------------------------- folds


def test_folds_are_even_in_each_class():
    y = np.array([0] * 50 + [1] * 25 + [2] * 2)
    fold = fold_of_rows(y, 5, 3, seed=1)
    assert np.bincount(fold).tolist() == [16, 16, 15, 15, 15]
    assert np.bincount(fold[y == 0]).tolist() == [10] * 5
    assert np.bincount(fold[y == 1]).tolist() == [5] * 5
    assert len(set(fold[y == 2])) == 2


@pytest.mark.parametrize("scoring", [*SCORINGS["classification"], *SCORINGS["regression"]])
def test_scores_are_scikit_learns(scoring):
    random = np.random.default_rng(0)
    y = random.integers(3, size=60)
    outputs = torch.from_numpy(random.normal(size=(4, 60, 3)))
    found = scores_of(outputs, torch.from_numpy(y), scoring)
    for each, score in zip(outputs, found.tolist(), strict=True):
        shares, codes, values = each.softmax(-1).numpy(), each.argmax(-1).numpy(), each[:, 0]
        expected = {
            "accuracy": lambda: metrics.accuracy_score(y, codes),  # noqa: B023
            "balanced_accuracy": lambda: metrics.balanced_accuracy_score(y, codes),  # noqa: B023
            "neg_log_loss": lambda: -metrics.log_loss(y, shares),  # noqa: B023
            "roc_auc": lambda: metrics.roc_auc_score(y, shares, multi_class="ovr"),  # noqa: B023
            "r2": lambda: metrics.r2_score(y, values),  # noqa: B023
            "neg_root_mean_squared_error": lambda: -metrics.root_mean_squared_error(y, values),  # noqa: B023
        }[scoring]()
        assert score == pytest.approx(expected, rel=1e-6)


def test_what_is_not_finite_scores_minus_infinity():
    outputs = torch.zeros(2, 4, 2)
    outputs[1, 2, 0] = torch.nan
    assert scores_of(outputs, torch.tensor([0, 1, 0, 1]), "accuracy").tolist() == [0.5, -math.inf]


# ------------------------------------------------------------------------------------ contest


def make_plan(**changes):
    return Plan(
        **{
            "steps": (2, 4, 8),
            "configurations": 9,
            "together": 4,
            "looks": 2,
            "batch_size": 16,
            "seed": 0,
            "scoring": "accuracy",
        }
        | changes
    )


def hold(task, **changes):
    contest = Contest(
        make_plan(**changes), Space(shapes=(SMALL,)), lambda jobs: (advance(task, j) for j in jobs)
    )
    contest.hold()
    return contest


def test_what_a_job_takes_whatever_its_size_counts_in_each_rung():
    plan = make_plan(shapes=2, fixed=5.0)
    contest = Contest(plan, Space(shapes=(SMALL,)), lambda jobs: iter(()))
    # three and the plain one for 2 steps, one and the plain one for 4
    assert contest._work(1, 3) == 2 * (4 + 2 * 5.0) + 4 * (2 + 2 * 5.0)


@pytest.mark.parametrize(("left", "going"), [(1e3, 6), (0.0, 3), (None, 4)])
def test_more_go_on_where_time_is_left_and_fewer_where_it_is_short(left, going):
    task = make_task()
    plan = make_plan(configurations=18, looking=1.0)
    contest = Contest(
        plan, Space(shapes=(SMALL,)), lambda jobs: (advance(task, j) for j in jobs), left=left
    )
    contest._first_jobs = lambda _: iter(
        [contest._job([contest._drawn(number) for number in range(12)], 0)]
    )
    contest._rung(0)
    ranked = contest.ranked()
    chosen = contest._survivors(1)
    assert chosen[:going] == ranked[:going]  # of twelve a third, or as many as were planned
    assert len(chosen) <= going + 1  # the plain one
    assert all(each.state for each in chosen)


def test_a_third_goes_on_and_the_plain_one_to_the_end():
    contest = hold(make_task())
    rungs = [each.rung for each in contest.entries.values()]
    plain = contest.entries[0]
    assert plain.configuration == PLAIN.with_shape(SMALL, 0)
    assert plain.rung == 2
    assert sum(rung >= 1 for rung in rungs) in (3, 4)  # the plain one may be extra
    assert sum(rung == 2 for rung in rungs) in (1, 2)
    assert len(plain.scores) == 6
    assert plain.steps == [1, 2, 3, 4, 6, 8]


def test_two_contests_are_equal_bit_for_bit():
    task = make_task()
    first, second = hold(task), hold(task)
    for one, other in zip(first.entries.values(), second.entries.values(), strict=True):
        assert one.scores == other.scores
        assert one.losses == other.losses
    mine, its = (each.finalists[0].state for each in (first, second))
    assert all(np.array_equal(mine[name], its[name]) for name in mine)


def test_the_best_weights_are_those_of_the_best_look():
    task = make_task()
    contest = hold(task, steps=(40, 80, 160), looks=4)
    for entry in contest.entries.values():
        if entry.state is None:
            continue
        score, loss, step = entry.state["best_seen"].tolist()
        assert (score, loss) == entry.best
        assert step == entry.best_step
    best = contest.finalists[0]
    replay = make_shard(task, [best.configuration], [best.id])
    replay.train(best.best_step)
    found = scores_of(replay.held_out(), task.y, "accuracy")
    assert float(found[0]) == pytest.approx(best.best[0], abs=0.02)


def test_of_equal_scores_the_lower_loss_and_then_the_earlier_goes_first():
    contest = hold(make_task())
    first, second, third = list(contest.entries.values())[:3]
    for each, loss in ((first, 0.5), (second, 0.4), (third, 0.4)):
        each.scores, each.losses = [0.7], [loss]
    assert contest.ranked([first, third, second]) == [second, third, first]


class Wild(Space):
    """Every third configuration learns far too fast."""

    def sample(self, random):
        drawn = super().sample(random)
        wild = random.random() < 0.4
        return Configuration(
            **{**drawn.__dict__, "learning_rate": 1e30 if wild else drawn.learning_rate}
        )


def test_configurations_are_drawn_for_the_score():
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
    task = make_task()
    jobs = lambda jobs: (advance(task, job) for job in jobs)  # noqa: E731
    contest = Contest(make_plan(), Wild(shapes=(SMALL,)), jobs)
    contest.hold()
    failed = [each for each in contest.entries.values() if each.failed]
    assert failed
    assert all(each.rung == 0 and each.state is None for each in failed)
    assert all(math.isfinite(each.scores[-1]) for each in contest.finalists)
    assert np.isfinite(contest.finalists[0].state["best.0"]).all()


def test_nothing_finite_is_an_error():
    task = make_task()
    task.inputs[0][5, 2] = torch.inf
    with pytest.raises(TrainingError, match="none of 9 configurations gave finite outputs"):
        hold(task)


# ------------------------------------------------------------------------------------- budget


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2m", 120), ("1.5h", 5400), (7, 7)])
def test_budgets(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "-3s", "1d", "1.2.3m", "nan"])
def test_budgets_that_are_none(text):
    with pytest.raises(UsageError, match="give a time such as 90s, 2m or 1h"):
        seconds_of(text)


def plan(task, **changes):
    given = {"seconds": None, "configurations": 20, "epochs": 5, "memory": 1e9}
    given |= {"seed": 0, "scoring": "accuracy", "workers": 1}
    return plan_for(task, [PLAIN.with_shape(SMALL, 0)], **given | changes)[0]


def test_little_memory_cuts_the_search_into_smaller_jobs():
    task = make_task()
    assert plan(task).together == 8
    small = plan(task, memory=1.5e6)
    assert small.together < 8
    with pytest.raises(UsageError, match=r"memory is 1e-06GB and one configuration .* needs"):
        plan(task, memory=memory_in_bytes("1KB"))
    with pytest.raises(UsageError, match="memory is 'much'"):
        memory_in_bytes("much")


def test_a_gpu_has_more_memory_by_default_and_half_of_it_at_most(monkeypatch):
    assert memory_for("1KB", "cuda") == 1e3
    assert memory_for(None, "cpu") == 2e9
    for free, most in ((64e9, 8e9), (6e9, 3e9)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free, 80e9))
        assert memory_for(None, "cuda") == most


def test_a_budget_too_short_says_how_long_it_takes():
    with pytest.raises(UsageError, match=r"the smallest search takes .* here: give \d+ s more"):
        plan(make_task(), configurations=None, seconds=1e-4)


def test_of_many_rows_a_share_is_judged(monkeypatch):
    """Looks, and the answer's gap, are of at most so many rows, of each fold and each class."""
    task = make_task()
    assert torch.equal(task.judged, task.fold >= 0)
    monkeypatch.setattr("bridle.search.task.MOST_JUDGED", 30)
    fewer = make_task()
    assert 20 <= int(fewer.judged.sum()) <= 30
    share = torch.bincount(task.y[fewer.judged]) / torch.bincount(task.y)
    assert float(share.max() - share.min()) < 0.1
    shard = Shard(fewer, [configured()], [0], seed=0, batch_size=8)
    outputs = shard.held_out()[0]
    assert torch.equal(outputs.isfinite().all(-1), fewer.judged)
    job = Job((configured(),), (0,), None, 0, 4, 1, 0, 0, 8, "accuracy")
    seen = advance(fewer, job)[0][0]
    assert seen.scores[0] * int(fewer.judged.sum()) == pytest.approx(
        round(seen.scores[0] * int(fewer.judged.sum()))
    )
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(150, 3)), columns=list("abc"))
    table["y"] = np.where(table["a"] > 0, "u", "v")
    found = bridle.search(table, "y", configurations=9, epochs=2, hidden=[(8,)], folds=3)
    assert found.chosen.diagnosis.held_out.margin > 0.07  # thirty rows, not 120


def test_jobs_are_even_where_several_work():
    entries = [Entry(at, configured()) for at in range(34)]
    assert [len(part) for part in evenly(entries, 8, 1)] == [7, 7, 6, 7, 7]
    assert sorted(len(part) for part in evenly(entries, 8, 2)) == [5, 5, 6, 6, 6, 6]
    assert sorted(len(part) for part in evenly(entries[:9], 8, 2)) == [1, 1, 1, 2, 2, 2]
    assert [len(part) for part in evenly(entries[:1], 8, 2)] == [1]
    assert [each for part in evenly(entries, 8, 3) for each in part] == entries


@pytest.mark.parametrize("workers", [1, 2])
def test_the_costly_jobs_begin_and_share_the_time_that_is_left(workers):
    task = make_task()
    plan = make_plan(configurations=12, together=3)
    space = Space(shapes=(SMALL, (8, 8)))
    run = lambda jobs: (advance(task, job) for job in jobs)  # noqa: E731
    contest = Contest(plan, space, run, left=60.0, workers=workers)
    for rung in (0, 1):
        contest._rung(rung)
    contest._took = {((8, 8), 0): 9.0, (SMALL, 0): 1.0}
    contest.deadline = time.monotonic() + 60
    jobs = list(contest._next_jobs(2))
    costs = [(9 if j.configurations[0].hidden == (8, 8) else 1) * len(j.ids) for j in jobs]
    assert len(costs) > 1
    assert costs == sorted(costs, reverse=True)
    among = [sum(costs[at:] if workers == 1 else costs) for at in range(len(costs))]
    shares = [min(1, workers * cost / of) for cost, of in zip(costs, among, strict=True)]
    assert [job.seconds for job in jobs] == pytest.approx([60 * s for s in shares], rel=0.05)


def test_boosting_is_left_out_where_it_takes_long():
    X, y = torch.randn(60, 5), torch.arange(60) % 2
    common = {"classes": 2, "seed": 0}
    said = boosting_outputs(X, y, X, **common, seconds=5.0)
    assert torch.equal(said, boosting_outputs(X, y, X, **common))
    wide = torch.randn(60, 20_000)
    assert boosting_outputs(wide, y, wide, **common, seconds=60.0) is None
    assert boosting_seconds(60, 20_000, 2) > 6
    assert boosting_seconds(1000, 20, 10) == pytest.approx(5 * boosting_seconds(1000, 20, 2) * 2)


def test_boosting_takes_one_thread(monkeypatch):
    """Where cores are busy its threads wait for each other, a hundred times as long."""
    seen = []
    fit = HistGradientBoostingClassifier.fit

    def noted(self, *given):
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        return fit(self, *given)

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", noted)
    X, y = torch.randn(60, 5), torch.arange(60) % 2
    boosting_outputs(X, y, X, classes=2, seed=0)
    assert set(seen) == {1}


def test_time_is_kept_for_the_rows_that_the_answer_predicts():
    shapes = [PLAIN.with_shape(SMALL, 0)]
    given = {"seconds": 1e3, "configurations": None, "epochs": 5, "memory": 1e9}
    given |= {"seed": 0, "scoring": "accuracy", "workers": 1}
    few, many = (plan_for(make_task(), shapes, **given, test_rows=n)[1] for n in (0, 10**6))
    assert 0 < few < many


def test_more_time_is_more_configurations():
    task = make_task()
    short = plan(task, configurations=None, seconds=2.0, epochs=200)
    long = plan(task, configurations=None, seconds=200.0, epochs=200)
    assert short.configurations < long.configurations
    assert short.steps[-1] <= long.steps[-1]


# ------------------------------------------------------------------------------------- answer


def test_search_answers_with_evidence():
    found = bridle.search(a_table(), "y", **FAST | {"epochs": 60})
    assert found.considered == 9
    assert found.failed == 0
    assert found.model.network.members == 3
    assert set(found.scores) == {"chosen", "plain", "boosting"}
    assert found.scores["chosen"] > 0.7
    assert found.rows == {"searched": 96, "test": 24}
    for each in found.comparisons.values():
        assert each.better + each.same + each.worse == pytest.approx(1)
    assert found.verdict.startswith(
        "The best of 9 configurations is, by accuracy on the test part, "
    )
    table = found.configurations
    assert len(table) == 9
    assert set(table["rung"]) == {0, 1, 2}
    assert found.validation_score == table["score"].iloc[0] == table["score"][table.rung == 2].max()
    json.dumps(found.to_dict(), allow_nan=False)


def test_search_twice_is_the_same():
    first, second = (bridle.search(a_table(), "y", **FAST) for _ in range(2))
    pd.testing.assert_frame_equal(first.configurations, second.configurations)
    frame = a_table(seed=1)
    pd.testing.assert_frame_equal(first.model.predict(frame), second.model.predict(frame))


def test_search_of_values_and_a_test_part_of_ones_own():
    table, test = a_table(), a_table(rows=50, seed=1)
    for frame in (table, test):
        frame["y"] = 3 * frame["a"] + (frame["town"] == "Ulm")
    found = bridle.search(table, "y", test=test, **FAST | {"epochs": 60})
    assert found.model.task == "regression"
    assert found.rows == {"searched": 120, "test": 50}
    assert found.scores["chosen"] > 0.8
    assert "R²" in found.verdict
    predicted = found.model.predict(test)["prediction"]
    assert metrics.r2_score(test["y"], predicted) == pytest.approx(found.scores["chosen"], abs=1e-4)


def test_the_model_is_saved_loaded_and_audited(tmp_path):
    found = bridle.search(a_table(), "y", scoring="balanced_accuracy", **FAST)
    bridle.save_model(found.model, tmp_path / "m.bridle")
    again = bridle.load(tmp_path / "m.bridle")
    assert again.predict(a_table()).equals(found.model.predict(a_table()))
    assert bridle.audit_model(again, a_table()).passed


def test_importance_finds_what_matters():
    table = a_table(rows=200)
    found = bridle.search(table, "y", **FAST | {"configurations": 40})
    assert found.importance
    assert list(found.importance.values()) == sorted(found.importance.values(), reverse=True)
    assert set(found.winners) >= {"l1", "keep_prob", "mixup"}
    assert all(0 <= share <= 1 for share in found.winners.values())


def test_a_class_of_fewer_rows_than_folds():
    table = a_table()
    table.loc[:2, "y"] = "perhaps"
    found = bridle.search(table, "y", **FAST | {"folds": 5})
    assert "probability_perhaps" in found.model.predict(table)


def test_fifty_rows_and_many_columns():
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(50, 2000))).rename(columns=str)
    table["y"] = np.where(table["0"] > 0, "a", "b")
    found = bridle.search(table, "y", **FAST)
    assert found.considered == 9


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"task": "clustering"}, UsageError, "task is 'clustering'"),
        ({"folds": 1}, UsageError, "folds is 1; it must be 2 or more"),
        ({"folds": 70}, DataError, "too few for 70 folds"),
        ({"configurations": 1}, UsageError, "configurations is 1; it must be 2 or more"),
        ({"budget": "2m"}, UsageError, "budget and configurations are both given"),
        ({"scoring": "r2"}, UsageError, "scoring is 'r2'; for classification it is one of"),
        ({"seed": -1}, UsageError, "seed is -1"),
        ({"engine": "abacus"}, UsageError, "engine is 'abacus'; it is one of 'local'"),
        ({"workers": 0}, UsageError, "workers is 0"),
        ({"epochs": 0}, UsageError, "epochs is 0"),
        ({"resume": True}, UsageError, "resume needs the directory"),
    ],
)
def test_wrong_arguments_are_named(change, error, match):
    with pytest.raises(error, match=match):
        bridle.search(a_table(), "y", **FAST | change)


def test_a_constant_target_is_named():
    with pytest.raises(DataError, match="y"):
        bridle.search(a_table().assign(y="always"), "y", **FAST)
    with pytest.raises(DataError, match="in every row"):
        bridle.search(a_table().assign(y=1.5), "y", task="regression", **FAST)


# ------------------------------------------------------------------------- stopping, going on


def test_ctrl_c_ends_with_the_best_so_far():
    def stop(progress):
        if progress.rung == 1:
            raise KeyboardInterrupt

    found = bridle.search(a_table(), "y", on_progress=stop, **FAST)
    assert found.interrupted
    assert found.configurations["rung"].max() == 1
    assert found.model.predict(a_table()).shape == (120, 3)


def test_ctrl_c_before_anything_is_known():
    def run(jobs):
        raise KeyboardInterrupt
        yield

    with pytest.raises(TrainingError, match="stopped before a configuration was trained"):
        Contest(make_plan(), Space(shapes=(SMALL,)), run).hold()


SCRIPT = """
    import sys, pandas as pd, torch, bridle
    torch.set_num_threads(1)
    bridle.search(pd.read_csv(sys.argv[1]), "y", directory=sys.argv[2], configurations=30,
                  epochs=600, hidden=[(32, 32)], folds=3,
                  on_progress=lambda progress: print(progress.done, flush=True))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_killed_search_goes_on_to_the_same_result(tmp_path):
    table = tmp_path / "table.csv"
    a_table().to_csv(table, index=False)
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(table), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        for _ in range(2):  # so that something is done, and something not
            assert running.stdout.readline()
        time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    assert not (tmp_path / "run" / "result.json").exists()
    done = len(list((tmp_path / "run").glob("job-*.json")))
    assert done >= 2
    options = {"configurations": 30, "epochs": 600, "hidden": [(32, 32)], "folds": 3}
    frame = pd.read_csv(table)
    resumed = bridle.search(frame, "y", directory=tmp_path / "run", resume=True, **options)
    whole = bridle.search(frame, "y", directory=tmp_path / "other", **options)
    pd.testing.assert_frame_equal(resumed.configurations, whole.configurations)
    for one, other in zip(
        resumed.model.network.parameters(), whole.model.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    for name in ("run", "other"):
        files = {path.name.split("-")[0] for path in (tmp_path / name).iterdir()}
        assert files == {"plan.json", "result.json", "job", "state"}
    # a search that is done gives its answer again
    again = bridle.search(frame, "y", directory=tmp_path / "run", resume=True, **options)
    assert again.scores == whole.scores


def test_a_run_directory_is_not_overwritten_and_must_fit(tmp_path):
    run = tmp_path / "run"
    bridle.search(a_table(), "y", directory=run, **FAST)
    with pytest.raises(UsageError, match="holds a search already: resume it"):
        bridle.search(a_table(), "y", directory=run, **FAST)
    with pytest.raises(UsageError, match="holds a search on other data"):
        bridle.search(a_table(seed=5), "y", directory=run, resume=True, **FAST)
    with pytest.raises(DataError, match=r"no search to resume in .*: it has no plan\.json"):
        bridle.search(a_table(), "y", directory=tmp_path / "none", resume=True, **FAST)


# ------------------------------------------------------------------------------------ engines


def test_two_workers_find_what_one_finds():
    one = bridle.search(a_table(), "y", **FAST)
    two = bridle.search(a_table(), "y", workers=2, memory="3MB", **FAST)
    columns = ["id", "rung", "score"]
    mine, its = (each.configurations[columns].sort_values("id") for each in (one, two))
    assert len(mine) == len(its)
    assert np.allclose(mine["score"].iloc[:3], its["score"].iloc[:3], atol=0.05)


def test_a_lost_worker_is_done_without(tmp_path, monkeypatch):
    marker = tmp_path / "lost"
    task = make_task()
    jobs = [
        Job((configured(),), (number,), None, 0, 4, 1, 0, 0, 16, "accuracy") for number in range(4)
    ]

    class Deadly(Task):
        """Kills the first process that looks at it."""

        def __reduce__(self):
            return _deadly, (str(marker), task)

    deadly = Deadly(task.inputs, task.y, task.fold, task.classes)
    found = list(runner_of("local", deadly, 2)(iter(jobs)))
    assert marker.exists()
    assert sorted(seen[0].id for seen, _ in found) == [0, 1, 2, 3]


def _deadly(marker, task):
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return task
    os._exit(1)


# --------------------------------------------------------------------------------- command line


def test_fit_without_a_strength_searches(bridle, tmp_path):
    model = tmp_path / "m.bridle"
    options = ("--configurations", 9, "--epochs", 2, "--hidden", "16", "--folds", 3, "--quiet")
    ran = bridle("fit", CREDIT, "--target", "class", "--out", model, *options)
    assert ran.code == 0, ran.err
    wanted = ("best of the search", "test accuracy (200 rows)", "gap")
    for part in (*wanted, "best configuration: learning_rate"):
        assert part in ran.out
    assert "The best of 9 configurations" in " ".join(ran.out.split())
    assert bridle("predict", model, CREDIT, "--out", tmp_path / "p.csv").code == 0
    assert bridle("audit", model, CREDIT).code == 0
    run = ("--run", tmp_path / "run", "--json")
    first = json.loads(bridle("fit", CREDIT, "--target", "class", *options, *run).out)
    again = json.loads(bridle("fit", CREDIT, "--target", "class", *options, *run, "--resume").out)
    for each in (first, again):
        each.pop("seconds")
    assert first == again


def test_options_of_the_search_and_of_a_fit_do_not_mix(bridle):
    ran = bridle("fit", CREDIT, "--target", "class", "--budget", "5s", "--l1", "0.1")
    assert ran.code == 2
    assert "--budget is an option of the search, which chooses strengths itself" in ran.err


def test_the_ensemble_is_the_mean_of_the_finalists():
    table = a_table()
    found = bridle.search(table, "y", **FAST | {"configurations": 30})
    assert found.answer == "ensemble"
    count = len(found.together)
    assert 2 <= count <= 4
    assert found.model.network.members == count * 3
    assert found.together[0] == found.configuration
    trained = found.configurations.best_step.iloc[0]
    assert found.model.network.steps[:3].tolist() == [trained] * 3
    assert f"average of the {count} best of 30" in found.verdict
    best = bridle.search(table, "y", **FAST | {"configurations": 30}, answer="best")
    assert best.configuration == found.configuration
    assert best.model.network.members == 3
    keys = [column for column in table.columns if column != "y"]
    X = torch.from_numpy(found.model.encoder.transform(table[keys]))
    first = bridle.predict(found.model.network, X)[:3]
    own = bridle.predict(
        best.model.network, torch.from_numpy(best.model.encoder.transform(table[keys]))
    )
    torch.testing.assert_close(first, own, rtol=1e-4, atol=1e-5)
    assert bridle.audit_model(found.model, table).passed


def test_a_refit_learns_every_row(tmp_path):
    found = bridle.search(a_table(), "y", **FAST, answer="refit")
    assert found.model.network.members == 5
    least = found.configurations.best_step.iloc[0]
    assert (found.model.network.steps > least).all()  # there are more rows than in a fold
    again = bridle.search(a_table(), "y", **FAST, answer="refit")
    for a, b in zip(
        found.model.network.parameters(), again.model.network.parameters(), strict=True
    ):
        assert torch.equal(a, b)
    assert found.scores["chosen"] > 0.7
    bridle.save_model(found.model, tmp_path / "m.bridle")
    saved = bridle.load(tmp_path / "m.bridle")
    assert saved.predict(a_table()).equals(found.model.predict(a_table()))


def test_a_refit_has_no_row_held_out():
    task = Task({0: torch.zeros(6, 2)}, torch.zeros(6), torch.full((6,), -1), 0)
    trained, held = task.rows_of(0)
    assert (task.folds, len(trained), len(held)) == (1, 6, 0)


def test_an_unknown_answer_is_refused():
    with pytest.raises(UsageError, match="answer is 'vote'; it is one of 'ensemble'"):
        bridle.search(a_table(), "y", answer="vote")


def test_bins_are_offered_where_they_stay_few():
    random = np.random.default_rng(0)
    narrow = pd.DataFrame(random.normal(size=(80, 3)), columns=list("abc"))
    narrow["y"] = np.where(narrow.a > 0, "up", "down")
    wide = pd.DataFrame(random.normal(size=(80, 40)), columns=[f"x{i}" for i in range(40)])
    wide["y"] = narrow["y"]
    assert set(bridle.search(narrow, "y", **FAST).configurations["bins"]) == {0, 16}
    assert set(bridle.search(wide, "y", **FAST).configurations["bins"]) == {0}


@pytest.mark.parametrize("scoring", ["balanced_accuracy", "neg_log_loss", "roc_auc"])
def test_other_scores_are_compared_by_the_bootstrap(scoring):
    random = np.random.default_rng(1)
    y = torch.from_numpy(random.integers(0, 2, 400))
    good = torch.nn.functional.one_hot(y, 2) * 2.0 + torch.from_numpy(random.normal(size=(400, 2)))
    bad = torch.from_numpy(random.normal(size=(400, 2)))
    one, found = outcome_of(good, {"bad": bad, "good": good}, y, scoring, classes=True)
    assert found["bad"].answer == "better"
    assert found["bad"].difference.low < found["bad"].difference.value
    assert found["bad"].difference.value < found["bad"].difference.high
    assert found["good"].answer == "same"
    assert one.low < one.value < one.high


def test_the_bootstrap_interval_covers():
    # accuracy's Wilson interval and the bootstrap's of balanced accuracy on even classes agree
    random = np.random.default_rng(2)
    y = torch.arange(600) % 2
    outputs = torch.nn.functional.one_hot(y, 2) + torch.from_numpy(random.normal(size=(600, 2)))
    wilson, _ = outcome_of(outputs, {}, y, "accuracy", classes=True)
    drawn, _ = outcome_of(outputs, {}, y, "balanced_accuracy", classes=True)
    assert drawn.value == pytest.approx(wilson.value)
    assert drawn.margin == pytest.approx(wilson.margin, rel=0.15)


def test_the_response_says_how_the_score_moves():
    entries = []
    random = np.random.default_rng(3)
    for number in range(60):
        configuration = Space().sample(random)
        score = -abs(configuration.keep_prob - 0.7)
        entries.append(
            Entry(number, configuration, 0, [1], [score], [1.0], (score,)),
        )
    importance, response = explain(entries, 0)
    assert next(iter(importance)) == "keep_prob"
    rows = response[response.strength == "keep_prob"]
    assert abs(rows.value[rows.score.idxmax()] - 0.7) < 0.15
    assert explain(entries[:19], 0)[0] == {}


def test_devices(monkeypatch):
    with pytest.raises(UsageError, match="device is 'tpu'; it is one of 'auto', 'cpu', 'cuda'"):
        check_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert check_device("auto") == "cpu"
    with pytest.raises(UsageError, match="finds no GPU here"):
        bridle.search(a_table(), "y", device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert check_device("auto") == "cuda"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_a_network_too():
    here, found = (bridle.search(a_table(), "y", **FAST, device=name) for name in ("cpu", "cuda"))
    assert found.considered == here.considered
    assert found.scores["plain"] == pytest.approx(here.scores["plain"], abs=0.05)
    assert found.validation_score == pytest.approx(here.validation_score, abs=0.05)
    longer = bridle.search(a_table(), "y", **FAST | {"epochs": 30}, device="cuda")
    assert longer.scores["chosen"] > 0.7
    assert next(found.model.network.parameters()).device.type == "cpu"
