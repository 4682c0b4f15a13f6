"""The report in headless Chromium and Firefox, where they are; see ``browser/driver.py``."""

import sys
from pathlib import Path

import pandas as pd
import pytest

import bridle as library
from bridle.report.write import full_report
from conftest import CREDIT

sys.path.insert(0, str(Path(__file__).parent / "browser"))
import driver
import firefox

CHROMIUM = driver.chromium() is not None
FIREFOX = firefox.firefox() is not None

EVIL = "<script>alert(1)</script>"
WRONG = (
    "<!doctype html><html lang=en data-drawn=yes><title>x</title>"
    '<div class="chart" style="width: 3000px">x</div><p id=tip hidden></p>'
    "<script>console.error('no'); throw new Error('no-such-function')</script>"
)


@pytest.fixture(scope="module")
def started():
    pytest.importorskip("playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium")
    with driver.browser() as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a table with a hostile column, all its sections drawn."""
    table = pd.read_csv(CREDIT).head(300).rename(columns={"duration": EVIL, "purpose": "x" * 300})
    table["housing"] = '"><img src=x onerror=alert(2)> שלום'
    table.loc[::2, "housing"] = "plain"
    recipe = library.Recipe(hidden=(16, 16), epochs=5, learning_rate=0.01)
    result = library.fit(table, "class", recipe=recipe)
    path = tmp_path_factory.mktemp("page") / "report.html"
    full_report(result, table, command=f"bridle fit '{EVIL}'").save(path)
    return path


def test_a_report_works_in_chromium(started, page):
    seen = driver.look(started, page)
    assert driver.faults(seen) == []
    assert seen.charts >= 15
    assert "training" in seen.tooltip or "test" in seen.tooltip or "held out" in seen.tooltip


@pytest.mark.skipif(not FIREFOX, reason="needs Firefox")
def test_a_report_works_in_firefox(page, tmp_path):
    with firefox.running_firefox() as started:
        seen = firefox.look(started, page)
        assert driver.faults(seen) == []
        assert seen.charts >= 15
        assert "training" in seen.tooltip or "test" in seen.tooltip or "held out" in seen.tooltip
        wrong = tmp_path / "wrong.html"
        wrong.write_text(WRONG, encoding="utf-8")
        found = " ".join(driver.faults(firefox.look(started, wrong)))
    for part in ("no-such-function", "charts are drawn", "pointer", "arrow", "tab key", "run out"):
        assert part in found


def test_the_theme_changes_every_colour(started, page):
    tab = started.new_page(color_scheme="light")
    tab.goto(page.as_uri())
    tab.wait_for_function("document.documentElement.dataset.drawn === 'yes'")
    colour = (
        "getComputedStyle(document.querySelector('.chart svg [stroke=\"var(--chosen)\"]')).stroke"
    )
    paper = "getComputedStyle(document.body).backgroundColor"
    seen = {(tab.evaluate(colour), tab.evaluate(paper))}
    tab.locator("#theme").click()
    assert tab.locator("#theme").inner_text() == "Theme: light"
    seen.add((tab.evaluate(colour), tab.evaluate(paper)))
    assert len(seen) == 1
    tab.locator("#theme").click()
    seen.add((tab.evaluate(colour), tab.evaluate(paper)))
    assert len(seen) == 2
    tab.emulate_media(media="print")  # paper is light, whatever the screen
    seen.add((tab.evaluate(colour), tab.evaluate(paper)))
    assert len(seen) == 2
    tab.close()


def test_without_scripts_the_numbers_are_there(started, page):
    tab = started.new_context(java_script_enabled=False).new_page()
    tab.goto(page.as_uri())
    assert "JavaScript" in tab.locator("noscript").inner_text()
    tab.locator("summary").first.click()
    assert tab.locator("details table").first.is_visible()
    assert not tab.locator("#theme").is_visible()
    tab.context.close()


def test_a_page_that_is_wrong_is_found(started, tmp_path):
    path = tmp_path / "wrong.html"
    path.write_text(WRONG, encoding="utf-8")
    wrong = " ".join(driver.faults(driver.look(started, path)))
    for part in ("console", "charts are drawn", "pointer", "arrow", "tab key", "run out"):
        assert part in wrong
