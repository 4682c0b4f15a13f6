"""Seconds of the same search with two workers and with one, each of one thread.

Run ``OMP_NUM_THREADS=1 python benchmarks/search_workers.py``: 96 configurations on a table of
20,000 rows, in turn. This process has finished its imports before the clock starts. The other one
starts in the first search of two workers, whose seconds include its imports, and serves the later
ones too; ``--cold`` starts a new one each time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib import import_module

import numpy as np
import pandas as pd
import torch
from machine import machine

import bridle
from bridle.search.workers import end_idle_workers


def main() -> None:
    """Print the seconds of each, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--configurations", type=int, default=96)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        random.normal(size=(options.rows, 20)), columns=[f"x{i}" for i in range(20)]
    )
    noise = random.normal(size=options.rows)
    table["y"] = np.where(table.x0 * table.x1 + table.x2 + noise > 0, "a", "b")
    print(machine())
    import_module("bridle.search.search")
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for workers, spent in times.items():
            if options.cold:
                end_idle_workers()
            began = time.perf_counter()
            bridle.search(
                table,
                "y",
                configurations=options.configurations,
                workers=workers,
                epochs=options.epochs,
            )
            spent.append(time.perf_counter() - began)
            print(f"{workers}: {spent[-1]:.1f} s", flush=True)
    one, two = (statistics.median(each) for each in times.values())
    print(f"one {one:.1f} s, two {two:.1f} s: {one / two:.2f} times")


if __name__ == "__main__":
    main()
