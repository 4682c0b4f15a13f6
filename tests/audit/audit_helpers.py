"""A batch, a model and an optimizer for the tests of ``audit``."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle

X, Y = torch.randn(32, 6, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 3


def mlp(*extra):
    layers = [nn.Linear(6, 24), nn.ReLU(), *extra, nn.Linear(24, 3)]
    return nn.Sequential(*layers)


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def kinds(audited, severity="fail"):
    return {(f.kind, f.subject) for f in audited.findings if f.severity == severity}


def cross_entropy(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1])


def throw_away(model, rules):
    """Regularize a model, and throw the receipt away, of which bridle warns."""
    with pytest.warns(bridle.RegularizationWarning, match="receipt .* was thrown away"):
        bridle.regularize(model, rules)
