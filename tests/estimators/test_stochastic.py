"""The loop over epochs: what it records, and what `partial_fit` continues."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning

from bridle import MLPClassifier, MLPRegressor
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_DIGITS, Y_DIGITS = load_digits(return_X_y=True)
X_DIGITS = X_DIGITS / 16
X_VALUES, Y_VALUES = load_diabetes(return_X_y=True)
X_VALUES, Y_VALUES = 20 * X_VALUES, (Y_VALUES - Y_VALUES.mean()) / Y_VALUES.std()


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


def test_partial_fit_continues_the_masks():
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
def test_partial_fit_keeps_the_dtype_of_the_network(solver):
    rows, y = X_DIGITS[:100], Y_DIGITS[:100]
    wide = MLPClassifier(solver=solver, random_state=0, max_iter=3).fit(rows, y)
    mixed = MLPClassifier(solver=solver, random_state=0, max_iter=3).fit(rows, y)
    weight = np.ones(100, np.float32)
    for _ in range(3):
        wide.partial_fit(rows, y)
        mixed.partial_fit(rows.astype(np.float32), y, sample_weight=weight)
    assert mixed.coefs_[0].dtype == np.float64
    np.testing.assert_allclose(mixed.loss_curve_, wide.loss_curve_, rtol=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_of_a_shallow_copy_leaves_the_first_alone(solver):
    """And no call keeps the arrays of an earlier one."""
    first = MLPClassifier(solver=solver, random_state=0)
    first.partial_fit(X_DIGITS[:100], Y_DIGITS[:100], classes=np.arange(10))
    second, expected = copy.copy(first), copy.deepcopy(first)
    second.partial_fit(X_DIGITS[:100], Y_DIGITS[:100])
    name = "moment" if solver == "adam" else "velocity"
    state = getattr(first._optimizer, name)
    np.testing.assert_array_equal(state, getattr(expected._optimizer, name))
    assert not np.shares_memory(state, getattr(second._optimizer, name))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_loss_that_is_no_number_is_refused(solver):
    """With finite weights too: a float32 loss of large targets overflows."""
    rows, y = X_VALUES.astype(np.float32), Y_VALUES * 1e30
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match=r"Solver produced (a )?non-finite"),
    ):
        MLPRegressor(hidden_layer_sizes=4, solver=solver, max_iter=2).fit(rows, y)
    with pytest.raises(UsageError, match=r"y has the value .*e\+60, .* range of float32"):
        MLPRegressor(solver=solver).fit(rows, y * 1e30)
    with pytest.raises(UsageError, match="y has the dtype <U32; pass numbers"):
        MLPRegressor(solver=solver).fit(rows, Y_VALUES.astype(str))


def test_an_interrupt_in_the_first_epoch_leaves_a_loss():
    class Interrupted(MLPClassifier):
        def _train_epochs(self, *arguments):
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted"):
        assert np.isnan(Interrupted().fit(X_DIGITS, Y_DIGITS).loss_)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_gives_the_same_losses():
    options = {"keep_prob": 0.7, "l1": 1e-4, "random_state": 0, "max_iter": 5}
    here = MLPClassifier(**options).fit(X_DIGITS[:300], Y_DIGITS[:300])
    there = MLPClassifier(device="cuda", **options).fit(X_DIGITS[:300], Y_DIGITS[:300])
    np.testing.assert_allclose(here.loss_curve_, there.loss_curve_, rtol=1e-5)
