"""An epoch of bridle's ``MLPClassifier`` beside scikit-learn's, at equal settings.

Run ``OMP_NUM_THREADS=2 python benchmarks/estimators.py``. The default network and solver, float32
rows; medians of the rounds, in turn. The third column has dropout on as well.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import machine
from sklearn import neural_network
from sklearn.datasets import load_digits, make_classification
from timing import interleaved

import bridle
from bridle.table import TableEncoder

EPOCHS = 5


def tables(data: Path | None) -> dict[str, tuple[Any, Any]]:
    """Return rows and classes by name."""
    X, y = load_digits(return_X_y=True)
    credit = pd.read_csv(Path(__file__).parents[1] / "examples" / "credit-g.csv")
    rows = credit.drop(columns="class")
    found = {
        "digits": (X / 16, y),
        "credit-g": (TableEncoder().fit(rows).transform(rows), credit["class"].to_numpy()),
        "50,000 × 50": make_classification(50_000, 50, n_informative=20, random_state=0),
    }
    if data is not None:
        with np.load(data / "mnist.npz") as mnist:
            names = list(mnist)
            images = next(mnist[name] for name in names if mnist[name].ndim > 1)
            labels = next(
                mnist[name]
                for name in names
                if mnist[name].ndim == 1 and len(mnist[name]) == len(images)
            )
        found["MNIST"] = (images.reshape(len(images), -1) / 255, labels)
    return {name: (np.asarray(X, np.float32), y) for name, (X, y) in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder with mnist.npz")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{machine()}; ms for an epoch\n")
    print("| | scikit-learn | bridle | with dropout | times | with dropout |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, (X, y) in tables(options.data).items():
        settings: dict[str, Any] = {"max_iter": EPOCHS, "random_state": 0, "tol": 0}
        variants: dict[str, Callable[[], object]] = {
            "theirs": partial(neural_network.MLPClassifier(**settings).fit, X, y),
            "ours": partial(bridle.MLPClassifier(**settings).fit, X, y),
            "dropout": partial(bridle.MLPClassifier(keep_prob=0.5, **settings).fit, X, y),
        }
        rounds = options.rounds if len(X) < 20_000 else 3
        found = interleaved(variants, rounds=rounds, warm_up=1)
        theirs, ours, dropout = (found[each] / EPOCHS for each in variants)
        print(
            f"| {name} | {theirs:.1f} | {ours:.1f} | {dropout:.1f} | "
            f"{theirs / ours:.1f} | {theirs / dropout:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
