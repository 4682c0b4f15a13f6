"""Several epochs in one call are the same as one after another."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from bridle import MLPClassifier
from bridle.estimators import stochastic
from bridle.ops.cpu import multiplies

pytestmark = [
    pytest.mark.skipif(not multiplies(), reason="the compiled steps do not run here"),
    pytest.mark.filterwarnings("ignore:training has not converged"),
]

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]
PLATEAU = {"tol": 0.05, "n_iter_no_change": 3, "max_iter": 200}


@pytest.fixture
def calls(monkeypatch):
    """The number of epochs of each call."""
    found = []
    take = stochastic.losses_of_epochs

    def taken(*arguments):
        found.append(len(arguments[3]))
        return take(*arguments)

    monkeypatch.setattr(stochastic, "losses_of_epochs", taken)
    return found


def fitted(random, weight=None, **params):
    params = {"hidden_layer_sizes": 8, "learning_rate_init": 0.02, "batch_size": 50} | params
    return MLPClassifier(random_state=random, **params).fit(X, Y, weight)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "params",
    [
        PLATEAU,
        {"max_iter": 37},
        {"max_iter": 40, "n_iter_no_change": np.inf, "shuffle": False},
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, **PLATEAU},
        {"keep_prob": 0.8, "drop_connect_keep_prob": 0.9, "max_norm": 2.0, "l1": 1e-3, **PLATEAU},
    ],
)
def test_several_epochs_at_once_are_one_after_another(monkeypatch, calls, params, dtype):
    monkeypatch.setattr(f"{__name__}.X", X.astype(dtype))
    states = np.random.RandomState(0), np.random.RandomState(0)
    several = fitted(states[0], **params)
    assert calls
    assert len(calls) < several.n_iter_ / 2
    count = len(calls)
    monkeypatch.setattr(stochastic, "epochs_at_once", lambda *_: 1)
    single = fitted(states[1], **params)
    assert len(calls) == count
    assert (several.n_iter_, several.t_, several._steps) == (
        single.n_iter_,
        single.t_,
        single._steps,
    )
    assert several.loss_curve_ == single.loss_curve_
    assert several.best_loss_ == single.best_loss_
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(several, name), getattr(single, name), strict=True):
            np.testing.assert_array_equal(a, b)
    state = "moment" if several.solver == "adam" else "velocity"
    np.testing.assert_array_equal(*(getattr(each._optimizer, state) for each in (several, single)))
    assert several._optimizer.learning_rate == single._optimizer.learning_rate
    # also where the plateau ends a call early, later draws are the same
    assert states[0].randint(2**31 - 1) == states[1].randint(2**31 - 1)


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True},
        {"keep_stages": True},
        {"sparsity": 0.5},
        {"solver": "sgd", "learning_rate": "invscaling"},
    ],
)
def test_what_acts_after_each_epoch_takes_one_at_a_time(calls, params):
    model = fitted(0, max_iter=6, **params)
    assert (calls, model.n_iter_) == ([], 6)


def test_a_batch_of_no_weight_takes_one_epoch_at_a_time(calls):
    weight = np.where(np.arange(300) < 60, 1.0, 0.0)
    fitted(0, weight, max_iter=4)
    assert not calls
    fitted(0, weight + 1, max_iter=4)
    assert calls == [4]


def test_training_goes_on_from_a_plateau(calls):
    """A fit that starts at its plateau waits as one that goes on."""
    model = fitted(0, warm_start=True, **PLATEAU)
    waited, curve = model._no_improvement_count, list(model.loss_curve_)
    assert waited == 4
    model.fit(X, Y)
    assert model.loss_curve_[: len(curve)] == curve
    assert len(model.loss_curve_) == len(curve) + model.n_iter_
