"""The answers of the learning curve where the truth is known.

Each simulation generates its own training and test rows, and asks whether more training rows would
help. The true change is the mean over all simulations of a case, measured on 1,500 further rows.
The output is how often each answer was given, and how often the 95 % interval contained the truth.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from machine import machine
from sklearn.base import is_classifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import bridle
from bridle.diagnosis.row_curve import curve_of
from bridle.diagnosis.subjects.subsets import estimator_scores, subset_sizes
from bridle.statistics import Judged

Array = np.ndarray[Any, np.dtype[Any]]
FURTHER = 1500
REPEATS = 8


@dataclass(frozen=True)
class Case:
    """A learner, a truth, and the numbers of rows."""

    name: str
    estimator: Any
    target: Callable[[Array, np.random.Generator], Array]
    training: int = 200
    test: int = 400
    features: int = 4


def noise(X: Array, random: np.random.Generator) -> Array:
    """Return classes that do not depend on the inputs."""
    return (random.random(len(X)) < 0.5).astype(int)


def rare(X: Array, random: np.random.Generator) -> Array:
    """Return classes that do not depend on the inputs, one of them rare."""
    return (random.random(len(X)) < 0.1).astype(int)


def product(X: Array, random: np.random.Generator) -> Array:
    """Return the sign of a product, 10 % of it flipped."""
    return ((X[:, 0] * X[:, 1] > 0) ^ (random.random(len(X)) < 0.1)).astype(int)


def line(X: Array, random: np.random.Generator) -> Array:
    """Return the sign of a sum, with noise."""
    return (X[:, 0] + X[:, 1] + random.normal(size=len(X)) > 0).astype(int)


def plane(X: Array, random: np.random.Generator) -> Array:
    """Return a sum, with noise."""
    return X.sum(1) + np.sqrt(X.shape[1]) * random.normal(size=len(X))


def skewed(X: Array, random: np.random.Generator) -> Array:
    """Return a value with a long tail."""
    return np.exp(X[:, 0] + 0.5 * random.normal(size=len(X)))


def values(X: Array, random: np.random.Generator) -> Array:
    """Return values that do not depend on the inputs."""
    return random.normal(size=len(X))


CASES = (
    Case("noise", KNeighborsClassifier(9), noise),
    Case("noise, a rare class", DecisionTreeClassifier(), rare),
    Case("learnable", KNeighborsClassifier(3), product),
    Case("learnable, few test rows", KNeighborsClassifier(3), product, test=60),
    Case("learned", LogisticRegression(), line, training=800, test=2000),
    Case("near the tolerance", LogisticRegression(), line, training=100, features=12),
    Case("noise, regression", LinearRegression(), values),
    Case("learnable, regression", LinearRegression(), plane, training=100, features=20),
    Case("learned, regression", LinearRegression(), plane, training=1000, test=1000),
    Case("long tail, regression", DecisionTreeRegressor(max_depth=4), skewed),
)


def simulate(case: Case, seed: int) -> tuple[bridle.LearningCurve, float]:
    """Return the learning curve of one simulation, and its change on the further rows."""
    random = np.random.default_rng([seed, len(case.name)])
    X = random.normal(size=(case.training + case.test + FURTHER, case.features))
    y = case.target(X, random)
    parts = np.split(np.arange(len(X)), [case.training])
    training, new = ((X[at], y[at]) for at in parts)
    labels = (0, 1) if is_classifier(case.estimator) else None
    scores = estimator_scores(
        case.estimator,
        training,
        new,
        labels,
        repeats=REPEATS,
        seed=seed,
        sizes=subset_sizes(case.training)[-2:],  # the change depends on no others
    )
    own, further = slice(case.test), slice(case.test, None)
    found = curve_of(case.name, [(n, known, _some(each, own)) for n, known, each in scores])
    half, full = (np.mean([e.value for e in _some(each, further)]) for _, _, each in scores)
    return found, float(full - half)


def _some(judged: Sequence[Judged], rows: slice) -> list[Judged]:
    """Return the scores on some of the rows."""
    found = []
    for each in judged:
        unit = each.spread[rows].mean()
        part, spread = each.rows[rows] / unit, each.spread[rows] / unit
        value = part.mean() if each.is_share else 1 - part.mean()
        offset = None if each.offset is None else each.offset[rows] / np.sqrt(unit)
        found.append(replace(each, value=float(value), rows=part, spread=spread, offset=offset))
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=200)
    count = parser.parse_args().simulations
    began, wrong = time.perf_counter(), Counter[str]()
    print(machine(), f"{count} simulations of each case\n", sep="\n")
    print("| case | true change | would help | would hardly help | cannot tell | coverage |")
    print("|---|---:|---:|---:|---:|---:|")
    for case in CASES:
        runs = [simulate(case, seed) for seed in range(count)]
        truth = float(np.mean([exact for _, exact in runs]))
        answers = Counter(found.answer for found, _ in runs)
        inside = np.mean([found.change.low <= truth <= found.change.high for found, _ in runs])
        shares = [
            f"{answers[each] / count:.1%}"
            for each in ("would help", "would hardly help", "cannot tell")
        ]
        print(
            f"| {case.name} | {100 * truth:+.1f} | {' | '.join(shares)} | {inside:.1%} |",
            flush=True,
        )
        if truth >= 0.02:
            wrong["would hardly help"] += answers["would hardly help"]
            wrong["runs where it would"] += count
        elif "noise" in case.name:
            wrong["would help"] += answers["would help"]
            wrong["runs of noise"] += count
    print(f"\nwould help, although the target is noise: {wrong['would help']} of ", end="")
    print(f"{wrong['runs of noise']}")
    print("would hardly help, although the true change is 2 points or more: ", end="")
    print(f"{wrong['would hardly help']} of {wrong['runs where it would']}")
    print(f"{time.perf_counter() - began:.0f} seconds")


if __name__ == "__main__":
    main()
