"""``sparsity=`` of the estimators: the share, its phases, stopping, and what is refused."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import bridle
from bridle import MLPClassifier, MLPRegressor, Sparsity, UsageError

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
OPTIONS = {"hidden_layer_sizes": (12, 8), "random_state": 0, "batch_size": 50}


def _share(model, last=None):
    layers = model.coefs_[:last]
    return sum(int((w == 0).sum()) for w in layers) / sum(w.size for w in layers)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_share_is_reached_to_one_weight(kind, solver):
    model = kind(sparsity=0.9, solver=solver, max_iter=12, **OPTIONS).fit(X, Y)
    count = sum(w.size for w in model.coefs_)
    assert abs(_share(model) - 0.9) <= 0.5 / count
    assert model.sparsity_ == pytest.approx(_share(model))
    assert np.isfinite(model.predict(X)).all()


def test_whole_hidden_units_and_the_outputs_stay():
    rule = Sparsity(0.5, groups="units", ramp=20)
    model = MLPClassifier(sparsity=rule, max_iter=10, **OPTIONS).fit(X, Y)
    dead = [(w == 0).all(0) for w in model.coefs_]
    for w, zero in zip(model.coefs_[:2], dead[:2], strict=True):
        assert ((w == 0).any(0) == zero).all()
    assert sum(int(each.sum()) for each in dead[:2]) > 0
    assert not dead[2].any()
    sizes = [w.shape[0] for w in model.coefs_[:2]]
    count = sum(w.size for w in model.coefs_[:2])
    assert abs(model.sparsity_ - 0.5) <= max(sizes) / count
    before = model.predict(X)
    assert (model.compact().predict(X) == before).all()
    assert sum(w.size for w in model.coefs_) < count


def test_training_goes_on_to_the_end_of_the_ramp_and_early_stopping_keeps_sparse_weights():
    options = OPTIONS | {"n_iter_no_change": 1, "tol": 10.0, "max_iter": 30}
    model = MLPClassifier(sparsity=0.8, **options).fit(X, Y)
    assert 15 <= model.n_iter_ < 30
    assert model.sparsity_ == pytest.approx(0.8, abs=1e-3)
    stopped = MLPClassifier(sparsity=0.8, early_stopping=True, **options).fit(X, Y)
    assert stopped.n_iter_ >= 15
    assert _share(stopped) == pytest.approx(0.8, abs=1e-3)
    assert stopped.best_validation_score_ == max(stopped.validation_scores_[14:])


def test_l1_ends_with_the_ramp():
    rule = Sparsity(0.6, ramp=12)
    options = OPTIONS | {"alpha": 0.0, "max_iter": 4}
    model = MLPClassifier(sparsity=rule, l1=1e-3, **options).fit(X, Y)
    plain = MLPClassifier(sparsity=rule, **options).fit(X, Y)
    assert _share(model) >= _share(plain) - 1e-3
    weights = np.concatenate([w.ravel() for w in model.coefs_])
    loss = model.loss_  # of the last epoch, in which there is no penalty
    scores = model.predict_proba(X)[np.arange(len(Y)), Y]
    assert loss < -np.log(scores).mean() + 0.5e-3 * np.abs(weights).sum()


def test_partial_fit_continues_the_ramp():
    model = MLPClassifier(sparsity=Sparsity(0.5, ramp=12), **OPTIONS)
    shares = []
    for _ in range(4):
        model.partial_fit(X, Y, classes=np.unique(Y))
        shares.append(_share(model))
    assert shares[0] < shares[1] == shares[2] == shares[3] == pytest.approx(0.5, abs=1e-3)


def test_a_warm_start_has_a_ramp_of_its_own():
    model = MLPClassifier(warm_start=True, max_iter=4, **OPTIONS).fit(X, Y)
    assert not hasattr(model, "sparsity_")
    model.set_params(sparsity=0.5).fit(X, Y)
    assert model.sparsity_ == pytest.approx(0.5, abs=1e-3)
    model.set_params(sparsity=None).fit(X, Y)
    assert not hasattr(model, "sparsity_")


def test_without_it_nothing_changes():
    """The compiled steps, and the same numbers as with a target of 0 by torch's steps."""
    plain = MLPClassifier(max_iter=3, **OPTIONS).fit(X, Y)
    other = MLPClassifier(max_iter=3, sparsity=0.0, **OPTIONS).fit(X, Y)
    for a, b in zip(plain.coefs_, other.coefs_, strict=True):
        assert np.allclose(a, b, atol=1e-10)


def test_it_is_cloned_and_printed():
    model = MLPClassifier(sparsity=Sparsity(0.5, groups="units", ramp=3))
    assert "Sparsity(0.5, ramp=3, groups='units')" in repr(clone(model))


def test_an_interrupted_ramp_warns(monkeypatch):
    from bridle.estimators import stochastic

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(stochastic.StochasticTraining, "_record_epoch", interrupt)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MLPClassifier(sparsity=0.5, max_iter=10, **OPTIONS).fit(X, Y)
    messages = [str(each.message) for each in caught if each.category is not ConvergenceWarning]
    assert any("in the ramp of Sparsity(0.5" in each for each in messages)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "lbfgs", "sparsity": 0.5}, "sparsity is 0.5 and the solver is 'lbfgs'"),
        ({"sparsity": Sparsity(0.5, ramp=10_000)}, "max_iter allows 1200"),
        ({"sparsity": Sparsity(0.5, ramp=3, penalty=bridle.L1(0.1))}, "by l1="),
        ({"sparsity": Sparsity(0.5, ramp=3, groups="heads")}, "no heads"),
        ({"sparsity": Sparsity(0.5, ramp=3, groups="units"), "hidden_layer_sizes": ()}, "hidden"),
        ({"sparsity": 1.0}, "sparsity"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises((UsageError, ValueError), match=message):
        MLPClassifier(**(OPTIONS | options)).fit(X, Y)
