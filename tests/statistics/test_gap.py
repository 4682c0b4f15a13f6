"""The verdict of `judge_gap`, on predictions with a known number of right ones."""

import numpy as np
import pytest
from judged_cases import classes

from bridle.statistics import judge_gap, judge_values
from bridle.statistics.scores import undefined_values


@pytest.mark.parametrize(
    ("train_right", "held_right", "verdict"),
    [
        (1000, 800, "overfits"),
        (900, 899, "cannot tell"),  # ± 2.6 points around 0.1: may be above 2
        (505, 500, "underfits"),
    ],
)
def test_verdicts(rng, train_right, held_right, verdict):
    found = judge_gap(classes(1000, train_right, rng), classes(1000, held_right, rng))
    assert found.verdict == verdict


def test_enough_rows_make_a_small_gap_fine(rng):
    assert judge_gap(classes(20000, 18000, rng), classes(20000, 17990, rng)).verdict == "fine"


def test_evidence_carries_the_figures(rng):
    text = judge_gap(classes(1000, 1000, rng), classes(1000, 800, rng)).evidence
    assert "100.0 %" in text
    assert "80.0 %" in text
    assert "20.0 ±" in text


def test_an_undefined_gap_has_no_number():
    known = judge_values(np.arange(9.0), np.arange(9.0) + 0.1)
    found = judge_gap(known, undefined_values(4))
    assert found.evidence.endswith("undefined held out: the gap is undefined")
