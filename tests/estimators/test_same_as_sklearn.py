"""The same seed gives the same network as in scikit-learn, and both convert to each other."""

import numpy as np
import pytest
from scipy.sparse import csr_array
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


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_values_beyond_the_range_of_a_float32_network(kind):
    """Predictions are computed in float64, as in scikit-learn; training on them is refused."""
    y = (Y_VALUES > 0).astype(int) if kind == "MLPClassifier" else Y_VALUES
    options = {"hidden_layer_sizes": 8, "max_iter": 3, "random_state": 0}
    rows, wide = X_VALUES.astype(np.float32), X_VALUES.copy()
    wide[:5] *= 1e39
    theirs = getattr(neural_network, kind)(**options).fit(rows, y)
    ours = getattr(bridle, kind)(keep_prob=0.9, **options).fit(rows, y)
    ours.coefs_, ours.intercepts_ = theirs.coefs_, theirs.intercepts_
    for X, rtol in ((wide, 1e-6), (csr_array(wide), 1e-6), (X_VALUES * 9e37, 1e-4)):
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=rtol)
    predict = ours.predict_proba if kind == "MLPClassifier" else ours.predict
    assert all(np.isfinite(each).all() for each in predict(wide, return_std=True))
    with pytest.raises(UsageError, match=r"X has the value .*e\+3\d, .* range of float32"):
        ours.partial_fit(wide, y)
    with pytest.raises(UsageError, match="output for row 4 is not a number: its sums overflow"):
        predict(np.where(np.arange(len(rows))[:, None] == 4, 1.7e308, X_VALUES))


@pytest.mark.parametrize(
    "sizes", [(0.5,), (5.5,), ((3,),), ((3,), (4, 5)), ("a",), (None,), (True,), (0,), (4, -1)]
)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_hidden_layer_sizes_that_are_no_numbers_of_units_are_refused(kind, sizes):
    with pytest.raises(UsageError, match="hidden_layer_sizes must be > 0: whole numbers of units"):
        kind(hidden_layer_sizes=sizes).fit(X_VALUES, Y_VALUES > 0)


def test_hidden_layer_sizes_as_an_array():
    for sizes in (np.array(4), np.array([4]), np.int64(4), [4]):
        model = MLPRegressor(hidden_layer_sizes=sizes, max_iter=1).fit(X_VALUES, Y_VALUES)
        assert model.coefs_[0].shape == (10, 4)
