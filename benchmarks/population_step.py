"""A training step of a population of 32-128-128-2 networks, batch 128, all regularizers on.

Run ``OMP_NUM_THREADS=2 python benchmarks/population_step.py``. Beside it: a step of one network
in torch eager, and torch's matrix products alone. A call makes several steps, as in the search.
``--device cuda`` for a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from machine import machine
from timing import interleaved
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch_loop import network_of

from bridle.search.configuration import Configuration
from bridle.search.data import SearchData
from bridle.search.trial_population import TrialPopulation

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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="*", default=[16, 64, 256, 1024])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
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
