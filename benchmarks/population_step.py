"""A training step of a population of 32-128-128-2 networks, batch 128, all regularizers on.

Run ``OMP_NUM_THREADS=2 python benchmarks/population_step.py``. Beside it: a step of one network
in torch eager, and torch's matrix products alone. A call makes several steps, as in the search.
``--device cuda`` for a GPU.

``--bins``: steps and evaluations of networks whose inputs are numbers and their bins, by sums of
few rows of the weights and by the whole product, in milliseconds of the processor's time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from machine import machine
from timing import interleaved
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch_loop import network_of

from bridle.ops.encoded import Block, EncodedRows
from bridle.search.configuration import Configuration
from bridle.search.data import SearchData
from bridle.search.trial_population import TrialPopulation
from bridle.tables.bins import PiecewiseLinear

SIZES = (32, 128, 128, 2)
BATCH = 128
ALL = Configuration(
    l1=1e-5,
    l2=1e-4,
    keep_prob=0.5,
    input_keep_prob=0.9,
    drop_connect_keep_prob=0.9,
    max_norm=3.0,
    label_smoothing=0.1,
    mixup=0.3,
    averaging=8.0,
    class_weight=1.0,
    hidden=SIZES[1:-1],
)
TARGET = 0.12
STEPS = {"cpu": 10, "cuda": 160}  # per call
TRAINED = 1000  # steps, after which a network counts as trained
BINS = ((8, 16), (8, 48), (20, 16), (8, 128), (8, 256))  # numbers, and bins of each
EVALUATED = 5000  # rows


def torch_step(X: Tensor, y: Tensor) -> Callable[[], None]:
    """Return a step of one network with torch's own dropout, penalties in the loss, and Adam."""
    network = network_of(SIZES[0], ALL, SIZES[-1]).to(X.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> None:
        batch = torch.randint(len(X), (BATCH,), device=X.device)
        x, target = X[batch], y[batch]
        loss = F.cross_entropy(network(0.7 * x + 0.3 * x.roll(1, 0)), target, label_smoothing=0.1)
        for p in network.parameters():
            loss = loss + ALL.l1 * p.abs().sum() + 0.5 * ALL.l2 * p.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def products(members: int, device: str) -> Callable[[], None]:
    """Return the matrix products of a step, forward and backward, and nothing else."""
    wide = [torch.randn(members, BATCH, size, device=device) for size in SIZES]
    weights = [torch.randn(members, a, b, device=device) for a, b in pairwise(SIZES)]

    def step() -> None:
        for x, w, out in zip(wide, weights, wide[1:], strict=False):
            torch.bmm(x, w)
            torch.bmm(x.transpose(1, 2), out)
            torch.bmm(out, w.transpose(1, 2))

    return step


def binned(numbers: int, bins: int) -> tuple[SearchData, SearchData]:
    """Return rows of numbers and their bins, without and with their short form."""
    values = np.random.default_rng(0).normal(size=(2 * EVALUATED, numbers))
    encoding = PiecewiseLinear.fit(values, bins)
    X = torch.from_numpy(np.concatenate([values, encoding.transform(values)], 1)).float()
    blocks = [Block(numbers + at * bins, bins, binned=True) for at in range(numbers)]
    encoded = EncodedRows.of(X, blocks)
    if encoded is None:
        raise AssertionError("the rows have no short form")
    y = torch.from_numpy(values[:, 0] * values[:, 1] > 0).long()
    whole = SearchData({bins: X}, y, torch.arange(len(y)) % 2 - 1, 2)
    return whole, replace(whole, encoded={bins: encoded})


def print_bins(rounds: int) -> None:
    """Print the table of networks whose inputs are bins: four networks, no noise on inputs."""
    torch.set_num_threads(1)
    print("| numbers × bins | step, product | sums | evaluation, product | sums |")
    print("|---:|---:|---:|---:|---:|")
    members, steps = 4, STEPS["cpu"]
    for numbers, bins in BINS:
        one = replace(ALL, input_keep_prob=1.0).with_shape(SIZES[1:-1], bins)
        variants: dict[str, Callable[[], object]] = {}
        for name, data in zip(("product", "sums"), binned(numbers, bins), strict=True):
            population = TrialPopulation(
                data, [one] * members, range(members), seed=0, batch_size=BATCH
            )
            variants[f"step, {name}"] = partial(population.train, steps)
            variants[f"evaluation, {name}"] = population.held_out_outputs
        found = interleaved(variants, rounds=rounds, clock=time.process_time)
        each = [
            f"{found[f'{what}, {name}'] / members / (steps if what == 'step' else 1):.3f}"
            for what in ("step", "evaluation")
            for name in ("product", "sums")
        ]
        print(f"| {numbers} × {bins} | {' | '.join(each)} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="*", default=[16, 64, 256, 1024])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bins", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.bins:
        print(machine("cpu"))
        print(f"128-128-2, batch {BATCH}, {EVALUATED} rows evaluated; ms of a network\n")
        print_bins(options.rounds)
        return
    folds, rows = 4, 4096
    X, y = torch.randn(rows, SIZES[0]), torch.randint(2, (rows,))
    data = SearchData({0: X}, y, torch.arange(rows) % folds, 2, options.device)

    def synchronised(run: Callable[[], None]) -> Callable[[], None]:
        def whole() -> None:
            run()
            if options.device == "cuda":
                torch.cuda.synchronize()

        return whole

    print(machine(options.device))
    print(f"32-128-128-2, batch {BATCH}; ms; {TRAINED} steps train a network\n")
    print("| networks | step | per network | torch's products | torch eager, one | trained/s |")
    print("|---:|---:|---:|---:|---:|---:|")
    steps = STEPS[options.device]
    for members in options.members:
        count = members // folds
        population = TrialPopulation(data, [ALL] * count, range(count), seed=0, batch_size=BATCH)
        variants = {
            "bridle": synchronised(partial(population.train, steps)),
            "products": synchronised(products(members, options.device)),
            "torch": synchronised(torch_step(X.to(options.device), y.to(options.device))),
        }
        found = interleaved(variants, rounds=options.rounds)
        mine = found["bridle"] / members / steps
        print(
            f"| {members} | {mine * members:.3g} | {mine:.4f} | {found['products'] / members:.4f} "
            f"| {found['torch']:.3f} | {1e3 / mine / TRAINED:.1f} |",
            flush=True,
        )
        if members == 64 and options.device == "cpu":
            print(f"target {TARGET} ms: {'met' if mine <= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
