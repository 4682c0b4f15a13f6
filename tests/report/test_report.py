"""The report: its text and figures show what the records contain."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import torch
from page_parser import Page, charts_of, rows_of
from reported_fit import fitted_credit, reported_credit
from rich.console import Console

import bridle as library
from bridle.cli.printing import show_search
from bridle.report.write import full_report
from conftest import CREDIT


@pytest.fixture(scope="module")
def fitted():
    return fitted_credit()


@pytest.fixture(scope="module")
def report():
    return reported_credit()


@pytest.fixture(scope="module")
def page(report):
    return Page(report.html())


@pytest.fixture(scope="module")
def found():
    return library.search(CREDIT, "class", configurations=27, epochs=2, hidden=[(8,)], folds=3)


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
        "cannot tell": "unclear",
    }
    assert answers[fitted.comparison.answer] in report.lede[0]


def test_every_section_of_a_fit_is_there(report):
    names = [section.name for section in report.sections]
    assert names == [
        "outcome",
        "checks",
        "table",
        "mistakes",
        "columns",
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
        "confusion",
        "roc",
        "columns",
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
    _validate(report)
    page = Page(report.html())
    drawn = {row["id"] for row in rows_of(charts_of(page)["chart-search-curves-0"])}
    assert drawn == set(found.histories.loc[np.isfinite(found.histories["score"]), "id"])
    assert f"{100 * found.validation_score:.1f} %" in search.text[1]
    assert len(search.grids[0].rows) == len(found.together)
    bars = rows_of(charts_of(page)["chart-importance-0"])
    assert [row["drop"] for row in bars] == [max(v, 0) for v in found.importance.values()]


def test_a_search_says_what_differs_from_its_model(found):
    """Trained again, one network is not the average that the search found."""
    ablation = library.ablate(found.model, CREDIT, factors=(1,), steps=2)
    report = library.report_of(found, ablation=ablation)
    section = next(each for each in report.sections if each.name == "regularizers")
    assert "not the average of the search" in section.text[0]
    names = {row[0] for row in section.figures[0].numbers.rows}
    assert "all of the best configuration" in names
    assert "all together, as fitted" not in names
    assert [tile.label for tile in report.tiles if "Gap" in tile.label] == ["Gap, training − test"]
    assert all(tile.beside[-1].startswith("majority class: ") for tile in report.tiles[:2])


@pytest.mark.parametrize(("encoding", "block"), [("utf-8", "█"), ("ascii", "#")])
def test_a_terminal_shows_the_importance_as_a_chart(found, encoding, block):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    show_search(found, Console(file=file, width=120))
    file.flush()
    lines = file.buffer.getvalue().decode(encoding).splitlines()
    bars = [line for line in lines if "best at" in line]
    names = [line.split()[0] for line in bars]
    assert names == list(found.importance)[:6]
    lengths = [line.count(block) for line in bars]
    assert lengths[0] == 24
    assert lengths == sorted(lengths, reverse=True)
    assert all(
        f"{max(drop, 0):.2f}" in line
        for line, drop in zip(bars, found.importance.values(), strict=False)
    )


def test_what_there_are_no_data_for_is_left_out(fitted):
    assert [s.name for s in library.report_of(fitted.history).sections] == ["training"]
    diagnosis = library.diagnose(fitted.history, member=1)
    assert library.report_of(diagnosis).headline
    audit = library.audit_model(fitted.model)
    assert [s.name for s in library.report_of(audit).sections] == ["audit"]
    bare = [s.name for s in library.report_of(fitted).sections]
    assert bare == ["outcome", "checks", "training", "weights", "reproduce"]
    with pytest.raises(library.UsageError, match="cannot report on a dict"):
        library.report_of({})


def test_the_audit_says_the_reached_sparsity():
    torch.manual_seed(0)
    model = torch.nn.Linear(10, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rule = library.Sparsity(0.8, ramp=1)
    library.attach(optimizer, {"weight": rule}, model=model)
    audit = library.audit(model, optimizer, (torch.ones(2, 10), torch.tensor([0, 1])))
    (section,) = library.report_of(audit).sections
    (grid,) = section.grids
    assert grid.rows == (
        (
            "Sparsity(0.8, ramp=1) on weight",
            "80.00% of 100 weights are zero, and 80.00% are due (ramp)",
        ),
    )


def test_a_table_that_the_model_does_not_know_is_not_trained_on(fitted):
    other = pd.read_csv(CREDIT).head(300)
    diagnosis = library.diagnose(fitted.model, other, reference=False, shuffled_labels=False)
    report = full_report(diagnosis, other, model=fitted.model)
    assert "regularizers" not in {section.name for section in report.sections}


def _validate(report):
    """Altair raises where a chart breaks Vega-Lite's schema; a report takes the charts as right."""
    for figure in report.figures:
        for panel in figure.panels:
            panel.chart.to_dict()


def test_every_figure_is_a_png_and_an_svg(report, tmp_path):
    _validate(report)
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


def test_the_checks_are_listed_by_severity_with_advice(fitted, report):
    found = library.diagnose(fitted, shuffled_labels=False, masks=0)
    section = next(each for each in report.sections if each.name == "checks")
    failed, others = section.grids if len(found.checks) else (None, *section.grids)
    rows = [] if failed is None else list(failed.rows)
    assert [row[0] for row in rows] == [f"{each.code} {each.name}" for each in found.checks]
    for row, each in zip(rows, found.checks, strict=True):
        assert row[1] == each.severity
        assert row[2].rstrip(".").casefold() == each.message.rstrip(".").casefold()
        assert row[3].rstrip(".").casefold() == each.advice.rstrip(".").casefold()
    assert {row[0][:5] for row in (*rows, *others.rows)} == set(library.checks.RULES)
    assert others.folded
    counts = [f"{len({each.code for each in found.checks})} check", "could not be run"]
    assert all(each.replace("0 check", "No check") in section.text[0] for each in counts)


def test_a_silenced_check_is_counted(fitted):
    every = fitted.checks
    codes = sorted({each.code for each in every.failed})
    found = library.diagnose(fitted, reference=False, shuffled_labels=False, masks=0, ignore=["BR"])
    section = next(s for s in library.report_of(found).sections if s.name == "checks")
    (others,) = section.grids
    assert section.text[0].startswith("No check failed")
    assert {row[0][:5] for row in others.rows if row[1] == "silenced"} >= set(codes)
