"""Scores, weights and DataFrames that estimators cannot use are refused with a sentence."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.errors import DataError, UsageError

X = np.random.default_rng(0).normal(size=(40, 2))
Y = (X[:, 0] > 0).astype(int)
CLASSIFIER = bridle.MLPClassifier(tol=10.0, n_iter_no_change=1, random_state=0).fit(X, Y)
REGRESSOR = bridle.MLPRegressor(tol=10.0, n_iter_no_change=1, random_state=0).fit(X, X[:, 0])
FITTED = pytest.mark.parametrize("estimator", [CLASSIFIER, REGRESSOR])


@FITTED
def test_score_refuses_labels_of_several_types(estimator):
    for y in (np.array([1, "a"] * 20, dtype=object), [1, "a"] * 20, pd.Series([1, "a"] * 20)):
        with pytest.raises(UsageError, match="several types"):
            estimator.score(X, y)
    with pytest.raises(UsageError, match="y is missing in 20 of 40 rows"):
        estimator.score(X, np.array([1, None] * 20, dtype=object))


@FITTED
@pytest.mark.parametrize(
    ("weight", "told"),
    [(-np.ones(40), "has the value -1"), ([None] * 40, "NaN"), (["a"] * 40, "no number")],
)
def test_score_refuses_weights_that_are_none(estimator, weight, told):
    with pytest.raises(UsageError, match=told):
        estimator.score(X, Y, sample_weight=weight)


def test_score_is_that_of_scikit_learn():
    weight = np.arange(40)
    right = CLASSIFIER.predict(X) == Y
    assert CLASSIFIER.score(X, Y) == right.mean()
    assert CLASSIFIER.score(X, Y, weight) == pytest.approx(np.average(right, weights=weight))
    error = (REGRESSOR.predict(X) - Y) ** 2
    assert REGRESSOR.score(X, Y) == pytest.approx(1 - error.sum() / ((Y - Y.mean()) ** 2).sum())


def test_a_regressor_refuses_dates():
    dates = pd.date_range("2020-01-01", periods=40)
    for run in (REGRESSOR.score, bridle.MLPRegressor().fit, bridle.MLPRegressorCV().fit):
        with pytest.raises(UsageError, match="dates or durations"):
            run(X, dates)


ALL = [bridle.MLPClassifier(), bridle.MLPClassifierCV(random_state=0)]


@pytest.mark.parametrize("estimator", ALL)
def test_columns_of_one_name_are_refused(estimator):
    with pytest.raises(UsageError, match="X has several columns named 'a'"):
        estimator.fit(pd.DataFrame(X, columns=["a", "a"]), Y)


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("value", [np.inf, "inf", "-Infinity"])
def test_a_column_that_is_infinite_in_every_row_is_refused(estimator, value):
    table = pd.DataFrame({"a": X[:, 0], "i": value, "town": ["Ulm", "Bonn"] * 20})
    with pytest.raises(DataError, match="column 'i', row 1"):
        estimator.fit(table, Y)


def test_class_weights_that_are_none_are_refused():
    with pytest.raises(UsageError, match="class 0 is 'a'"):
        bridle.MLPClassifier(class_weight={0: "a"}).fit(X, Y)
    table = pd.DataFrame(X, columns=["a", "b"]).assign(y=Y)
    with pytest.raises(UsageError, match="all training rows have a weight of zero"):
        bridle.fit(table, "y", class_weight={0: 0, 1: 0}, epochs=1)


def test_arrays_in_cells_are_refused():
    nested = pd.DataFrame({"a": [np.array([at]) for at in range(40)], "y": Y})
    with pytest.raises(DataError, match="nested values"):
        bridle.fit(nested, "y", epochs=1)
