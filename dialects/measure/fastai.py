# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = ["fastai==2.8.12", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of fastai."""

import probes
import torch
import torch_probes
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import SGD, Adam, RAdam
from fastai.tabular.model import TabularModel
from torch import nn


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict(torch_probes.parts())
        self.batch = nn.BatchNorm1d(2)
        nn.init.ones_(self.batch.weight)


def moved(**options):
    """Say which parameters of a learner's model shrink, whose gradients are zero."""
    model = Mixed()
    empty = [torch.zeros(1, 2)], [torch.zeros(1, 2)]
    learner = Learner(DataLoaders(*empty), model, nn.MSELoss(), lr=0.1, **options)
    learner.create_opt()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    learner.opt.set_hypers(lr=0.1)
    learner.opt.step()
    named = {**torch_probes.of_each(dict(model.parts.items())), "batch": model.batch.weight}
    return {name: bool((parameter != 1).any()) for name, parameter in named.items()}


def of(function, *, adaptive=True, **options):
    def step(weights, gradients, lr, decay, steps):
        make = lambda p: function(p, lr=lr, wd=decay, **options)
        return torch_probes.run(make, weights, gradients, steps)

    return {**probes.decay(step, adaptive), "default": probes.default(function, "wd")}


plain, all_of_them = moved(wd=0.1), moved(wd=0.1, wd_bn_bias=True)
rates = [
    module.p
    for module in TabularModel([(3, 2)], 2, 1, [8]).modules()
    if isinstance(module, nn.Dropout)
]
probes.report(
    "fastai",
    Adam={**of(Adam), **{name: plain[name] for name in ("biases", "norms", "embeddings")}}
    | {
        "batch_norm_is_decayed": plain["batch"],
        "wd_bn_bias_decays_all": all(all_of_them.values()),
    },
    SGD=of(SGD, adaptive=False, mom=0.9),
    RAdam={"default": probes.default(RAdam, "wd")},
    Learner={"default": probes.default(Learner.__init__, "wd")},
    tabular_learner={"default": max(rates, default=0.0)},
)
