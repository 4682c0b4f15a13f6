# /// script
# requires-python = ">=3.10"
# dependencies = ["torch-uncertainty==0.13.0", "torch==2.13.0", "numpy"]
# ///
"""Measures the MC dropout of torch-uncertainty, by its module alone."""

import importlib.util
import warnings
from pathlib import Path

import probes
import torch
import torch.nn.functional as F
from torch import nn

warnings.simplefilter("ignore")
root = Path(importlib.util.find_spec("torch_uncertainty").submodule_search_locations[0])
path = next(root.rglob("mc_dropout.py"))
spec = importlib.util.spec_from_file_location("mc_dropout", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


class Functional(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5, self.training)


def wrapped(layer):
    model = nn.Sequential(layer)
    wrapper = module.mc_dropout(model, num_estimators=3)
    return model, wrapper


def still_drops(layer):
    _, wrapper = wrapped(layer)
    wrapper.eval()
    out = wrapper(torch.ones(1, 500))
    return bool((out[:1] != out[1:2]).any())


model, wrapper = wrapped(nn.Dropout(0.5))
wrapper.eval()
changed = model[0].training
model.eval()
after = wrapper(torch.ones(1, 500))
probes.report(
    "torch_uncertainty",
    mc_dropout={
        "prediction": "active" if still_drops(nn.Dropout(0.5)) else "identity",
        "AlphaDropout_drops_at_prediction": still_drops(nn.AlphaDropout(0.5)),
        "functional_only": probes.attempt(lambda: wrapped(Functional()) and "accepted"),
        "changes_the_original_model": changed,
        "original_eval_switches_it_off": not bool((after == 0).any()),
    },
)
