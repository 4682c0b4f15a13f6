"""Scores, their intervals and paired comparisons, against independent computations."""

import math

import numpy as np
import pytest
from judged_cases import classes, counts
from scipy.stats import binom
from sklearn.metrics import accuracy_score, r2_score

from bridle.errors import DataError, UsageError
from bridle.statistics.scores import compare, gap_between, judge_classes, judge_values


def test_scores_equal_scikit_learn(rng):
    truth, codes = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    assert judge_classes(codes, truth).value == pytest.approx(accuracy_score(truth, codes))
    values, guesses = rng.normal(size=50), rng.normal(size=50)
    assert judge_values(guesses, values).value == pytest.approx(r2_score(values, guesses))


def test_baseline_is_the_best_constant_prediction():
    truth = np.array([0, 0, 0, 1])
    assert judge_classes(truth, truth).baseline == 0.75
    assert judge_values(np.zeros(4), np.arange(4.0)).baseline == 0.0


@pytest.mark.parametrize("p_held", [0.9, 0.7])
def test_gap_interval_covers_the_truth(p_held):
    """By exact enumeration of the held-out rows that there could be, not by simulation."""
    n, m = 60, 40
    covered = 0.0
    for b in range(m + 1):
        gap = gap_between(counts(57, n), counts(b, m))
        covered += binom.pmf(b, m, p_held) * (gap.low <= 57 / n - p_held <= gap.high)
    assert 0.93 < covered < 0.97


def test_r2_interval_covers_the_truth(rng):
    covered = []
    for _ in range(600):
        truth = rng.normal(size=150)
        interval = judge_values(truth + rng.normal(scale=0.6, size=150), truth).interval()
        covered.append(interval.low <= 1 - 0.36 <= interval.high)
    assert 0.92 < np.mean(covered) < 0.98


def test_r2_error_is_the_spread_over_repeated_samples(rng):
    values, errors = [], []
    for _ in range(400):
        truth = rng.normal(size=300)
        judged = judge_values(truth + rng.normal(scale=0.5, size=300), truth)
        values.append(judged.value)
        errors.append(judged.standard_error())
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def test_paired_comparison_knows_better_same_and_worse(rng):
    weak, strong = classes(2000, 1400, rng), classes(2000, 1700, rng)
    assert compare(weak, strong).answer == "better"
    assert compare(strong, weak).answer == "worse"
    assert compare(strong, strong).answer == "same"


def test_few_rows_cannot_tell(rng):
    result = compare(classes(30, 20, rng), classes(30, 22, rng))
    assert result.answer == "cannot tell"
    assert math.isclose(result.better + result.same + result.worse, 1)
    assert result.difference.value == pytest.approx(2 / 30)


def test_pairing_is_sharper_than_two_samples(rng):
    """The same few rows changed sides: the paired interval must profit from it."""
    truth = np.zeros(1000, dtype=int)
    first, second = truth.copy(), truth.copy()
    first[:300], second[:270] = 1, 1
    paired = compare(judge_classes(first, truth), judge_classes(second, truth))
    unpaired = gap_between(judge_classes(second, truth), judge_classes(first, truth))
    assert paired.difference.margin < 0.5 * unpaired.margin
    assert paired.answer == "better"


def test_regression_is_compared_on_paired_errors(rng):
    truth = rng.normal(size=400)
    noise = rng.normal(size=400)
    result = compare(
        judge_values(truth + 0.5 * noise, truth), judge_values(truth + 0.3 * noise, truth)
    )
    assert result.answer == "better"
    assert result.difference.value == pytest.approx(
        r2_score(truth, truth + 0.3 * noise) - r2_score(truth, truth + 0.5 * noise)
    )


def test_bad_input_is_named():
    with pytest.raises(UsageError, match="3 predictions for 2 rows"):
        judge_classes(np.zeros(3, dtype=int), np.zeros(2, dtype=int))
    with pytest.raises(UsageError, match="0 predictions"):
        judge_values(np.zeros(0), np.zeros(0))
    with pytest.raises(DataError, match="all 4 true values are 2"):
        judge_values(np.zeros(4), np.full(4, 2.0))
    with pytest.raises(UsageError, match="cannot pair"):
        compare(counts(3, 5), counts(3, 6))


def test_an_answer_never_contradicts_its_interval(rng):
    answers = set()
    for rows in (6, 20, 200, 2000):
        truth = np.arange(rows) % 2
        for wrong in range(0, rows // 2, max(1, rows // 50)):
            codes = truth.copy()
            codes[: wrong // 3] = 1 - codes[: wrong // 3]
            worst = np.where(np.arange(rows) < rows - wrong, truth, 1 - truth)
            pairs = [(judge_classes(codes, truth), judge_classes(worst, truth))]
            values = rng.standard_cauchy(rows)
            first, second = (values + rng.normal(size=rows) * s for s in (1, 1 + wrong / rows))
            pairs.append((judge_values(first, values), judge_values(second, values)))
            for pair in pairs:
                found = compare(*pair)
                answers.add(found.answer)
                low, high = found.difference.low, found.difference.high
                assert found.answer != "better" or low > 0
                assert found.answer != "worse" or high < 0
                assert found.answer != "same" or max(-low, high) <= 0.01
    assert {"same", "worse", "cannot tell"} <= answers


@pytest.mark.parametrize("gained", range(3, 9))
def test_a_difference_excludes_zero_only_if_the_exact_test_does(gained):
    truth = np.zeros(400, dtype=int)
    one = judge_classes((np.arange(400) < 8).astype(int), truth)
    other = judge_classes(((np.arange(400) >= gained) & (np.arange(400) < 8)).astype(int), truth)
    shown = 0.5**gained <= 0.025
    assert (compare(one, other).difference.low > 0) == shown
    assert (compare(other, one).difference.high < 0) == shown
