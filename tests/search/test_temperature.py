"""The temperature of a model's probabilities, and all scores of a search."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from search_cases import FAST, a_table
from sklearn import metrics

import bridle
from bridle.models.stored import load_predictor
from bridle.search.metrics import metrics_of
from bridle.search.temperature import Temperature, fit_temperature, temperature_text
from bridle.statistics.temperature import tempered


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


def test_the_temperature_is_that_of_the_averaged_probabilities():
    """Its log loss is the lowest of a fine grid of temperatures of the average."""
    generator = torch.Generator().manual_seed(1)
    outputs = 3 * torch.randn(4, 300, 3, generator=generator)
    y = outputs.softmax(-1).mean(0).square().multinomial(1, generator=generator)[:, 0]
    found = fit_temperature(outputs, y)
    shares = outputs.double().softmax(-1).mean(0).numpy()
    losses = {at: metrics.log_loss(y, tempered(shares, at)) for at in np.geomspace(0.2, 2, 401)}
    best = min(losses, key=losses.get)
    assert found.value < 0.8
    assert found.value == pytest.approx(best, rel=0.01)
    assert found.loss_before == pytest.approx(metrics.log_loss(y, shares))
    assert found.loss_after == pytest.approx(losses[best], abs=1e-5)


def test_the_text_shows_a_small_gain():
    told = temperature_text(Temperature(0.943, 0.50842, 0.50791))
    assert told.endswith("from 0.5084 to 0.5079")
    assert temperature_text(Temperature(0.9, 0.5, 0.4)).endswith("from 0.5 to 0.4")


def test_the_text_tells_a_temperature_near_1_from_1():
    assert temperature_text(Temperature(0.99987, 0.5, 0.4)).startswith("0.9999, more extreme")
    assert temperature_text(Temperature(1.0, 0.5, 0.5)).startswith("1, unchanged")


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 20.0])
def test_a_temperature_keeps_classes_and_sums(temperature):
    shares = np.random.default_rng(0).dirichlet(np.full(40, 0.02), size=500)
    shares[0] = np.eye(40)[3]
    found = tempered(shares, temperature)
    assert np.isfinite(found).all()
    assert (found.argmax(1) == shares.argmax(1)).all()
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(tempered(found, 1 / temperature), shares, atol=1e-9)


def test_the_model_of_a_search_is_calibrated_wherever_it_predicts(tmp_path):
    table = a_table(rows=200)
    found = bridle.search(table, "y", **FAST | {"epochs": 8})
    fitted = found.temperature
    assert fitted.value < 1
    assert found.metrics["held out"]["log_loss"] == pytest.approx(fitted.loss_after, abs=1e-4)
    assert found.model.temperature == fitted.value
    bridle.save_model(found.model, tmp_path / "m.bridle")
    predicted = found.model.predict(table)
    for load in (bridle.load, load_predictor):
        pd.testing.assert_frame_equal(load(tmp_path / "m.bridle").predict(table), predicted)
    even = replace(found.model, temperature=1.0).predict(table)
    assert even["prediction"].equals(predicted["prediction"])
    assert (even["probability_yes"] - predicted["probability_yes"]).abs().max() > 0.01
    averaged = found.model.predict(table, subnetworks=20)
    assert averaged["probability_yes"].std() > even["probability_yes"].std()
    subject = bridle.diagnose(found, reference=False, shuffled_labels=False)
    assert subject.test.loss.value == pytest.approx(found.metrics["test"]["log_loss"], abs=1e-4)
    assert "of the averaged probabilities" in str(found.model)
    test = table.iloc[found.observed.places["test"]]
    shares = found.model.predict_proba(test)
    told = found.metrics["test"]
    assert told["log_loss"] == pytest.approx(metrics.log_loss(test["y"], shares), abs=1e-4)
    area = metrics.roc_auc_score(test["y"], shares["yes"])
    assert told["roc_auc"] == pytest.approx(area, abs=1e-4)
    brier = metrics.brier_score_loss(test["y"] == "yes", shares["yes"])
    assert told["brier"] == pytest.approx(2 * brier, abs=1e-4)
    assert set(found.metrics) == {"held out", "test", "plain", "boosting"}
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["temperature"]["value"] < 1
    held_out = found.metrics["held out"]["log_loss"]
    assert found.optimism["log_loss"] == pytest.approx(told["log_loss"] / held_out - 1)
    wrong = [1 - found.metrics[each]["accuracy"] for each in ("test", "held out")]
    assert found.optimism["accuracy"] == pytest.approx(wrong[0] / wrong[1] - 1)
    assert "test above held out" in str(found)


def test_the_errors_of_a_regression_are_in_the_targets_units():
    table = a_table()
    table["y"] = 1000 * table["a"]
    found = bridle.search(table, "y", **FAST)
    test = table.iloc[found.observed.places["test"]]
    error = metrics.root_mean_squared_error(test["y"], found.model.predict(test)["prediction"])
    assert found.metrics["test"]["rmse"] == pytest.approx(error, rel=1e-4)
    assert found.temperature is None


def test_one_sure_and_wrong_row_costs_no_more_than_the_smallest_probability():
    outputs = torch.tensor([[0.0, 500.0], [0.0, 0.0]])
    found = metrics_of(outputs, torch.tensor([0, 1]), classes=True)
    assert found["log_loss"] == pytest.approx((np.log(2) - np.log(1e-12)) / 2)


def test_one_class_has_no_area():
    found = metrics_of(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), classes=True)
    assert np.isnan(found["roc_auc"])
    assert found["brier"] == pytest.approx(0.5)


@pytest.mark.parametrize(("sharpness", "value"), [(2.5, 1.0), (0.4, 0.4)])
def test_a_mean_of_more_networks_is_not_made_more_even(sharpness, value):
    """Held-out rows are of one fold's networks, and the model averages those of all folds."""
    found = fit_temperature(*sampled(sharpness), averages_more=True)
    assert found.value == pytest.approx(value, rel=0.15)
    if value == 1.0:
        assert found.loss_after == found.loss_before


def test_a_search_of_several_folds_makes_no_probabilities_more_even():
    """On labels that the networks cannot know they are too sure; their mean is less so."""
    table = a_table(rows=200)
    table["y"] = np.random.default_rng(0).permutation(table["y"])
    for answer in ("ensemble", "refit"):
        found = bridle.search(table, target="y", answer=answer, **{**FAST, "epochs": 20})
        assert found.temperature.value == 1.0
