"""Co-adaptation on MNIST: plain, dropout, L2; first features; and the time of the measurement.

Run ``python benchmarks/coadaptation.py --data mnist.npz [--figure tiles.png]``. Networks
784-128-128-10, five seeds of each kind in one population, each on its own 2000 training rows. The
times are for 128 units and 2000 pairs of one network on 200 rows: ``co_adaptation`` beside a loop
that sets units to zero and runs the layers behind, one removal at a time, also in float64.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from machine import machine
from scipy.stats import t as student
from timing import interleaved
from torch import Tensor

from bridle import (
    L2,
    Dropout,
    Network,
    co_adaptation,
    feature_tiles,
    predict,
    tile_sheet,
    train_step,
)
from bridle.inspection import CoAdaptation

SIZES = (784, 128, 128, 10)
SEEDS, ROWS, STEPS, TESTED = 5, 2000, 400, 200
NAMES = ("plain", "dropout", "L2")


def read(path: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training and test images in [0, 1], flat, with their labels."""
    with np.load(path) as arrays:
        x, y, x_test, y_test = (
            torch.from_numpy(arrays[name]) for name in ("x_train", "y_train", "x_test", "y_test")
        )
    return x.flatten(1) / 255, y.long(), x_test.flatten(1) / 255, y_test.long()


def trained(X: Tensor, y: Tensor) -> Network:
    """Return five networks of each kind, with the same initial weights and rows."""
    draw = torch.Generator().manual_seed(0)
    parts = torch.randperm(len(X), generator=draw)[: SEEDS * ROWS].view(SEEDS, ROWS).repeat(3, 1)
    network = Network(
        SIZES,
        seeds=[*range(SEEDS)] * 3,
        hidden_noise=Dropout(keep_prob=torch.tensor([1.0, 0.5, 1.0]).repeat_interleave(SEEDS)),
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    penalties = [L2(torch.tensor([0.0, 0.0, 0.01]).repeat_interleave(SEEDS))]
    for _ in range(STEPS):
        rows = parts[:, torch.randint(ROWS, (64,), generator=draw)]
        train_step(network, (X[rows], y[rows]), optimizer=optimizer, penalties=penalties)
    return network


def by_loop(network: Network, X: Tensor, y: Tensor, found: CoAdaptation) -> list[float]:
    """Return the losses of the same removals, one at a time."""
    taken = network.take([0]).double()
    weights, biases = [w[0] for w in taken.weights], [b[0] for b in taken.biases]
    losses = []
    with torch.no_grad():
        first = torch.relu(X.double() @ weights[0] + biases[0])
        for units in [*range(SIZES[1]), *found.pairs.tolist()]:
            hidden = first.clone()
            hidden[:, units] = 0
            hidden = torch.relu(hidden @ weights[1] + biases[1])
            outputs = hidden @ weights[2] + biases[2]
            losses.append(torch.nn.functional.cross_entropy(outputs, y).item())
    return losses


def draw_tiles(network: Network, path: Path) -> None:
    """Draw 30 first features of a network of each kind."""
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(1, 3, figsize=(9, 2.9), layout="constrained")
    for group, (axis, name) in enumerate(zip(axes, NAMES, strict=True)):
        tiles = feature_tiles(network, (28, 28), member=group * SEEDS)[:30]
        axis.imshow(tile_sheet(tiles, columns=6, gap=2), cmap="RdBu_r", vmin=-1, vmax=1)
        axis.set(title=name, xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=80)
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)  # noise packs badly


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of timing; 0: no times")
    options = parser.parse_args()
    X, y, X_test, y_test = read(options.data)
    network = trained(X, y)
    right = (predict(network, X_test).argmax(-1) == y_test).double().mean(1).view(3, SEEDS)
    X, y = X_test[:TESTED], y_test[:TESTED]
    print(f"{machine()}\n")
    print("| layer | removed | plain | dropout | L2 | plain − dropout (95 %) | plain − L2 (95 %) |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for layer in (1, 2):
        for removed in ("zero", "mean"):
            shares = [
                100 * co_adaptation(network, X, y, layer=layer, member=k, removed=removed).share
                for k in range(network.members)
            ]
            groups = np.array(shares).reshape(3, SEEDS)
            less = groups[0] - groups[1:]
            half = student.ppf(0.975, SEEDS - 1) * less.std(1, ddof=1) / np.sqrt(SEEDS)
            cells = [f"{share:.2f} %" for share in groups.mean(1)]
            cells += [f"{x:.2f} ± {d:.2f}" for x, d in zip(less.mean(1), half, strict=True)]
            print(f"| {layer} | {removed} | {' | '.join(cells)} |")
    for name, accuracies in zip(NAMES, right, strict=True):
        print(f"\n- {name}: test accuracy {100 * accuracies.mean():.2f} %", end="")
    found = co_adaptation(network, X, y)
    theirs = np.array(by_loop(network, X, y, found)) - found.loss
    ours = np.concatenate([found.single, found.together])
    print(f"\n- largest difference from the loop: {np.abs(ours - theirs).max():.1e}")
    if options.rounds:
        times = interleaved(
            {
                "co_adaptation": lambda: co_adaptation(network, X, y),
                "loop": lambda: by_loop(network, X, y, found),
            },
            rounds=options.rounds,
            warm_up=1,
        )
        print(
            f"- {times['co_adaptation'] / 1e3:.2f} s, the loop {times['loop'] / 1e3:.2f} s: "
            f"{times['loop'] / times['co_adaptation']:.1f} times as long"
        )
    if options.figure:
        draw_tiles(network, options.figure)


if __name__ == "__main__":
    main()
