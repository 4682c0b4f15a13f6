"""bridle's ``MLPClassifier`` beside scikit-learn's at equal settings: an epoch, a search, memory.

Run ``OMP_NUM_THREADS=2 python benchmarks/estimators.py``; ``--mnist FILE`` adds MNIST. The default
network and solver, with two threads and with one. The time of an epoch is the difference of a
longer and a shorter fit, divided by the epochs between; fits run in turn, and their medians are
subtracted. "products" is the time of an epoch's matrix products alone, by the faster of NumPy's and
torch's. Memory is the peak of a process of its own, in addition to the data and the imports.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from machine import machine
from sklearn import neural_network
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from threadpoolctl import threadpool_limits
from timing import interleaved

import bridle
from bridle.tables import TableEncoder

# times scikit-learn's speed, at equal settings and with dropout; MNIST's are of each dtype
TARGETS = {"digits": (5.0, 4.0), "credit-g": (5.0, 4.0), "50,000 × 50": (4.0, 3.0)}
MNIST_TARGETS = {"float32": (3.0, 2.5), "float64": (1.5, 1.4)}
DTYPES = ("float32", "float64")
GRID_TARGET, SEARCH_TARGET = 6.0, 20.0
NEAR_PRODUCTS = 1.25  # of the time of the products: what also meets a target
BATCH, UNITS = 200, 100
GRID = {
    "hidden_layer_sizes": [(50,), (100,)],
    "alpha": [1e-4, 1e-2, 1.0, 10.0],
    "learning_rate_init": [1e-3, 3e-3, 1e-2],
}
CANDIDATES = (24, 12, 6)  # of bridle's searches
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
        return TableEncoder().fit(rows).transform(rows), (credit["class"] == "good").to_numpy()
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


def milliseconds(X: Any, y: Any, rounds: int, clock: Callable[[], float]) -> list[float]:
    """Return the milliseconds of an epoch, by variant."""
    more = max(2, STEPS // -(-len(X) // BATCH))
    runs: dict[tuple[str, int], Callable[[], object]] = {
        (variant, epochs): partial(fit, variant, X, y, epochs)
        for variant in VARIANTS
        for epochs in (1, 1 + more)
    }
    found = interleaved(runs, rounds=rounds, warm_up=1, clock=clock)
    return [(found[each, 1 + more] - found[each, 1]) / more for each in VARIANTS]


def products(X: Any, y: Any, rounds: int, clock: Callable[[], float]) -> float:
    """Return the milliseconds of an epoch's products alone: forward, gradients, and between."""
    classes = len(np.unique(y))
    units = [X.shape[1], UNITS, 1 if classes == 2 else classes]
    shapes = [
        *((BATCH, n, m) for n, m in pairwise(units)),
        *((n, BATCH, m) for n, m in pairwise(units)),
        (BATCH, units[2], UNITS),
    ]
    pairs = [(np.ones((n, k), X.dtype), np.ones((k, m), X.dtype)) for n, k, m in shapes]
    tensors = [tuple(map(torch.from_numpy, pair)) for pair in pairs]
    times = 50

    def by_numpy() -> None:
        for a, b in pairs * times:
            np.matmul(a, b)

    def by_torch() -> None:
        for a, b in tensors * times:
            torch.mm(a, b)

    found = interleaved({1: by_numpy, 2: by_torch}, rounds=rounds, warm_up=1, clock=clock)
    return min(found.values()) / times * len(X) / BATCH


def highest() -> float:
    """Return the peak memory of this process in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says of a process begins with its parent's
        lines = status.read_text().splitlines()
        return next(int(each.split()[1]) for each in lines if each.startswith("VmHWM")) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def peak(variant: str, data: Path) -> float:
    """Return the MiB of a fit's peak, in a process of its own that has only read the data."""
    X, y = np.load(data / "X.npy"), np.load(data / "y.npy")
    fit(variant, X[:400], y[:400], 1)  # what is loaded at the first call is not the fit's
    before = highest()
    fit(variant, X, y, 2)
    return highest() - before


def memory(X: Any, y: Any) -> list[float]:
    """Return the MiB of a fit's peak, by variant."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "X.npy", X)
        np.save(Path(folder) / "y.npy", y)
        for variant in VARIANTS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found.append(pool.apply(peak, (variant, Path(folder))))
    return found


def times_of(names: list[str], threads: int, options: argparse.Namespace) -> None:
    """Print the table of times."""
    clock = time.process_time if options.processor_time else time.perf_counter
    unit = "ms of processor time" if options.processor_time else "ms"
    print(f"\n{threads} thread{'s' * (threads > 1)}; {unit} for an epoch, medians of", end=" ")
    print(f"{options.rounds} interleaved rounds\n")
    heads = "data | dtype | products | scikit-learn | bridle | bridle, dropout | speedup"
    print(f"| {heads} | speedup, dropout |\n|---|---|---:|---:|---:|---:|---:|---:|")
    below = []
    for name in names:
        X, y = table(name, options.mnist)
        for dtype in DTYPES:
            rows = np.asarray(X, dtype)
            alone = products(rows, y, options.rounds, clock)
            theirs, *own = milliseconds(rows, y, options.rounds, clock)
            times = [theirs / each for each in own]
            cells = [f"{each:.2f}" for each in (alone, theirs, *own)]
            cells += [f"{each:.1f}" for each in times]
            print(f"| {name} | {dtype} | {' | '.join(cells)} |", flush=True)
            targets = TARGETS.get(name) or MNIST_TARGETS[dtype]
            for kind, ours, found, target in zip(
                ("equal", "dropout"), own, times, targets, strict=True
            ):
                if found < target and ours > NEAR_PRODUCTS * alone:
                    said = f"{found:.1f} of {target:g}, {ours / alone:.2f} × the products"
                    below.append(f"{name}, {dtype}, {kind}: {said}")
    said = f"MISSED at {'; '.join(below)}" if below else "met"
    print(f"\nTargets, times scikit-learn's speed or {NEAR_PRODUCTS:g} × the products: {said}")


def searches(threads: int) -> None:
    """Print the time and the validation score of searches over the candidates, on credit-g."""
    X, y = table("credit-g", None)
    folds = StratifiedKFold(5)
    runs: dict[str, Callable[[], Any]] = {
        "scikit-learn, GridSearchCV": lambda: GridSearchCV(
            neural_network.MLPClassifier(random_state=0), GRID, cv=folds
        ),
        "bridle, GridSearchCV": lambda: GridSearchCV(
            bridle.MLPClassifier(random_state=0), GRID, cv=folds
        ),
    }

    def own(candidates: int) -> Any:
        return bridle.MLPClassifierCV((100,), n_candidates=candidates, cv=folds, random_state=0)

    for count in CANDIDATES:
        runs[f"bridle, MLPClassifierCV, {count} candidates"] = partial(own, count)
    print(f"\n{threads} thread{'s' * (threads > 1)}; a search on credit-g with 5 folds, whole\n")
    print("| search | s | times as fast | validation accuracy |\n|---|---:|---:|---:|")
    found, scores = {}, {}
    for name, make in runs.items():
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores[name] = score = make().fit(X, y).best_score_
        found[name] = time.perf_counter() - started
        faster = found["scikit-learn, GridSearchCV"] / found[name]
        print(f"| {name} | {found[name]:.1f} | {faster:.1f} | {100 * score:.1f} % |", flush=True)
    asked = scores["scikit-learn, GridSearchCV"]
    enough = [each for each in found if "CV, " in each and scores[each] >= asked]
    first = min(enough, key=found.__getitem__, default="none")
    print(
        f"\nTargets: {GRID_TARGET:g} for the grid, {SEARCH_TARGET:g} for the first search of ours"
    )
    print(f"with scikit-learn's score or a better one: {first}.")


def memory_of(names: list[str], options: argparse.Namespace) -> None:
    """Print the table of memory."""
    print("\nMiB at the peak of a fit, in addition to the data and the imports:\n")
    print("| data | dtype | size of the data | scikit-learn | bridle | bridle, dropout |")
    print("|---|---|---:|---:|---:|---:|")
    for name in names:
        X, y = table(name, options.mnist)
        for dtype in DTYPES:
            rows = np.asarray(X, dtype)
            cells = [f"{each:.0f}" for each in (rows.nbytes / 2**20, *memory(rows, y))]
            print(f"| {name} | {dtype} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, help="mnist.npz: an array of images, one of labels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["time", "search", "memory"])
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="processor time instead of wall time, for a shared machine, with one thread",
    )
    options = parser.parse_args()
    names = ["digits", "credit-g", "50,000 × 50", *(["MNIST"] if options.mnist else [])]
    print(machine())
    for threads in sorted({torch.get_num_threads(), 1}, reverse=True):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            if options.only in (None, "time"):
                times_of(names, threads, options)
            if options.only in (None, "search"):
                searches(threads)
    if options.only in (None, "memory"):
        memory_of(names[2:], options)  # small sets need less than can be measured


if __name__ == "__main__":
    main()
