"""bridle's ``MLPClassifier`` beside scikit-learn's at equal settings: an epoch, and memory.

Run ``OMP_NUM_THREADS=2 python benchmarks/estimators.py``; ``--mnist FILE`` adds MNIST. The default
network and solver. An epoch is what more epochs add to a fit; fits take turns, and their medians
are subtracted. Memory is what a process of its own needs at its peak, beyond what it had with the
data there and everything imported.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
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

TARGET = 3.0
STEPS = 900  # of training, about, in a fit that is timed
VARIANTS: dict[str, tuple[Any, dict[str, float]]] = {
    "theirs": (neural_network.MLPClassifier, {}),
    "ours": (bridle.MLPClassifier, {}),
    "dropout": (bridle.MLPClassifier, {"keep_prob": 0.5}),
}


def table(name: str, mnist: Path | None) -> tuple[Any, Any]:
    """Return the rows and the classes of a set."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return X / 16, y
    if name == "credit-g":
        credit = pd.read_csv(Path(__file__).parents[1] / "examples" / "credit-g.csv")
        rows = credit.drop(columns="class")
        return TableEncoder().fit(rows).transform(rows), credit["class"].to_numpy()
    if name == "50,000 × 50":
        found: tuple[Any, Any] = make_classification(50_000, 50, n_informative=20, random_state=0)
        return found
    with np.load(str(mnist)) as arrays:
        images = next(arrays[each] for each in arrays if arrays[each].ndim > 1)
        labels = next(arrays[each] for each in arrays if arrays[each].shape == images.shape[:1])
    return images.reshape(len(images), -1) / 255, labels


def fit(variant: str, X: Any, y: Any, epochs: int) -> None:
    """Fit one of the variants."""
    kind, own = VARIANTS[variant]
    settings = {"max_iter": epochs, "random_state": 0, "tol": 0, "n_iter_no_change": epochs + 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind(**settings, **own).fit(X, y)


def milliseconds(X: Any, y: Any, rounds: int) -> list[float]:
    """Return what an epoch takes, by variant."""
    more = max(2, STEPS // -(-len(X) // 200))
    runs: dict[tuple[str, int], Callable[[], object]] = {
        (variant, epochs): partial(fit, variant, X, y, epochs)
        for variant in VARIANTS
        for epochs in (1, 1 + more)
    }
    found = interleaved(runs, rounds=rounds, warm_up=1)
    return [(found[each, 1 + more] - found[each, 1]) / more for each in VARIANTS]


def peak(variant: str, name: str, mnist: Path | None, dtype: str) -> float:
    """Return the MiB that a fit needs, in a process of its own."""
    X, y = table(name, mnist)
    X = np.asarray(X, dtype)
    fit(variant, X[:400], y[:400], 1)  # what is loaded at the first call is not the fit's
    unit = 2**20 if sys.platform == "darwin" else 2**10
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fit(variant, X, y, 2)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit


def memory(name: str, mnist: Path | None, dtype: str) -> list[float]:
    """Return the MiB that a fit needs, by variant."""
    context = multiprocessing.get_context("spawn")
    found = []
    for variant in VARIANTS:
        with context.Pool(1) as pool:
            found.append(pool.apply(peak, (variant, name, mnist, dtype)))
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, help="mnist.npz: an array of images, one of labels")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    names = ["digits", "credit-g", "50,000 × 50", *(["MNIST"] if options.mnist else [])]
    print(f"{machine()}; ms for an epoch, medians of {options.rounds} rounds in turn\n")
    print("| | rows as | scikit-learn | bridle | with dropout | times | with dropout |")
    print("|---|---|---:|---:|---:|---:|---:|")
    below = []
    for name in names:
        X, y = table(name, options.mnist)
        for dtype in ("float32", "float64"):
            theirs, *own = milliseconds(np.asarray(X, dtype), y, options.rounds)
            times = [theirs / each for each in own]
            cells = [
                f"{theirs:.2f}",
                *(f"{each:.2f}" for each in own),
                *(f"{t:.1f}" for t in times),
            ]
            print(f"| {name} | {dtype} | {' | '.join(cells)} |", flush=True)
            if min(times) < TARGET:
                below.append(f"{name}, {dtype}: {min(times):.1f}")
    said = f"MISSED at {'; '.join(below)}" if below else "met"
    print(f"\nTarget, {TARGET:g} times faster in each case, dropout included: {said}\n")
    print("MiB that a fit needs at its peak, beside the data and what is imported:\n")
    print("| | rows as | scikit-learn | bridle | with dropout |")
    print("|---|---|---:|---:|---:|")
    for name in names[2:]:
        for dtype in ("float32", "float64"):
            cells = [f"{each:.0f}" for each in memory(name, options.mnist, dtype)]
            print(f"| {name} | {dtype} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
