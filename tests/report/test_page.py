"""The page is one file that loads nothing, runs nothing else, and is accessible."""

import base64
import hashlib
import re
from itertools import pairwise

import pytest
from page_parser import Page, charts_of
from reported_fit import reported_credit


@pytest.fixture(scope="module")
def report():
    return reported_credit()


@pytest.fixture(scope="module")
def page(report):
    return Page(report.html())


def test_one_file_that_asks_for_nothing(report, page):
    text = report.html()
    assert len(text.encode()) < 2_000_000
    for tag, attrs in page.elements:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            value = attrs.get(name, "")
            assert not value or value.startswith(("#", "data:")), (tag, value)
    assert "@import" not in text
    assert "url(" not in "".join(page.texts["style", None])


def test_the_policy_names_what_may_run_and_nothing_else(page):
    policy = next(
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    allowed = set(re.findall(r"'sha256-[^']+'", policy))
    scripts = page.texts["script", None]
    styles = page.texts["style", None]
    assert len(page.all("script")) == 3  # the charts' data, the library, the page's own
    assert len(scripts) == 2
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'"
        for each in scripts + styles
    }
    assert hashes == allowed
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    assert not any("style" in attrs for _, attrs in page.elements)


def test_headings_captions_and_names(report, page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    charts = [attrs for attrs in page.all("div") if attrs.get("class") == "chart"]
    assert {attrs["id"] for attrs in charts} == set(charts_of(page))
    assert len(charts) == sum(len(figure.panels) for figure in report.figures)
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in charts)
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"][1:] for attrs in page.all("a")}
    assert links <= set(ids)


def test_the_command_is_set_as_it_was_typed(page):
    assert " ".join(page.text("kbd")) == "bridle fit credit-g.csv --seed -1 'a b'"
