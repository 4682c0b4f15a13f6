"""Intervals and p-values, against their formulas, scipy and exact enumeration."""

import math

import numpy as np
import pytest
from judged_cases import counts
from scipy import stats

from bridle.errors import UsageError
from bridle.statistics.claims import LEVEL
from bridle.statistics.intervals import (
    corrected_interval,
    lead_p_values,
    mcnemar_p_value,
    mean_interval,
    p_value_above,
    p_value_below,
)
from bridle.statistics.scores import Estimate, judge_classes, judge_values


def test_corrected_interval_is_the_formula():
    folds = [0.11, 0.05, 0.20, 0.08, 0.16]
    found = corrected_interval(folds, 0.25)
    error = math.sqrt((1 / 5 + 1 / 4) * np.var(folds, ddof=1))
    assert found.value == pytest.approx(0.12)
    assert found.margin == pytest.approx(stats.t.ppf(0.975, 4) * error)
    with pytest.raises(UsageError, match="2 folds or more, not 1"):
        corrected_interval([0.1], 0.25)


@pytest.mark.parametrize(("first", "second", "both"), [(9, 3, 20), (0, 6, 4), (0, 0, 5), (7, 7, 0)])
def test_mcnemar_is_the_binomial_test(first, second, both):
    one = np.r_[np.ones(first), np.zeros(second), np.ones(both)].astype(int)
    other = np.r_[np.zeros(first), np.ones(second), np.ones(both)].astype(int)
    truth = np.ones(first + second + both, dtype=int)
    found = mcnemar_p_value(judge_classes(one, truth), judge_classes(other, truth))
    wanted = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert found == pytest.approx(wanted)


def test_mean_interval_is_students_where_nothing_is_skewed():
    values = np.r_[np.linspace(-1, 1, 51), -np.linspace(-1, 1, 51)]
    found = mean_interval(values)
    wide = stats.t.ppf(0.975, 101) * stats.sem(values)
    assert found.low == pytest.approx(-wide)
    assert found.high == pytest.approx(wide)


def test_a_mean_of_losses_is_not_negative():
    losses = np.array([0.01, 0.02, 0.05, 0.1, 0.5, 5.0])
    assert mean_interval(losses).low < 0
    assert mean_interval(losses, least=0.0).low == 0
    groups = np.arange(6).repeat(2)
    assert mean_interval(losses.repeat(2), groups, least=0.0).low == 0


def test_mean_interval_of_equal_values_has_no_width():
    assert mean_interval(np.full(7, 0.3)) == Estimate(0.3, 0.3, 0.3)
    assert mean_interval(np.array([0.3])) == Estimate(0.3, 0.3, 0.3)


def test_mean_interval_holds_a_skewed_mean_and_misses_on_both_sides(rng):
    """Student's misses the mean of an exponential below almost only."""
    draws = rng.exponential(size=(2000, 50))
    found = [mean_interval(each) for each in draws]
    low, high = (
        np.mean([each.low > 1 for each in found]),
        np.mean([each.high < 1 for each in found]),
    )
    assert 0.03 < low + high < 0.07
    assert high < 2.5 * low
    student = draws.mean(1) + stats.t.ppf(0.975, 49) * stats.sem(draws, axis=1)
    assert np.mean(student < 1) > high


@pytest.mark.parametrize("rows", [40, 200])
def test_p_values_of_accuracy_are_exact(rows):
    """By enumeration: no claim is made more often than its level at the worst truth."""
    bound = 0.8
    weights = stats.binom.pmf(np.arange(rows + 1), rows, bound)
    for p_value in (p_value_below, p_value_above):
        claimed = [p_value(counts(right, rows), bound) <= LEVEL for right in range(rows + 1)]
        assert weights[claimed].sum() <= LEVEL
        assert any(claimed)


def test_p_values_of_r2_are_even(rng):
    below = []
    for _ in range(800):
        truth = rng.normal(size=300)
        judged = judge_values(truth + 0.5 * rng.normal(size=300), truth)
        below.append(p_value_below(judged, 0.75))
        assert below[-1] + p_value_above(judged, 0.75) == pytest.approx(1)
    assert stats.kstest(below, "uniform").pvalue > 0.001


def test_p_values_at_the_ends():
    perfect = judge_values(np.arange(4.0), np.arange(4.0))
    assert (p_value_below(perfect, 0.9), p_value_above(perfect, 0.9)) == (1.0, 0.0)
    assert p_value_above(counts(5, 10), -0.5) == 0.0
    assert lead_p_values(Estimate(0.1, 0.1, 0.1), 0.02) == (0.0, 1.0)


def test_few_rows_show_a_low_r2_no_more_often_than_the_level(rng):
    """The variance of few rows around their own mean is too small, and R² with it."""
    true = 1 - 0.53 / 1.49
    shown = []
    for _ in range(200):
        level, other = rng.normal(size=(2, 6))
        shown.append(p_value_below(judge_values(0.8 * level, level + 0.7 * other), true) <= 0.025)
    assert np.mean(shown) <= 0.04
