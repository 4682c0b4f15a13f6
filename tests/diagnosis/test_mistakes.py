"""Confusion, ROC curves, residuals and the importance of columns: the numbers of scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from prediction_cases import binary
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

import bridle as library
from bridle.diagnosis import importance
from bridle.diagnosis.importance import importance_of_columns
from bridle.diagnosis.mistakes import area_under, confusion_of, residuals_of, roc_curves_of
from bridle.diagnosis.predictions import Predictions
from bridle.tables import TableEncoder


def kinds_of_columns(rng, rows=120):
    """A table with numbers, categories, dates, a text column and missing cells."""
    table = pd.DataFrame(
        {
            "number": rng.normal(size=rows),
            "town": rng.choice(["Ulm", "Bonn", "Köln"], rows),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "words": [f"{a} {b}" for a, b in rng.integers(0, 10**6, (rows, 2))],
            "noise": rng.normal(size=rows),
        }
    )
    table.loc[::9, "number"] = None
    signal = table["number"].fillna(0) + (table["town"] == "Ulm") + 0.2 * rng.normal(size=rows)
    return table, signal


@pytest.fixture(scope="module", params=["classes", "values"])
def fitted(request):
    table, signal = kinds_of_columns(np.random.default_rng(0))
    table["y"] = np.where(signal > 0.3, "high", "low") if request.param == "classes" else signal
    recipe = library.Recipe(hidden=(8,), epochs=15, learning_rate=0.02, patience=None)
    return table, library.fit(table, "y", recipe=recipe, strengths=library.Strengths())


class Whole(BaseEstimator):
    """A model of a table in scikit-learn's manner."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, y):
        return self

    def score(self, X, y):
        said = self.model.predict(X)["prediction"].to_numpy()
        if y.dtype == object:
            return float((said == y).mean())
        return 1 - np.square(said - y).sum() / np.square(y - y.mean()).sum()


def test_importance_is_scikit_learns_for_the_same_model_and_rows(fitted, monkeypatch):
    monkeypatch.setattr(importance, "REPEATS", 3)
    table, result = fitted
    rows = table.iloc[result.places["test"]].reset_index(drop=True)
    test = result.data["test"]
    ours = importance_of_columns(result.model, "test", test.X.numpy(), test.y.numpy(), seed=3)
    features = rows.drop(columns="y")
    theirs = permutation_importance(
        Whole(result.model), features, rows["y"].to_numpy(), n_repeats=3, random_state=3
    )
    assert ours.repeats == 3
    assert ours.rows == ours.of_rows == len(rows)
    assert {each.name for each in ours.columns} == set(features)
    for each in ours.columns:
        at = features.columns.get_loc(each.name)
        assert each.score.value == pytest.approx(theirs.importances_mean[at], abs=1e-5)
        error = theirs.importances_std[at] / np.sqrt(2)  # of the mean of three shuffles
        assert each.score.margin == pytest.approx(4.3027 * error, abs=1e-5)
    drops = [each.score.value for each in ours.columns]
    assert drops == sorted(drops, reverse=True)
    assert ours.columns[0].name in ("number", "town")


def test_bins_belong_to_the_column_that_they_bin():
    table, _ = kinds_of_columns(np.random.default_rng(1))
    plain = TableEncoder().fit(table)
    encoder = plain.binned(table, 4)
    before = encoder.transform(table)
    for name in encoder.columns:
        changed = table.copy()
        changed[name] = table[name].to_numpy()[::-1]
        moved = (encoder.transform(changed) != before).any(0)
        own = np.array([each == name for each in encoder.feature_columns])
        assert not moved[~own].any()
        assert moved[own].any()
    assert len(encoder.feature_columns) == len(encoder.feature_names)


def test_importance_of_many_columns_is_bounded_and_says_so(fitted, monkeypatch):
    _, result = fitted
    training = result.data["training"]
    monkeypatch.setattr(importance, "MOST_WORK", 1.0)
    monkeypatch.setattr(importance, "FEWER_ROWS", 20)
    monkeypatch.setattr(importance, "FEWEST_COLUMNS", 2)
    found = importance_of_columns(result.model, "test", training.X.numpy(), training.y.numpy())
    assert (found.rows, found.of_rows, found.repeats) == (20, len(training.y), 5)
    assert (len(found.columns), found.of_columns) == (2, 5)


@pytest.mark.parametrize("classes", [2, 4])
def test_confusion_and_curves_are_scikit_learns(rng, classes):
    names = tuple("abcd"[:classes])
    shares = rng.dirichlet(np.ones(classes), 300).round(2)  # rounded: with ties
    shares /= shares.sum(1, keepdims=True)
    truth = np.array([rng.choice(classes, p=row) for row in shares])
    given = Predictions.of_probabilities(truth, shares, names)
    found = confusion_of("test", given)
    assert found.classes == names
    assert np.array_equal(found.counts, confusion_matrix(truth, given.values))
    curves = roc_curves_of("test", given)
    assert [each.label for each in curves] == (["b"] if classes == 2 else list(names))
    for each in curves:
        code = names.index(each.label)
        positive = truth == code
        assert each.area.value == pytest.approx(roc_auc_score(positive, shares[:, code]))
        fall, rise, _ = roc_curve(positive, shares[:, code], drop_intermediate=False)
        drawn = zip(each.false_positive_rate, each.true_positive_rate, strict=True)
        assert {(round(a, 9), round(b, 9)) for a, b in drawn} <= {
            (round(a, 9), round(b, 9)) for a, b in zip(fall.tolist(), rise.tolist(), strict=True)
        }
        under = np.trapezoid(each.true_positive_rate, each.false_positive_rate)
        assert under == pytest.approx(each.area.value)
        assert each.area.low < each.area.value < each.area.high
        assert (each.positives, each.negatives) == (positive.sum(), (~positive).sum())


def test_a_long_curve_is_thinned_from_corner_to_corner(rng):
    given = binary(rng, 20_000)
    (curve,) = roc_curves_of("test", given)
    assert 300 < len(curve.true_positive_rate) <= 400
    ends = [
        (rates[0], rates[-1]) for rates in (curve.false_positive_rate, curve.true_positive_rate)
    ]
    assert ends == [(0, 1), (0, 1)]
    drawn = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert drawn == pytest.approx(curve.area.value, abs=1e-3)


def test_the_interval_of_an_area_covers_it_at_the_stated_rate():
    random, covered, count = np.random.default_rng(0), 0, 600
    truth = norm.cdf(1.5 / np.sqrt(2))
    for _ in range(count):
        positive = np.arange(60) < 8  # few rows of the class
        found = area_under(positive, random.normal(size=60) + 1.5 * positive)
        covered += found.low <= truth <= found.high
    assert 0.93 < covered / count < 0.99


def test_an_area_of_one_and_of_zero_have_an_interval():
    positive = np.arange(30) < 10
    best = area_under(positive, -np.arange(30.0))
    worst = area_under(positive, np.arange(30.0))
    assert (best.value, best.high) == (1, 1)
    assert 0.7 < best.low < 1
    assert (worst.value, worst.low) == (0, 0)
    assert 0 < worst.high < 0.3


def test_a_class_without_rows_has_no_curve(rng):
    shares = rng.dirichlet(np.ones(3), 50)
    given = Predictions.of_probabilities(rng.integers(0, 2, 50), shares, ("a", "b", "c"))
    assert [each.label for each in roc_curves_of("test", given)] == ["a", "b"]
    assert confusion_of("test", given).counts[2] == (0, 0, 0)
    alone = Predictions.of_probabilities(np.zeros(50, int), shares[:, :2], ("a", "b"))
    assert roc_curves_of("test", alone) == ()


def test_the_rarest_of_many_classes_are_one():
    truth = np.concatenate([np.repeat(np.arange(59), 2), [59]])
    given = Predictions(truth, (truth + 1) % 60, None, tuple(range(60)))
    found = confusion_of("test", given)
    assert len(found.classes) == 50
    assert found.classes[-1] == "other classes"
    assert np.sum(found.counts) == len(truth)
    assert found.counts[0][1] == 2


def test_residuals_are_the_errors_of_all_rows(rng):
    truth = rng.normal(size=1000)
    values = truth + rng.normal(size=1000)
    found = residuals_of("test", Predictions(truth, values))
    assert len(found.truth) == len(found.predicted) == 400
    assert found.rows == 1000
    assert found.root_mean_square == pytest.approx(np.sqrt(np.mean((values - truth) ** 2)))
    assert found.mean_error == pytest.approx((values - truth).mean())
    assert found.absolute_90 == pytest.approx(np.quantile(np.abs(values - truth), 0.9))


def test_a_diagnosis_has_them_for_its_new_rows(fitted):
    table, result = fitted
    found = library.diagnose(result, reference=False, shuffled_labels=False, masks=0)
    rows = table.iloc[result.places["test"]]
    said = result.model.predict(rows)
    if found.task == "regression":
        assert found.confusion is None
        assert found.residuals.truth == pytest.approx(rows["y"].tolist(), rel=1e-5)
        assert found.residuals.predicted == pytest.approx(said["prediction"].tolist(), rel=1e-5)
    else:
        both = confusion_matrix(rows["y"], said["prediction"], labels=found.confusion.classes)
        assert np.array_equal(found.confusion.counts, both)
        area = roc_auc_score(rows["y"] == "low", said["probability_low"])
        assert found.roc_curves[0].area.value == pytest.approx(area)
    assert found.to_dict()["residuals"] is None or found.to_dict()["confusion"] is None
