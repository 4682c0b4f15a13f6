"""Training that continues after a parameter has changed, and no warning of torch's."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

from bridle import MLPClassifier, MLPRegressor
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
SOLVERS = ("lbfgs", "adam", "sgd")


def _network(kind=MLPClassifier, **options):
    return kind(hidden_layer_sizes=4, max_iter=3, random_state=0, **options)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("second", SOLVERS)
@pytest.mark.parametrize("first", SOLVERS)
def test_the_solver_may_change(kind, first, second):
    model = _network(kind, solver=first, warm_start=True).fit(X, Y)
    before = [each.copy() for each in model.coefs_]
    model.set_params(solver=second, keep_stages=second != "lbfgs").fit(X, Y)
    if second != "lbfgs":
        # what the second solver does to the weights that the first has left
        other = _network(kind, solver=second, warm_start=True, keep_stages=True).fit(X, Y)
        other.coefs_, other.intercepts_ = before, _network(kind, solver=first).fit(X, Y).intercepts_
        other.fit(X, Y)
        np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])
        assert len(model.stages_) == 3
        assert len(model.history_["loss"]) == 3 * (1 + (first != "lbfgs"))


def test_partial_fit_uses_the_solver_and_the_rates_of_now():
    model = _network(solver="adam").fit(X, Y)
    frozen = clone(model).fit(X, Y)
    before = frozen.coefs_[0].copy()
    frozen.set_params(learning_rate_init=1e-12).partial_fit(X, Y)
    np.testing.assert_allclose(frozen.coefs_[0], before, atol=1e-9)
    sgd = clone(model).fit(X, Y).set_params(solver="sgd").partial_fit(X, Y)
    adam = clone(model).fit(X, Y).partial_fit(X, Y)
    assert not np.array_equal(sgd.coefs_[0], adam.coefs_[0])
    assert type(sgd._optimizer).__name__ == "SGDOptimizer"
    again = _network(solver="lbfgs").fit(X, Y).set_params(solver="sgd").partial_fit(X, Y)
    assert len(again.loss_curve_) == 1


def test_a_fresh_fit_keeps_nothing_of_another_solver():
    model = _network(early_stopping=True).fit(X, Y)
    model.set_params(solver="lbfgs", early_stopping=False).fit(X, Y)
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_"):
        assert not hasattr(model, name)


def test_what_a_network_cannot_continue_with_is_refused():
    model = _network(warm_start=True).fit(X, Y)
    with pytest.raises(UsageError, match=r"hidden_layer_sizes is \(7,\), and was \(4,\).*warm_st"):
        clone(model).fit(X, Y).set_params(hidden_layer_sizes=7).fit(X, Y)
    assert model.compact().fit(X, Y).n_iter_ == 3  # smaller than hidden_layer_sizes, by intention
    values = _network(MLPRegressor, warm_start=True).fit(X, Y)
    with pytest.raises(UsageError, match="y has 2 outputs, and had 1"):
        values.fit(X, np.column_stack([Y, Y]))
    with pytest.raises(UsageError, match="needs the output 'exp', and was fitted with 'identity'"):
        values.set_params(loss="poisson").fit(X, Y)
    with pytest.raises(UsageError, match="needs the output 'exp', and was fitted with 'identity'"):
        _network(MLPRegressor).fit(X, Y).set_params(loss="poisson").partial_fit(X, Y)
    values = _network(MLPRegressor, warm_start=True).fit(X, Y).set_params(hidden_layer_sizes=[4])
    assert values.fit(X, Y).n_iter_ == 3


_QUIET = """
import warnings
warnings.simplefilter("error")
from sklearn.exceptions import ConvergenceWarning
warnings.simplefilter("ignore", ConvergenceWarning)
import io, os, tempfile, joblib, numpy as np
from bridle import MLPClassifier, MLPRegressor

def fixed(array):
    array = np.array(array)
    array.setflags(write=False)
    return array

for rows in (1, 2, 12):
    X = np.random.default_rng(0).normal(size=(rows, 3))
    y = np.arange(rows) % 2
    weight = fixed(np.ones(rows))
    for data in (fixed(X), fixed(X.astype("f4")), X[::-1, ::-1], X * 0, np.asfortranarray(X)):
        for options in (
            {}, {"solver": "lbfgs"}, {"solver": "sgd", "batch_size": 1}, {"keep_prob": 0.5},
            {"keep_stages": True}, {"early_stopping": rows > 2, "validation_fraction": 0.4},
        ):
            for kind in (MLPClassifier, MLPRegressor):
                model = kind(hidden_layer_sizes=3, max_iter=2, random_state=0, **options)
                model.fit(data, fixed(y), sample_weight=weight).predict(data)
                if options.get("keep_stages"):
                    list(model.staged_loss(data, fixed(y)))
                if "keep_prob" in options:
                    (model.predict if kind is MLPRegressor else model.predict_proba)(data, True)
folder = tempfile.mkdtemp()
joblib.dump(MLPClassifier(max_iter=2).fit(X, y), os.path.join(folder, "m"))
mapped = joblib.load(os.path.join(folder, "m"), mmap_mode="r")
mapped.predict(fixed(X))
mapped.partial_fit(fixed(X), y)
"""


def test_no_warning_of_torchs_leaks():
    """torch warns once per process, about arrays that are read-only among others."""
    found = subprocess.run([sys.executable, "-c", _QUIET], capture_output=True, text=True)
    assert not found.returncode, found.stderr
    assert not found.stderr
