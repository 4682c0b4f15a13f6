"""The one rule of the verdict, on predictions whose right verdict is known."""

import math

import numpy as np
import pytest

from bridle.statistics import Rival, compare, judge_classes, judge_values, rule
from bridle.statistics.scores import Estimate, undefined_values
from bridle.statistics.wording import estimate_text


def predicted(truth, wrong):
    """Predictions for two classes that are wrong for the first rows of class 1, then of class 0."""
    order = np.argsort(-truth, kind="stable")
    codes = truth.copy()
    codes[order[:wrong]] = 1 - codes[order[:wrong]]
    return judge_classes(codes, truth)


def imbalanced(rows, positives=0.015):
    return (np.arange(rows) < positives * rows).astype(int)


def rival(new, other, name="gradient boosting"):
    return Rival(name, compare(new, other))


def test_rare_positives_that_are_found_are_not_underfitted():
    truth = imbalanced(2000)
    new = predicted(truth, 10)
    found = rule(predicted(truth, 0), new, [rival(new, predicted(truth, 12))], part="test")
    assert (new.value, new.baseline) == (0.995, 0.985)
    assert found.verdict == "fine"
    assert "0.5 points" in found.reason
    assert "below 2 points" in found.reason


def test_rare_positives_that_are_ignored_are_underfitted_where_another_learner_finds_them():
    truth = imbalanced(4000)
    constant = judge_classes(truth * 0, truth)
    better = rule(constant, constant, [rival(constant, predicted(truth, 10))])
    assert better.verdict == "underfits"  # though no lead can reach 2 points
    assert "learned next to nothing" in better.reason
    nobody = rule(constant, constant, [rival(constant, constant)])
    assert nobody.verdict == "cannot tell"
    assert "may say nothing" in nobody.reason


@pytest.mark.parametrize("unit", [1e-200, 1e-9, 1.0, 1e9, 1e200])
def test_the_unit_of_the_target_does_not_matter(rng, unit):
    truth = np.exp(rng.normal(size=400))
    known, new = truth + 0.02 * rng.normal(size=400), truth + 0.9 * rng.normal(size=400)
    found = rule(judge_values(known * unit, truth * unit), judge_values(new * unit, truth * unit))
    plain = rule(judge_values(known, truth), judge_values(new, truth))
    assert found.verdict == plain.verdict == "overfits"
    assert found.gap.low == pytest.approx(plain.gap.low)
    assert found.reason == plain.reason


def test_undefined_scores_cannot_tell():
    truth = np.arange(60) % 2
    one_class = judge_classes(np.ones(4, int), np.ones(4, int))
    found = rule(judge_classes(truth, truth), one_class, part="test")
    assert found.verdict == "cannot tell"
    assert "all 4 test rows are of one class" in found.reason
    values = judge_values(np.arange(9.0), np.arange(9.0))
    constant = rule(values, undefined_values(4), part="test")
    assert constant.verdict == "cannot tell"
    assert "R² is undefined" in constant.reason
    assert "nan" not in constant.reason
    unknown = compare(undefined_values(4), undefined_values(4))
    assert unknown.answer == "cannot tell"
    assert estimate_text(unknown.difference, share=False) == "undefined"


def test_one_row_of_each_class_is_judged():
    truth = np.arange(30)
    found = rule(judge_classes(truth, truth), judge_classes(np.zeros(10, int), np.arange(10)))
    assert found.verdict == "overfits"


def test_a_tiny_gap_is_fine_however_certain_it_is():
    truth = np.arange(20_000) % 2
    new = predicted(truth, 300)
    found = rule(predicted(truth, 0), new, [rival(new, predicted(truth, 290))])
    assert found.gap.low > 0
    assert found.verdict == "fine"


def test_twenty_rows_are_not_judged_as_twenty_thousand():
    def verdict(rows):
        truth = np.arange(rows) % 2
        return rule(predicted(truth, 0), predicted(truth, rows // 20)).verdict

    assert (verdict(20), verdict(20_000)) == ("cannot tell", "overfits")


def test_an_interval_and_a_verdict_never_contradict():
    """For every number of wrong rows: what is written is on the side of 2 points that is said."""
    for rows in (20, 97, 300):
        truth = np.arange(rows) % 2
        for wrong in range(rows // 2):
            found = rule(predicted(truth, 0), predicted(truth, wrong))
            if found.verdict == "overfits":
                assert found.gap.low > 0.02
            elif found.verdict == "fine":
                assert found.gap.high < 0.02


@pytest.mark.parametrize(
    ("estimate", "share", "text"),
    [
        (Estimate(0.255, 0.195, 0.325), True, "25.5 points (19.5 to 32.5)"),
        (Estimate(0.255, 0.195, 0.315), True, "25.5 ± 6.0 points"),
        (Estimate(0.045, 0.0204, 0.0696), True, "4.5 points (2.04 to 7.0)"),
        (Estimate(0.9, 0.5, 0.95), False, "0.900 (0.500 to 0.950)"),
        (Estimate(0.5, 0.5, 0.5), True, "50.0 points"),
        (Estimate(0.1, math.nan, math.nan), False, "0.100"),
    ],
)
def test_estimates_in_words(estimate, share, text):
    assert estimate_text(estimate, share=share) == text


@pytest.mark.parametrize("rows", [100, 400])
def test_r2_of_a_skewed_target_is_covered(rng, rows):
    """The squared errors have a long tail, which Student's interval does not know."""

    def sample(count):
        level, other = rng.normal(size=(2, count))
        return np.exp(0.4 * level + 0.3 * other), np.exp(0.4 * level + 0.045)

    truth, guess = sample(2_000_000)
    true = judge_values(guess, truth).value
    hits = []
    for _ in range(300):
        truth, guess = sample(rows)
        interval = judge_values(guess, truth).interval()
        hits.append(interval.low <= true <= interval.high)
    assert np.mean(hits) > 0.91
