"""Seconds that ``bridle fit TABLE --budget`` takes from the start of its process, and its budget.

Run ``python benchmarks/search_budgets.py --data FOLDER``: three tables and three budgets in turn,
each in a new process. ``--workers 2`` searches with two workers.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from machine import machine

TABLES = ("credit-g", "phoneme", "kin8nm")


def _target(table: Path) -> str:
    return str(pd.read_csv(table, nrows=1).columns[-1])


def _taken(table: Path, budget: float, options: list[str]) -> tuple[float, float, bool]:
    """Return the seconds from start to end, the processor's time of all processes, and success."""
    command = [sys.executable, "-m", "bridle", "fit", str(table), "--target", _target(table)]
    before, began = os.times(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = ["--out", str(Path(folder) / "model.safetensors")]
        given = ["--budget", str(budget), *options, *out, "--quiet"]
        ran = subprocess.run([*command, *given], stdout=subprocess.DEVNULL)  # noqa: S603
    taken, after = time.perf_counter() - began, os.times()
    spent = after.children_user - before.children_user
    spent += after.children_system - before.children_system
    return taken, spent, ran.returncode == 0


def main() -> None:
    """Print asked and taken for each table and budget, and the largest deviation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=TABLES)
    parser.add_argument("--budgets", nargs="*", type=float, default=(10.0, 15.0, 20.0))
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    print(machine())
    ratios = []
    for name in options.sets:
        table = options.data / f"{name}.csv.gz"
        for budget in options.budgets:
            taken, spent, done = _taken(table, budget, ["--workers", str(options.workers)])
            if not done:  # the message says why; on a busy machine a budget may be too short
                print(f"{name}: {budget:.0f} s was refused or failed", flush=True)
                continue
            ratios.append(taken / budget)
            print(
                f"{name}: asked {budget:.0f} s, taken {taken:.1f} s ({ratios[-1] - 1:+.0%}), "
                f"the processor's time {spent:.1f} s",
                flush=True,
            )
    if ratios:
        print(f"from {min(ratios) - 1:+.0%} to {max(ratios) - 1:+.0%} of the budget")


if __name__ == "__main__":
    main()
