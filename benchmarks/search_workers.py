"""Seconds of the same search with two workers and with one, each of one thread.

Run ``OMP_NUM_THREADS=1 python benchmarks/search_workers.py``: 96 configurations on a table of
20,000 rows, in turn. All processes have started and finished their imports before the clock starts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib import import_module

import joblib
import numpy as np
import pandas as pd
import torch
from machine import machine

import bridle


def _imported() -> None:
    """Load what a worker needs: joblib replaces one that grows after its first call."""
    import_module("bridle.search.search")
    time.sleep(1)  # so that each process has a call


def main() -> None:
    """Print the seconds of each, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--configurations", type=int, default=96)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        random.normal(size=(options.rows, 20)), columns=[f"x{i}" for i in range(20)]
    )
    noise = random.normal(size=options.rows)
    table["y"] = np.where(table.x0 * table.x1 + table.x2 + noise > 0, "a", "b")
    print(machine())
    _imported()
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for workers, spent in times.items():
            if workers == 2:
                with joblib.parallel_config("loky", inner_max_num_threads=1):
                    joblib.Parallel(2)(joblib.delayed(_imported)() for _ in range(2))
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
