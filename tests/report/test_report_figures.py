"""Each figure holds the numbers that it was given."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from page_parser import rows_of

import bridle as library
from bridle.report.figures import reliability, strength_path, weight_histograms, zero_map
from bridle.report.theme import PALETTES
from bridle.statistics.scores import Estimate


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


def test_values_are_drawn_against_the_truth(tables):
    path, target = tables["diabetes"]
    result = library.fit(path, target, recipe=library.Recipe(hidden=(8,), epochs=3))
    report = library.report_of(result)
    figure = next(each for each in report.figures if each.name == "errors")
    drawn = [r for r in rows_of(figure.panels[0].chart.to_dict()) if "error" in r]
    table = pd.read_csv(path).iloc[result.places["test"]]
    assert [row["truth"] for row in drawn] == pytest.approx(table[target].tolist(), rel=1e-5)
    said = result.model.predict(table)["prediction"]
    assert [row["predicted"] for row in drawn] == pytest.approx(said.tolist(), rel=1e-5)


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
