"""Labels of several types, and missing ones, are refused with a sentence."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_score

import bridle
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore:training has not converged")

X = np.random.default_rng(0).normal(size=(40, 2))
MIXED = {
    "objects": np.array([1, "a"] * 20, dtype=object),
    "a list": [1, "a"] * 20,
    "a Series": pd.Series([1, "a"] * 20),
    "categories": pd.Series(pd.Categorical([1, "a"] * 20)),
    "a Categorical": pd.Categorical([1, "a"] * 20),
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


LABELS = {"int": [0, 1] * 20, "bool": [False, True] * 20, "float": [0.0, 1.0] * 20}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(
    "typed", [pd.Categorical, pd.CategoricalIndex, lambda y: pd.Series(y).astype("category")]
)
def test_categories_of_numbers_are_classes(labels, typed):
    y, plain = typed(labels), np.array(labels)
    want = bridle.MLPClassifier((4,), max_iter=3, random_state=0).fit(X, plain)
    for table in (X, pd.DataFrame({"k": ["a", "b"] * 20})):
        found = bridle.MLPClassifier((4,), max_iter=3, random_state=0).fit(table, y)
        assert found.classes_.tolist() == want.classes_.tolist()
        assert 0 <= found.score(table, y) <= 1
    assert np.array_equal(want.predict_proba(X), _fitted(y).predict_proba(X))
    assert want.score(X, y) == want.score(X, plain)
    bridle.MLPClassifier((4,)).partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    found = bridle.MLPClassifierCV((4,), n_candidates=2, max_iter=2, cv=2).fit(X, y)
    assert found.classes_.tolist() == want.classes_.tolist()


def _fitted(y):
    return bridle.MLPClassifier((4,), max_iter=3, random_state=0).fit(X, y)


def test_categories_in_a_cross_validation():
    y = pd.Series([0, 1] * 20).astype("category")
    model = bridle.MLPClassifier((4,), max_iter=2)
    assert np.isfinite(cross_val_score(model, X, y, cv=2, error_score="raise")).all()
    GridSearchCV(model, {"alpha": [0, 0.1]}, cv=2, error_score="raise").fit(X, y)


def test_categories_of_fractions_are_no_classes():
    with pytest.raises(UsageError, match=r"Unknown label type: y has fractions such as 0.5"):
        bridle.MLPClassifier().fit(X, pd.Categorical([0.5, 1] * 20))


BOOLEANS, WORDS = [True, False] * 20, ["1.5", "2"] * 20
NUMBERS = {
    "a list of booleans": BOOLEANS,
    "objects of booleans": np.array(BOOLEANS, dtype=object),
    "categories of booleans": pd.Series(BOOLEANS).astype("category"),
    "booleans and numbers": pd.Series([True, 0] * 20, dtype=object),
    "a list of tensors": list(torch.tensor([1.0, 0.0] * 20)),
    "a list of arrays": [np.array(value) for value in [1.0, 0.0] * 20],
    "a Series of words": pd.Series(WORDS, dtype=object),
    "strings": pd.Series(WORDS, dtype="string"),
    "objects": np.array(WORDS, dtype=object),
    "categories": pd.Series(WORDS).astype("category"),
}


@pytest.mark.parametrize("y", NUMBERS.values(), ids=NUMBERS)
def test_what_can_be_converted_to_numbers_is_numbers(y):
    plain = np.array([float(value) for value in y])
    for table in (X, pd.DataFrame({"k": ["a", "b"] * 20})):
        want, found = (
            bridle.MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(
                table, each
            )
            for each in (plain, y)
        )
        assert np.array_equal(found.predict(table), want.predict(table))
    bridle.MLPRegressorCV(hidden_layer_sizes=(4,), n_candidates=2, max_iter=2, cv=2).fit(X, y)


def test_labels_and_class_weights_of_no_dimension():
    y = np.array([0, 1] * 20)
    want = bridle.MLPClassifier((4,), max_iter=3, random_state=0, class_weight={0: 2.0}).fit(X, y)
    for two in (torch.tensor(2.0), np.array(2.0)):
        found = bridle.MLPClassifier((4,), max_iter=3, random_state=0, class_weight={0: two})
        assert np.array_equal(found.fit(X, y).predict_proba(X), want.predict_proba(X))
    for labels in (list(torch.tensor(y)), [np.array(each) for each in y]):
        assert _fitted(labels).classes_.tolist() == [0, 1]
    for bad in (torch.tensor(-1.0), np.array("2")):
        with pytest.raises(UsageError, match="class_weight of the class 0"):
            bridle.MLPClassifier(class_weight={0: bad}).fit(X, y)
