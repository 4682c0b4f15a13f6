"""Scores of rows in groups: intervals that hold for new groups."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from bridle.statistics import compare, judge_classes, judge_values, rule
from bridle.statistics.grouped import effective_rows
from bridle.statistics.intervals import mean_interval, p_value_above, p_value_below
from bridle.statistics.shares import at_least, at_most, exact, wilson

TRUE = 0.8


def _judged(rng, groups, alike):
    """Accuracy of rows whose groups have chances of their own, with mean 0.8."""
    codes = np.arange(groups).repeat(rng.poisson(7, groups) + 1)
    chance = np.full(groups, TRUE)
    if alike:
        chance = rng.beta(TRUE * (1 / alike - 1), (1 - TRUE) * (1 / alike - 1), groups)
    wrong = (rng.random(len(codes)) > chance[codes]).astype(int)
    return judge_classes(wrong, np.zeros_like(wrong), codes)


@pytest.mark.parametrize(("groups", "alike"), [(6, 0.3), (15, 0.9), (40, 0), (40, 0.3)])
def test_error_rates_of_the_claims(rng, groups, alike):
    judged = [_judged(rng, groups, alike) for _ in range(250)]
    low = np.mean([p_value_below(each, TRUE) <= 0.025 for each in judged])
    high = np.mean([p_value_above(each, TRUE) <= 0.025 for each in judged])
    assert max(low, high) <= 0.05  # 0.025, with room for 250 simulations
    inside = [e.interval().low <= TRUE <= e.interval().high for e in judged]
    assert np.mean(inside) >= 0.93
    if alike:
        alone = [judge_classes((e.rows == 0).astype(int), 0 * e.groups) for e in judged]
        rowwise = [e.interval().low <= TRUE <= e.interval().high for e in alone]
        assert np.mean(rowwise) < np.mean(inside) - 0.04  # rows as if independent


def test_intervals_of_r2_and_of_losses(rng):
    counts = {"R²": [], "difference": [], "loss": []}
    for _ in range(40):
        codes = np.arange(30).repeat(rng.poisson(7, 30) + 1)
        shared = rng.normal(size=(3, 30))[:, codes]
        alone = rng.normal(size=(3, len(codes)))
        truth, first, second = np.sqrt(0.5) * (shared + alone)
        one, two = (judge_values(truth + 0.6 * e, truth, codes) for e in (first, second))
        intervals = {
            "R²": (one.interval(), 0.64),
            "difference": (compare(one, two).difference, 0.0),
            "loss": (mean_interval(first**2, codes), 1.0),
        }
        for name, (found, true) in intervals.items():
            counts[name].append(found.low <= true <= found.high)
    assert all(np.mean(each) >= 0.85 for each in counts.values()), counts


def test_equal_rows_count_once():
    groups = np.arange(40).repeat(8)
    right = (np.arange(40) < 30).astype(int).repeat(8)
    grouped = judge_classes(right, np.ones(320, int), groups).interval()
    single = judge_classes((np.arange(40) < 30).astype(int), np.ones(40, int)).interval()
    assert grouped.low == pytest.approx(single.low)
    assert grouped.high == pytest.approx(single.high)
    assert effective_rows(np.ones(320), groups) == 40


def test_groups_of_one_row_are_nearly_rows(rng):
    wrong = (rng.random(400) < 0.3).astype(int)
    rows = judge_classes(wrong, np.zeros(400, int))
    groups = judge_classes(wrong, np.zeros(400, int), np.arange(400))
    assert groups.interval().margin == pytest.approx(rows.interval().margin, rel=0.02)


def test_a_comparison_is_paired_by_group(rng):
    groups = np.arange(20).repeat(10)
    truth = np.zeros(200, int)
    lucky = np.where(groups < 2, 0, 1)  # better in two whole groups
    first, second = judge_classes(np.ones(200, int), truth), judge_classes(lucky, truth)
    assert compare(first, second).answer == "better"
    first, second = (judge_classes(e, truth, groups) for e in (np.ones(200, int), lucky))
    found = compare(first, second)
    assert found.answer == "cannot tell"
    assert sum(found.discordant) == pytest.approx(2)


def test_four_groups_are_too_few():
    truth = np.arange(40) % 2
    new = judge_classes(truth, truth, np.arange(40) // 10)
    assert not new.has_interval
    found = rule(judge_classes(truth, truth), new, part="test")
    assert (found.verdict, found.claims) == ("cannot tell", ())
    assert found.reason.startswith("the rows of 4 test groups are too few")
    assert np.isnan(mean_interval(np.arange(40.0), np.arange(40) // 10).low)


def test_counts_that_are_whole_are_binomial():
    for right, total in ((0, 9), (3, 9), (9, 9), (40, 77)):
        test = binomtest(right, total)
        for mine, method in ((wilson, "wilson"), (exact, "exact")):
            bounds = test.proportion_ci(method=method)
            assert mine(right, total) == pytest.approx((bounds.low, bounds.high), abs=1e-12)
        assert at_most(right, total, 0.4) == pytest.approx(binom.cdf(right, total, 0.4))
        assert at_least(right, total, 0.4) == pytest.approx(binom.sf(right - 1, total, 0.4))
