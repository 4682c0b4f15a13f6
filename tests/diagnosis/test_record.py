"""The parts of a diagnosis against hand computations, scikit-learn, scipy and exact enumeration."""

import json
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from bridle.diagnosis import Claim
from bridle.diagnosis.assemble import Measurements, assemble
from bridle.diagnosis.calibration import calibration_of, expected_calibration_error
from bridle.diagnosis.curves import curves_of
from bridle.diagnosis.predictions import Predictions
from bridle.diagnosis.verdict import LEVEL, claims_of, verdict_of
from bridle.errors import DataError, UsageError
from bridle.networks.history import History
from bridle.statistics.intervals import (
    corrected_interval,
    lead_p_values,
    mcnemar_p_value,
    mean_interval,
    p_value_above,
    p_value_below,
)
from bridle.statistics.scores import Estimate, judge_classes, judge_values


def _counts(right, rows):
    return judge_classes((np.arange(rows) >= right).astype(int), np.zeros(rows, dtype=int))


def _binary(rng, rows, sharpness=1.0):
    """Probabilities of two classes, which are right where the sharpness is 1."""
    log_odds = rng.normal(size=rows) * 2
    truth = (rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(int)
    ones = 1 / (1 + np.exp(-sharpness * log_odds))
    return Predictions.of_probabilities(truth, np.stack([1 - ones, ones], 1), ("no", "yes"))


# ------------------------------------------------------------------------------- intervals


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
        claimed = [p_value(_counts(right, rows), bound) <= LEVEL for right in range(rows + 1)]
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
    assert p_value_above(_counts(5, 10), -0.5) == 0.0
    assert lead_p_values(Estimate(0.1, 0.1, 0.1), 0.02) == (0.0, 1.0)


# ------------------------------------------------------------------------------ calibration


def test_ece_by_hand():
    confidence = np.array([0.95, 0.85, 0.85, 0.55])
    right = np.array([1, 0, 1, 1])
    # |0.95 - 1| + 2 |0.85 - 0.5| + |0.55 - 1|, over four rows
    assert expected_calibration_error(confidence, right) == pytest.approx((0.05 + 0.7 + 0.45) / 4)


def test_ece_from_scikit_learns_calibration_curve(rng):
    said = _binary(rng, 400, sharpness=2.0)
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
    said = _binary(rng, 300)
    found = calibration_of("test", said)
    ones = said.probabilities[:, 1]
    assert found.nll.value == pytest.approx(log_loss(said.truth, ones))
    assert found.brier.value == pytest.approx(2 * brier_score_loss(said.truth, ones))


def test_right_probabilities_are_rarely_called_wrong_and_sharp_ones_are(rng):
    right = [calibration_of("test", _binary(rng, 300), seed=at).p_value for at in range(200)]
    assert np.mean(np.array(right) < 0.05) < 0.11
    sharp = calibration_of("test", _binary(rng, 2000, sharpness=3.0))
    assert sharp.p_value < 0.01
    assert sharp.overconfidence.low > 0
    assert sharp.ece > 2 * sharp.ece_if_calibrated


def test_bare_classes_have_no_calibration():
    assert (
        calibration_of("test", Predictions(np.zeros(3, int), np.zeros(3, int), None, (0, 1)))
        is None
    )


# -------------------------------------------------------------------------------- the rule


def _claim(name, holds):
    return Claim(name, "", 0.0 if holds else 1.0, LEVEL)


@pytest.mark.parametrize(
    ("holding", "verdict"),
    [
        ({"overfits"}, "overfits"),
        ({"overfits", "underfits"}, "overfits"),
        ({"underfits", "does not overfit"}, "underfits"),
        ({"does not overfit", "does not underfit"}, "fine"),
        ({"does not overfit"}, "cannot tell"),
        ({"does not underfit"}, "cannot tell"),
        (set(), "cannot tell"),
    ],
)
def test_verdict_follows_from_the_claims(holding, verdict):
    names = ("overfits", "does not overfit", "underfits", "does not underfit")
    assert verdict_of([_claim(name, name in holding) for name in names]) == verdict


def _said(right, rows, order=None):
    codes = (np.arange(rows) >= right).astype(int)
    return Predictions(np.zeros(rows, int), codes if order is None else codes[order], None, (0, 1))


def _diagnosed(train, new, *, references=None, **options):
    parts = {"training": _said(*train), "held out": _said(*new)}
    return assemble(
        Measurements("it", "classification", parts, references=references or {}, **options)
    )


def test_a_wide_gap_overfits_and_says_so():
    found = _diagnosed((1000, 1000), (800, 1000))
    assert found.verdict == "overfits"
    assert found.evidence[0].startswith("accuracy 100.0 % in training, 80.0 % on held-out rows")
    assert found.gap.value.value == pytest.approx(0.2)
    assert found.gap.standard_error == pytest.approx(math.sqrt(0.8 * 0.2 / 1000))
    assert found.training.score.margin == 0


def test_a_better_reference_means_underfitting():
    found = _diagnosed((700, 1000), (700, 1000), references={"boosting": _said(850, 1000)})
    assert found.verdict == "underfits"
    (reference,) = found.references
    assert reference.comparison.difference.value == pytest.approx(0.15)
    assert reference.mcnemar_p_value < 1e-10
    assert any("boosting" in line for line in found.advice)


def test_little_gap_and_no_lead_is_fine_but_needs_a_reference():
    rows = (18_000, 20_000)
    assert _diagnosed(rows, rows, references={"boosting": _said(*rows)}).verdict == "fine"
    found = _diagnosed(rows, rows)
    assert found.verdict == "cannot tell"
    assert "does not overfit" in found.advice[0]


def test_two_references_share_the_level():
    others = {"one": _said(740, 1000), "two": _said(700, 1000)}
    claims = claims_of(
        0.7,
        _said(700, 1000).judged,
        _diagnosed((700, 1000), (700, 1000), references=others).references,
    )
    under = next(each for each in claims if each.claim == "underfits")
    assert under.level == LEVEL / 2
    assert under.null.startswith("one leads")


def test_few_rows_cannot_tell_and_are_told_how_many_they_need():
    found = _diagnosed((80, 100), (30, 40))
    assert found.verdict == "cannot tell"
    assert "there are 40 (held out)" in found.advice[0]


def test_the_test_part_is_the_honest_one_where_held_out_rows_chose():
    parts = {"training": _said(90, 100), "held out": _said(85, 100), "test": _said(60, 100)}
    chosen = assemble(Measurements("it", "classification", parts, selected=True))
    plain = assemble(Measurements("it", "classification", parts))
    assert chosen.gap.measured_on == "test"
    assert chosen.gap.value.value == pytest.approx(0.3)
    assert plain.gap.measured_on == "held out"
    assert plain.gap.value.value == pytest.approx(0.05)


def test_worst_rows_are_the_highest_losses(rng):
    said = _binary(rng, 60)
    moved = Predictions.of_probabilities(
        said.truth, said.probabilities, said.classes, np.arange(60) + 5
    )
    found = assemble(Measurements("it", "classification", {"held out": moved}, worst=3))
    order = np.argsort(-said.losses)[:3]
    assert [each.row for each in found.worst] == (order + 5).tolist()
    assert found.worst[0].loss == pytest.approx(said.losses.max())
    assert found.worst[0].truth == ("no", "yes")[said.truth[order[0]]]


def test_folds_are_taken_apart(rng):
    truth = np.zeros(40, int)
    seen, unseen = rng.integers(0, 2, 40) * 0, rng.integers(0, 2, 40)
    fold = np.arange(40) % 4
    parts = {
        "training": Predictions(truth, seen, None, (0, 1)),
        "held out": Predictions(truth, unseen, None, (0, 1)),
    }
    found = assemble(Measurements("it", "classification", parts, fold=fold)).gap
    wanted = [unseen[fold == each].mean() for each in range(4)]
    assert found.folds == pytest.approx(wanted)
    assert found.folds_corrected == corrected_interval(found.folds, 1 / 3)


def test_the_record_is_json_and_names_nothing_that_is_not_there():
    found = assemble(Measurements("it", "regression", {}))
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["gap"] is None
    assert found.verdict == "cannot tell"
    with pytest.raises(AttributeError):
        found.verdict = "fine"


def test_predictions_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="row 1 is not a finite number"):
        Predictions(np.zeros(2), np.array([0.0, np.nan]))
    with pytest.raises(UsageError, match="3 predictions for 2 rows"):
        Predictions(np.zeros(2), np.zeros(3))


# ------------------------------------------------------------------------------ the curves


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
