"""Missing values in numerical input: imputed by the mean, with a missing indicator."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV
from skops import io

import bridle
from bridle import MLPClassifier, MLPClassifierCV, MLPRegressor, MLPRegressorCV
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(90, 3))
VALUES = X[:, 0] + 0.1 * RANDOM.normal(size=90)
CLASSES = (X[:, 0] > 0).astype(int)
GAPPY = X.copy()
GAPPY[5, 1] = GAPPY[70, 2] = np.nan
SMALL = {"hidden_layer_sizes": (4,), "n_candidates": 2, "max_iter": 5, "cv": 2}


def _network(kind, **options):
    return kind(hidden_layer_sizes=8, max_iter=4, random_state=0, **options)


def _target(kind):
    return CLASSES if kind in (MLPClassifier, MLPClassifierCV) else VALUES


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_the_input_is_the_mean_with_an_indicator(kind):
    model = _network(kind).fit(GAPPY, _target(kind))
    means = np.nanmean(GAPPY, axis=0)
    np.testing.assert_allclose(model.imputed_values_, means)
    assert model.indicated_features_.tolist() == [1, 2]
    cells = np.isnan(GAPPY)
    by_hand = np.hstack([np.where(cells, means, GAPPY), cells[:, 1:]])
    plain = _network(kind).fit(by_hand, _target(kind))
    for ours, expected in zip(model.coefs_, plain.coefs_, strict=True):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(model.predict(GAPPY), plain.predict(by_hand))
    assert model.coef_.shape == (8, 3)
    assert model.n_features_in_ == 3


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_every_form_of_the_same_rows_gives_the_same_network(kind):
    first = _network(kind).fit(GAPPY, _target(kind))
    frame = pd.DataFrame(GAPPY, columns=list("abc"))
    forms = [
        frame,
        frame.astype("Float64"),
        GAPPY.astype(object),
        np.ma.masked_array(np.where(np.isnan(GAPPY), 7.0, GAPPY), np.isnan(GAPPY)),
        sparse.csr_array(GAPPY),
        sparse.csc_matrix(GAPPY),
    ]
    for form in forms:
        other = _network(kind).fit(form, _target(kind))
        assert not hasattr(other, "encoder_")
        np.testing.assert_allclose(other.coefs_[0], first.coefs_[0], rtol=1e-9)
        np.testing.assert_allclose(other.predict(form), first.predict(GAPPY), rtol=1e-9)


def test_without_missing_values_nothing_changes_but_they_may_come_later():
    model = _network(MLPRegressor).fit(X, VALUES)
    assert model.coefs_[0].shape == (3, 8)
    assert not len(model.indicated_features_)
    later = X[:4].copy()
    later[1, 2] = np.nan
    filled = later.copy()
    filled[1, 2] = X[:, 2].mean()
    np.testing.assert_allclose(model.predict(later), model.predict(filled), rtol=1e-12)
    assert np.isnan(later[1, 2])
    frame = pd.DataFrame(later, columns=list("abc"))
    named = _network(MLPRegressor).fit(pd.DataFrame(X, columns=list("abc")), VALUES)
    np.testing.assert_allclose(named.predict(frame), model.predict(filled), rtol=1e-12)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, MLPClassifierCV, MLPRegressorCV])
def test_infinity_and_missing_targets_are_refused(kind):
    model = kind(**SMALL, random_state=0) if kind.__name__.endswith("CV") else _network(kind)
    infinite = GAPPY.copy()
    infinite[3, 0] = -np.inf
    for form in (infinite, pd.DataFrame(infinite), sparse.csr_array(infinite)):
        with pytest.raises(ValueError, match="infinity"):
            model.fit(form, _target(kind))
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(X, np.where(np.arange(90) == 3, np.nan, VALUES))
    model.fit(GAPPY, _target(kind))
    with pytest.raises(ValueError, match="infinity"):
        model.predict(infinite)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, MLPClassifierCV, MLPRegressorCV])
def test_grid_search_with_one_gap_has_a_score_for_each_fold(kind):
    frame = pd.DataFrame(X, columns=list("abc"))
    frame.loc[5, "b"] = np.nan
    cv = kind.__name__.endswith("CV")
    model = kind(**SMALL, random_state=0) if cv else _network(kind)
    grid = GridSearchCV(model, {"random_state": [0] if cv else [0, 1]}, cv=2)
    for data in (frame, frame.to_numpy()):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*non-finite.*")
            grid.fit(data, _target(kind))
        assert np.isfinite(grid.cv_results_["split0_test_score"]).all()
        assert np.isfinite(grid.cv_results_["split1_test_score"]).all()
        assert len(grid.predict(data)) == 90


def test_partial_fit_imputes_as_in_its_first_call():
    model = _network(MLPClassifier).partial_fit(GAPPY[:50], CLASSES[:50], classes=[0, 1])
    assert model.indicated_features_.tolist() == [1]
    means = np.nanmean(GAPPY[:50], axis=0)
    model.partial_fit(GAPPY[50:], CLASSES[50:])
    np.testing.assert_allclose(model.imputed_values_, means)
    assert np.isfinite(model.predict_proba(np.full((1, 3), np.nan))).all()


def test_a_feature_without_values_and_huge_values():
    empty, huge = X.copy(), X.copy()
    empty[:, 1] = np.nan
    huge[:, 1], huge[4, 1], huge[5, 2] = 1e308, -1e308, np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=RuntimeWarning)
        model = _network(MLPRegressor).fit(empty, VALUES)
        assert model.imputed_values_[1] == 0
        assert np.isfinite(model.predict(X)).all()
        filled = _network(MLPRegressor, solver="lbfgs").fit(huge * 1e-300, VALUES)
    assert np.isfinite(filled.imputed_values_).all()


def test_files_selection_conversion_and_diagnosis():
    model = _network(MLPClassifier).fit(GAPPY, CLASSES)
    content = io.dumps(model)
    unknown = io.get_untrusted_types(data=content)
    for again in (io.loads(content, trusted=unknown), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict_proba(GAPPY), model.predict_proba(GAPPY))
    chosen = SelectFromModel(_network(MLPClassifier), max_features=2).fit(GAPPY, CLASSES)
    assert chosen.get_support().sum() <= 2
    with pytest.raises(UsageError, match=r"with missing values.*impute the missing values"):
        bridle.to_sklearn(model)
    theirs = bridle.to_sklearn(_network(MLPClassifier).fit(X, CLASSES))
    with pytest.raises(UsageError, match=r"converted from scikit-learn.*impute them first"):
        bridle.from_sklearn(theirs).predict(GAPPY)
    found = bridle.diagnose(model, (GAPPY[60:], CLASSES[60:]), training=(GAPPY[:60], CLASSES[:60]))
    assert len(found.layers) == 2


def test_a_model_of_an_indicator_sees_that_a_value_is_missing():
    """The target is whether a value is missing; the mean alone could not tell."""
    rows = RANDOM.normal(size=(200, 2))
    gone = RANDOM.random(200) < 0.5
    rows[gone, 1] = np.nan
    model = MLPClassifier(8, solver="lbfgs", random_state=0, max_iter=100).fit(rows, gone)
    assert model.score(rows, gone) == 1
