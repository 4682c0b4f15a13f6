"""The documentation's conformance matrix has every cell of the tests, and no other."""

import runpy

from test_conformance import REFUSED, SECTIONS
from training_program import CHECKS

from conftest import ROOT


def test_page_is_that_of_the_tests():
    made = runpy.run_path(str(ROOT / "docs" / "conformance.py"))
    cells = {}
    for rows in SECTIONS.values():
        for feature in rows:
            for column in CHECKS:
                refused = (feature, column) in REFUSED
                cells[f"{feature}-{column}"] = "refused: " if refused else "right"
    expected = made["page"](SECTIONS, cells)
    page = made["PAGE"].read_text(encoding="utf-8")
    assert _without_sentences(page) == _without_sentences(expected), "run: docs/conformance.py"


def _without_sentences(page):
    """The page without the refusals' sentences, which differ by name and number."""
    return [line.partition(": ")[0] if line.startswith("- ") else line for line in page.split("\n")]


def test_each_refusal_is_a_row():
    rows = {feature for each in SECTIONS.values() for feature in each}
    assert {feature for feature, _ in REFUSED} <= rows
    assert {column for _, column in REFUSED} <= set(CHECKS)
