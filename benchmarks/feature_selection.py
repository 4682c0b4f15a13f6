"""Feature selection among columns of noise: bridle, LassoNet, lasso, XGBoost, random forest.

Run ``python benchmarks/feature_selection.py run --data FOLDER --csv FILE`` and then
``python benchmarks/feature_selection.py compare --csv FILE``. Columns are added to real tables, as
in Cherepanova et al. (2023): normal numbers, copies of columns with as much Laplace noise, or
products of two columns. Each method returns as many columns as the table had. The score is the
accuracy or R² on the test rows of scikit-learn's network that is trained on these columns, mean of
two seeds.

- bridle: eight networks with dropout, one group lasso and one ``Sparsity`` over all of them, so
  that a column leaves all networks at once. λ is the one of two with the lower loss on a fifth of
  the rows.
- LassoNet: the path, columns ranked by the λ at which they leave.
- lasso: the strongest λ of a grid that leaves enough columns (logistic regression for classes).
- XGBoost: importances by gain of 200 trees. Random forest: impurity importances of 300 trees.

``pip install lassonet xgboost`` first; what is not installed is left out. Rows that the file has
are not computed again.
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import torch
from commands import append
from machine import machine
from search_quality import REGRESSION
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, lars_path
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import cross_entropy, mse_loss

import bridle

SETS = ("vehicle", "concrete", "wdbc", "ionosphere", "kin8nm", "phoneme", "boston", "cpu-act")
NOISES = (("normal", 1 / 3), ("normal", 3 / 4), ("copies", 1 / 2), ("products", 1 / 2))
MOST_ROWS = 1000
MEMBERS, UNITS, BATCH, STEPS, RAMP = 8, 64, 64, 900, 700
LAMBDAS = (0.3, 1.0)
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Task:
    """A table with columns of noise behind its own ``count`` columns; the numbers are scaled."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array
    count: int
    classes: int
    seed: int


def task_of(name: str, folder: Path, noise: str, share: float, seed: int) -> Task:
    """Return a table of which this share of the columns is noise."""
    frame = pd.read_csv(folder / f"{name}.csv.gz").dropna(axis=1)
    target = frame.pop("target").to_numpy()
    random = np.random.default_rng(seed)
    rows = random.permutation(len(frame))[:MOST_ROWS]
    own, y = frame.select_dtypes("number").to_numpy(float)[rows], target[rows]
    own = own[:, own.std(0) > 0]
    own = (own - own.mean(0)) / own.std(0)
    count = own.shape[1]
    added = round(count * share / (1 - share))
    first, second = random.integers(count, size=(2, added))
    if noise == "normal":
        more = random.normal(size=(len(own), added))
    elif noise == "copies":
        more = own[:, first] + random.laplace(scale=0.5**0.5, size=(len(own), added))
    else:
        more = own[:, first] * own[:, second]
    classes = 0 if name in REGRESSION else len(np.unique(y))
    y = np.unique(y, return_inverse=True)[1] if classes else (y - y.mean()) / y.std()
    train, test = train_test_split(
        np.arange(len(y)), test_size=0.3, random_state=seed, stratify=y if classes else None
    )
    X = np.hstack([own, more])
    X = StandardScaler().fit(X[train]).transform(X).astype(np.float32)
    return Task(X[train], y[train], X[test], y[test], count, classes, seed)


# ----------------------------------------------------------------------- methods: a number a column


def group_lasso(task: Task) -> Array:
    """Return the norms of each input's weights in all networks, 0 for what was left out."""
    rows, held_out = train_test_split(np.arange(len(task.y)), test_size=0.2, random_state=0)
    found = [_trained(task, rows, held_out, strength) for strength in LAMBDAS]
    best = min(found, key=lambda pair: pair[0])[1]
    return best.weights[0].detach().norm(dim=(0, 2)).numpy()


def _trained(
    task: Task, rows: Array, held_out: Array, strength: float
) -> tuple[float, bridle.Network]:
    """Return the loss of held-out rows, and the networks."""
    X = torch.from_numpy(task.X)
    y = torch.from_numpy(task.y) if task.classes else torch.from_numpy(task.y).float()
    network = bridle.Network(
        [X.shape[1], UNITS, UNITS, task.classes or 1],
        seeds=[task.seed * MEMBERS + member for member in range(MEMBERS)],
        hidden_noise=bridle.Dropout(keep_prob=0.7),
        input_noise=bridle.Dropout(keep_prob=0.8),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    inputs = bridle.Grouping.along((0, 2))  # a group: an input's weights in all networks
    rules: list[Any] = [
        bridle.Sparsity(1 - task.count / X.shape[1], groups=inputs, ramp=RAMP),
        bridle.Grouped(bridle.L1(strength), inputs),
    ]
    bridle.attach(optimizer, {"weights.0": rules}, model=network, metric="adaptive")

    def loss(outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        if task.classes:
            return MEMBERS * cross_entropy(outputs.flatten(0, 1), truth.flatten())
        return MEMBERS * mse_loss(outputs[..., 0], truth)

    draw = torch.Generator().manual_seed(task.seed)
    for _ in range(STEPS):
        batch = torch.from_numpy(rows)[torch.randint(len(rows), (MEMBERS, BATCH), generator=draw)]
        optimizer.zero_grad()
        loss(network(X[batch]), y[batch]).backward()
        optimizer.step()
        network.steps += 1
    truth = y[torch.from_numpy(held_out)].expand(MEMBERS, -1)
    return float(loss(bridle.predict(network, X[held_out]), truth)), network


def lassonet(task: Task) -> Array:
    """Return the λ at which each column leaves the path."""
    from lassonet import LassoNetClassifier, LassoNetRegressor

    model = (LassoNetClassifier if task.classes else LassoNetRegressor)(
        hidden_dims=(UNITS,),
        n_iters=(200, 20),
        path_multiplier=1.1,
        random_state=task.seed,
        torch_seed=task.seed,
    )
    y = task.y if task.classes else task.y.astype(np.float32)
    model.path(task.X, y, return_state_dicts=False)
    return np.asarray(model.feature_importances_)


def lasso(task: Task) -> Array:
    """Return the weights at the strongest λ that leaves enough columns."""
    if not task.classes:
        _, _, path = lars_path(task.X.astype(float), task.y, method="lasso")
        enough = (path != 0).sum(0) >= task.count
        return np.abs(path[:, enough.argmax() if enough.any() else -1])
    for strength in np.logspace(-3, 1, 15):
        model = LogisticRegression(
            l1_ratio=1, solver="saga", C=strength, max_iter=100, tol=1e-2, random_state=0
        )
        weights = np.abs(model.fit(task.X, task.y).coef_).sum(0)
        if (weights > 0).sum() >= task.count:
            break
    return weights


def xgboost(task: Task) -> Array:
    """Return the gains."""
    from xgboost import XGBClassifier, XGBRegressor

    model = (XGBClassifier if task.classes else XGBRegressor)(
        n_estimators=200, learning_rate=0.1, max_depth=5, random_state=task.seed, n_jobs=1
    )
    return np.asarray(model.fit(task.X, task.y).feature_importances_)


def forest(task: Task) -> Array:
    """Return the impurity importances."""
    model = (RandomForestClassifier if task.classes else RandomForestRegressor)(
        300, random_state=task.seed
    )
    return np.asarray(model.fit(task.X, task.y).feature_importances_)


METHODS: dict[str, Callable[[Task], Array]] = {
    "bridle": group_lasso,
    "lasso": lasso,
    "random forest": forest,
    "XGBoost": xgboost,
    "LassoNet": lassonet,
}
NEEDS = {"XGBoost": "xgboost", "LassoNet": "lassonet"}


def score(task: Task, columns: Array) -> float:
    """Return the accuracy or R² of a network of these columns on the test rows, in percent."""
    found = []
    for seed in range(2):
        model = (MLPClassifier if task.classes else MLPRegressor)(
            hidden_layer_sizes=(64, 64),
            alpha=1e-2,
            learning_rate_init=2e-3,
            max_iter=60,
            random_state=seed,
        )
        model.fit(task.X[:, columns], task.y)
        found.append(100 * model.score(task.X_test[:, columns], task.y_test))
    return float(np.mean(found))


# ------------------------------------------------------------------------------------ the command


def run(arguments: argparse.Namespace) -> None:
    """Compute what the file does not have."""
    file = arguments.csv
    done = pd.read_csv(file, dtype=str) if file.exists() else pd.DataFrame()
    known = set(map(tuple, done.iloc[:, :5].to_numpy()))
    methods = [m for m in METHODS if m not in NEEDS or importlib.util.find_spec(NEEDS[m])]
    for seed in arguments.seeds:
        for name in arguments.sets:
            for noise, share in NOISES:
                task = task_of(name, arguments.data, noise, share, seed)
                for method in [*methods, "all columns", "own columns"]:
                    key = (name, noise, f"{share:.2f}", str(seed), method)
                    if key in known:
                        continue
                    began = process_time()
                    columns = np.arange(task.X.shape[1] if method == "all columns" else task.count)
                    if method in METHODS:
                        values = METHODS[method](task)
                        columns = np.argsort(-values, kind="stable")[: task.count]
                    seconds = process_time() - began
                    own = float((columns < task.count).mean())
                    row = [*key, 100 * own, score(task, columns), seconds]
                    names = ["set", "noise", "share", "seed", "method", "own", "score", "seconds"]
                    append(pd.DataFrame([row], columns=names), file)


def compare(arguments: argparse.Namespace) -> None:
    """Print the ranks by score, the scores, and how many of the columns are the table's own."""
    rows = pd.read_csv(arguments.csv)
    case = ["set", "noise", "share", "seed"]
    complete = rows.groupby(case)["method"].transform("nunique")
    rows = rows[complete == complete.max()]
    ranked = rows[rows["method"].isin(METHODS)].copy()
    ranked["rank"] = ranked.groupby(case)["score"].rank(ascending=False)
    kinds = rows["noise"] + " " + rows["share"].astype(str)
    print(machine())
    print(f"{len(ranked.groupby(case))} cases, {rows['set'].nunique()} tables")
    print(ranked.groupby("method")[["rank", "score", "own", "seconds"]].mean().round(2))
    own = ranked.pivot_table(index="method", columns=[kinds], values="rank").round(2)
    print(own.to_string())
    print(rows.pivot_table(index="set", columns="method", values="score").round(1).to_string())
    scores = rows.pivot_table(index="set", columns="method", values="score")
    for method in scores.columns.drop("bridle"):
        gap = scores["bridle"] - scores[method]
        print(f"bridle minus {method}: {gap.mean():+.2f} ± {gap.sem():.2f} points")


def main() -> None:
    """Run or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run")
    runs.add_argument("--data", type=Path, required=True)
    runs.add_argument("--csv", type=Path, required=True)
    runs.add_argument("--sets", nargs="+", default=SETS)
    runs.add_argument("--seeds", nargs="+", type=int, default=[1])
    runs.set_defaults(run=run)
    compares = commands.add_parser("compare")
    compares.add_argument("--csv", type=Path, required=True)
    compares.set_defaults(run=compare)
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of networks and paths that did not converge
        arguments.run(arguments)


if __name__ == "__main__":
    main()
