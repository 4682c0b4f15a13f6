"""The record of each epoch: validation loss, history and staged predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import log_loss

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
