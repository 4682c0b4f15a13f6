"""Each regularizer of the MLP estimators has its effect."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.feature_selection import RFE, SelectFromModel

from bridle import MLPClassifier, MLPRegressor
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X_DIGITS = X_DIGITS / 16


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_l1_gives_exact_zeros(solver):
    options = {"solver": solver, "max_iter": 60, "random_state": 0, "hidden_layer_sizes": 30}
    options |= {"learning_rate_init": 0.01 if solver == "adam" else 0.1, "batch_size": 50}
    shares = []
    for l1 in (0.0, 1e-3):
        model = MLPClassifier(l1=l1, **options).fit(X_DIGITS[:500], Y_DIGITS[:500])
        shares.append(np.mean(np.concatenate([each.ravel() for each in model.coefs_]) == 0))
    assert shares[0] == 0
    assert shares[1] > 0.3
    assert model.score(X_DIGITS[500:800], Y_DIGITS[500:800]) > 0.8


def test_max_norm_bounds_every_unit():
    model = MLPClassifier(max_norm=0.9, max_iter=10, random_state=0)
    model.fit(X_DIGITS[:300], Y_DIGITS[:300])
    norms = [np.linalg.norm(each, axis=0) for each in model.coefs_]
    assert max(norm.max() for norm in norms) < 0.9 + 1e-9


def test_dropout_regularizes_and_is_reproducible():
    X, y = X_DIGITS[:200], Y_DIGITS[:200]
    options = {"max_iter": 60, "random_state": 0, "alpha": 0, "batch_size": 20}
    plain = MLPClassifier(200, **options).fit(X, y)
    dropped = MLPClassifier(200, keep_prob=0.5, **options).fit(X, y)
    # the training loss includes the noise; without noise the network is less confident
    assert dropped.loss_curve_[-1] > 2 * plain.loss_curve_[-1]
    assert dropped.predict_proba(X).max(1).mean() < plain.predict_proba(X).max(1).mean()
    assert MLPClassifier(200, keep_prob=0.5, **options).fit(X, y).loss_curve_ == dropped.loss_curve_


def test_class_weights_raise_the_share_of_the_rare_class():
    random = np.random.default_rng(0)
    X = random.normal(size=(600, 4))
    y = np.where(X[:, 0] + random.normal(size=600) > 1.8, "rare", "often")
    shares = [
        np.mean(MLPClassifier(class_weight=w, random_state=0).fit(X, y).predict(X) == "rare")
        for w in (None, "balanced", {"rare": 8})
    ]
    assert shares[0] < 0.8 * shares[1]
    assert shares[0] < 0.8 * shares[2]


def test_feature_selection_by_the_first_layer():
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 12))
    y = X[:, 3] - 2 * X[:, 7]
    network = MLPRegressor(l1=0.02, max_iter=150, learning_rate_init=0.01, random_state=0)
    chosen = SelectFromModel(network, max_features=2, threshold=-np.inf).fit(X, y)
    assert chosen.get_support(indices=True).tolist() == [3, 7]
    dropped = RFE(network, n_features_to_select=2, step=5).fit(X, y)
    assert dropped.get_support(indices=True).tolist() == [3, 7]
    assert network.fit(X, y).coef_.shape == (100, 12)
    assert sparse.issparse(network.sparsify().coef_)


def test_lbfgs_refuses_unsupported_regularizers():
    with pytest.raises(UsageError, match=r"keep_prob is 0\.5 and the solver is 'lbfgs'"):
        MLPClassifier(solver="lbfgs", keep_prob=0.5).fit(X_DIGITS, Y_DIGITS)
    with pytest.raises(ValueError, match=r"'keep_prob' parameter of MLPClassifier must be"):
        MLPClassifier(keep_prob=0.0).fit(X_DIGITS, Y_DIGITS)


def test_subnetworks_differ_more_where_there_were_no_rows():
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (300, 1))
    y = np.sin(3 * X[:, 0])
    model = MLPRegressor(
        keep_prob=0.8, random_state=0, max_iter=200, batch_size=30, hidden_layer_sizes=(64, 64)
    ).fit(X, y)
    value, near = model.predict(X, return_std=True)
    _, far = model.predict(X + 6, return_std=True)
    np.testing.assert_array_equal(value, model.predict(X))
    assert near.shape == value.shape
    assert np.median(far) > 3 * np.median(near)
    np.testing.assert_array_equal(model.predict(X, return_std=True)[1], near)
    with pytest.raises(
        UsageError, match="return_std needs subnetworks, but this network was trained without masks"
    ):
        MLPRegressor(max_iter=2).fit(X, y).predict(X, return_std=True)
