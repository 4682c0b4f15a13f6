"""The page of all frameworks: its tables have every record, in both languages."""

import runpy
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bridle.dialects import frameworks
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "report" / "browser"))
import driver

MODULE = runpy.run_path(str(ROOT / "docs" / "dialects_page.py"))
PAGES = ["dialects", "zh-CN/dialects"]


class Cells(HTMLParser):
    """The rows of all tables, each a list of its cells."""

    def __init__(self, text):
        super().__init__()
        self.rows = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def _page(name):
    return MODULE["page"](name, (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PAGES)
def test_every_record_and_setting_has_a_row(name):
    text = _page(name)
    assert "<!-- dialects" not in text
    rows = Cells(text).rows
    firsts = [row[0] for row in rows]
    for framework in frameworks():
        assert framework.title in firsts
        for setting in framework.settings:
            shown = f"{framework.name}.{setting.name}{setting.call}"
            assert any(row[1] == shown for row in rows if len(row) == 9), shown
    assert all(row[3] for row in rows if len(row) == 9)  # what the number does


def test_pages_have_the_same_parts():
    both = [(ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in PAGES]
    marks = [MODULE["MARK"].findall(text) for text in both]
    assert marks[0] == marks[1]
    assert [text.count("\n## ") for text in both] == [8, 8]
    assert [text.count("```") for text in both] == [6, 6]
    assert MODULE["page"]("index", "<!-- dialects: settings -->") == "<!-- dialects: settings -->"


def test_all_words_are_in_both_languages():
    for english, chinese in MODULE["WORDS"].values():
        assert english.isascii() or "×" in english or "÷" in english
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)


@pytest.mark.skipif(driver.chromium() is None, reason="needs Debian's chromium")
def test_table_is_sorted_and_filtered_by_the_keyboard(tmp_path):
    pytest.importorskip("playwright")
    script = (ROOT / "docs" / "_static" / "dialects.js").read_text(encoding="utf-8")
    table = _page("dialects").partition('aria-label="Settings"')[2].partition("```")[0]
    path = Path(tmp_path) / "page.html"
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><div class="dialects"{table}'
        f"<script>{script}</script>",
        encoding="utf-8",
    )
    shown = "tbody tr:not([hidden])"
    with driver.browser() as started:
        tab = started.new_page()
        tab.goto(path.as_uri())
        every = tab.locator(shown).count()
        assert every == sum(len(each.settings) for each in frameworks())
        assert tab.locator("output").text_content() == f"{every} rows"
        tab.get_by_label("kind").select_option("dropout")
        tab.get_by_label("filter").fill("torch.nn alpha")
        assert tab.locator(shown).count() == 2
        assert tab.locator("output").text_content() == "2 rows"
        tab.get_by_label("filter").fill("")
        tab.get_by_label("kind").select_option("")
        button = tab.get_by_role("button", name="setting", exact=True)
        for direction, reverse in (("ascending", False), ("descending", True)):
            button.press("Enter")
            names = tab.locator("tbody td:nth-child(2) code:first-child").all_text_contents()
            first, last = min(names, key=str.lower), max(names, key=str.lower)
            assert (names[0], names[-1]) == ((last, first) if reverse else (first, last))
            assert tab.locator(f"th[aria-sort={direction}]").count() == 1
