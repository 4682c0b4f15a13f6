"""The temperature of a model's probabilities, and all scores of a search."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from search_cases import FAST, a_table
from sklearn import metrics

import bridle
from bridle.models.stored import load_predictor
from bridle.search.metrics import metrics_of
from bridle.search.temperature import fit_temperature, with_temperature


def sampled(sharpness, rows=2000, members=3):
    """Return outputs that are ``sharpness`` times the log-odds of the labels, and the labels."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, 3, generator=generator, dtype=torch.float64)
    y = logits.softmax(-1).multinomial(1, generator=generator)[:, 0]
    return (sharpness * logits).expand(members, -1, -1), y


@pytest.mark.parametrize("sharpness", [0.4, 2.5])
def test_the_temperature_undoes_a_wrong_sharpness(sharpness):
    outputs, y = sampled(sharpness)
    found = fit_temperature(outputs, y)
    assert found.value == pytest.approx(sharpness, rel=0.15)
    assert found.loss_after < found.loss_before - 0.01
    right = sampled(1.0)
    assert found.loss_after == pytest.approx(fit_temperature(*right).loss_before, abs=0.005)


def test_calibrated_outputs_keep_their_temperature():
    found = fit_temperature(*sampled(1.0))
    assert found.value == 1.0
    assert found.loss_after == found.loss_before


@pytest.mark.parametrize(("sharpness", "groups"), [(1.6, 20), (1.2, 4)])
def test_rows_of_a_group_are_not_independent(sharpness, groups):
    outputs, y = sampled(sharpness, rows=20)
    outputs, y = outputs.repeat_interleave(50, 1), y.repeat_interleave(50)
    assert fit_temperature(outputs, y).value != 1.0
    assert fit_temperature(outputs, y, np.arange(20).repeat(50) * groups // 20).value == 1.0


def test_the_networks_take_the_temperature():
    network = bridle.Network([4, 8, 3], seeds=[1, 2]).eval()
    X = torch.randn(5, 4)
    before = bridle.predict(network, X)
    found = bridle.predict(with_temperature(network, 0.5), X)
    torch.testing.assert_close(found, 2 * before)
    assert torch.equal(bridle.predict(with_temperature(network, 1.0), X), found)


def test_the_model_of_a_search_is_calibrated_wherever_it_predicts(tmp_path):
    table = a_table(rows=200)
    found = bridle.search(table, "y", **FAST | {"epochs": 8})
    fitted = found.temperature
    assert fitted.value < 1
    assert found.metrics["held out"]["log_loss"] == pytest.approx(fitted.loss_after, abs=1e-4)
    assert found.model.facts["temperature"] == fitted.value
    bridle.save_model(found.model, tmp_path / "m.bridle")
    stored = load_predictor(tmp_path / "m.bridle").predict(table)
    pd.testing.assert_frame_equal(stored, found.model.predict(table))
    test = table.iloc[found.observed.places["test"]]
    shares = found.model.predict_proba(test)
    told = found.metrics["test"]
    assert told["log_loss"] == pytest.approx(metrics.log_loss(test["y"], shares), abs=1e-4)
    area = metrics.roc_auc_score(test["y"], shares["yes"])
    assert told["roc_auc"] == pytest.approx(area, abs=1e-4)
    brier = metrics.brier_score_loss(test["y"] == "yes", shares["yes"])
    assert told["brier"] == pytest.approx(2 * brier, abs=1e-4)
    assert set(found.metrics) == {"held out", "test", "plain", "boosting"}
    assert "temperature" in json.dumps(found.to_dict(), allow_nan=False)


def test_the_errors_of_a_regression_are_in_the_targets_units():
    table = a_table()
    table["y"] = 1000 * table["a"]
    found = bridle.search(table, "y", **FAST)
    test = table.iloc[found.observed.places["test"]]
    error = metrics.root_mean_squared_error(test["y"], found.model.predict(test)["prediction"])
    assert found.metrics["test"]["rmse"] == pytest.approx(error, rel=1e-4)
    assert found.temperature is None


def test_one_class_has_no_area():
    found = metrics_of(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), classes=True)
    assert np.isnan(found["roc_auc"])
    assert found["brier"] == pytest.approx(0.5)
