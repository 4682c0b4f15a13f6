"""The verdict of a diagnosis, on predictions with a known number of right ones."""

import math

import numpy as np
import pytest
from prediction_cases import binary, said
from scipy.stats import binom

from bridle.checks.verdicts import needed_rows, needed_text
from bridle.diagnosis.assemble import Measurements, assemble
from bridle.diagnosis.predictions import Predictions
from bridle.statistics import Claim
from bridle.statistics.claims import LEVEL, claims_of, verdict_of


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


def _diagnosed(train, new, *, references=None, **options):
    parts = {"training": said(*train), "held out": said(*new)}
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
    found = _diagnosed((700, 1000), (700, 1000), references={"boosting": said(850, 1000)})
    assert found.verdict == "underfits"
    (reference,) = found.references
    assert reference.comparison.difference.value == pytest.approx(0.15)
    assert reference.mcnemar_p_value < 1e-10
    assert any("boosting" in line for line in found.advice)


def test_little_gap_and_no_lead_is_fine_but_needs_a_reference():
    rows = (18_000, 20_000)
    assert _diagnosed(rows, rows, references={"boosting": said(*rows)}).verdict == "fine"
    found = _diagnosed(rows, rows)
    assert found.verdict == "cannot tell"
    assert "does not overfit" in found.advice[0]


def test_two_references_share_the_level():
    others = {"one": said(740, 1000), "two": said(700, 1000)}
    claims = claims_of(
        0.7,
        said(700, 1000).judged,
        _diagnosed((700, 1000), (700, 1000), references=others).references,
    )
    under = next(each for each in claims if each.claim == "underfits")
    assert under.level == LEVEL / 2
    assert under.null.startswith("one leads")


def test_advice_on_strengths_needs_to_know_them():
    def told(**facts):
        return " | ".join(_diagnosed((1000, 1000), (800, 1000), facts=facts).advice)

    assert "no regularizer is active" not in told()
    assert "no regularizer is active" in told(strengths={"l1": 0.0, "l2": 0.0})
    assert "strengthen the active regularizers: l2" in told(strengths={"l1": 0.0, "l2": 0.1})
    simple = _diagnosed((700, 1000), (700, 1000), references={"boosting": said(850, 1000)})
    assert "try a more flexible model" in simple.advice


def test_no_advice_contradicts_weaker_regularizers(rng):
    parts = {name: binary(rng, 1000, sharpness=3.0) for name in ("training", "held out")}
    truth = parts["held out"].truth
    best = {"boosting": Predictions(truth, truth, None, ("no", "yes"))}
    found = assemble(
        Measurements(
            "it", "classification", parts, references=best, facts={"strengths": {"l2": 0.1}}
        )
    )
    assert found.verdict == "underfits"
    text = " | ".join(found.advice)
    assert "weaken the active regularizers" in text
    assert "overconfident: calibrate them" in text
    assert "regularize more" not in text


def test_a_fitted_temperature_is_not_advised_again(rng):
    parts = {name: binary(rng, 1000, sharpness=3.0) for name in ("training", "held out")}
    for at, words in ((1.0, "calibrate them on held-out rows"), (0.94, "0.94, fitted on held-out")):
        found = assemble(Measurements("it", "classification", parts, temperature=at))
        assert words in " | ".join(found.advice)
        assert ("calibrate them" in " | ".join(found.advice)) == (at == 1.0)
        (check,) = [each for each in found.checks if each.code == "BR040"]
        assert ("although a temperature of 0.94 was fitted" in check.message) == (at != 1.0)


@pytest.mark.parametrize(("right", "rows"), [(4, 4), (1, 1), (43, 44)])
def test_no_number_of_needed_rows_is_invented(right, rows):
    found = _diagnosed((1000, 1000), (right, rows))
    assert found.verdict == "cannot tell"
    assert f"{rows} (held out)" in found.advice[0]
    assert "million" not in found.advice[0]


def test_rare_classes_are_not_judged_by_accuracy():
    truth = (np.arange(2000) < 30).astype(int)
    nothing = Predictions(truth, truth * 0, None, (0, 1))
    found = assemble(
        Measurements(
            "it",
            "classification",
            {"training": nothing, "held out": nothing},
            references={"boosting": nothing},
        )
    )
    assert found.verdict == "cannot tell"
    assert "accuracy cannot tell with 1.5 % of the rows" in found.reason
    assert not any("add columns" in line for line in found.advice)
    assert "roc_auc" in found.advice[0]
    outcomes = {each.code: each.outcome for each in found.checks.results}
    assert outcomes["BR002"] == outcomes["BR022"] == "not run"


def test_a_row_that_dominates_is_named():
    random = np.random.default_rng(0)
    values = random.normal(size=100)
    truth = values + 0.3 * random.normal(size=100)
    known = Predictions(truth, values)
    new = Predictions(np.where(np.arange(100) == 7, 50.0, truth), values, rows=np.arange(100) + 900)
    found = assemble(Measurements("it", "regression", {"training": known, "held out": new}))
    assert found.verdict == "cannot tell"
    assert "more than 99 % of the squared error (row 907, true 50, predicted" in found.notes[0]
    assert found.advice[0].startswith("check that value")
    (check,) = (each for each in found.checks if each.code == "BR022")
    assert check.advice.startswith("check whether that value is right")


def test_other_learners_are_in_the_order_of_their_lead():
    others = {"one": said(800, 1000), "two": said(850, 1000)}
    for names in (["one", "two"], ["two", "one"]):
        given = {name: others[name] for name in names}
        found = _diagnosed((700, 1000), (700, 1000), references=given)
        named = [each.message[:3] for each in found.checks if each.code == "BR003"]
        assert named == ["two", "one"]


def test_few_rows_cannot_tell_and_are_told_how_many_they_need():
    found = _diagnosed((80, 100), (30, 40))
    assert found.verdict == "cannot tell"
    assert "there are 40 (held out)" in found.advice[0]


def test_advice_on_rare_classes_agrees_with_the_reason():
    truth = (np.arange(400) < 6).astype(int)
    nothing, five = (Predictions(truth, truth * (np.arange(400) < n), None, (0, 1)) for n in (0, 5))
    parts = {"training": nothing, "held out": nothing}
    found = assemble(Measurements("it", "classification", parts, references={"boosting": five}))
    assert (found.verdict, found.references[0].comparison.difference.low) == ("cannot tell", 0)
    assert "roc_auc" in found.advice[0]
    assert not any("new rows" in line for line in found.advice)
    assert {each.code: each.outcome for each in found.checks.results}["BR022"] == "not run"


def test_a_model_that_learned_nothing_needs_rows_to_show_that_another_is_better_at_all():
    truth, right = np.arange(400) % 2, np.arange(400) // 2 % 20 < 11
    constant = Predictions(truth, truth * 0, None, (0, 1))
    better = Predictions(truth, np.where(right, truth, 1 - truth), None, (0, 1))
    parts = {"training": constant, "held out": constant}
    found = assemble(Measurements("it", "classification", parts, references={"boosting": better}))
    assert found.verdict == "cannot tell"
    need = needed_text(needed_rows(400, binom.sf(109, 200, 0.5), LEVEL))
    assert found.advice[0].startswith("to find out whether boosting predicts better, use more new")
    assert found.advice[0].endswith(f"400 (held out), and a difference of this size needs {need}")
    (check,) = (each for each in found.checks if each.code == "BR022")
    assert need in check.advice
