"""The estimators that choose their regularization by cross-validation."""

import pickle
from unittest import SkipTest

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from skops import io

import bridle
from bridle import MLPClassifierCV, MLPRegressorCV
from bridle.estimators import base_cv
from bridle.ops.population import can_step
from bridle.search.run import run_search
from bridle.statistics.temperature import tempered

X_IRIS, Y_IRIS = load_iris(return_X_y=True, as_frame=True)
SPECIES = Y_IRIS.map({0: "setosa", 1: "versicolor", 2: "virginica"})
X_VALUES, Y_VALUES = load_diabetes(return_X_y=True)
SMALL = {"hidden_layer_sizes": (16,), "n_candidates": 3, "max_iter": 60, "cv": 2}


@parametrize_with_checks([MLPClassifierCV(**SMALL), MLPRegressorCV(**SMALL)])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(estimator, check):
    try:
        check(estimator)
    except SkipTest as skipped:
        pytest.fail(f"a check does not run here: {skipped}")


@pytest.fixture(scope="module")
def fitted():
    model = MLPClassifierCV((16,), n_candidates=24, max_iter=60, cv=3, random_state=0)
    return model.fit(X_IRIS, SPECIES)


def test_cv_results_agree_with_the_best_candidate(fitted):
    """The best score is that of the held-out rows, and the attributes agree with each other."""
    results = pd.DataFrame(fitted.cv_results_)
    best = results.loc[fitted.best_index_]
    assert best["rank_test_score"] == 1
    assert best["pooled_test_score"] == fitted.best_score_ == pytest.approx(0.97, abs=0.03)
    assert best["params"] == fitted.best_params_
    splits = results[[f"split{v}_test_score" for v in range(3)]]
    np.testing.assert_allclose(results["mean_test_score"], splits.mean(axis=1))
    np.testing.assert_allclose(results["std_test_score"], splits.std(axis=1, ddof=0))
    assert sorted(results["rank_test_score"]) == list(range(1, 25))
    later = results[results["rung"] == results["rung"].max()]
    assert later["rank_test_score"].max() <= len(later)  # candidates of later rungs rank first
    assert (
        later["pooled_test_score"].max() == best["pooled_test_score"]
    )  # ties are broken by the loss
    assert set(fitted.best_params_) == {name[6:] for name in results if name.startswith("param_")}


def test_path_importance_and_histories(fitted):
    path = pd.DataFrame(fitted.path_)
    assert {"learning_rate_init", "l2", "keep_prob"} <= set(path["strength"])
    assert path["score"].between(0, 1).all()
    assert set(fitted.importance_) == set(path["strength"])
    history = pd.DataFrame(fitted.histories_)
    assert set(history["candidate"]) == set(range(24))
    own = history[history["candidate"] == fitted.best_index_]
    assert own["score"].max() == fitted.best_score_
    assert own["epoch"].max() == pytest.approx(60, abs=1)
    assert 1 <= fitted.n_iter_ <= 60
    assert fitted.feature_names_in_.tolist() == X_IRIS.columns.tolist()


def test_the_probabilities_are_averages_of_networks(fitted, tmp_path):
    mean, spread = fitted.predict_proba(X_IRIS, return_std=True)
    np.testing.assert_allclose(mean.sum(1), 1)
    assert mean.shape == spread.shape == (150, 3)
    assert spread.max() > 0
    assert (fitted.predict(X_IRIS) == fitted.classes_[mean.argmax(1)]).all()
    assert fitted.score(X_IRIS, SPECIES) == accuracy_score(SPECIES, fitted.predict(X_IRIS))
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X_IRIS)), mean)
    bridle.save_model(fitted.model_, tmp_path / "m.bridle")
    said = bridle.load(tmp_path / "m.bridle").predict(X_IRIS)
    np.testing.assert_allclose(said.iloc[:, 1:], mean, atol=1e-6)


def test_a_pickle_holds_plain_arrays(fitted):
    content = pickle.dumps(fitted)
    assert b"torch" not in content.replace(b'"torch"', b"")  # only the name of the version
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict_proba(X_IRIS), fitted.predict_proba(X_IRIS))


def test_skops_needs_to_trust_the_class_alone(fitted):
    content = io.dumps(fitted)
    unknown = io.get_untrusted_types(data=content)
    assert unknown == ["bridle.estimators.classifier_cv.MLPClassifierCV"]
    again = io.loads(content, trusted=unknown)
    np.testing.assert_array_equal(again.predict_proba(X_IRIS), fitted.predict_proba(X_IRIS))


@pytest.mark.parametrize("answer", ["ensemble", "best", "refit"])
def test_the_same_seed_gives_the_same_model(answer):
    model = MLPRegressorCV((16,), n_candidates=9, max_iter=30, cv=3, random_state=4, answer=answer)
    first, second = (clone(model).fit(X_VALUES, Y_VALUES) for _ in range(2))
    value, spread = first.predict(X_VALUES, return_std=True)
    np.testing.assert_array_equal(value, second.predict(X_VALUES))
    members = {"best": 3, "refit": 5}.get(answer, first.model_.network.members)
    assert first.model_.network.members == members
    assert spread.shape == value.shape
    assert (spread > 0).all()
    assert first.score(X_VALUES, Y_VALUES) > 0.3


def test_a_score_is_in_the_targets_units():
    model = MLPRegressorCV(**SMALL, scoring="neg_root_mean_squared_error", random_state=0)
    model.fit(X_VALUES, Y_VALUES)
    assert -90 < model.best_score_ < -45
    error = np.sqrt(np.square(model.predict(X_VALUES) - Y_VALUES).mean())
    assert model.score(X_VALUES, Y_VALUES) == pytest.approx(-error)
    assert model.cv_results_["pooled_test_score"][model.best_index_] == model.best_score_


def test_the_score_is_what_was_selected_by():
    model = MLPClassifierCV(**SMALL, scoring="balanced_accuracy", random_state=0)
    rows = np.r_[0:60, 100:150]
    model.fit(X_IRIS.iloc[rows], Y_IRIS[rows])
    said = model.predict(X_IRIS)
    assert model.score(X_IRIS, Y_IRIS) == balanced_accuracy_score(Y_IRIS, said)


def test_tables_with_text_and_missing_values():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"colour": rng.choice(["red", "blue"], 200), "size": rng.normal(size=200)})
    table.loc[::7, "colour"] = None
    table.loc[::5, "size"] = np.nan
    y = (table["colour"] == "red") ^ (table["size"] > 0)
    model = MLPClassifierCV((16,), n_candidates=9, max_iter=200, cv=3, random_state=0)
    model.fit(table, y)
    assert model.score(table, y) > 0.8
    assert model.encoder_.columns == ("colour", "size")
    with pytest.raises(
        ValueError, match="X is a ndarray, but the estimator was fitted on a DataFrame"
    ):
        model.predict(table.to_numpy())
    missing = X_IRIS.to_numpy().copy()
    missing[::3, 2] = np.nan
    assert (
        MLPClassifierCV(**SMALL, random_state=0).fit(missing, Y_IRIS).score(missing, Y_IRIS) > 0.6
    )


def test_sparse_input_equals_dense_input():
    rows = X_IRIS.to_numpy()
    models = [
        MLPRegressorCV(**SMALL, random_state=0).fit(X, Y_IRIS) for X in (rows, csr_array(rows))
    ]
    said = [model.predict(X) for model, X in zip(models, (rows, csr_array(rows)), strict=True)]
    np.testing.assert_array_equal(*said)


def test_search_chooses_among_several_hidden_layer_sizes():
    model = MLPClassifierCV([(4,), (16, 8)], n_candidates=9, max_iter=20, cv=2, random_state=0)
    model.fit(X_IRIS, Y_IRIS)
    assert set(model.cv_results_["param_hidden_layer_sizes"].tolist()) == {(4,), (16, 8)}
    assert model.best_params_["hidden_layer_sizes"] in {(4,), (16, 8)}


def test_custom_folds():
    groups = np.arange(150) % 5
    kwargs = SMALL | {"max_iter": 10, "random_state": 0}
    model = MLPClassifierCV(**kwargs | {"cv": GroupKFold(5)}).fit(X_IRIS, Y_IRIS, groups=groups)
    assert "split4_test_score" in model.cv_results_
    parts = list(KFold(3).split(X_IRIS))
    assert "split2_test_score" in (
        MLPClassifierCV(**kwargs | {"cv": parts}).fit(X_IRIS, Y_IRIS).cv_results_
    )


def test_the_temperature_suits_new_groups():
    """Four groups cannot tell whether a temperature suits new ones, so the search leaves it."""
    random = np.random.default_rng(0)
    X, groups = random.normal(size=(300, 3)), np.arange(300) % 4
    y = X[:, 0] > 0
    parts = list(GroupKFold(4).split(X, y, groups))
    kwargs = SMALL | {"random_state": 0}
    rows = MLPClassifierCV(**kwargs | {"cv": parts}).fit(X, y)
    grouped = MLPClassifierCV(**kwargs | {"cv": GroupKFold(4)}).fit(X, y, groups=groups)
    assert rows.model_.temperature < 0.9
    assert grouped.model_.temperature == 1.0
    assert (rows.predict(X) == grouped.predict(X)).all()  # the same networks
    averaged = grouped.predict_proba(X)
    np.testing.assert_allclose(rows.predict_proba(X), tempered(averaged, rows.model_.temperature))
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(again.predict_proba(X), rows.predict_proba(X))
    np.testing.assert_allclose(rows.model_.predict_proba(X), rows.predict_proba(X), atol=1e-6)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MLPClassifierCV(**kwargs | {"cv": parts}).fit(X, y, groups=groups[1:])


def test_metadata_goes_to_the_splitter():
    groups = np.arange(150) % 5
    model = MLPClassifierCV(**SMALL | {"max_iter": 10, "cv": GroupKFold(2), "random_state": 0})
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_validate(model, X_IRIS, Y_IRIS, params={"groups": groups}, cv=GroupKFold(3))
        assert len(found["test_score"]) == 3
        with pytest.raises(TypeError, match="unexpected argument"):
            model.fit(X_IRIS, Y_IRIS, colour=groups)
    with pytest.raises(ValueError, match="groups' parameter should not be None"):
        model.fit(X_IRIS, Y_IRIS)


def test_in_a_pipeline_and_on_workers():
    model = MLPClassifierCV(**SMALL | {"random_state": 0})
    alone = make_pipeline(StandardScaler(), model).fit(X_IRIS, Y_IRIS)
    with joblib.parallel_config(n_jobs=2):
        spread = make_pipeline(StandardScaler(), clone(model)).fit(X_IRIS, Y_IRIS)
    np.testing.assert_allclose(alone.predict_proba(X_IRIS), spread.predict_proba(X_IRIS), atol=1e-5)


def test_verbose_prints_progress(capsys):
    MLPClassifierCV(**SMALL | {"verbose": True}).fit(X_IRIS, Y_IRIS)
    assert "100% done, 3 candidates, best score" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cv": ShuffleSplit(3)}, "does not hold out each row exactly once"),
        ({"cv": 100}, "cv is 100 and there are 150 samples"),
        ({"hidden_layer_sizes": (0,)}, r"hidden_layer_sizes is \(0,\)"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes is \(\)"),
        ({"budget": "soon"}, "budget is 'soon'"),
        ({"budget": 0.01}, "the smallest search takes"),
        ({"budget": 5, "n_candidates": 3}, "give one of them"),
        ({"scoring": "r2"}, "'scoring' parameter"),
        ({"memory": "much"}, "memory is 'much'"),
    ],
    ids=str,
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifierCV(**arguments).fit(X_IRIS, Y_IRIS)


def test_groups_need_a_splitter():
    with pytest.raises(ValueError, match="groups can be passed only to a splitter, but cv is 5"):
        MLPClassifierCV().fit(X_IRIS, Y_IRIS, groups=np.arange(150))
    with pytest.raises(ValueError, match="one class only, 1"):
        MLPClassifierCV().fit(X_IRIS, np.ones(150, dtype=int))
    with pytest.raises(ValueError, match="is 1 in every row"):
        MLPRegressorCV().fit(X_IRIS, np.ones(150))


@pytest.mark.parametrize("cv", [GroupKFold(3), StratifiedGroupKFold(3, shuffle=True)])
def test_no_group_is_in_two_folds(cv):
    groups = np.arange(150) // 5
    X, y = pd.DataFrame(X_IRIS), np.asarray(Y_IRIS)
    model = MLPClassifierCV(cv=cv)
    fold, trained = model._folds(X, y, y, 3, 0, groups, {})
    assert trained is None
    assert all(len(set(fold[groups == group])) == 1 for group in range(30))


@pytest.mark.parametrize("cv", [TimeSeriesSplit(3), TimeSeriesSplit(3, gap=4, max_train_size=20)])
def test_folds_train_on_the_rows_of_the_splitter(cv):
    order = np.random.default_rng(0).permutation(150)
    X, y = X_IRIS.to_numpy()[order], np.asarray(Y_IRIS)[order]
    model = MLPClassifierCV(**SMALL | {"max_iter": 2, "cv": cv, "random_state": 0}).fit(X, y)
    assert model.model_.network.members == 5  # refitted on all rows
    fold, trained = model._folds(pd.DataFrame(X), y, y, 3, 0, None, {})
    for at, (train, held) in enumerate(cv.split(X)):
        assert np.array_equal(np.flatnonzero(trained[at]), train)
        assert np.array_equal(np.flatnonzero(fold == at), held)
    with pytest.raises(ValueError, match="use answer='refit' or 'auto'"):
        MLPClassifierCV(cv=cv, answer="ensemble").fit(X, y)


def test_rows_on_both_sides_are_refused():
    folds = [(np.arange(100), np.arange(50, 100)), (np.arange(50), np.arange(100, 150))]
    with pytest.raises(ValueError, match="whose split 0 has rows on both sides"):
        MLPClassifierCV(cv=folds).fit(X_IRIS, Y_IRIS)


@pytest.mark.skipif(not can_step(torch.device("cpu")), reason="needs AVX2, AVX-512 or NEON")
def test_the_first_layer_of_binned_numbers_is_as_quick_as_in_a_search(monkeypatch):
    taken = []

    def recording(data, *others, **named):
        taken.append(data)
        return run_search(data, *others, **named)

    monkeypatch.setattr(base_cv, "run_search", recording)
    MLPRegressorCV(**SMALL, random_state=0).fit(X_VALUES, Y_VALUES)
    ((bins, rows),) = taken[0].encoded.items()
    rows.check(taken[0].inputs[bins])
