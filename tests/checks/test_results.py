"""The results of checks: their order, what is silenced, and that nothing is lost."""

import json

import pytest

from bridle.checks import RULES, Checks
from bridle.checks.results import failed, not_run, passed
from bridle.errors import UsageError

SOME = [
    failed("BR022", "few", rows=9, needed=float("inf")),
    failed("BR012", "'a' counts"),
    failed("BR012", "'b' counts"),
    failed("BR010", "'c' tells"),
    passed("BR001", gap=0.0),
    not_run("BR013", "no classes"),
]


def test_the_most_severe_come_first():
    found = Checks.of(SOME)
    assert [each.code for each in found] == ["BR010", "BR012", "BR012", "BR022"]
    assert found[0].name == RULES["BR010"].name
    assert [each.code for each in found[1:3]] == ["BR012", "BR012"]
    assert len(found) == 4


def test_every_code_has_a_result():
    found = Checks.of(SOME)
    assert {each.code for each in found.results} == set(RULES)
    assert "needs the result of a search" in [each.message for each in found.not_run]
    assert [each.code for each in found.passed] == ["BR001"]


def test_silenced_ones_are_counted():
    found = Checks.of(SOME).ignoring(["BR01"])
    assert [each.code for each in found] == ["BR022"]
    assert len(found.silenced) == 3
    assert "silenced: 3 (BR010, BR012)" in str(found)
    assert "not run: BR013: no classes" in str(found)
    with pytest.raises(UsageError, match="'BR9' is no code of a check"):
        found.ignoring(["BR9"])


def test_results_are_json():
    listed = json.loads(json.dumps(Checks.of(SOME).ignoring(["BR012"]).to_list(), allow_nan=False))
    outcomes = [each["outcome"] for each in listed]
    assert {"failed", "silenced", "passed", "not run"} == set(outcomes)
    (few,) = (each for each in listed if each["code"] == "BR022")
    assert few["evidence"] == {"rows": 9, "needed": None}
    assert few["page"] == "checks/BR022.html"
    assert few["advice"]
