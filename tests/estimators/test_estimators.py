"""The estimators: scikit-learn's own rules, its own results, and what it lacks."""

import pickle
import warnings
from functools import partial
from unittest import SkipTest

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from skops import io

import bridle
from bridle import MLPClassifier, MLPRegressor
from bridle.errors import UsageError
from bridle.estimators.matmul import product, product_with_bias
from bridle.estimators.perceptron import LINKS, Masks, Perceptron
from conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X_DIGITS = X_DIGITS / 16
X_VALUES, Y_VALUES = load_diabetes(return_X_y=True)
X_VALUES, Y_VALUES = 20 * X_VALUES, (Y_VALUES - Y_VALUES.mean()) / Y_VALUES.std()


@parametrize_with_checks(
    [
        MLPClassifier(),
        MLPRegressor(),
        MLPClassifier(solver="sgd", l1=1e-4, max_norm=3.0),
        MLPRegressor(solver="lbfgs", activation="tanh"),
    ]
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(estimator, check):
    try:
        check(estimator)
    except SkipTest as skipped:
        pytest.fail(f"a check does not run here: {skipped}")


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_no_check_of_scikit_learns_own_network_is_missing(kind):
    def names(estimator):
        found = [check for _, check in estimator_checks_generator(estimator)]
        return {(c.func if isinstance(c, partial) else c).__name__ for c in found}

    ours = names(getattr(bridle, kind)())
    assert ours >= names(getattr(neural_network, kind)())
    assert len(ours) > 45


# ------------------------------------------------------------------- the same as scikit-learn's

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


# --------------------------------------------------------------------------- what acts, and how


@pytest.mark.parametrize("link", sorted(LINKS))
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize(
    "masks",
    [Masks(), Masks(0.5, 0.8, 1.0, 7), Masks(0.7, 1.0, 0.6, 7), Masks(1.0, 1.0, 0.6, 7)],
    ids=str,
)
def test_the_gradient_is_autograds_of_the_network(link, activation, masks):
    torch.manual_seed(0)
    network = Perceptron([5, 7, 6, 3], activation, link, torch.float64, "cpu")
    network.flat.copy_(torch.randn_like(network.flat) / 2)
    X, y = torch.randn(9, 5, dtype=torch.float64), torch.rand(9, 3, dtype=torch.float64)
    y = y / y.sum(1, keepdim=True)  # what the softmax's gradient takes for granted
    weight = torch.rand(9, dtype=torch.float64)
    step = 4
    loss = network.step_gradient(X, y, weight, masks, step)

    def noise(kind, keep):
        return kind(keep_prob=keep) if keep < 1 else None

    whole = bridle.Network(
        [5, 7, 6, 3],
        seeds=masks.seed,
        activation=activation,
        dtype=torch.float64,
        hidden_noise=noise(bridle.Dropout, masks.keep_prob),
        input_noise=noise(bridle.Dropout, masks.input_keep_prob),
        weight_noise=noise(bridle.DropConnect, masks.drop_connect_keep_prob),
    )
    with torch.no_grad():
        for to, value in zip(whole.weights, network.weights, strict=True):
            to.copy_(value[None])
        for to, value in zip(whole.biases, network.biases, strict=True):
            to.copy_(value[None, None])
        whole.steps.fill_(step)
    scores = whole(X, noise=True)[0]
    torch.testing.assert_close(network.noisy_scores(X, masks, step)[0], scores.detach())
    rows = network.losses(scores, y)
    torch.testing.assert_close(loss, rows.detach().dot(weight) / weight.sum())
    times = 3 if link == "identity" else 1  # the mean over the outputs, and the gradient of the sum
    (times * rows.dot(weight) / weight.sum()).backward()
    expected = [p.grad.flatten() for p in (*whole.weights, *whole.biases)]
    torch.testing.assert_close(network.gradient, torch.cat(expected))


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


def test_dropout_restrains_and_repeats():
    X, y = X_DIGITS[:200], Y_DIGITS[:200]
    options = {"max_iter": 60, "random_state": 0, "alpha": 0, "batch_size": 20}
    plain = MLPClassifier(200, **options).fit(X, y)
    dropped = MLPClassifier(200, keep_prob=0.5, **options).fit(X, y)
    # the training loss has the noise in it, and the network is less sure of its rows without
    assert dropped.loss_curve_[-1] > 2 * plain.loss_curve_[-1]
    assert dropped.predict_proba(X).max(1).mean() < plain.predict_proba(X).max(1).mean()
    assert MLPClassifier(200, keep_prob=0.5, **options).fit(X, y).loss_curve_ == dropped.loss_curve_


def test_balanced_classes_weigh_alike():
    random = np.random.default_rng(0)
    X = random.normal(size=(600, 4))
    y = np.where(X[:, 0] + random.normal(size=600) > 1.8, "rare", "often")
    shares = [
        np.mean(MLPClassifier(class_weight=w, random_state=0).fit(X, y).predict(X) == "rare")
        for w in (None, "balanced", {"rare": 8})
    ]
    assert shares[0] < 0.8 * shares[1]
    assert shares[0] < 0.8 * shares[2]


def test_the_validation_loss_is_written_down():
    model = MLPClassifier(early_stopping=True, random_state=0, max_iter=15)
    model.fit(X_DIGITS[:400], Y_DIGITS[:400])
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert model.validation_loss_curve_[-1] < model.validation_loss_curve_[0]
    assert MLPClassifier(max_iter=2).fit(X_DIGITS, Y_DIGITS).validation_loss_curve_ is None


def test_the_history_is_honest():
    """The two losses of training differ by noise and penalty; both of the end are scikit-learn's"""
    model = MLPClassifier(early_stopping=True, random_state=0, max_iter=15, keep_stages=True)
    model.set_params(validation_fraction=0.5, keep_prob=0.7, n_iter_no_change=20)
    history = pd.DataFrame(model.fit(X_DIGITS[:400], Y_DIGITS[:400]).history_)
    assert history["epoch"].tolist() == list(range(1, 16))
    assert history["loss"].tolist() == model.loss_curve_
    assert history["validation_loss"].tolist() == model.validation_loss_curve_
    assert history["validation_score"].tolist() == model.validation_scores_
    assert (history["training_loss"] < history["loss"]).all()
    # half the rows each, so that both halves together are all rows
    whole = (history["training_loss"] + history["validation_loss"]) / 2
    np.testing.assert_allclose(list(model.staged_loss(X_DIGITS[:400], Y_DIGITS[:400])), whole)
    plain = MLPRegressor(max_iter=2).fit(X_VALUES, Y_VALUES)
    assert sorted(plain.history_) == ["epoch", "loss"]
    assert not hasattr(MLPRegressor(solver="lbfgs").fit(X_VALUES, Y_VALUES), "history_")


def test_stages_are_the_network_after_each_epoch():
    options = {"random_state": 0, "keep_prob": 0.8, "hidden_layer_sizes": (9, 8)}
    X, y = X_DIGITS[:300], Y_DIGITS[:300]
    model = MLPClassifier(max_iter=4, keep_stages=True, **options).fit(X, y)
    shares, said = list(model.staged_predict_proba(X)), list(model.staged_predict(X))
    scores, losses = list(model.staged_score(X, y)), list(model.staged_loss(X, y))
    for epochs in range(1, 5):
        shorter = MLPClassifier(max_iter=epochs, **options).fit(X, y)
        np.testing.assert_array_equal(shares[epochs - 1], shorter.predict_proba(X))
        np.testing.assert_array_equal(said[epochs - 1], shorter.predict(X))
        assert scores[epochs - 1] == shorter.score(X, y)
        assert losses[epochs - 1] == pytest.approx(log_loss(y, shorter.predict_proba(X)))
    values = MLPRegressor(max_iter=3, keep_stages=True, random_state=0).fit(X_VALUES, Y_VALUES)
    np.testing.assert_array_equal(
        list(values.staged_predict(X_VALUES))[-1], values.predict(X_VALUES)
    )
    assert list(values.staged_score(X_VALUES, Y_VALUES))[-1] == values.score(X_VALUES, Y_VALUES)
    half = np.square(values.predict(X_VALUES) - Y_VALUES).mean() / 2
    assert list(values.staged_loss(X_VALUES, Y_VALUES))[-1] == pytest.approx(half)
    assert values.partial_fit(X_VALUES, Y_VALUES).stages_[-1].shape == values.stages_[0].shape
    assert len(values.stages_) == 4
    with pytest.raises(UsageError, match="the fit kept no stages; fit again"):
        next(values.compact().staged_predict(X_VALUES))
    assert not hasattr(MLPRegressor(max_iter=3).fit(X_VALUES, Y_VALUES), "staged_predict")


def test_the_first_layer_chooses_inputs():
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


def test_lbfgs_refuses_what_it_cannot_do():
    with pytest.raises(UsageError, match=r"keep_prob is 0\.5 and the solver is 'lbfgs'"):
        MLPClassifier(solver="lbfgs", keep_prob=0.5).fit(X_DIGITS, Y_DIGITS)
    with pytest.raises(ValueError, match=r"'keep_prob' parameter of MLPClassifier must be"):
        MLPClassifier(keep_prob=0.0).fit(X_DIGITS, Y_DIGITS)


def test_the_network_predicts_the_same():
    model = MLPRegressor(keep_prob=0.8, max_iter=5, random_state=0).fit(X_VALUES, Y_VALUES)
    network = model.to_network()
    outputs = bridle.predict(network, torch.from_numpy(X_VALUES))[0, :, 0]
    np.testing.assert_allclose(outputs.numpy(), model.predict(X_VALUES), rtol=1e-12)
    assert int(network.steps[0]) == 5 * 3


def test_it_lives_in_scikit_learns_world(tmp_path):
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
def test_it_is_kept_by_pickle_and_skops(kind):
    X, y = (X_DIGITS[:200], Y_DIGITS[:200]) if kind == "MLPClassifier" else (X_VALUES, Y_VALUES)
    model = getattr(bridle, kind)(keep_prob=0.7, l1=1e-4, max_iter=3, random_state=0).fit(X, y)
    content = io.dumps(model)
    unknown = io.get_untrusted_types(data=content)
    assert all(name.startswith("bridle.estimators.") for name in unknown)
    for again in (io.loads(content, trusted=unknown), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        further, as_far = again.partial_fit(X, y), clone(model).fit(X, y).partial_fit(X, y)
        np.testing.assert_array_equal(further.coefs_[0], as_far.coefs_[0])


def test_names_weights_and_outputs_find_their_way():
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
def test_sparse_rows_are_the_dense_ones(make):
    options = {"random_state": 0, "max_iter": 4, "keep_prob": 0.8, "early_stopping": True}
    dense = MLPClassifier(**options).fit(X_DIGITS[:200], Y_DIGITS[:200])
    rows = MLPClassifier(**options).fit(make(X_DIGITS[:200]), Y_DIGITS[:200])
    np.testing.assert_allclose(rows.loss_curve_, dense.loss_curve_)
    np.testing.assert_allclose(rows.predict_proba(make(X_DIGITS)), dense.predict_proba(X_DIGITS))


@pytest.mark.parametrize("links", [5, 500])
def test_large_products_are_torchs(links):
    """Those that oneDNN makes, where it does; in every layout that training gives them."""
    X, W, d = torch.randn(400, links), torch.randn(links, 60), torch.randn(400, 60)
    out = torch.empty(links, 60)
    bias = torch.randn(60)
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)
    close(product(X, W), X @ W)
    close(product(X.t(), d, out=out), X.t() @ d)
    close(out, X.t() @ d)
    close(product(d, W.t()), d @ W.t())
    close(product_with_bias(bias, X, W), X @ W + bias)


def test_partial_fit_goes_on_with_the_masks():
    whole = MLPClassifier(keep_prob=0.6, solver="sgd", max_iter=6, random_state=0, shuffle=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole.fit(X_DIGITS[:100], Y_DIGITS[:100])
    parts = clone(whole)
    for _ in range(6):
        parts.partial_fit(X_DIGITS[:100], Y_DIGITS[:100], classes=np.arange(10))
    for a, b in zip(whole.coefs_, parts.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_rows_of_another_dtype_go_on_in_the_networks(solver):
    rows, y = X_DIGITS[:100], Y_DIGITS[:100]
    wide = MLPClassifier(solver=solver, random_state=0, max_iter=3).fit(rows, y)
    mixed = MLPClassifier(solver=solver, random_state=0, max_iter=3).fit(rows, y)
    weight = np.ones(100, np.float32)
    for _ in range(3):
        wide.partial_fit(rows, y)
        mixed.partial_fit(rows.astype(np.float32), y, sample_weight=weight)
    assert mixed.coefs_[0].dtype == np.float64
    np.testing.assert_allclose(mixed.loss_curve_, wide.loss_curve_, rtol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_the_same():
    options = {"keep_prob": 0.7, "l1": 1e-4, "random_state": 0, "max_iter": 5}
    here = MLPClassifier(**options).fit(X_DIGITS[:300], Y_DIGITS[:300])
    there = MLPClassifier(device="cuda", **options).fit(X_DIGITS[:300], Y_DIGITS[:300])
    np.testing.assert_allclose(here.loss_curve_, there.loss_curve_, rtol=1e-5)


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
    with pytest.raises(UsageError, match="return_std is of subnetworks, and this network has no"):
        MLPRegressor(max_iter=2).fit(X, y).predict(X, return_std=True)


# ------------------------------------------------------------------------- there and back again


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


def test_what_scikit_learn_lacks_is_named():
    with pytest.raises(UsageError, match="scikit-learn has no keep_prob, l1; leave it out"):
        bridle.to_sklearn(MLPClassifier(keep_prob=0.5, l1=0.1))
    fitted = MLPClassifier(keep_prob=0.5, max_iter=3).fit(X_DIGITS[:99], Y_DIGITS[:99])
    with pytest.warns(bridle.RegularizationWarning, match="scikit-learn has no keep_prob: the"):
        theirs = bridle.to_sklearn(fitted)
    np.testing.assert_array_equal(theirs.predict(X_DIGITS), fitted.predict(X_DIGITS))
    with pytest.raises(UsageError, match="the estimator is a StandardScaler; give"):
        bridle.from_sklearn(StandardScaler())
    with pytest.raises(UsageError, match="the estimator is a StandardScaler; give"):
        bridle.to_sklearn(StandardScaler())


# ------------------------------------------------------------------------------------- tables


def test_a_table_with_texts_and_gaps():
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
    with pytest.raises(UsageError, match="X is a ndarray, and the fit had a DataFrame with texts"):
        model.predict(np.zeros((2, X.shape[1])))
    going = MLPClassifier().partial_fit(X, y, classes=["bad", "good"])
    assert going.partial_fit(X[:50], y[:50]).t_ == len(X) + 50
    with pytest.raises(UsageError, match="X is a ndarray, and the fit had a DataFrame with texts"):
        going.partial_fit(np.zeros((2, X.shape[1])), y[:2])
    with pytest.raises(UsageError, match="fitted to a DataFrame with texts or gaps"):
        bridle.to_sklearn(model)
    numbers = pd.DataFrame(X_DIGITS[:99])
    numbers.columns = numbers.columns.astype(str)
    assert not hasattr(model.fit(numbers, Y_DIGITS[:99]), "encoder_")


def test_a_table_for_values():
    table = pd.DataFrame({"size": ["s", "m", "l"] * 40, "x": np.linspace(-1, 1, 120)})
    y = table["size"].map({"s": 0.0, "m": 1.0, "l": 2.0}) + table["x"]
    model = MLPRegressor(solver="lbfgs", random_state=0, max_iter=500).fit(table, y)
    assert model.score(table, y) > 0.99
    assert model.predict(table[:3]).dtype == np.float32
