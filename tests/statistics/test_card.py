"""What results show of themselves: a dozen lines of text, and a card that is safe to show."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.statistics.card import MOST_LINES, WIDTH
from bridle.statistics.wording import estimate_text

HOSTILE = "<script>alert(1)</script>\n&'\""


@pytest.fixture(scope="module")
def results():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    labels = np.where(x[:, 0] > 0, HOSTILE, "b" * 300)
    table = pd.DataFrame(x, columns=["a", "</div><b>"]).assign(**{HOSTILE: labels})
    fitted = bridle.fit(table, HOSTILE, hidden=(4,), epochs=2, l1=1e-3)
    found = bridle.search(table, HOSTILE, configurations=9, epochs=1, hidden=[(4,)], folds=2)
    quick = {"reference": False, "shuffled_labels": False, "masks": 0}
    return {
        "fit": fitted,
        "search": found,
        "diagnosis": bridle.diagnose(fitted, **quick),
        "model": fitted.model,
        "model of a search": found.model,
        "ablation": bridle.ablate(fitted.model, table, steps=2, factors=[1, 10]),
    }


KINDS = ("fit", "search", "diagnosis", "model", "model of a search", "ablation")


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_a_dozen_short_lines_that_say_how_to_go_on(results, kind):
    lines = repr(results[kind]).splitlines()
    assert 3 <= len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= WIDTH
    assert lines[-1].startswith("next: ")
    assert "zeros" in repr(results[kind])


def test_text_has_the_verdict_and_the_scores_with_their_intervals(results):
    fitted, text = results["fit"], " ".join(repr(results["fit"]).split())
    assert fitted.verdict[:60] in text
    for network in (fitted.plain, fitted.regularized):
        score = estimate_text(network.test, share=True, unit=" %")
        assert "±" in score or "to" in score
        assert f"{network.diagnosis.verdict}, test {score}, gap" in text
        assert f"zeros {', '.join(f'{100 * each:.0f}' for each in network.zeros)} %" in text
    diagnosis = results["diagnosis"]
    assert f"verdict: {diagnosis.verdict}: {diagnosis.reason[:40]}" in repr(diagnosis)


class _Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("kind", KINDS)
def test_card_is_self_contained_and_escapes_names(results, kind):
    card = results[kind]._repr_html_()
    page = _Elements(card)
    assert not page.open
    assert page.tags <= {"div", "style", "p", "table", "tbody", "tr", "th", "td", "code"}
    assert "prefers-color-scheme: dark" in card
    assert not re.search(r"url\(|https?:|@import", card)
    assert len(card) < 20_000
    assert ("<script>alert(1)</script>" in page.text) == (kind not in ("diagnosis", "ablation"))
