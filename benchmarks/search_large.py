"""Searches of large tables, in a budget of the processor's time.

Run ``python benchmarks/search_large.py --data FOLDER --csv FILE --seconds 30``. A search of one
thread gets so many seconds of CPU time, which a busy machine does not shorten: the clocks that the
search reads are replaced by the time of its process. A way is ``search``, the search as it is, or
``xgboost``, tuned by Optuna for the same time, or changes of the search, such as
``folds=5,bins=16``, which was the search before:

- ``folds``: only the first of five folds are trained;
- ``bins``: the most bins of a large table;
- ``sums=0``: the first layer as a whole product;
- ``trials``: the configurations to begin with if time is short, 27 in the search;
- ``epochs``: the epochs of the last rung if time is not short, 120 in the search;
- ``finalists``: the fewest configurations of the last rung, 3 in the search;
- ``noise``: 0 for noise that falls to nothing over the last rung, 1 in the search;
- ``width``: the units of a hidden layer;
- ``refit``: 1 to train the best configurations again on all rows, 0 to average the folds' networks;
- ``batch``: the rows of a batch;
- ``embedded``: how often numbers are embedded, in per cent of the configurations, 50 in the search;
- ``growth``: how many times the steps of a rung those of the next are, 5 in the search;
- ``held``: how many rows the folds hold out together, 5,000 in the search;
- ``spread=0``: plain quantiles as bins, also of columns whose rows mostly have one value.

``embedded=0,growth=3,spread=0`` was the search before the last three.

The table ``boundaries`` has 50,000 rows with eight numbers each. Its classes are divided by the
boundaries of four random trees, and a twentieth of the labels is wrong. Errors are in per cent of
the test rows, or root mean squared errors. The table ``many`` has 500,000 rows with 20 numbers, of
which two decide the class; it is for the time and the memory, beside what the process had taken
before (``before MB``). Rows that the file has are not computed again.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from commands import add_choices, records_of
from machine import machine
from pandas.api.types import is_numeric_dtype
from search_answers_ways import errors_of, log_losses
from search_quality import table_of
from search_schedules_ways import falling_noise
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

import bridle
from bridle.search import configuration, data, encoding, plan, prepare, successive_halving
from bridle.search.data import fold_of_rows
from bridle.tables import bins

ROWS, COLUMNS, TREES, LEAVES, WRONG = 50_000, 8, 4, 128, 0.05
FIRST_SPLIT = 70
CLASS_ERRORS = ("log loss", "1 − AUC", "share of the worst row")


def boundaries() -> pd.DataFrame:
    """Return a table whose classes are divided by boundaries along the axes."""
    random = np.random.default_rng(1)
    X = random.normal(size=(ROWS, COLUMNS))
    X[:, ::2] = np.exp(X[:, ::2])
    total = np.zeros(ROWS)
    for _ in range(TREES):
        seen = random.choice(ROWS, 4000, replace=False)
        columns = random.choice(COLUMNS, 5, replace=False)
        tree = DecisionTreeRegressor(
            max_leaf_nodes=LEAVES,
            splitter="random",
            max_features=2,
            random_state=int(random.integers(2**31)),
        )
        tree.fit(X[np.ix_(seen, columns)], random.normal(size=len(seen)))
        total += tree.predict(X[:, columns]) / tree.tree_.value.std()
    y = (total > np.median(total)) ^ (random.random(ROWS) < WRONG)
    frame = pd.DataFrame(X).add_prefix("x")
    return frame.assign(target=np.where(y, "yes", "no"))


def many() -> pd.DataFrame:
    """Return a table of half a million rows."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(500_000, 20))).add_prefix("x")
    return frame.assign(target=np.where(frame.x0 * frame.x1 > 0, "a", "b"))


def split_of(name: str, folder: Path, split: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and the test rows of a table."""
    if name in ("boundaries", "many"):
        frame = many() if name == "many" else boundaries()
        by: pd.Series | None = frame["target"]
    else:
        frame, by = table_of(name, folder)
    parts = train_test_split(frame, test_size=0.2, random_state=split, stratify=by)
    return tuple(each.reset_index(drop=True) for each in parts)


def changed(way: str, options: dict[str, Any]) -> ExitStack:
    """Change the search as a way says, and its options, until the stack is closed."""
    stack = ExitStack()
    for name, _, text in (each.partition("=") for each in way.split(",") if way != "search"):
        value = int(text)
        if name == "width":
            options["hidden"] = [(value, value)]
        elif name == "refit":
            options["answer"] = "refit" if value else "ensemble"
        elif name == "batch":
            stack.enter_context(mock.patch.object(plan, "batch_size_for", return_value=value))
        elif name == "embedded":
            options["embeddings"] = value > 0
            stack.enter_context(mock.patch.object(configuration, "EMBEDDED", value / 100))
        elif name == "folds":
            stack.enter_context(mock.patch.object(prepare, "enough_folds", partial(_first, value)))
        elif name == "noise":
            stack.enter_context(falling_noise(value))
        elif name == "sums":
            stack.enter_context(mock.patch.object(prepare, "encoded_rows", return_value={}))
        elif name == "spread":
            stack.enter_context(mock.patch.object(bins, "spread_quantiles", np.quantile))
        elif name == "bins":
            stack.enter_context(mock.patch.object(encoding, "MANY_BINS", value))
        else:
            module, constant = CONSTANTS[name]
            stack.enter_context(mock.patch.object(module, constant, value))
    return stack


CONSTANTS = {
    "growth": (plan, "LARGE_GROWTH"),
    "held": (data, "ENOUGH_HELD_OUT"),
    "trials": (plan, "ENOUGH_TRIALS"),
    "epochs": (plan, "EPOCHS"),
    "finalists": (successive_halving, "MIN_PROMOTED"),
}


def _first(count: int, *arguments: Any) -> np.ndarray:
    fold = fold_of_rows(*arguments)
    return np.where(fold < count, fold, -1)


@contextmanager
def processor_time() -> Iterator[None]:
    """Replace the clocks by the time of the process."""
    with (
        mock.patch.object(time, "monotonic", time.process_time),
        mock.patch.object(time, "perf_counter", time.process_time),
    ):
        yield


def searched(
    rest: pd.DataFrame, test: pd.DataFrame, seconds: float, seed: int, way: str
) -> tuple[Any, dict[str, Any]]:
    """Search in one way; return the predictions and figures of the search."""
    kind = "regression" if is_numeric_dtype(rest["target"]) else "classification"
    options: dict[str, Any] = {"task": kind}
    with changed(way, options):
        found = bridle.search(rest, "target", test=test, budget=seconds, seed=seed, **options)
    predicted = found.model.predict(test.drop(columns="target"))
    said, shares = predicted["prediction"], predicted.filter(like="probability_")
    errors = {}
    if len(shares.columns):
        labels = [str(name).removeprefix("probability_") for name in shares]
        codes = np.array([labels.index(each) for each in test["target"]])
        errors = errors_of(shares.to_numpy(dtype=float), codes)
        losses = np.sort(log_losses(shares.to_numpy(dtype=float), codes))
        errors["share of the worst row"] = losses[-1] / losses.sum()
    return said, {
        **{name: errors.get(name, np.nan) for name in CLASS_ERRORS},
        "temperature": np.nan if found.temperature is None else found.temperature.value,
        "validation": found.validation_score,
        "configurations": found.considered,
        "networks": found.model.network.members,
        "steps": int(found.histories["step"].max()),
        "epochs": found.chosen.epochs,
        "best epoch": found.chosen.best_epoch,
        "bins": found.configuration.bins,
        "embedding": found.configuration.embedding,
        "plain": found.scores["plain"],
        "boosting": found.scores.get("boosting", np.nan),
    }


def tuned_xgboost(rest: pd.DataFrame, test: pd.DataFrame, seconds: float, seed: int) -> Any:
    """Tune XGBoost by accuracy or the squared error; return its predictions."""
    from contenders import xgboost_by_optuna

    classes = not is_numeric_dtype(rest["target"])
    return xgboost_by_optuna(
        rest, test, classes=classes, seconds=seconds, seed=seed, balanced=False
    )


def error_of(truth: pd.Series, said: Any) -> float:
    """Return the error in per cent, or the root mean squared error."""
    if is_numeric_dtype(truth):
        return float(np.sqrt(np.square(truth.to_numpy() - np.asarray(said)).mean()))
    return 100 * float((truth.to_numpy() != np.asarray(said)).mean())


def peak() -> int:
    """Return the most memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Print a line for each table, split and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    add_choices(
        parser,
        ["boundaries", "california", "adult"],
        ["search", "embedded=0,growth=3,spread=0", "xgboost"],
        [0],
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine('cpu')}; {options.seconds:g} s of CPU time\n")
    rows = records_of(options.csv)
    known = {(row["set"], row["split"], row["way"], row["budget"]) for row in rows}
    for split in options.splits:
        for name in options.sets:
            rest, test = split_of(name, options.data, FIRST_SPLIT + split)
            for way in options.ways:
                if (name, split, way, options.seconds) in known:
                    continue
                began, before = time.process_time(), peak()
                more: dict[str, Any] = {}
                with processor_time():
                    if way == "xgboost":
                        said = tuned_xgboost(rest, test, options.seconds, split)
                    else:
                        said, more = searched(rest, test, options.seconds, split, way)
                row = {"set": name, "split": split, "way": way, "budget": options.seconds}
                row |= {"error": error_of(test["target"], said)} | more
                row["seconds"] = time.process_time() - began
                row |= {"before MB": before, "peak MB": peak()}
                rows.append(row)
                pd.DataFrame(rows).to_csv(options.csv, index=False)
                print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    table = pd.DataFrame(rows).pivot_table(index="set", columns="way", values="error")
    print("\n" + table.round(3).to_string())


if __name__ == "__main__":
    main()
