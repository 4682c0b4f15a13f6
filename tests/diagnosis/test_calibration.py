"""Calibration, by hand and against scikit-learn."""

import numpy as np
import pytest
from prediction_cases import binary
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from bridle.diagnosis.calibration import calibration_of, expected_calibration_error
from bridle.diagnosis.predictions import Predictions


def test_ece_by_hand():
    confidence = np.array([0.95, 0.85, 0.85, 0.55])
    right = np.array([1, 0, 1, 1])
    # |0.95 - 1| + 2 |0.85 - 0.5| + |0.55 - 1|, over four rows
    assert expected_calibration_error(confidence, right) == pytest.approx((0.05 + 0.7 + 0.45) / 4)


def test_ece_from_scikit_learns_calibration_curve(rng):
    said = binary(rng, 400, sharpness=2.0)
    confidence = said.probabilities.max(1)
    right = said.values == said.truth
    shares, means = calibration_curve(right, confidence, n_bins=10, strategy="uniform")
    counts = np.histogram(confidence, bins=np.linspace(0, 1, 11))[0]
    wanted = (np.abs(shares - means) * counts[counts > 0]).sum() / 400
    assert expected_calibration_error(confidence, right) == pytest.approx(wanted)
    found = calibration_of("test", said)
    assert found.ece == pytest.approx(wanted)
    assert [each.rows for each in found.bins] == counts[counts > 0].tolist()
    np.testing.assert_allclose([each.confidence for each in found.bins], means)
    np.testing.assert_allclose([each.accuracy.value for each in found.bins], shares)


def test_nll_and_brier_are_scikit_learns(rng):
    said = binary(rng, 300)
    found = calibration_of("test", said)
    ones = said.probabilities[:, 1]
    assert found.nll.value == pytest.approx(log_loss(said.truth, ones))
    assert found.brier.value == pytest.approx(2 * brier_score_loss(said.truth, ones))


def test_right_probabilities_are_rarely_called_wrong_and_sharp_ones_are(rng):
    right = [calibration_of("test", binary(rng, 300), seed=at).p_value for at in range(200)]
    assert np.mean(np.array(right) < 0.05) < 0.11
    sharp = calibration_of("test", binary(rng, 2000, sharpness=3.0))
    assert sharp.p_value < 0.01
    assert sharp.overconfidence.low > 0
    assert sharp.ece > 2 * sharp.ece_if_calibrated


def test_bare_classes_have_no_calibration():
    assert (
        calibration_of("test", Predictions(np.zeros(3, int), np.zeros(3, int), None, (0, 1)))
        is None
    )


def test_the_loss_of_a_rare_class_is_in_its_interval(rng):
    """Without a row of the rare class, all rows have the same small loss."""
    rare, inside = 0.015, []
    shares = np.tile([1 - rare, rare], (100, 1))
    true = {"nll": -np.log([1 - rare, rare]) @ [1 - rare, rare], "overconfidence": 0.0}
    true["brier"] = 2 * rare * (1 - rare)
    for _ in range(60):
        truth = (rng.random(100) < rare).astype(int)
        found = calibration_of("test", Predictions.of_probabilities(truth, shares, (0, 1)))
        inside.append(
            [getattr(found, n).low <= at <= getattr(found, n).high for n, at in true.items()]
        )
    assert np.mean(inside, axis=0).min() >= 0.93
