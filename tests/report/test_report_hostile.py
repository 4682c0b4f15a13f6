"""No text in a table can do harm in a report."""

import numpy as np
import pandas as pd
import pytest
from page_parser import Page

import bridle as library
from bridle.report.write import full_report

SCRIPT = "<script>alert(1)</script>"


BREAKOUT = '</script><script>alert(2)</script>"><img src=x onerror=alert(3)>'


HEBREW = "עמודה בעברית"


ARABIC = "مرحبا بالعالم"


OVERRIDE = "\u202eexe.gnp"


@pytest.fixture(scope="module")
def hostile():
    rng = np.random.default_rng(0)
    wide = {f"column {at} {'w' * 280}": rng.normal(size=60) for at in range(1494)}
    first = rng.normal(size=60)
    columns = {
        SCRIPT: first,
        BREAKOUT: ['<b onmouseover="alert(4)">"quoted" & \'single\'</b>', "plain"] * 30,
        HEBREW: [ARABIC, "abc", OVERRIDE] * 20,
        "x" * 300: ["y" * 400, "z"] * 30,
        "a & b = c": rng.normal(size=60),
    }
    columns |= wide | {"<i>t</i>": np.where(first > 0, "<svg/onload=alert(5)>", "{{7*7}} ${1} '\"")}
    table = pd.DataFrame(columns)
    result = library.fit(table, "<i>t</i>", recipe=library.Recipe(hidden=(4,), epochs=2))
    return full_report(result, table, command=f"bridle fit '{SCRIPT}.csv'")


def test_a_hostile_table_stays_text(hostile):
    text = hostile.html()
    assert len(text.encode()) < 2_000_000
    page = Page(text)
    assert len(page.all("script")) == 3
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"img", "svg", "b", "i", "iframe", "object", "embed", "form", "base"}
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    cells = page.text("td")
    assert any("<svg/onload=alert" in cell for cell in cells)
    assert "{{7*7}} ${1} '\"" in cells
    assert " ".join(page.text("kbd")) == f"bridle fit '{SCRIPT}.csv'"
    assert "\u202e" not in text
    (data,) = page.texts["script", "charts"]
    assert not set(data) & set("<>&")


def test_a_hostile_table_stays_legible(hostile):
    worst = next(section for section in hostile.sections if section.name == "worst").grids[0]
    assert len(worst.head) <= 9
    assert all(len(cell) <= 60 for row in worst.rows for cell in row)
    assert all(len(cell) <= 40 for cell in worst.head)
    marked = [attrs for tag in ("td", "th") for attrs in Page(hostile.html()).all(tag)]
    assert all(attrs["dir"] == "auto" for attrs in marked)
