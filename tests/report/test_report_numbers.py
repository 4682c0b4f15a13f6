"""The report's numbers: one source for each, and those of scikit-learn for the same predictions."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from page_parser import rows_of
from reported_fit import fitted_credit, reported_credit
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

import bridle as library
from bridle.report.write import full_report
from conftest import CREDIT


@pytest.fixture(scope="module")
def fitted():
    return fitted_credit()


@pytest.fixture(scope="module")
def report():
    return reported_credit()


@pytest.fixture(scope="module")
def said(fitted):
    rows = pd.read_csv(CREDIT).iloc[fitted.places["test"]]
    return rows["class"].to_numpy(), fitted.model.predict(rows)


def drawn(report, name, panel=0):
    figure = next(each for each in report.figures if each.name == name)
    return rows_of(figure.panels[panel].chart.to_dict())


def section(report, name):
    return next(each for each in report.sections if each.name == name)


def test_the_confusion_matrix_is_scikit_learns(report, said):
    truth, predicted = said
    names = ["bad", "good"]
    wanted = confusion_matrix(truth, predicted["prediction"], labels=names)
    cells = {(row["true"], row["predicted"]): row["rows"] for row in drawn(report, "confusion")}
    assert [[cells[a, b] for b in names] for a in names] == wanted.tolist()
    text = section(report, "mistakes").text[0]
    assert f"{int(np.trace(wanted))} ({100 * np.trace(wanted) / wanted.sum():.1f} %)" in text
    assert "“good”, would be right for 140 (70.0 %)" in text


def test_the_curve_is_scikit_learns(report, said):
    truth, predicted = said
    positive, shares = truth == "good", predicted["probability_good"].to_numpy()
    fall, rise, _ = roc_curve(positive, shares, drop_intermediate=False)
    line = [row for row in drawn(report, "roc") if "class" in row]
    points = {(round(row["fall"], 9), round(row["rise"], 9)) for row in line}
    assert points <= {(round(a, 9), round(b, 9)) for a, b in zip(fall, rise, strict=True)}
    area = roc_auc_score(positive, shares)
    figure = next(each for each in report.figures if each.name == "roc")
    assert f"{area:.3f}" in figure.caption
    assert figure.numbers.rows[0][:4] == ("good", "140", "60", f"{area:.3f}")


def test_the_tiles_and_each_figure_agree(fitted, report):
    """Figures 1 and "by regularizer" and the tiles: the same networks, the same numbers."""
    networks = {
        "plain": fitted.plain,
        "early stopping": fitted.stopped,
        "all together, as fitted": fitted.regularized,
    }
    bars = {(row["part"], row["who"]): row for row in drawn(report, "by-regularizer")}
    for name, network in networks.items():
        own = network.diagnosis
        assert bars[name, "training"]["value"] == pytest.approx(100 * own.training.value)
        for end in ("value", "low", "high"):
            ours = bars[name, "held out"][end]
            assert ours == pytest.approx(100 * getattr(own.held_out, end))
    tiles = {tile.label: tile for tile in report.tiles}
    assert tiles["Held-out accuracy"].value == bars["all together, as fitted", "held out"]["text"]
    assert tiles["Test accuracy"].beside == (
        f"plain: {100 * fitted.plain.test.value:.1f} %",
        f"early stopping: {100 * fitted.stopped.test.value:.1f} %",
        "majority class: 70.0 %",
    )
    first = [row for row in drawn(report, "before-and-after") if row.get("who")]
    constant = {row["part"]: row["value"] for row in first if row["who"] == "majority class"}
    assert constant == pytest.approx({"training": 70, "held out": 70, "test": 70})


def test_a_page_has_one_gap(report):
    gaps = [tile for tile in report.tiles if "ap" in tile.label]
    assert [tile.label for tile in gaps] == ["Gap, training − test"]
    figures = [each for each in report.figures if each.name != "before-and-after"]
    assert not [f.name for f in figures if "gap" in (f.title + f.caption).lower()]


def test_the_path_marks_this_model(fitted, report):
    own = fitted.regularized.diagnosis
    rows = [row["own"] for row in drawn(report, "lambda-path") if "own" in row]
    assert rows == pytest.approx([own.training.value, own.held_out.value])
    (zeros,) = [row["own"] for row in drawn(report, "lambda-path", panel=2) if "own" in row]
    weights = np.concatenate([w.detach().numpy().ravel() for w in fitted.model.network.weights])
    assert zeros == pytest.approx((weights == 0).mean())


def test_a_path_that_says_nothing_is_left_out(fitted):
    """Of a penalty that the model has not, a path is shown only if a strength is better."""
    strengths = library.Strengths(keep_prob=0.5)
    recipe = library.Recipe(hidden=(4,), epochs=1)
    result = library.fit(CREDIT, "class", strengths=strengths, recipe=recipe)
    ablation = library.ablate(result.model, CREDIT, factors=(1,), steps=1)
    report = library.report_of(result, ablation=ablation)
    assert "path" not in {each.name for each in report.sections}
    assert "regularizers" in {each.name for each in report.sections}


def test_what_was_read_is_the_table(fitted, report):
    found = section(report, "table")
    classes, columns = found.grids
    assert classes.rows == (
        ("bad", "300", "30.0 %", "180", "60", "60"),
        ("good", "700", "70.0 %", "420", "140", "140"),
    )
    table = pd.read_csv(CREDIT)
    read = {row[0]: row[1:] for row in columns.rows}
    assert list(read) == [name for name in table if name != "class"]
    assert read["duration"] == ("numerical", "–", "4 to 72, median 18")
    assert read["purpose"] == ("categorical", "–", "10 categories; most often “radio/tv” (28 %)")
    assert columns.folded
    assert "13 categorical and 7 numerical" in found.text[0]
    assert "No column has missing values." in found.text[0]


def test_missing_dates_unused_and_constant_columns_are_named():
    rows, random = 80, np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "x": random.normal(size=rows),
            "day": pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d"),
            "same": 1,
            "left": random.normal(size=rows),
        }
    )
    table["y"] = 2 * table["x"] + 5
    table.loc[::4, "x"] = None
    recipe = library.Recipe(hidden=(4,), epochs=2)
    result = library.fit(table, "y", drop=["left"], recipe=recipe)
    report = full_report(result, table, ablation=False)
    found = section(report, "table")
    (columns,) = found.grids
    read = {row[0]: row[1:] for row in columns.rows}
    assert read["x"][:2] == ("numerical", "20")
    assert read["day"] == ("date", "–", "2024-01-01 to 2024-03-20")
    assert read["same"] == ("left out", "–", "one value; left out")
    assert "does not use: left." in found.text[1]
    assert found.text[2].startswith("The target “y” goes from ")
    assert "1 column has missing values" in found.text[0]
    errors = [row for row in drawn(report, "errors") if "error" in row]
    test = table.iloc[result.places["test"]]
    wanted = result.model.predict(test)["prediction"].to_numpy() - test["y"].to_numpy()
    assert [row["error"] for row in errors] == pytest.approx(wanted.tolist(), abs=1e-4)
    assert {tile.beside[-1] for tile in report.tiles if "Gap" not in tile.label} == {"mean: 0.000"}


def test_importance_names_the_columns_and_orders_the_worst_rows(report):
    bars = drawn(report, "columns")
    names = [row["column"] for row in bars if "column" in row]
    assert len(names) == 15
    assert set(names) <= {*pd.read_csv(CREDIT).columns, "installment_commitment"}
    worst = section(report, "worst").grids[0]
    assert list(worst.head[4:]) == names[:5]
    assert worst.stacked
    assert "the 5 that matter most" in section(report, "worst").text[0]


def test_subnetworks_are_told_only_if_they_differ(fitted):
    found = library.diagnose(fitted, reference=False, shuffled_labels=False)
    masks = found.subnetworks
    for low, told in ((masks.sampling / 2, False), (2 * masks.sampling, True)):
        other = dataclasses.replace(
            found,
            subnetworks=dataclasses.replace(
                masks, difference=dataclasses.replace(masks.difference, low=low)
            ),
        )
        report = library.report_of(other)
        cells = [row[0] for row in section(report, "measured").grids[0].rows]
        assert any(cell.startswith("weight scaling") for cell in cells) is told
