"""Predictions that the tests of diagnosis share."""

import numpy as np

from bridle.diagnosis.predictions import Predictions


def binary(rng, rows, sharpness=1.0):
    """Probabilities of two classes, which are right where the sharpness is 1."""
    log_odds = rng.normal(size=rows) * 2
    truth = (rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(int)
    ones = 1 / (1 + np.exp(-sharpness * log_odds))
    return Predictions.of_probabilities(truth, np.stack([1 - ones, ones], 1), ("no", "yes"))


def said(right, rows):
    """Predictions of which the first ones are right, for one class."""
    codes = (np.arange(rows) >= right).astype(int)
    return Predictions(np.zeros(rows, int), codes, None, (0, 1))
