"""Modules without a spread, or with dropout that cannot be switched on: refused, or named."""

import warnings

import pytest
import torch
from ensemble_models import FLAT, Shifted, feature
from torch import nn

import bridle
from bridle.errors import RegularizationWarning, UsageError


def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises against scripts
        return torch.jit.script(nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5)).eval())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        feature("nothing-refused", nn.Linear(8, 3), "has no noise"),
        feature("rate-0-refused", nn.Sequential(nn.Linear(8, 3), nn.Dropout(0)), "has no noise"),
        feature("gate-refused", Shifted(), r"the model \(Shifted, dropout=0.3\) cannot be"),
        feature(
            "no-effect-refused",
            nn.Sequential(nn.Dropout(0.5), nn.Threshold(1e9, 0.0)),
            "gave the same outputs",
        ),
        feature(
            "probabilities-refused",
            nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5), nn.Softmax(-1)),
            "are probabilities",
        ),
        feature(
            "one-score-refused",
            nn.Sequential(nn.Linear(8, 1), nn.Dropout(0.5)),
            "without several classes",
        ),
        feature("lazy-refused", nn.Sequential(nn.LazyLinear(3), nn.Dropout(0.5)), "lazy"),
        feature(
            "scripted-refused",
            scripted,
            "TorchScript; give the module it was made from",
        ),
    ],
)
def test_what_has_no_spread_is_refused(model, message):
    model = model() if model is scripted else model
    with pytest.raises(UsageError, match=message):
        bridle.predict_ensemble(model, torch.randn(6, 8), k=4)


@pytest.mark.parametrize("name", [feature("part-warned", "0 ")])
def test_dropout_that_cannot_be_switched_on_is_named(name):
    model = nn.Sequential(Shifted(), nn.Dropout(0.1))
    with pytest.warns(RegularizationWarning, match=rf"{name}\(Shifted, dropout=0.3\)") as warned:
        bridle.predict_ensemble(model, torch.randn(6, 8), k=4)
    assert warned[0].filename == __file__


@pytest.mark.parametrize(
    ("options", "message"),
    [
        feature("batch-rows-refused", {"batch_rows": 5}, "batch_rows is for a bridle.Network"),
        feature("k-refused", {"k": 0}, "give a count of subnetworks"),
        feature("class-axis-refused", {"class_axis": 4}, "without several classes"),
    ],
)
def test_invalid_arguments(options, message):
    model = nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5))
    with pytest.raises(UsageError, match=message):
        bridle.predict_ensemble(model, torch.randn(FLAT), **options)
    with pytest.raises(UsageError, match="X is a int"):
        bridle.predict_ensemble(model, 3)
    with pytest.raises(UsageError, match="no batches"):
        bridle.predict_ensemble(model, [])
