"""The learning curves of a diagnosis."""

import numpy as np
import pytest

from bridle.diagnosis.curves import curves_of
from bridle.networks.history import History


def test_curves_know_the_best_epoch_and_the_slopes():
    epochs = np.arange(1, 41, dtype=float)
    held_out = 0.5 + 0.01 * np.abs(epochs - 12)
    train = 1 - 0.02 * epochs
    zeros = np.zeros((40, 1))
    history = History(
        train_loss=train[:, None],
        train_score=zeros,
        held_out_loss=held_out[:, None],
        held_out_score=zeros,
        noise=zeros,
        penalty=zeros,
        epochs_kept=np.array([40]),
        score_name="R²",
        rows=(10, 10),
    )
    found = curves_of(history, 0)
    assert (found.best_epoch, found.last_epoch, found.kept_epoch) == (12, 40, 40)
    assert found.excess == pytest.approx(0.28)
    assert found.train_slope == pytest.approx(-0.02)
    assert found.held_out_slope == pytest.approx(0.01)
