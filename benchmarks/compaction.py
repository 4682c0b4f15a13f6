"""Time of a prediction before and after compaction, with 75 % of the hidden units dead.

Run ``python benchmarks/compaction.py``. The dead units are as a group penalty leaves them: all
weights that leave a hidden unit or channel are zero. The variants run in turn; the figure is the
median over the rounds.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from functools import partial

import torch
from machine import machine
from timing import interleaved
from torch import Tensor, nn

from bridle.sparsity.compaction import compact

DEAD = 0.75


@torch.no_grad()
def without_units(model: nn.Sequential) -> None:
    """Zero the outgoing weights of a random 75 % of the units of each layer but the last."""
    layers = [layer for layer in model if isinstance(layer, nn.Linear | nn.Conv2d)]
    for place, below in enumerate(layers[:-1]):
        above = layers[place + 1]
        units = below.weight.shape[0]
        dead = torch.randperm(units)[: round(DEAD * units)]
        factor = above.weight.shape[1] // units
        columns = (dead[:, None] * factor + torch.arange(factor)).flatten()
        above.weight[:, columns] = 0


def mlp() -> tuple[nn.Module, Tensor]:
    """Return 784-1024-1024-10 and a batch."""
    model = nn.Sequential(
        *(nn.Linear(784, 1024), nn.ReLU()),
        *(nn.Linear(1024, 1024), nn.ReLU()),
        nn.Linear(1024, 10),
    )
    without_units(model)
    return model.eval(), torch.randn(128, 784)


def cnn() -> tuple[nn.Module, Tensor]:
    """Return two convolutions with batch normalization, two linear layers, and a batch."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)),
    )
    without_units(model)
    return model.eval(), torch.randn(64, 1, 28, 28)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    cases = {"784-1024-1024-10, batch 128": mlp(), "CNN 32-64-128, 28×28, batch 64": cnn()}
    found = {name: compact(model, X) for name, (model, X) in cases.items()}
    runs: dict[tuple[str, bool], Callable[[], object]] = {}
    moved = {}
    with torch.inference_mode():
        for name, (model, X) in cases.items():
            small = found[name].model
            runs[name, False] = partial(model, X)
            runs[name, True] = partial(small, X)
            exact = copy.deepcopy(model).double()(X.double()).float()
            moved[name] = float((small(X) - exact).abs().max() / exact.abs().max())
        times = interleaved(runs, rounds=rounds)
    print(f"{DEAD:.0%} of the hidden units dead; ms per prediction, float32")
    print(f"{machine()}; median of {rounds} rounds\n")
    print("| network | parameters before | after | before, ms | after, ms | speedup | rounding |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, result in found.items():
        before, after = times[name, False], times[name, True]
        print(
            f"| {name} | {result.parameters_before:,} | {result.parameters_after:,} "
            f"| {before:.2f} | {after:.2f} | {before / after:.1f} × | {moved[name]:.0e} |"
        )


if __name__ == "__main__":
    main()
