"""The verdict of a diagnosis, on predictions with a known number of right ones."""

import math

import pytest
from prediction_cases import said

from bridle.diagnosis.assemble import Measurements, assemble
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


def test_few_rows_cannot_tell_and_are_told_how_many_they_need():
    found = _diagnosed((80, 100), (30, 40))
    assert found.verdict == "cannot tell"
    assert "there are 40 (held out)" in found.advice[0]
