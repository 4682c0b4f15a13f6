"""Predictions with a known number of right ones, which the tests of statistics share."""

import numpy as np

from bridle.statistics.scores import judge_classes


def counts(right, rows):
    """Predictions of which the first ones are right, for one class."""
    return judge_classes((np.arange(rows) >= right).astype(int), np.zeros(rows, dtype=int))


def classes(rows, right, rng):
    """Predictions of which an exact number is right, for balanced two-class truth."""
    truth = np.arange(rows) % 2
    wrong = rng.permutation(rows)[: rows - right]
    codes = truth.copy()
    codes[wrong] = 1 - codes[wrong]
    return judge_classes(codes, truth)
