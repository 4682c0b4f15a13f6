"""The report: its words and figures say what the records say, and no table can do harm by it."""

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import bridle as library
from bridle.report.figures import reliability, strength_path, weight_histograms, zero_map
from bridle.report.theme import PALETTES
from bridle.report.write import full_report
from bridle.statistics.scores import Estimate
from conftest import CREDIT

VOID = {"meta", "link", "br", "img", "wbr"}


class Page(HTMLParser):
    """A page as a parser sees it: elements with attributes, texts by element."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            tag, attrs = self.open[-1]
            self.texts.setdefault((tag, attrs.get("id")), []).append(data)

    def text(self, *tags):
        return [
            " ".join(each.split())
            for (tag, _), all_ in self.texts.items()
            if tag in tags
            for each in all_
        ]

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def charts_of(page):
    (text,) = page.texts["script", "charts"]
    return json.loads(text)["charts"]


def rows_of(spec):
    return [row for rows in spec["datasets"].values() for row in rows]


@pytest.fixture(scope="module")
def fitted():
    recipe = library.Recipe(hidden=(16, 16), epochs=8, learning_rate=0.01, patience=3)
    return library.fit(CREDIT, "class", recipe=recipe)


@pytest.fixture(scope="module")
def ablation(fitted):
    return library.ablate(fitted.model, CREDIT, factors=(1, 100))


@pytest.fixture(scope="module")
def report(fitted):
    return full_report(fitted, CREDIT, command="bridle fit credit-g.csv --seed -1 'a b'")


@pytest.fixture(scope="module")
def page(report):
    return Page(report.html())


@pytest.fixture(scope="module")
def found():
    return library.search(CREDIT, "class", configurations=27, epochs=2, hidden=[(8,)], folds=3)


# ------------------------------------------------------------------------------ the ablation


def test_ablation_has_the_networks_of_the_fit(fitted, ablation):
    for label, member in (("plain", 0), ("all together, as fitted", 1)):
        for ours, theirs in zip(ablation.weights(label), fitted.population.weights, strict=True):
            # to rounding: a product's sums may be in another order in a larger population
            assert torch.allclose(ours, theirs[member].detach(), atol=1e-4)
    for role, network in (("plain", fitted.plain), ("together", fitted.regularized)):
        ours = ablation.of(role)[0].judgement
        assert ours.gap.value == pytest.approx(network.diagnosis.gap.value, abs=0.011)


def test_each_alone_is_what_fit_gives_with_that_strength_alone(fitted, ablation):
    recipe = library.Recipe(hidden=(16, 16), epochs=8, learning_rate=0.01, patience=None)
    for at, strengths in enumerate(({"l1": 1e-4}, {"l2": 1e-3}, {"keep_prob": 0.5})):
        alone = library.fit(
            CREDIT, "class", recipe=recipe, strengths=library.Strengths(**strengths)
        )
        ours = ablation.of("alone")[at]
        theirs = alone.regularized.diagnosis.held_out.value
        assert ours.judgement.held_out.value == pytest.approx(theirs, abs=0.011)
        weights = torch.cat([w.detach().flatten() for w in alone.model.network.weights])
        assert ours.zeros == pytest.approx(float((weights == 0).double().mean()), abs=0.002)


def test_paths_reach_a_network_of_zeros(ablation):
    weak, strong = ablation.of("L1 path")
    assert weak.strengths.l1 < strong.strengths.l1
    assert weak.zeros < strong.zeros
    assert strong.judgement.training.value <= weak.judgement.training.value


def test_ablation_refuses(fitted):
    with pytest.raises(library.UsageError, match="factors above 0"):
        library.ablate(fitted.model, CREDIT, factors=(0.0,))
    bare = library.TableModel(
        fitted.model.network, fitted.model.encoder, fitted.model.target, "class"
    )
    with pytest.raises(library.UsageError, match="does not state its regularizers"):
        library.ablate(bare, CREDIT)
    with pytest.raises(library.UsageError, match="no network has the label 'L3'"):
        library.ablate(fitted.model, CREDIT, factors=(1,), steps=1).weights("L3")


# ------------------------------------------------------------------------- figures and words


def test_curves_hold_the_history(fitted, page):
    for member in (0, 1):
        rows = rows_of(charts_of(page)[f"chart-learning-curves-{member}"])
        drawn = {row["epoch"]: row for row in rows if "gap" in row}
        for epoch, training in enumerate(fitted.history.train_loss[:, member], start=1):
            held_out = fitted.history.held_out_loss[epoch - 1, member]
            assert drawn[epoch]["training"] == training
            assert drawn[epoch]["gap"] == pytest.approx(held_out - training)


def test_scores_and_intervals_are_the_results(fitted, page):
    rows = rows_of(charts_of(page)["chart-before-and-after-0"])
    drawn = {(row["part"], row["who"]): row for row in rows}
    for who, network in (("plain", fitted.plain), ("regularized", fitted.regularized)):
        for part, value in (("held out", network.diagnosis.held_out), ("test", network.test)):
            for end in ("value", "low", "high"):
                assert drawn[part, who][end] == pytest.approx(100 * getattr(value, end))


def test_headline_and_lede_say_the_verdict(fitted, report, page):
    gap = 100 * fitted.regularized.diagnosis.gap.value
    assert f"{gap:.1f}" in report.headline or "does not narrow" in report.headline
    assert page.text("h1") == [report.headline]
    answers = {
        "better": "better",
        "same": "as well",
        "worse": "worse",
        "cannot tell": "cannot tell",
    }
    assert answers[fitted.comparison.answer] in report.lede[0]


def test_a_map_of_zeros_is_the_share_in_each_block():
    weights = np.random.default_rng(0).normal(size=(2, 70, 5)) * (
        np.random.default_rng(1).random((2, 70, 5)) < 0.5
    )
    figure = zero_map([weights], ["layer 1"])
    for row in figure.panels[0].chart.data.to_dict("records"):
        block = weights[:, row["left"] : row["right"], row["top"] : row["bottom"]]
        assert row["share"] == pytest.approx((block == 0).mean(), abs=1e-4)
    cells = figure.panels[0].chart.data
    area = (cells["right"] - cells["left"]) * (cells["bottom"] - cells["top"])
    assert area.sum() == 70 * 5


def test_a_histogram_counts_every_weight_that_is_not_zero():
    weights = np.random.default_rng(0).standard_t(2, size=4000)
    weights[:1000] = 0
    figure = weight_histograms(
        [("all", {"a": weights})], name="w", title="W", colors={"a": "var(--plain)"}
    )
    shares = rows_of(figure.panels[0].chart.to_dict())
    assert sum(row.get("share", 0) for row in shares) == pytest.approx(0.75)
    assert "25.0 %" in figure.numbers.rows[0]


def test_reliability_draws_its_bins():
    bins = [
        SimpleNamespace(rows=40, confidence=0.6, accuracy=Estimate(0.5, 0.35, 0.65)),
        SimpleNamespace(rows=60, confidence=0.9, accuracy=Estimate(0.95, 0.86, 0.98)),
    ]
    figure = reliability(bins)
    drawn = [row for row in rows_of(figure.panels[0].chart.to_dict()) if "rows" in row]
    assert [(row["confidence"], row["accuracy"], row["rows"]) for row in drawn] == [
        (0.6, 0.5, 40),
        (0.9, 0.95, 60),
    ]
    assert figure.numbers.rows[0] == ("60.0 %", "50.0 %", "35.0 to 65.0 %", "40")


def test_a_path_marks_the_strength_and_the_zeros():
    rows = [(0.1, 1.0, 2.0, 1.0), (0.01, 0.5, 1.0, 0.4), (0.001, 0.1, 1.5, 0.0)]
    figure = strength_path([("L1", rows)], value_name="loss", chosen={"L1": 0.01})
    assert [panel.title for panel in figure.panels] == ["L1: loss", "L1: exact zeros"]
    marks = [r for r in rows_of(figure.panels[0].chart.to_dict()) if r.get("label")]
    assert marks == [{"strength": 0.01, "label": "this model"}]
    assert ("L1", "0.01", "0.500", "1.000", "40.0 %") in figure.numbers.rows


def test_every_section_of_a_fit_is_there(report):
    names = [section.name for section in report.sections]
    assert names == [
        "outcome",
        "training",
        "regularizers",
        "path",
        "weights",
        "calibration",
        "worst",
        "measured",
        "audit",
        "reproduce",
    ]
    assert {figure.name for figure in report.figures} >= {
        "before-and-after",
        "learning-curves",
        "by-regularizer",
        "lambda-path",
        "weights",
        "l1-and-l2",
        "calibration",
    }
    for figure in report.figures:
        assert figure.caption
        assert figure.numbers.rows
        widths = {len(row) for row in figure.numbers.rows}
        assert widths == {len(figure.numbers.head)}


def test_a_search_is_reported(found):
    report = library.report_of(found, diagnosis=library.diagnose(found, CREDIT))
    search = next(section for section in report.sections if section.name == "search")
    assert [each.name for each in search.figures][:3] == ["search-curves", "importance", "tried"]
    page = Page(report.html())
    drawn = {row["id"] for row in rows_of(charts_of(page)["chart-search-curves-0"])}
    assert drawn == set(found.histories.loc[np.isfinite(found.histories["score"]), "id"])
    assert f"{100 * found.validation_score:.1f} %" in search.text[1]
    assert len(search.grids[0].rows) == len(found.together)
    bars = rows_of(charts_of(page)["chart-importance-0"])
    assert [row["drop"] for row in bars] == [max(v, 0) for v in found.importance.values()]


def test_values_are_drawn_against_the_truth(tables):
    path, target = tables["diabetes"]
    result = library.fit(path, target, recipe=library.Recipe(hidden=(8,), epochs=3))
    report = library.report_of(result)
    figure = next(each for each in report.figures if each.name == "errors")
    drawn = [r for r in rows_of(figure.panels[0].chart.to_dict()) if "error" in r]
    table = pd.read_csv(path).iloc[result.places["test"]]
    assert [row["truth"] for row in drawn] == pytest.approx(table[target].tolist(), rel=1e-5)
    said = result.model.predict(table)["prediction"]
    assert [row["said"] for row in drawn] == pytest.approx(said.tolist(), rel=1e-5)


def test_what_there_are_no_data_for_is_left_out(fitted):
    assert [s.name for s in library.report_of(fitted.history).sections] == ["training"]
    diagnosis = library.diagnose(fitted.history, member=1)
    assert library.report_of(diagnosis).headline
    audit = library.audit_model(fitted.model)
    assert [s.name for s in library.report_of(audit).sections] == ["audit"]
    bare = [s.name for s in library.report_of(fitted).sections]
    assert bare == ["outcome", "training", "weights", "reproduce"]
    with pytest.raises(library.UsageError, match="cannot report on a dict"):
        library.report_of({})


def test_a_lambda_path_is_reported():
    torch.manual_seed(0)
    X = torch.randn(40, 3)
    rows = (X, X[:, :1] * 2)
    found = library.lambda_path(
        torch.nn.Linear(3, 1),
        rows,
        rows,
        loss=lambda m, b: (m(b[0]) - b[1]).square().mean(),
        count=4,
        epochs=20,
    )
    report = library.report_of(found)
    (figure,) = report.figures
    drawn = [r for r in rows_of(figure.panels[0].chart.to_dict()) if "zeros" in r]
    assert [row["held_out"] for row in drawn] == list(found.held_out_loss)


# ---------------------------------------------------------------------------------- the page


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
    assert page.text("code") == ["bridle fit credit-g.csv --seed -1 'a b'"]


def test_text_has_contrast_in_light_and_dark():
    def light(color):
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for palette in PALETTES.values():
        for paper in ("paper", "sheet"):
            for name in set(palette) - {"paper", "sheet", "line"}:
                pair = sorted((light(palette[name]), light(palette[paper])))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (name, paper)


# ------------------------------------------------------------------------- the hostile table


SCRIPT = "<script>alert(1)</script>"
BREAKOUT = '</script><script>alert(2)</script>"><img src=x onerror=alert(3)>'
HEBREW, ARABIC = "עמודה בעברית", "مرحبا بالعالم"
OVERRIDE = "\u202eexe.gnp"


@pytest.fixture(scope="module")
def hostile():
    rng = np.random.default_rng(0)
    wide = {f"column {at} {'w' * 280}": rng.normal(size=60) for at in range(4994)}
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
    assert page.text("code") == [f"bridle fit '{SCRIPT}.csv'"]
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


# ----------------------------------------------------------------------------- on the disk


def test_every_figure_is_a_png_and_an_svg(report, tmp_path):
    folder = tmp_path / "figures"
    written = report.save_figures(folder)
    names = {figure.name for figure in report.figures}
    assert {path.name for path in written} == {f"{n}.{e}" for n in names for e in ("png", "svg")}
    assert sorted(folder.iterdir()) == sorted(written)
    for path in written:
        content = path.read_bytes()
        if path.suffix == ".png":
            assert content.startswith(b"\x89PNG")
        else:
            root = ET.fromstring(content)
            assert root.tag.endswith("svg")
            assert b"var(--" not in content
            assert len(list(root.iter())) > 20


def test_folders_that_are_missing(fitted, tmp_path):
    with pytest.raises(library.UsageError, match="there is no folder"):
        library.write_report(fitted, tmp_path / "absent" / "report.html")
    with pytest.raises(library.UsageError, match="goes with no table"):
        library.write_report(fitted.history, tmp_path / "report.html", table=CREDIT)
    with pytest.raises(library.UsageError, match="name a folder"):
        library.report_of(fitted).save_figures(tmp_path / "absent" / "figures")
    (tmp_path / "file").write_text("x")
    with pytest.raises(library.UsageError, match="it is a file"):
        library.report_of(fitted).save_figures(tmp_path / "file")


def test_what_was_there_stays_when_writing_fails(fitted, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("before")
    report = library.report_of(fitted)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(library.DataError, match="No space left"):
        report.save(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_on_the_command_line(bridle, tmp_path):
    page, figures, model = tmp_path / "r.html", tmp_path / "figures", tmp_path / "m.bridle"
    short = ("--epochs", "2", "--hidden", "8", "--quiet")
    options = ("--report", page, "--figures", figures, "--out", model, "--no-ablation")
    ran = bridle("fit", CREDIT, "--target", "class", *options, *short)
    assert ran.code == 0, ran.err
    text = page.read_text(encoding="utf-8")
    assert f"bridle fit {CREDIT} --target class --report" in Page(text).text("code")[0]
    assert (figures / "learning-curves.svg").is_file()
    assert "Each regularizer alone" not in text

    again = tmp_path / "d.html"
    ran = bridle("diagnose", model, CREDIT, "--report", again, "--no-refit", "--quiet")
    assert ran.code == 0, ran.err
    sections = {attrs.get("id") for attrs in Page(again.read_text()).all("section")}
    assert sections >= {"regularizers", "path", "weights", "calibration", "worst", "audit"}


def test_a_table_that_the_model_does_not_know_is_not_trained_on(fitted):
    other = pd.read_csv(CREDIT).head(300)
    diagnosis = library.diagnose(fitted.model, other, reference=False, shuffled_labels=False)
    report = full_report(diagnosis, other, model=fitted.model)
    assert "regularizers" not in {section.name for section in report.sections}


def test_rows_to_ablate_are_spread_over_a_sorted_table():
    frame = pd.read_csv(CREDIT).sort_values("class")
    recipe = library.Recipe(hidden=(4,), epochs=1)
    model = library.fit(frame, "class", recipe=recipe).model
    found = library.ablate(model, frame, rows=100, factors=(1,))
    assert found.rows == {"training": 100, "held out": 50}
    assert 0.6 < found.networks[0].judgement.baseline < 0.8  # of 50 rows; 0.7 of the table


def test_where_a_page_cannot_go(bridle, tmp_path):
    (tmp_path / "file").write_text("x")
    for option, place, said in (
        ("--report", tmp_path / "no" / "r.html", "there is no folder"),
        ("--report", tmp_path, "name a file"),
        ("--figures", tmp_path / "file", "name a folder"),
    ):
        ran = bridle("fit", CREDIT, "--target", "class", option, place)
        assert ran.code == 2
        assert said in ran.err
