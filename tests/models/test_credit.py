"""What a fit owes to early stopping, and what to its other regularizers."""

import warnings

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle import Recipe, Strengths
from bridle.checks.networks import early_stopping_check
from bridle.errors import DataError
from bridle.models.credit import conclusion_of, credit_of, lowering, regularizers_of
from bridle.statistics import Comparison, Estimate, compare, judge_classes, judge_gap

RECIPE = Recipe(hidden=(32, 32), epochs=60, patience=5, learning_rate=0.01)


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 8))
    y = np.where(X[:, 0] + X[:, 1] + 1.5 * random.normal(size=300) > 0, "yes", "no")
    return pd.DataFrame(X).add_prefix("x").assign(y=y)


@pytest.fixture(scope="module")
def tiny(table):
    return bridle.fit(table, "y", recipe=RECIPE, strengths=Strengths(l1=1e-12))


def test_a_penalty_of_nothing_gets_no_credit(tiny):
    first, second = tiny.credits
    assert first.startswith("Early stopping alone lowers the gap by ")
    assert second.startswith("Beyond that, L1 changes nothing that can be told")
    assert first in tiny.verdict
    assert second in tiny.verdict


def test_early_stopping_alone_is_a_network_of_its_own(tiny):
    assert tiny.stopped.epochs == tiny.plain.best_epoch == tiny.stopped.best_epoch
    kept = tiny.history.train_score[tiny.stopped.epochs - 1, 0]
    assert tiny.stopped.diagnosis.training.value == pytest.approx(kept)
    assert tiny.early_stopping.difference.value == pytest.approx(
        tiny.stopped.test.value - tiny.plain.test.value
    )
    assert tiny.beyond.difference.value == pytest.approx(
        tiny.regularized.test.value - tiny.stopped.test.value
    )


def test_without_early_stopping_only_what_is_given_acts(table):
    recipe = Recipe(hidden=(16,), epochs=5, patience=None)
    found = bridle.fit(table, "y", recipe=recipe, strengths=Strengths(l1=1e-12))
    assert found.stopped is found.beyond is found.early_stopping is None
    assert found.regularized.epochs == found.plain.epochs == 5
    assert len(found.credits) == 1
    assert "L1 changes nothing that can be told" in found.credits[0]


def test_no_strength_leaves_early_stopping_alone(table):
    recipe = Recipe(hidden=(16,), epochs=5, patience=2)
    found = bridle.fit(table, "y", recipe=recipe, strengths=Strengths())
    assert found.regularized.test == found.stopped.test
    assert len(found.credits) == 1


def test_a_gap_changes_by_what_both_scores_change():
    truth = np.arange(400) % 2

    def judged(wrong):
        codes = truth.copy()
        codes[:wrong] = 1 - codes[:wrong]
        return judge_classes(codes, truth)

    before, after = judge_gap(judged(0), judged(100)), judge_gap(judged(20), judged(60))
    comparison = compare(judged(100), judged(60))
    found = lowering(before, after, comparison)
    assert found.value == pytest.approx(before.gap.value - after.gap.value)
    assert found.value - found.low == pytest.approx(
        comparison.difference.value - comparison.difference.low
    )
    text = credit_of(["L1", "dropout"], before, after, comparison)
    assert text.startswith("L1 and dropout lower the gap by 15.0 ± ")
    assert "raise the test accuracy: +10.0 ± " in text


def test_networks_that_are_the_same_name_the_tolerance(table):
    numbers = table.assign(y=table["x0"] + 0.01 * table["x1"])
    recipe = Recipe(hidden=(), epochs=60, learning_rate=0.05)
    found = bridle.fit(numbers, "y", recipe=recipe, strengths=Strengths(l2=1e-6))
    assert found.comparison.answer == "same"
    assert (
        "as well as the plain one: the difference is less than 0.01, which counts as the same ("
        in (found.verdict)
    )


def test_a_verdict_of_another_network_has_its_reason_once(table):
    recipe = Recipe(hidden=(32,), epochs=60, learning_rate=0.01)
    found = bridle.fit(table, "y", recipe=recipe, strengths=Strengths(l1=10.0))
    assert found.regularized.diagnosis.reason.startswith("it has learned next to nothing")
    assert found.verdict.count(found.regularized.diagnosis.reason) == 1
    assert "the regularized network" in found.verdict


def test_without_other_regularizers_no_regularized_network_is_named(table):
    found = bridle.fit(table, "y", recipe=Recipe(epochs=3), strengths=Strengths())
    assert "the network with early stopping alone predicts new rows" in found.verdict.lower()
    assert "the regularized network" not in found.verdict.lower()


def test_an_outlier_that_hides_the_other_values_is_named(table):
    hidden = table.assign(y=np.where(np.arange(300) == 7, 1e12, table["x0"]))
    with pytest.raises(DataError, match=r"has the outlier 1e\+12.*of 300 distinct values, \d"):
        bridle.fit(hidden, "y", recipe=Recipe(epochs=1))
    far = table.assign(y=np.where(np.arange(300) == 7, 1e4, table["x0"]))
    assert bridle.fit(far, "y", recipe=Recipe(epochs=1)).verdict
    assert bridle.fit(
        table.assign(y=1e9 + 1e-3 * table["x0"]), "y", recipe=Recipe(epochs=1)
    ).verdict


def test_ten_rows_are_too_few_to_judge_a_regression(table):
    few = table.head(10).assign(y=2 * table["x0"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = bridle.fit(few, "y", recipe=Recipe(epochs=5))
        said = bridle.diagnose(found, shuffled_labels=False)
    assert found.verdict.startswith("Cannot tell about the plain network: 2 test rows are too few")
    assert "e+" not in found.verdict
    assert found.to_dict()["plain"]["diagnosis"]["gap"]["low"] is None
    assert said.verdict == "cannot tell"
    assert "2 are too few for an interval of R²" in said.advice[0]


def test_names_of_what_acts():
    assert regularizers_of(Strengths()) == []
    acting = Strengths(l2=1e-3, input_keep_prob=0.9, max_norm=3.0)
    assert regularizers_of(acting) == ["L2", "input dropout", "max-norm"]


def _estimate(value, margin):
    return Estimate(value, value - margin, value + margin)


def test_early_stopping_did_the_work_unless_the_others_are_shown_to_help():
    early, nothing = _estimate(0.2, 0.05), _estimate(0.01, 0.03)

    def outcome(beyond, score=nothing):
        return early_stopping_check(early, beyond, ["L1"], share=True, score=score)

    found = outcome(nothing)
    assert found.outcome == "failed"
    assert found.message == (
        "early stopping alone lowers the gap by 20.0 ± 5.0 points; beyond that, L1 changes the "
        "gap by -1.0 ± 3.0 points and the test score by +1.0 ± 3.0 points: not shown to help"
    )
    assert outcome(nothing, None).outcome == "failed"  # a file of an older version
    assert outcome(_estimate(0.05, 0.03)).outcome == "passed"  # the gap falls
    assert outcome(nothing, _estimate(0.05, 0.03)).outcome == "passed"  # the score rises


def test_weaker_strengths_are_advised_only_if_the_strengths_make_it_worse():
    worse = Comparison(_estimate(-0.1, 0.02), 0.0, 0.0, 1.0)
    unclear = Comparison(_estimate(0.0, 0.05), 0.3, 0.4, 0.3)
    told = "the regularized network predicts new rows worse than the plain one ("
    assert conclusion_of(worse, worse, share=True).startswith(f"Try weaker strengths: {told}")
    assert conclusion_of(worse, unclear, share=True).startswith(told.capitalize())
