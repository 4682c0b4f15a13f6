"""Staged predictions: those of the network after each epoch."""

import numpy as np
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
