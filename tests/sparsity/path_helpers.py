"""Losses, models and a network's path for the tests of λ paths."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from bridle.sparsity.lambda_path import lambda_path


def half_squares(model, batch):
    X, y = batch
    return 0.5 * (model(X)[:, 0] - y).square().mean()


def cross_entropy(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1])


def accuracy(model, batch):
    return (model(batch[0]).argmax(1) == batch[1]).double().mean()


def linear():
    model = nn.Linear(10, 1, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model


def mlp(seed=0):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 10))


def digits_path(digits, model=None, **settings):
    defaults = {
        "strengths": [3e-2, 1e-2, 1e-3],
        "epochs": 15,
        "batch_size": 32,
        "learning_rate": 0.2,
    }
    settings = defaults | settings
    return lambda_path(model or mlp(), *digits, loss=cross_entropy, score=accuracy, **settings)
