"""Batch normalization, skip connections, width and depth with the search's configurations.

Run ``python benchmarks/search_shapes.py --data FOLDER``. The same random configurations of the
search's space, each with every shape: plain torch loops (``torch_loop.py``), five folds, 900
steps, the best of 12 evaluations. The output is the balanced accuracy over all held-out rows in per
cent: the mean over configurations, and the best one's; then each shape minus 128-128, paired.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from machine import machine
from search_speed import SCORING, data_of
from torch import Tensor, nn
from torch_loop import Builder, cross_validate, network_of

from bridle.search.configuration import Configuration, Space
from bridle.search.plan import batch_size_for

SETS = ("credit-g", "vehicle", "kc1", "australian", "phoneme", "cnae-9")
STEPS, EVALUATIONS = 900, 12


class Skip(nn.Module):
    """Adds a layer's inputs to its outputs (He et al. 2016)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x + inner(x)``."""
        return x + self.inner(x)


def normalized(inputs: int, configuration: Configuration, outputs: int) -> nn.Module:
    """Return the network with batch normalization before each ReLU (Ioffe & Szegedy 2015)."""
    layers: list[nn.Module] = []
    for each in network_of(inputs, configuration, outputs):
        if isinstance(each, nn.ReLU):
            layers.append(nn.BatchNorm1d(configuration.hidden[0]))
        layers.append(each)
    return nn.Sequential(*layers)


def skipping(inputs: int, configuration: Configuration, outputs: int) -> nn.Module:
    """Return the network with a skip connection around each hidden layer but the first."""
    layers: list[nn.Module] = []
    for each in network_of(inputs, configuration, outputs):
        wide = isinstance(each, nn.Linear) and each.in_features == each.out_features
        layers.append(Skip(nn.Sequential(each, nn.ReLU())) if wide else each)
    return nn.Sequential(*layers)


WAYS: dict[str, tuple[tuple[int, ...], Builder]] = {
    "128-128": ((128, 128), network_of),
    "batch normalization": ((128, 128), normalized),
    "skip connections": ((128, 128), skipping),
    "32-32": ((32, 32), network_of),
    "256-256": ((256, 256), network_of),
    "one layer of 128": ((128,), network_of),
    "128-128-128": ((128, 128, 128), network_of),
}


def main() -> None:
    """Print a line for each set, and the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--configurations", type=int, default=8)
    options = parser.parse_args()
    print(f"{machine()}; {options.configurations} configurations\n")
    changes: dict[str, list[float]] = {name: [] for name in WAYS}
    rows = []
    for name in options.sets:
        frame = pd.read_csv(options.data / f"{name}.csv.gz", low_memory=False)
        frame["target"] = frame["target"].astype(str)
        data = data_of(frame, 0)
        space = Space(bins=tuple(sorted(data.inputs)), balanced=True)
        random = np.random.default_rng(7)
        scores: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(options.configurations):
            sampled = space.sample(random)
            for way, (hidden, build) in WAYS.items():
                torch.manual_seed(number)
                value = cross_validate(
                    data,
                    replace(sampled, hidden=hidden),
                    steps=STEPS,
                    evaluations=EVALUATIONS,
                    batch_size=batch_size_for(len(data.rows_of(0)[0])),
                    scoring=SCORING,
                    build=build,
                )
                scores[way].append(100 * value)
        for way, found in scores.items():
            changes[way] += (np.array(found) - np.array(scores["128-128"])).tolist()
        means = {way: f"{np.mean(each):.2f} ({np.max(each):.2f})" for way, each in scores.items()}
        rows.append({"set": name, **means})
        print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    print("\n" + pd.DataFrame(rows).to_string(index=False))
    for way in list(WAYS)[1:]:
        change = np.array(changes[way])
        error = change.std(ddof=1) / np.sqrt(len(change))
        print(f"{way} − 128-128, paired: {change.mean():+.2f} ± {error:.2f} (standard error)")


if __name__ == "__main__":
    main()
