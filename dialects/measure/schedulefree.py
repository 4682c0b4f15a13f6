# /// script
# requires-python = ">=3.10"
# dependencies = ["schedulefree==1.4.1", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of schedule-free."""

import probes
import torch
import torch_probes
from schedulefree import AdamWScheduleFree, SGDScheduleFree


def in_train_mode(function):
    def make(*args, **options):
        optimizer = function(*args, **options)
        optimizer.train()
        return optimizer

    return make


def drop(function, lr, steps):
    make = lambda p: in_train_mode(function)(p, lr=lr, weight_decay=0.1)
    return 1 - torch_probes.run(make, [1.0], [0.0], steps)[0]


def zeros_last():
    """Write zeros after each step, and see whether they are there for evaluation."""
    weight = torch.ones(1, requires_grad=True)
    optimizer = in_train_mode(SGDScheduleFree)([weight], lr=0.1)
    for _ in range(3):
        weight.grad = torch.ones(1)
        optimizer.step()
        with torch.no_grad():
            weight.zero_()
    optimizer.eval()
    return bool((weight == 0).all())


def of(function):
    found = torch_probes.hit(lambda p: in_train_mode(function)(p, lr=0.1, weight_decay=0.1))
    return {
        **found,
        "default": probes.default(function, "weight_decay"),
        "times_lr": abs(drop(function, 0.1, 1) / drop(function, 0.05, 1) - 2) < 0.1,
        "default_lr": probes.default(function, "lr"),
    }


def adaptive_drops():
    step = torch_probes.stepper(in_train_mode(AdamWScheduleFree))
    one, four = step([1.0, 4.0], [0.0, 0.0], 0.1, 0.1, 3)
    return "decoupled" if abs(one - four / 4) < 1e-4 else "coupled"


def untrained():
    weight = torch.ones(1, requires_grad=True)
    weight.grad = torch.ones(1)
    optimizer = SGDScheduleFree([weight], lr=0.1)
    optimizer.eval()
    optimizer.step()


probes.report(
    "schedulefree",
    AdamWScheduleFree=of(AdamWScheduleFree) | {"coupling": adaptive_drops()},
    SGDScheduleFree=of(SGDScheduleFree)
    | {
        "zeros_survive_eval": zeros_last(),
        "step_in_eval_mode": probes.attempt(untrained, (Exception,)) or "accepted",
    },
)
