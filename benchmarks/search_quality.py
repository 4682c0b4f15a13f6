"""How well the search predicts, beside other learners on the same rows.

Run ``python benchmarks/search_quality.py --data FOLDER --budget 5m``. The sets of Kadra et al. 2021
by default: a fifth of the rows is the test part (seed 11, stratified), the search gets the rest,
and the score is balanced accuracy; the published columns come from the folder's reference file. For
regression the score is the root mean squared error. ``--repeats`` adds further splits, paired;
``--against`` adds contenders, which get the same time where they have a budget. With ``--csv`` each
row is written when it is known, and rows that the file already has are not computed again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import machine
from sklearn.model_selection import train_test_split

import bridle
from bridle.search.budget import seconds_of

SETS = (
    "arrhythmia credit-g vehicle kc1 adult phoneme cnae-9 australian car jasmine".split()  # noqa: SIM905
)
REGRESSION = ("boston", "california", "concrete", "cpu-act", "energy", "kin8nm", "wine-red")
REFERENCE = "reference_kadra2021_test_balanced_accuracy.csv"
PUBLISHED = ("MLP", "MLP+D", "XGB", "MLP+cocktail")
OURS = ("chosen", "plain", "boosting")


def table_of(name: str, folder: Path) -> tuple[pd.DataFrame, pd.Series | None]:
    """Return a table, and the classes that splits are stratified by, if it has classes."""
    frame = pd.read_csv(folder / f"{name}.csv.gz", low_memory=False)
    if name in REGRESSION:
        return frame, None
    frame["target"] = frame["target"].astype(str)
    return frame, frame["target"]


def one(
    rest: pd.DataFrame, test: pd.DataFrame, options: argparse.Namespace, seed: int, *, classes: bool
) -> dict[str, float]:
    """Search on one split; return the test scores and the seconds."""
    began = time.perf_counter()
    found = bridle.search(
        rest,
        "target",
        test=test,
        task="classification" if classes else "regression",
        budget=options.budget,
        scoring="balanced_accuracy" if classes else "neg_root_mean_squared_error",
        seed=seed,
        hidden=[options.hidden],
        answer=options.answer,
        device=options.device,
    )
    scale = 100.0 if classes else -float(np.std(rest["target"]))
    row = {name: scale * found.scores.get(name, np.nan) for name in OURS}
    return row | {
        "validation": scale * found.validation_score,
        "K": found.considered,
        "s": time.perf_counter() - began,
    }


def against(
    name: str, rest: pd.DataFrame, test: pd.DataFrame, seconds: float, seed: int, *, classes: bool
) -> dict[str, float]:
    """Return a contender's test score and its seconds."""
    from contenders import CONTENDERS, score

    began = time.perf_counter()
    said = CONTENDERS[name](rest, test, classes=classes, seconds=seconds, seed=seed)
    spent = time.perf_counter() - began
    return {name: score(test["target"], said, classes=classes), f"{name} s": spent}


def main() -> None:
    """Print a line for each split, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--budget", default="5m")
    parser.add_argument(
        "--sets", nargs="*", default=SETS, help="names, or 'regression': the seven regression sets"
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--hidden", type=int, nargs="*", default=[128, 128])
    parser.add_argument("--answer", default="ensemble")
    parser.add_argument("--device", default="cpu", help="where the search trains")
    parser.add_argument("--against", nargs="*", default=[], help="none, dropout, xgboost, realmlp")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    reference = pd.read_csv(options.data / REFERENCE, index_col="dataset")
    print(f"{machine(options.device)}; budget {options.budget}\n")
    rows: list[dict[str, Any]] = []
    if options.csv and options.csv.exists():
        rows += [dict(row) for _, row in pd.read_csv(options.csv).iterrows()]
    known = {(row["set"], row["split"]) for row in rows}
    sets = REGRESSION if options.sets == ["regression"] else options.sets
    for repeat in range(options.repeats):
        for name in sets:
            split, classes = 11 + repeat, name not in REGRESSION
            if (name, split) in known:
                continue
            frame, by = table_of(name, options.data)
            rest, test = train_test_split(frame, test_size=0.2, random_state=split, stratify=by)
            row: dict[str, Any] = {"set": name, "split": split}
            row |= one(rest, test, options, repeat, classes=classes)
            for other in options.against:
                seconds = seconds_of(options.budget)
                row |= against(other, rest, test, seconds, repeat, classes=classes)
            if name in reference.index:
                row |= {each: float(reference[each][name]) for each in PUBLISHED}
            rows.append(row)
            if options.csv:
                pd.DataFrame(rows).to_csv(options.csv, index=False)
            said = (f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
            print("  ".join(said), flush=True)
    table = pd.DataFrame(rows).drop(columns="split")
    print("\n" + table.groupby("set", sort=False).mean().round(3).to_string())
    if table.set.nunique() > 1 and not set(table.set) & set(REGRESSION):
        print("\nmeans over the means of the sets")
        print(table.groupby("set").mean().mean().round(2).to_string())
    for other in ("plain", "boosting", *options.against):
        change = table["chosen"] - table[other]
        spread = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.nan
        print(f"chosen − {other}, paired: {change.mean():+.3f} ± {spread:.3f} (standard error)")


if __name__ == "__main__":
    main()
