"""Folds, scores, and comparisons on the test set."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from search_cases import configured, make_data
from sklearn import metrics
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info

import bridle
from bridle.errors import UsageError
from bridle.search import data as search_data
from bridle.search.comparison import begin_boosting, boosting_seconds, compare_outputs
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.job import Job, run_job
from bridle.search.scoring import SCORINGS, check_scoring, scores_of
from bridle.search.trial_population import TrialPopulation


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


def test_the_score_of_auto_is_that_of_the_task():
    for task, name in (("classification", "accuracy"), ("regression", "r2")):
        assert check_scoring("auto", task) == check_scoring(None, task) == name
    with pytest.raises(UsageError, match="scoring is 'r2'; for classification it must be one of"):
        check_scoring("r2", "classification")


def test_what_is_not_finite_scores_minus_infinity():
    outputs = torch.zeros(2, 4, 2)
    outputs[1, 2, 0] = torch.nan
    assert scores_of(outputs, torch.tensor([0, 1, 0, 1]), "accuracy").tolist() == [0.5, -math.inf]


def test_of_many_rows_a_sample_is_scored(monkeypatch):
    """Evaluations and the model's gap use at most so many rows, from each fold and class."""
    data = make_data()
    assert torch.equal(data.scored, data.fold >= 0)
    monkeypatch.setattr(search_data, "MAX_SCORED_ROWS", 30)
    fewer = make_data()
    assert 20 <= int(fewer.scored.sum()) <= 30
    share = torch.bincount(data.y[fewer.scored]) / torch.bincount(data.y)
    assert float(share.max() - share.min()) < 0.1
    population = TrialPopulation(fewer, [configured()], [0], seed=0, batch_size=8)
    outputs = population.held_out_outputs()[0]
    assert outputs.shape == (int(fewer.scored.sum()), 3)
    job = Job((configured(),), (0,), None, 0, 4, 1, 0, 0, 8, "accuracy")
    seen = run_job(fewer, job)[0][0]
    assert seen.scores[0] * int(fewer.scored.sum()) == pytest.approx(
        round(seen.scores[0] * int(fewer.scored.sum()))
    )
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(150, 3)), columns=list("abc"))
    table["y"] = np.where(table["a"] > 0, "u", "v")
    found = bridle.search(table, "y", configurations=9, epochs=2, hidden=[(8,)], folds=3)
    assert found.chosen.diagnosis.held_out.margin > 0.07  # thirty rows, not 120


def test_boosting_is_left_out_where_it_takes_long():
    X, y = torch.randn(60, 5), torch.arange(60) % 2
    common = {"classes": 2, "seed": 0}
    said = begin_boosting(X, y, X, **common, seconds=5.0)()
    assert torch.equal(said, begin_boosting(X, y, X, **common)())
    wide = torch.randn(60, 20_000)
    assert begin_boosting(wide, y, wide, **common, seconds=60.0)() is None
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
    begin_boosting(X, y, X, classes=2, seed=0)()
    assert set(seen) == {1}


@pytest.mark.parametrize("scoring", ["balanced_accuracy", "neg_log_loss", "roc_auc"])
def test_other_scores_are_compared_by_the_bootstrap(scoring):
    random = np.random.default_rng(1)
    y = torch.from_numpy(random.integers(0, 2, 400))
    good = torch.nn.functional.one_hot(y, 2) * 2.0 + torch.from_numpy(random.normal(size=(400, 2)))
    bad = torch.from_numpy(random.normal(size=(400, 2)))
    one, found = compare_outputs(good, {"bad": bad, "good": good}, y, scoring, classes=True)
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
    wilson, _ = compare_outputs(outputs, {}, y, "accuracy", classes=True)
    drawn, _ = compare_outputs(outputs, {}, y, "balanced_accuracy", classes=True)
    assert drawn.value == pytest.approx(wilson.value)
    assert drawn.margin == pytest.approx(wilson.margin, rel=0.15)


def test_a_refit_has_no_row_held_out():
    data = SearchData({0: torch.zeros(6, 2)}, torch.zeros(6), torch.full((6,), -1), 0)
    trained, held = data.rows_of(0)
    assert (data.folds, len(trained), len(held)) == (1, 6, 0)
