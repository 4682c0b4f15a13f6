"""The registry of checks: each code has its page, and selectors name codes or are refused."""

import re

import pytest

from bridle.checks import RULES, codes_of
from bridle.errors import UsageError
from conftest import ROOT

PAGES = ROOT / "docs" / "checks"


def _plain(text):
    return " ".join(text.split())


@pytest.mark.parametrize("code", RULES)
def test_each_code_has_a_page_that_says_what_the_rule_says(code):
    rule, page = RULES[code], PAGES / f"{code}.md"
    text = _plain(page.read_text(encoding="utf-8"))
    assert text.startswith(f"# {code}: {rule.name} Severity: {rule.severity}.")
    for said in (rule.fails, rule.needs, rule.advice):
        assert _plain(said) in text
    headings = ("Example", "How it is computed", "How to silence it", "What would refute it")
    assert [text.count(f"## {each}") for each in headings] == [1, 1, 1, 1]
    assert f"--ignore {code}" in text


def test_the_index_lists_the_codes_with_their_severities():
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(BR\d+)\]\((BR\d+)\.md\) \| (.+?) \| (\w+) \|$", text, re.M)
    assert rows == [(each.code, each.code, each.name, each.severity) for each in RULES.values()]


def test_selectors():
    assert codes_of(["BR001"]) == ("BR001",)
    assert codes_of(["br02,BR001", "BR001"]) == ("BR001", "BR020", "BR021", "BR022")
    assert codes_of(["BR"]) == tuple(RULES)
    assert codes_of([]) == ()
    errors, warnings = (codes_of([each], severities=True) for each in ("error", "warning"))
    assert set(errors) < set(warnings) < set(codes_of(["note"], severities=True)) == set(RULES)
    assert {RULES[code].severity for code in errors} == {"error"}


@pytest.mark.parametrize("selector", ["BR999", "overfits", "", "B", "BR001,", "BR0011"])
def test_what_names_no_code_is_refused(selector):
    with pytest.raises(UsageError, match="is no code of a check"):
        codes_of([selector], severities=True)


def test_a_severity_cannot_be_silenced():
    with pytest.raises(UsageError, match="'error' is no code"):
        codes_of(["error"])
