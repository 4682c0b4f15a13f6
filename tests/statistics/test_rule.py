"""The one rule of the verdict, on predictions whose right verdict is known."""

import math
import warnings

import numpy as np
import pytest
from judged_cases import counts
from scipy import stats

from bridle.statistics import (
    Claim,
    Rival,
    claims_of,
    compare,
    judge_classes,
    judge_gap,
    judge_values,
    rule,
)
from bridle.statistics.claims import LEVEL, gap_of, lead_of
from bridle.statistics.dominant import dominant_rows
from bridle.statistics.intervals import p_value_below
from bridle.statistics.scores import Estimate, undefined_values
from bridle.statistics.verdict import NOTHING, opening_of
from bridle.statistics.wording import TOLERANCE, estimate_text


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
    assert nobody.reason.startswith("accuracy cannot tell with 1.5 % of the rows in other classes")
    assert rule(constant, constant).verdict == "cannot tell"
    coin = np.arange(4000) % 2
    nothing = judge_classes(coin * 0, coin)
    nobody = rule(nothing, nothing, [rival(nothing, nothing)])
    assert "may say nothing" in nobody.reason


@pytest.mark.parametrize("outlier", [5.0, 50.0, 1e6])
@pytest.mark.parametrize("rows", [100, 1000])
def test_one_outlier_does_not_decide(outlier, rows):
    random = np.random.default_rng(5)
    x = random.normal(size=rows)
    truth = x + 0.3 * random.normal(size=rows)
    clean, exact = judge_values(x, truth), judge_values(x, x + 0.3 * random.normal(size=rows))
    truth[7] = outlier
    new = judge_values(x, truth)
    score = new.interval()
    assert score.low < new.value < clean.value < score.high < 0.98
    found = rule(exact, new, part="test")
    assert found.verdict != "overfits"
    if rows == 100 or outlier > 5:
        assert found.verdict == "cannot tell"
        assert "one of the new rows makes up" in found.reason
        assert p_value_below(new, exact.value - TOLERANCE) > LEVEL


def test_three_of_six_rows_are_not_said_to_dominate():
    errors = np.array([0.1, 0.1, -0.2, 1.0, -1.1, 0.9])
    judged = judge_values(np.arange(6.0) + errors, np.arange(6.0))
    assert np.sort(judged.rows)[-3:].sum() > 0.9 * judged.rows.sum()
    assert dominant_rows(judged) is None


def test_two_outliers_do_not_decide_either_and_good_rows_are_not_named():
    random = np.random.default_rng(5)
    x = random.normal(size=200)
    truth = x + 0.3 * random.normal(size=200)
    clean = judge_values(x, truth)
    assert dominant_rows(clean) is None
    assert clean.studentized.resampled is None
    truth[[7, 8]] = 30.0, -30.0
    assert rule(clean, judge_values(x, truth)).verdict == "cannot tell"


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


@pytest.mark.parametrize("rows", [2, 20, 97, 200, 300])
@pytest.mark.parametrize("known", [0.01, 0.6, 0.985, 1.0])
def test_a_claim_about_the_gap_holds_where_its_interval_is_beyond_the_tolerance(rows, known):
    for right in range(rows + 1):
        new = counts(right, rows)
        gap = gap_of(known, new)
        holds = {each.claim: each.holds for each in claims_of(known, new, [])}
        assert holds["overfits"] == (gap.low > TOLERANCE)
        assert holds["does not overfit"] == (gap.high < TOLERANCE)
        assert gap.low <= gap.value <= gap.high


@pytest.mark.parametrize("rows", [20, 100, 200, 500])
def test_no_claim_about_the_gap_is_wrong_more_often_than_its_level(rows):
    """By enumeration, at the true score where the gap is just the tolerance."""
    for known in (0.9, 0.95, 1.0):
        chances = stats.binom.pmf(np.arange(rows + 1), rows, known - TOLERANCE)
        gaps = [gap_of(known, counts(right, rows)) for right in range(rows + 1)]
        above = np.array([each.low > TOLERANCE for each in gaps])
        below = np.array([each.high < TOLERANCE for each in gaps])
        assert chances[above].sum() <= LEVEL
        assert chances[below].sum() <= LEVEL


def test_a_gap_of_r2_holds_where_its_interval_is_beyond_the_tolerance(rng):
    seen = set()
    for _ in range(150):
        truth = rng.normal(size=60)
        new = judge_values(truth + 0.3 * rng.normal(size=60), truth)
        for known in (new.value + 0.02, new.value + 0.05, new.value - 0.01):
            gap = gap_of(known, new)
            holds = {each.claim: each.holds for each in claims_of(known, new, [])}
            assert holds["overfits"] == (gap.low > TOLERANCE)
            assert holds["does not overfit"] == (gap.high < TOLERANCE)
            seen.add((holds["overfits"], holds["does not overfit"]))
    assert len(seen) == 3


def test_a_gap_that_wilson_alone_would_show_is_not_written_as_shown():
    found = judge_gap(counts(600, 600), counts(192, 200))
    assert found.verdict == "cannot tell"
    assert "4.0 points (1.7 to 7.7): it may be above or below 2 points" in found.reason
    tiny = judge_gap(counts(6, 6), counts(1, 2))
    assert tiny.gap.low < 0.02 < tiny.gap.high
    assert tiny.evidence.endswith("a gap of 50.0 points (1.3 to 90.5)")


def test_the_interval_of_a_lead_that_is_not_shown_contains_the_tolerance():
    truth = np.arange(400) % 2
    new = predicted(truth, 80)
    unshown = 0
    for better in range(40, 80):
        for count in (1, 3):
            others = [rival(new, predicted(truth, better), f"learner {n}") for n in range(count)]
            lead = lead_of(others[0], count)
            (claim,) = (each for each in claims_of(0.8, new, others) if each.claim == "underfits")
            assert claim.holds == (lead.low > TOLERANCE)
            unshown += lead.low != others[0].comparison.difference.low
    assert unshown  # the two differ somewhere


@pytest.mark.parametrize("rows", [2, 3])
def test_two_or_three_rows_have_no_interval_of_r2(rows, rng):
    truth = rng.normal(size=40)
    known = judge_values(truth + 0.1 * rng.normal(size=40), truth)
    new = judge_values(truth[:rows] + 0.3, truth[:rows])
    other = judge_values(truth[:rows] + 0.1, truth[:rows])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = judge_gap(known, new, None, [rival(new, other)])
    assert found.verdict == "cannot tell"
    assert found.reason.startswith(f"{rows} held out rows are too few")
    assert math.isfinite(found.gap.value)
    assert math.isnan(found.gap.low)
    assert "e+" not in found.evidence
    assert found.rivals[0].comparison.answer == "cannot tell"


def test_few_rows_are_compared_without_a_warning(rng):
    """A bootstrap sample of few rows may have no spread: its estimate is infinitely far."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in range(2, 9):
            for _ in range(20):
                truth = rng.normal(size=rows)
                first, second = (judge_values(truth + rng.normal(size=rows), truth) for _ in "12")
                found = compare(first, second)
                assert math.isfinite(found.difference.value)
                first.interval()


@pytest.mark.parametrize(
    ("verdict", "reason", "holds", "said"),
    [
        ("underfits", "", [], "The plain network underfits"),
        ("fine", "", [], "The plain network is fine"),
        ("cannot tell", "R² is undefined: …", [], "Cannot tell about the plain network"),
        ("cannot tell", "the gap …", [False], "It is unclear whether the plain network overfits"),
        ("cannot tell", "the gap …", [True], "It is unclear whether the plain network underfits"),
        ("cannot tell", f"{NOTHING}: …", [True], "Cannot tell about the plain network"),
    ],
)
def test_the_opening_says_what_cannot_be_told(verdict, reason, holds, said):
    claims = [Claim("does not overfit", "", 0.0 if each else 1.0, LEVEL) for each in holds]
    assert opening_of("the plain network", verdict, reason, claims) == said


def test_learning_nothing_comes_before_a_lead_and_after_a_gap():
    """The order of the conditions in the guide."""
    truth = np.arange(2000) % 2
    constant = judge_classes(truth * 0, truth)
    nobody = rule(constant, constant, [rival(constant, constant)])
    assert nobody.verdict == "cannot tell"
    worse = judge_classes(np.where(np.arange(2000) < 900, truth, 1 - truth), truth)
    assert rule(constant, worse, [rival(worse, worse)]).verdict == "overfits"


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
