"""The MLP estimators in pipelines, searches and files, and with sparse or tabular data."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops import io

import bridle
from bridle import MLPClassifier, MLPRegressor
from bridle.errors import UsageError
from conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X_DIGITS = X_DIGITS / 16
X_VALUES, Y_VALUES = load_diabetes(return_X_y=True)
X_VALUES, Y_VALUES = 20 * X_VALUES, (Y_VALUES - Y_VALUES.mean()) / Y_VALUES.std()


def test_to_network_predicts_the_same():
    model = MLPRegressor(keep_prob=0.8, max_iter=5, random_state=0).fit(X_VALUES, Y_VALUES)
    network = model.to_network()
    outputs = bridle.predict(network, torch.from_numpy(X_VALUES))[0, :, 0]
    np.testing.assert_allclose(outputs.numpy(), model.predict(X_VALUES), rtol=1e-12)
    assert int(network.steps[0]) == 5 * 3


def test_grid_search_cross_validation_and_joblib(tmp_path):
    network = MLPClassifier(max_iter=20, batch_size=25, random_state=0)
    model = make_pipeline(StandardScaler(), network)
    grid = GridSearchCV(model, {"mlpclassifier__keep_prob": [0.5, 0.9]}, cv=3)
    grid.fit(X_DIGITS[:300], Y_DIGITS[:300])
    assert grid.best_score_ > 0.8
    found = cross_validate(clone(model), X_DIGITS[:300], Y_DIGITS[:300], cv=3, n_jobs=2)
    assert found["test_score"].mean() > 0.8
    joblib.dump(grid, tmp_path / "grid.joblib")
    said = joblib.load(tmp_path / "grid.joblib").predict(X_DIGITS[300:])
    np.testing.assert_array_equal(said, grid.predict(X_DIGITS[300:]))


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_pickle_and_skops_round_trip(kind):
    X, y = (X_DIGITS[:200], Y_DIGITS[:200]) if kind == "MLPClassifier" else (X_VALUES, Y_VALUES)
    model = getattr(bridle, kind)(keep_prob=0.7, l1=1e-4, max_iter=3, random_state=0).fit(X, y)
    content = io.dumps(model)
    unknown = io.get_untrusted_types(data=content)
    assert all(name.startswith("bridle.estimators.") for name in unknown)
    for again in (io.loads(content, trusted=unknown), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        further, as_far = again.partial_fit(X, y), clone(model).fit(X, y).partial_fit(X, y)
        np.testing.assert_array_equal(further.coefs_[0], as_far.coefs_[0])


def test_feature_names_and_metadata_routing():
    frame = pd.DataFrame(X_VALUES, columns=[f"v{at}" for at in range(10)])
    network = MLPRegressor(max_iter=5, random_state=0)
    model = make_pipeline(StandardScaler(), network).set_output(transform="pandas")
    assert model.fit(frame, Y_VALUES)[-1].feature_names_in_.tolist() == frame.columns.tolist()
    weight = np.linspace(0, 1, len(frame))
    with sklearn.config_context(enable_metadata_routing=True):
        asks = clone(network).set_fit_request(sample_weight=True)
        asks.set_score_request(sample_weight=True)
        options = {"cv": 2, "params": {"sample_weight": weight}, "return_estimator": True}
        found = cross_validate(asks, X_VALUES, Y_VALUES, **options)
    half = slice(len(frame) // 2, None)
    alone = clone(network).fit(X_VALUES[half], Y_VALUES[half], sample_weight=weight[half])
    np.testing.assert_array_equal(found["estimator"][0].coefs_[0], alone.coefs_[0])


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
def test_sparse_input_equals_dense_input(make):
    options = {"random_state": 0, "max_iter": 4, "keep_prob": 0.8, "early_stopping": True}
    dense = MLPClassifier(**options).fit(X_DIGITS[:200], Y_DIGITS[:200])
    rows = MLPClassifier(**options).fit(make(X_DIGITS[:200]), Y_DIGITS[:200])
    np.testing.assert_allclose(rows.loss_curve_, dense.loss_curve_)
    np.testing.assert_allclose(rows.predict_proba(make(X_DIGITS)), dense.predict_proba(X_DIGITS))


def test_table_with_text_and_missing_values():
    table = pd.read_csv(ROOT / "examples" / "credit-g.csv")
    X, y = table.drop(columns="class"), table["class"]
    X.loc[X.index[::7], "age"] = np.nan
    model = MLPClassifier(keep_prob=0.6, early_stopping=True, random_state=0)
    model.fit(X[:800], y[:800])
    assert model.n_features_in_ == X.shape[1]
    assert model.feature_names_in_.tolist() == X.columns.tolist()
    assert model.score(X[800:], y[800:]) > 0.65
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X.drop(columns="age"))
    with pytest.raises(
        UsageError, match="X is a ndarray, but the estimator was fitted on a DataFrame with non-num"
    ):
        model.predict(np.zeros((2, X.shape[1])))
    going = MLPClassifier().partial_fit(X, y, classes=["bad", "good"])
    assert going.partial_fit(X[:50], y[:50]).t_ == len(X) + 50
    with pytest.raises(
        UsageError, match="X is a ndarray, but the estimator was fitted on a DataFrame with non-num"
    ):
        going.partial_fit(np.zeros((2, X.shape[1])), y[:2])
    with pytest.raises(
        UsageError, match="fitted on a DataFrame with non-numerical columns or missing values"
    ):
        bridle.to_sklearn(model)
    numbers = pd.DataFrame(X_DIGITS[:99])
    numbers.columns = numbers.columns.astype(str)
    assert not hasattr(model.fit(numbers, Y_DIGITS[:99]), "encoder_")


def test_table_for_regression():
    table = pd.DataFrame({"size": ["s", "m", "l"] * 40, "x": np.linspace(-1, 1, 120)})
    y = table["size"].map({"s": 0.0, "m": 1.0, "l": 2.0}) + table["x"]
    model = MLPRegressor(solver="lbfgs", random_state=0, max_iter=500).fit(table, y)
    assert model.score(table, y) > 0.99
    assert model.predict(table[:3]).dtype == np.float32


def test_labels_that_would_be_rounded_are_refused(rng):
    """scikit-learn makes pandas' nullable integers floats, beyond 2⁵³ with fewer classes."""
    X, codes = rng.normal(size=(20, 2)), np.array([0, 1] * 10) + 2**60
    labels = pd.array(codes, dtype="Int64")
    model = MLPClassifier(max_iter=1, random_state=0)
    with pytest.raises(UsageError, match=r"Int64 .*pass y\.astype\('int64'\)"):
        model.fit(X, labels)
    with pytest.raises(UsageError, match="rounds to floats"):
        model.partial_fit(X, codes, classes=labels)
    assert model.fit(X, labels.astype("int64")).classes_.tolist() == [2**60, 2**60 + 1]
    assert len(model.fit(X, pd.array(codes - 2**60, dtype="Int64")).classes_) == 2
