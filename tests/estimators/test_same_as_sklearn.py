"""The same seed gives the same network as in scikit-learn, and both convert to each other."""

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_diabetes, load_digits
from sklearn.preprocessing import StandardScaler

import bridle
from bridle import MLPClassifier, MLPRegressor
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X_DIGITS = X_DIGITS / 16
X_VALUES, Y_VALUES = load_diabetes(return_X_y=True)
X_VALUES, Y_VALUES = 20 * X_VALUES, (Y_VALUES - Y_VALUES.mean()) / Y_VALUES.std()


SETTINGS = [
    {},
    {"solver": "sgd", "learning_rate_init": 0.05},
    {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "learning_rate_init": 0.1},
    {"activation": "tanh", "alpha": 0.1, "hidden_layer_sizes": (20, 10)},
    {"activation": "logistic", "batch_size": 33, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4},
    {"activation": "identity", "shuffle": False},
    {"early_stopping": True, "n_iter_no_change": 3},
    {"solver": "lbfgs", "max_iter": 25},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_the_same_seed_gives_the_same_network(kind, settings):
    X, y = (X_DIGITS[:300], Y_DIGITS[:300]) if kind == "MLPClassifier" else (X_VALUES, Y_VALUES)
    options = {"random_state": 3, "max_iter": 12} | settings
    theirs = getattr(neural_network, kind)(**options).fit(X, y)
    ours = getattr(bridle, kind)(**options).fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_
    if options.get("solver") != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    for a, b in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    for name in ("n_layers_", "n_outputs_", "out_activation_", "t_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_rows_and_labels_are_scikit_learns(weighted):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(200, 6)), random.integers(0, 2, (200, 3))
    weight = random.uniform(0.5, 2, 200) if weighted else None
    options = {"random_state": 0, "max_iter": 8, "batch_size": 50}
    theirs = neural_network.MLPClassifier(**options).fit(X, y, sample_weight=weight)
    ours = MLPClassifier(**options).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
    counts = random.poisson(np.exp(X[:, 0]))
    theirs = neural_network.MLPRegressor("poisson", **options).fit(X, counts, sample_weight=weight)
    ours = MLPRegressor("poisson", **options).fit(X, counts, sample_weight=weight)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_from_scikit_learn_and_back(kind, solver):
    X, y = (X_DIGITS[:200], Y_DIGITS[:200]) if kind == "MLPClassifier" else (X_VALUES, Y_VALUES)
    theirs = getattr(neural_network, kind)(solver=solver, max_iter=6, random_state=1).fit(X, y)
    ours = bridle.from_sklearn(theirs)
    assert ours.get_params()["max_iter"] == 6
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)
    if solver != "lbfgs":
        for _ in range(2):
            theirs.partial_fit(X, y)
            ours.partial_fit(X, y)
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    back = bridle.to_sklearn(ours)
    np.testing.assert_allclose(back.predict(X), ours.predict(X), rtol=1e-6)
    assert back.score(X, y) == pytest.approx(ours.score(X, y))


def test_conversion_names_unsupported_regularizers():
    with pytest.raises(
        UsageError, match="scikit-learn does not support keep_prob, l1; reset it to its default"
    ):
        bridle.to_sklearn(MLPClassifier(keep_prob=0.5, l1=0.1))
    fitted = MLPClassifier(keep_prob=0.5, max_iter=3).fit(X_DIGITS[:99], Y_DIGITS[:99])
    with pytest.warns(
        bridle.RegularizationWarning, match="scikit-learn does not support keep_prob: predictions"
    ):
        theirs = bridle.to_sklearn(fitted)
    np.testing.assert_array_equal(theirs.predict(X_DIGITS), fitted.predict(X_DIGITS))
    with pytest.raises(UsageError, match="the estimator is a StandardScaler; give"):
        bridle.from_sklearn(StandardScaler())
    with pytest.raises(UsageError, match="the estimator is a StandardScaler; give"):
        bridle.to_sklearn(StandardScaler())
