"""Labels of several types, and missing ones, are refused with a sentence."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.errors import UsageError

X = np.random.default_rng(0).normal(size=(40, 2))
MIXED = {
    "objects": np.array([1, "a"] * 20, dtype=object),
    "a list": [1, "a"] * 20,
    "a Series": pd.Series([1, "a"] * 20),
    "categories": pd.Series(pd.Categorical([1, "a"] * 20)),
}
MISSING = {
    "None": np.array(["a", None] * 20, dtype=object),
    "NaN": np.array(["a", np.nan] * 20, dtype=object),
    "a nullable integer": pd.Series([1, None] * 20, dtype="Int64"),
    "a string": pd.Series(["a", None] * 20, dtype="string"),
    "a category": pd.Series(pd.Categorical(["a", None] * 20)),
}
ESTIMATORS = [
    bridle.MLPClassifier(max_iter=2),
    bridle.MLPRegressor(max_iter=2),
    bridle.MLPClassifierCV(n_candidates=2),
    bridle.MLPRegressorCV(n_candidates=2),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("table", [X, pd.DataFrame({"k": ["a", "b"] * 20})], ids=["array", "words"])
def test_labels_of_several_types_and_missing_ones(estimator, table):
    for y in MIXED.values():
        with pytest.raises(UsageError, match=r"y has values of several types \(number, string\)"):
            estimator.fit(table, y)
    for y in MISSING.values():
        with pytest.raises(UsageError, match="y is missing in 20 of 40 rows; leave out"):
            estimator.fit(table, y)


def test_several_types_in_partial_fit():
    with pytest.raises(UsageError, match="y has values of several types"):
        bridle.MLPClassifier().partial_fit(X, MIXED["objects"], classes=["1", "a"])


def test_words_are_no_numbers():
    for y in (pd.Series(["b", "a"] * 20, dtype="string"), ["b", "a"] * 20):
        with pytest.raises(UsageError, match="y has 'b', which is no number; pass numbers"):
            bridle.MLPRegressor().fit(X, y)


def test_numbers_that_are_objects():
    with pytest.raises(UsageError, match=r"values such as 1; pass y.astype\(int\)"):
        bridle.MLPClassifier().fit(X, np.array([1, 0] * 20, dtype=object))
    with pytest.raises(UsageError, match=r"Unknown label type: y has fractions such as 0.5"):
        bridle.MLPClassifier().fit(X, np.array([0.5, 1] * 20))
