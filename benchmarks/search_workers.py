"""Seconds of the same search with two workers and with one, each of one thread.

Run ``OMP_NUM_THREADS=1 python benchmarks/search_workers.py``: 96 configurations on a table of
20,000 rows, in turn. All processes have started and finished their imports before the clock starts.
The processor's time is that of this process and of the workers; it says what work the second worker
adds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from machine import machine

import bridle


def _table(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(rows, 20)), columns=[f"x{i}" for i in range(20)])
    noise = random.normal(size=rows)
    return table.assign(y=np.where(table.x0 * table.x1 + table.x2 + noise > 0, "a", "b"))


def _processor_seconds() -> tuple[float, float]:
    """Return the processor's time of this process, and on Linux that of the workers together."""
    children = Path("/proc/self/task").glob("*/children")
    workers = [Path("/proc", child) for each in children for child in each.read_text().split()]
    fields = [(each / "stat").read_text().rpartition(")")[2].split() for each in workers]
    ticks = sum(int(each[11]) + int(each[12]) for each in fields)
    return time.process_time(), ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the seconds of each, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--configurations", type=int, default=96)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=25)
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = _table(options.rows)
    print(machine())
    times: dict[int, list[float]] = {1: [], 2: []}
    scores = []
    for workers in times:  # imports
        bridle.search(_table(1000), "y", configurations=24, epochs=3, workers=workers)
    for _ in range(options.rounds):
        for workers, spent in times.items():
            before, began = _processor_seconds(), time.perf_counter()
            found = bridle.search(
                table,
                "y",
                configurations=options.configurations,
                workers=workers,
                epochs=options.epochs,
            )
            spent.append(time.perf_counter() - began)
            scores.append(found.scores)
            own, others = np.subtract(_processor_seconds(), before)
            print(
                f"{workers}: {spent[-1]:.1f} s; the processor's time: this process {own:.1f} s, "
                f"workers {others:.1f} s",
                flush=True,
            )
    one, two = (statistics.median(each) for each in times.values())
    same = all(each == scores[0] for each in scores)
    print(f"one {one:.1f} s, two {two:.1f} s: {one / two:.2f} times; scores equal: {same}")


if __name__ == "__main__":
    main()
