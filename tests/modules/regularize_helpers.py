"""What the tests of ``regularize`` share: noises, a schedule, an optimizer and its steps."""

import torch
from torch import nn

import bridle

HALF = {"keep_prob": 0.5}
DROP, CONNECT = bridle.Dropout(keep_prob=0.6), bridle.DropConnect(keep_prob=0.7)
RISING = bridle.LinearSchedule(0.6, 1.0, steps=9)


def mlp():
    layers = [nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)]
    return nn.Sequential(*layers), torch.randn(7, 5)


def adam(model, **options):
    return torch.optim.Adam(model.parameters(), lr=0.01, **options)


def steps(model, optimizer, x, count=3):
    for _ in range(count):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
