# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["baal==2.1.0", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of Baal."""

import warnings

import probes
import torch
import torch.nn.functional as F
from baal.bayesian.dropout import Dropout, patch_module
from torch import nn

warnings.simplefilter("ignore")


class Functional(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5, self.training)


def still_drops(module, *, x=None):
    patched = patch_module(nn.Sequential(module)).eval()
    torch.manual_seed(0)
    first = patched(torch.ones(1, 500, 1) if x is None else x)
    second = patched(torch.ones(1, 500, 1) if x is None else x)
    first, second = (each[0] if isinstance(each, tuple) else each for each in (first, second))
    return not torch.equal(first, second)


def train(values, rate):
    return Dropout(rate)(torch.tensor(values)).tolist()


def predict(values, rate):
    return Dropout(rate).eval()(torch.tensor(values)).tolist()


sequence = torch.randn(1, 3, 4)
probes.report(
    "baal",
    patch_module=probes.dropout(train, predict)
    | {
        "Dropout_drops_at_prediction": still_drops(nn.Dropout(0.5)),
        "Dropout2d_drops_at_prediction": still_drops(nn.Dropout2d(0.5), x=torch.ones(1, 99, 2, 2)),
        "functional_drops_at_prediction": still_drops(Functional()),
        "AlphaDropout_drops_at_prediction": still_drops(nn.AlphaDropout(0.5)),
        "LSTM_drops_at_prediction": still_drops(
            nn.LSTM(4, 4, num_layers=2, dropout=0.5), x=sequence
        ),
    },
)
