"""How well the search predicts: balanced accuracy on the sets of Kadra et al. 2021, their split.

Run ``python benchmarks/search_quality.py --data FOLDER --budget 5m``. A fifth of the rows is the
test part (seed 11, stratified); the search has the rest. The published columns are read from the
folder's reference file. ``--repeats`` adds further splits, paired.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from machine import machine
from sklearn.model_selection import train_test_split

import bridle

SETS = (
    "arrhythmia credit-g vehicle kc1 adult phoneme cnae-9 australian car jasmine".split()  # noqa: SIM905
)
REFERENCE = "reference_kadra2021_test_balanced_accuracy.csv"
PUBLISHED = ("MLP", "MLP+D", "XGB", "MLP+cocktail")
OURS = ("chosen", "plain", "boosting")


def one(
    frame: pd.DataFrame, split: int, budget: str, seed: int, hidden: list[int]
) -> dict[str, float]:
    """Search on one split; return the test scores in per cent, and the seconds."""
    rest, test = train_test_split(
        frame, test_size=0.2, random_state=split, stratify=frame["target"]
    )
    began = time.perf_counter()
    found = bridle.search(
        rest,
        "target",
        test=test,
        budget=budget,
        scoring="balanced_accuracy",
        seed=seed,
        hidden=[hidden],
    )
    scores = {name: 100 * found.scores.get(name, np.nan) for name in OURS}
    return scores | {
        "validation": 100 * found.validation_score,
        "K": found.considered,
        "s": time.perf_counter() - began,
    }


def main() -> None:
    """Print a line for each set, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--hidden", type=int, nargs="*", default=[256, 256])
    options = parser.parse_args()
    reference = pd.read_csv(options.data / REFERENCE, index_col="dataset")
    print(f"{machine()}; budget {options.budget}; test balanced accuracy in per cent\n")
    rows = []
    for name in options.sets:
        frame = pd.read_csv(options.data / f"{name}.csv.gz", low_memory=False)
        frame["target"] = frame["target"].astype(str)
        for repeat in range(options.repeats):
            row = {"set": name, "split": 11 + repeat}
            row |= one(frame, 11 + repeat, options.budget, repeat, options.hidden)
            row |= {each: float(reference.loc[name, each]) for each in PUBLISHED}
            rows.append(row)
            print(
                "  ".join(
                    f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
                ),
                flush=True,
            )
    table = pd.DataFrame(rows)
    print("\n" + table.groupby("set", sort=False).mean().round(2).to_string())
    print("\nmeans\n" + table.drop(columns="set").mean().round(2).to_string())


if __name__ == "__main__":
    main()
