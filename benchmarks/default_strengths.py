"""Which strengths help beyond early stopping, on development tables.

Run ``python benchmarks/default_strengths.py --data FOLDER``. Every candidate of a table is a member
of one population: same initial weights, same batches, same early stopping. Member 0 has no other
regularizer. Each candidate's test score minus that of member 0 is what it adds beyond early
stopping. The interval over runs (a table with a seed) is a bootstrap of tables, since runs on one
table are not independent. The defaults of ``bridle.fit`` are the candidates with the best mean.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from machine import machine

from bridle import Dataset, Network, Recipe, Strengths, train
from bridle.models.fit import encoders_of
from bridle.models.judge import judge_members
from bridle.models.reading import read_for_fit
from bridle.models.recipe import noises_of, penalties_of
from bridle.statistics import compare
from bridle.tables import ClassTarget

TABLES = {
    "classification": (
        "splice",
        "credit-g",
        "vowel",
        "vehicle",
        "phoneme",
        "kc1",
        "satimage",
        "spambase",
        "car",
        "arrhythmia",
    ),
    "regression": ("boston", "concrete", "energy", "kin8nm", "wine-red", "cpu-act", "california"),
}
CANDIDATES = {
    "classification": (
        Strengths(),
        Strengths(l1=1e-4),
        Strengths(l1=1e-3),
        Strengths(l2=1e-3),
        Strengths(keep_prob=0.8),
        Strengths(keep_prob=0.5),
        Strengths(l1=1e-5, l2=1e-4, keep_prob=0.8),
        Strengths(l1=1e-4, l2=1e-3, keep_prob=0.5),
    ),
    "regression": (
        Strengths(),
        Strengths(l1=1e-4),
        Strengths(l2=1e-3),
        Strengths(keep_prob=0.95),
        Strengths(l1=1e-5, l2=1e-4),
        Strengths(l1=1e-5, l2=1e-4, keep_prob=0.95),
        Strengths(l1=1e-4, l2=1e-3, keep_prob=0.95),
    ),
}
MOST_ROWS = 1500


def name_of(strengths: Strengths) -> str:
    """Return a candidate's strengths in words."""
    off = Strengths()
    parts = [
        f"{name} {value:g}"
        for name, value in vars(strengths).items()
        if value != getattr(off, name)
    ]
    return ", ".join(parts) or "early stopping alone"


def differences(
    frame: pd.DataFrame, task: str, seed: int, epochs: int
) -> tuple[float, list[tuple[float, str]]]:
    """Return the test score of early stopping alone, and what each candidate adds to it."""
    given = read_for_fit(frame, "target", ())
    rows, encoder, coding = encoders_of(given, task, seed)
    X = torch.from_numpy(encoder.transform(given.frame))
    y = torch.from_numpy(coding.transform(given.truth))
    data = {part: Dataset(X[at], y[at]) for part, at in rows.items()}
    candidates, recipe = CANDIDATES[task], Recipe(epochs=epochs)
    outputs = len(coding.classes) if isinstance(coding, ClassTarget) else 1
    network = Network(
        [X.shape[1], *recipe.hidden, outputs],
        seeds=[seed] * len(candidates),
        **noises_of(candidates),
    )
    train(
        network,
        data["training"],
        data["held out"],
        objective="cross_entropy" if task == "classification" else "squared_error",
        learning_rate=recipe.learning_rate,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        penalties=penalties_of(candidates),
        patience=recipe.patience,
        seed=seed,
    )
    first, *others = judge_members(network, data["test"], coding)
    compared = [compare(first, other) for other in others]
    return first.value, [(each.difference.value, each.answer) for each in compared]


def interval_over_tables(values: dict[str, list[float]]) -> tuple[float, float, float]:
    """Return the mean over tables with the 95 % interval of a bootstrap of tables."""
    means = np.array([np.mean(each) for each in values.values()])
    random = np.random.default_rng(0)
    drawn = means[random.integers(len(means), size=(10_000, len(means)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(means.mean()), float(low), float(high)


def main() -> None:
    """Train all candidates on all tables, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--table", help="only this table")
    given = parser.parse_args()
    began = time.perf_counter()
    for task, tables in TABLES.items():
        chosen = [each for each in tables if given.table in (None, each)]
        if not chosen:
            continue
        found: list[dict[str, list[float]]] = [{} for _ in CANDIDATES[task][1:]]
        answers: list[list[str]] = [[] for _ in found]
        for seed in range(given.seeds):
            for table in chosen:
                frame: Any = pd.read_csv(given.data / f"{table}.csv.gz", low_memory=False)
                if len(frame) > MOST_ROWS:
                    frame = frame.sample(MOST_ROWS, random_state=seed).reset_index(drop=True)
                base, added = differences(frame, task, seed, given.epochs)
                for at, (difference, answer) in enumerate(added):
                    found[at].setdefault(table, []).append(100 * difference)
                    answers[at].append(answer)
                cells = " ".join(f"{100 * each:+.1f}" for each, _ in added)
                print(f"{table}, seed {seed}: {100 * base:.1f}; {cells}", flush=True)
        print(f"\n### {task}: points of test score beyond early stopping\n")
        print("| candidate | mean over tables (95 %) | better | worse |\n|---|---:|---:|---:|")
        for candidate, values, said in zip(CANDIDATES[task][1:], found, answers, strict=True):
            mean, low, high = interval_over_tables(values)
            print(
                f"| {name_of(candidate)} | {mean:+.2f} ({low:+.2f} to {high:+.2f}) | "
                f"{said.count('better')} | {said.count('worse')} of {len(said)} |"
            )
        print(flush=True)
    print(f"{machine()}; {time.perf_counter() - began:.0f} seconds")


if __name__ == "__main__":
    main()
