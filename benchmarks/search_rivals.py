"""The search beside other learners, on the same splits, with the same threads.

Run ``OMP_NUM_THREADS=1 python benchmarks/search_rivals.py run --data FOLDER --csv FILE``, and
``compare`` for the output. A way is ``bridle``, the search at its defaults, or one of
``contenders.py``, or a changed search such as ``bridle,epochs=360``, as in ``search_large.py``. The
search and XGBoost get ``--seconds`` of their process's CPU time, which a busy machine does not
shorten; the others have no budget, and their time is CPU time too.

A fifth of the rows is the test part. With ``--outer 3`` splits 0 to 2 are the folds of a
three-fold cross-validation, as in TabArena. Errors are 1 − accuracy, 1 − AUC (of several classes
the mean of one against the rest), the log loss and the root mean squared error.

A row is added to the file when it is known, and rows that the file has are not computed again.
``--again bridle`` removes the rows of that way first, so that a new version of the search is
measured beside the other learners' rows.
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from commands import add_choices, append
from contenders import CONTENDERS
from machine import machine
from search_answers_ways import area, log_losses
from search_large import changed, error_of, processor_time, split_of
from search_quality import REGRESSION, table_of
from sklearn.model_selection import KFold, StratifiedKFold

import bridle

SETS = (  # noqa: SIM905
    "sonar ionosphere energy boston ilpd wdbc diabetes australian credit-approval vehicle vowel "
    "credit-g concrete wine-red car kc1 phoneme spambase kin8nm cpu-act splice"
).split()
WAYS = ["bridle", "xgboost", "catboost", "realmlp, bagged", "tabm, bagged"]
ERRORS = ("1 - accuracy", "1 - AUC", "log loss", "RMSE")
COUNTED = ERRORS[:2]  # may be 0
KEYS = ["set", "outer", "split"]
COLUMNS = [*KEYS, "way", "rows", "test", "classes", *ERRORS, "seconds", "configurations"]
LEAST = 1e-6  # of a probability


def parts_of(name: str, folder: Path, outer: int, split: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and the test rows of a table."""
    if not outer:
        return split_of(name, folder, split)
    frame, by = table_of(name, folder)
    folds = (KFold if by is None else StratifiedKFold)(outer, shuffle=True, random_state=0)
    parts = list(folds.split(frame, by))[split]
    return tuple(frame.iloc[each].reset_index(drop=True) for each in parts)


def searched(
    rest: pd.DataFrame, test: pd.DataFrame, way: str, seconds: float, seed: int, *, classes: bool
) -> tuple[Any, int]:
    """Search in one way; return the predictions and the number of configurations."""
    options: dict[str, Any] = {"task": "classification" if classes else "regression"}
    changes = way.partition(",")[2] or "search"
    with changed(changes, options):
        found = bridle.search(rest, "target", test=test, budget=seconds, seed=seed, **options)
    rows = test.drop(columns="target")
    if not classes:
        return found.model.predict(rows)["prediction"].to_numpy(), found.considered
    shares = pd.DataFrame(found.model.predict_proba(rows))
    return shares[list(np.unique(rest["target"]))].to_numpy(), found.considered


def errors_of(truth: pd.Series, said: Any, names: Any) -> dict[str, float]:
    """Return the errors of predictions; ``names`` are the classes in their order, or None."""
    if names is None:
        return {"RMSE": error_of(truth, said)}
    shares = np.clip(np.asarray(said, dtype=float), LEAST, 1.0)
    shares /= shares.sum(1, keepdims=True)
    codes = np.searchsorted(names, truth.to_numpy())
    return {
        "1 - accuracy": float((shares.argmax(1) != codes).mean()),
        "1 - AUC": 1 - area(shares, codes),
        "log loss": float(log_losses(shares, codes).mean()),
    }


def measure(
    rest: pd.DataFrame, test: pd.DataFrame, way: str, seconds: float, seed: int, *, classes: bool
) -> dict[str, Any]:
    """Return the errors of a way on the test rows, and its seconds."""
    began = time.process_time()
    considered = None
    ours = way.partition(",")[0] == "bridle"
    with processor_time() if ours or way == "xgboost" else nullcontext():
        if ours:
            said, considered = searched(rest, test, way, seconds, seed, classes=classes)
        else:
            options: dict[str, Any] = {"balanced": False} if way == "xgboost" else {}
            if classes:
                options["probabilities"] = True
            said = CONTENDERS[way](
                rest, test, classes=classes, seconds=seconds, seed=seed, **options
            )
    spent = time.process_time() - began
    names = np.unique(rest["target"]) if classes else None
    return errors_of(test["target"], said, names) | {
        "rows": len(rest),
        "test": len(test),
        "classes": 0 if names is None else len(names),
        "seconds": spent,
        "configurations": considered,
    }


def run(options: argparse.Namespace) -> None:
    """Measure what the file does not have, and print a line for each."""
    torch.set_num_threads(1)
    print(f"{machine('cpu')}; {options.seconds:g} s of CPU time\n")
    known = pd.read_csv(options.csv) if options.csv.exists() else pd.DataFrame(columns=COLUMNS)
    if options.again:
        known = known[~known["way"].isin(options.again)]
        known.to_csv(options.csv, index=False)
    there = set(known[[*KEYS, "way"]].itertuples(index=False, name=None))
    for split in options.splits:
        for name in options.sets:
            for way in options.ways:
                if (name, options.outer, split, way) in there:
                    continue
                rest, test = parts_of(name, options.data, options.outer, split)
                row = {"set": name, "outer": options.outer, "split": split, "way": way}
                row |= measure(
                    rest, test, way, options.seconds, split, classes=name not in REGRESSION
                )
                append(pd.DataFrame([row], columns=COLUMNS), options.csv)
                print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


def smoothed(table: pd.DataFrame, error: str) -> pd.Series:
    """Return an error; half a row is added to the wrong ones if it may be 0."""
    return table[error] + (0.5 / table["test"] if error in COUNTED else 0.0)


def paired(table: pd.DataFrame, ours: str, other: str, error: str) -> pd.DataFrame:
    """Return the errors and seconds of two ways, for the splits that both have."""
    both = []
    for way in (ours, other):
        part = table[table["way"].eq(way)].dropna(subset=[error]).set_index(KEYS)
        both.append(pd.DataFrame({way: smoothed(part, error), f"{way} s": part["seconds"]}))
    return both[0].join(both[1], how="inner")


def compare(options: argparse.Namespace) -> None:
    """Print the ratios of the errors, and the means of each table."""
    table = pd.read_csv(options.csv)
    table = table[table["outer"].eq(options.outer) & table["set"].isin(options.sets)]
    if options.splits:
        table = table[table["split"].isin(options.splits)]
    ours = options.ways[0]
    print(f"errors of {ours} over those of the others: geometric means over the tables")
    print("| other | error | tables, splits | ratio | won, equal, lost | time |")
    print("|---|---|---:|---:|---:|---:|")
    for other in options.ways[1:]:
        for error in ERRORS:
            both = paired(table, ours, other, error)
            if both.empty:
                continue
            logs = np.log(both.groupby("set").mean())
            change = logs[ours] - logs[other]
            spread = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.nan
            quicker = np.exp((logs[f"{ours} s"] - logs[f"{other} s"]).mean())
            won = int((both[ours] < both[other]).sum())
            lost = int((both[ours] > both[other]).sum())
            ratio = np.exp(change.mean())
            print(
                f"| {other} | {error} | {len(change)}, {len(both)} | {ratio:.3f} ± "
                f"{ratio * spread:.3f} | {won}, {len(both) - won - lost}, {lost} | {quicker:.2f} |"
            )
    for error in (*ERRORS, "seconds"):
        print(f"\n{error}, means over the splits")
        part = table.dropna(subset=[error])
        means = part.pivot_table(index="set", columns="way", values=error, sort=False)
        means = means.reindex(columns=[way for way in options.ways if way in means])
        means["splits"] = part.groupby("set")["split"].nunique()
        print(means.round(4).to_string())


def main() -> None:
    """Measure or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["run", "compare"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--csv", type=Path, required=True)
    add_choices(parser, SETS, WAYS, [51, 52, 53])
    parser.add_argument("--outer", type=int, default=0, help="outer folds; 0: test on a fifth")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--again", nargs="*", default=[], help="ways to measure again")
    options = parser.parse_args()
    {"run": run, "compare": compare}[options.task](options)


if __name__ == "__main__":
    main()
