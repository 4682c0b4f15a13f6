"""Which strengths help beyond early stopping, on development tables.

Run ``python benchmarks/default_strengths.py --data FOLDER --csv FILE``. All candidates of a table
are one population: they have the same initial weights, batches and early stopping, and the first
has no other regularizer. A candidate's error (the share of wrong test rows; for regression 1 - R²)
is divided by the first one's. The unit is the table: the mean is that of the logarithms over the
seeds of a table and then over the tables, with a t interval over the tables.

The choice of a task is the candidate with the lowest mean ratio. A choice flatters itself, so its
gain is measured by leaving out each table in turn: the candidate that is best on the other tables
is scored on that one. Each candidate is also compared with the present default.

FILE keeps what was measured; a table and seed that it has are not measured again.

With ``--whole TABLE ...`` whole tables are fitted instead, as ``bridle.fit`` does with seed 0 and
the defaults. Each row says what the defaults add to the test score of early stopping alone. The
last column of a table is its target; ``FILE:regression`` names the task.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from commands import append
from machine import machine
from scipy.stats import t

import bridle
from bridle import Dataset, Network, Recipe, Strengths, train
from bridle.models.fit import encoders_of
from bridle.models.judge import judge_members
from bridle.models.reading import read_for_fit
from bridle.models.recipe import DEFAULT_STRENGTHS, noises_of, penalties_of
from bridle.statistics import Judged, compare
from bridle.statistics.wording import estimate_text, score_text
from bridle.tables import ClassTarget

TABLES = {
    "regression": ("boston", "concrete", "energy", "kin8nm", "wine-red", "cpu-act", "california"),
    "classification": (
        "credit-g",
        "vowel",
        "vehicle",
        "phoneme",
        "kc1",
        "satimage",
        "sonar",
        "ionosphere",
        "wdbc",
        "ilpd",
        "australian",
        "diabetes",
        "credit-approval",
        "car",
        "splice",
        "arrhythmia",
        "spambase",
        "adult",
    ),
}
CANDIDATES = {
    "classification": (
        Strengths(),
        Strengths(l1=1e-4),
        Strengths(l1=1e-3),
        Strengths(l2=1e-2),
        Strengths(keep_prob=0.8),
        Strengths(keep_prob=0.5),
        Strengths(l1=1e-4, l2=1e-3, keep_prob=0.8),
        Strengths(l1=1e-4, l2=1e-3, keep_prob=0.5),
        Strengths(l1=3e-4, l2=3e-3, keep_prob=0.8),
        Strengths(l1=3e-4, l2=3e-3, keep_prob=0.5),
        Strengths(l1=1e-3, l2=1e-2, keep_prob=0.8),
    ),
    "regression": (
        Strengths(),
        Strengths(l1=1e-4),
        Strengths(l1=1e-3),
        Strengths(l2=1e-2),
        Strengths(keep_prob=0.95),
        Strengths(keep_prob=0.8),
        Strengths(l1=1e-4, l2=1e-3),
        Strengths(l1=1e-4, l2=1e-3, keep_prob=0.95),
        Strengths(l1=3e-4, l2=3e-3, keep_prob=0.95),
        Strengths(l1=1e-3, l2=1e-2, keep_prob=0.95),
        Strengths(l1=1e-3, l2=1e-2),
    ),
}
MOST_ROWS = 1000


def name_of(strengths: Strengths) -> str:
    """Return a candidate's strengths in words."""
    off = Strengths()
    parts = [
        f"{name} {value:g}"
        for name, value in vars(strengths).items()
        if value != getattr(off, name)
    ]
    return ", ".join(parts) or "early stopping alone"


def error_of(judged: Judged, rows: int) -> float:
    """Return the error: the share of wrong rows, where half a row is added, or 1 - R²."""
    wrong = 1 - judged.value
    return wrong + 0.5 / rows if judged.is_share else wrong


def measure(frame: pd.DataFrame, task: str, seed: int) -> list[dict[str, Any]]:
    """Train all candidates on a table; return the error of each, and its answer."""
    given = read_for_fit(frame, "target", ())
    rows, encoder, coding = encoders_of(given, task, seed)
    X = torch.from_numpy(encoder.transform(given.frame))
    y = torch.from_numpy(coding.transform(given.truth))
    data = {part: Dataset(X[at], y[at]) for part, at in rows.items()}
    candidates, recipe = CANDIDATES[task], Recipe()
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
        training_curves=False,
    )
    judged = judge_members(network, data["test"], coding)
    return [
        {
            "candidate": name_of(candidate),
            "error": error_of(each, len(rows["test"])),
            "answer": compare(judged[0], each).answer,
        }
        for candidate, each in zip(candidates, judged, strict=True)
    ]


def mean_ratio(logs: np.ndarray[Any, Any]) -> str:
    """Return the mean ratio with its 95 % interval, from one logarithm for each table."""
    margin = t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    low, mean, high = np.exp(logs.mean() + margin * np.array([-1, 0, 1]))
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def summarize(found: pd.DataFrame, task: str) -> None:
    """Print the candidates of a task, the chosen one, and the gain without each table."""
    names = [name_of(each) for each in CANDIDATES[task]]
    errors = found.set_index(["table", "seed", "candidate"])["error"].unstack()[names]
    logs = errors.apply(np.log)
    logs = logs.sub(logs[names[0]], axis=0).groupby("table").mean()
    best, present = str(logs.mean().idxmin()), name_of(DEFAULT_STRENGTHS[task])
    splits = found[["table", "seed"]].drop_duplicates()
    print(f"\n### {task}: {len(logs)} tables, {len(splits)} splits\n")
    print("| candidate | error, divided by early stopping alone's | by the default's | better |")
    print("|---|---:|---:|---:|")
    for name in names[1:]:
        said = found.loc[found["candidate"] == name, "answer"]
        counts = f"{(said == 'better').sum()}, worse {(said == 'worse').sum()} of {len(said)}"
        other = (
            "default" if name == present else mean_ratio((logs[name] - logs[present]).to_numpy())
        )
        print(f"| {name} | {mean_ratio(logs[name].to_numpy())} | {other} | {counts} |")
    without = [str(logs.drop(index=table).mean().idxmin()) for table in logs.index]
    gains = np.array([logs.loc[at, name] for at, name in zip(logs.index, without, strict=True)])
    print(f"\nlowest mean: {best}; chosen without each table in turn: {mean_ratio(gains)}")
    changed = [f"{a}: {n}" for a, n in zip(logs.index, without, strict=True) if n != best]
    print(f"another choice without: {'; '.join(changed) or 'none'}")


def fit_whole(path: str) -> None:
    """Fit a whole table with the defaults, and print what they add to early stopping alone."""
    file, _, task = path.partition(":")
    frame = pd.read_csv(file, low_memory=False)
    found = bridle.fit(frame, frame.columns[-1], task=task or "auto")
    if found.stopped is None or found.beyond is None:
        raise SystemExit("the recipe has no early stopping")
    share = found.plain.diagnosis.is_share
    scores = [found.plain, found.stopped, found.regularized]
    cells = [score_text(each.test.value, share=share) for each in scores]
    pairs = (found.comparison, found.beyond)
    cells += [estimate_text(each.difference, share=share, signed=True) for each in pairs]
    name, counts = Path(file).name.partition(".")[0], f"{len(frame):,} ({found.rows['test']:,})"
    print(f"| {name} | {counts} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Train all candidates on the tables that the file lacks, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--whole", nargs="+", default=())
    given = parser.parse_args()
    if given.whole:
        print("| table | rows (test) | plain | stopped | defaults | − plain | − stopped |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for path in given.whole:
            fit_whole(path)
        print(f"\n{machine()}")
        return
    if given.data is None or given.csv is None:
        parser.error("give --data and --csv, or --whole")
    known = pd.read_csv(given.csv) if given.csv.exists() else pd.DataFrame()
    done = set(zip(known["table"], known["seed"], strict=True)) if len(known) else set()
    for seed in range(given.seeds):
        for task, table in ((task, each) for task, names in TABLES.items() for each in names):
            if (table, seed) in done:
                continue
            frame: Any = pd.read_csv(given.data / f"{table}.csv.gz", low_memory=False)
            if len(frame) > MOST_ROWS:
                frame = frame.sample(MOST_ROWS, random_state=seed).reset_index(drop=True)
            rows = pd.DataFrame(measure(frame, task, seed))
            rows.insert(0, "table", table)
            rows.insert(1, "seed", seed)
            rows.insert(0, "task", task)
            append(rows, given.csv)
            ratios = rows["error"] / rows["error"][0]
            cells = " ".join(f"{each:.2f}" for each in ratios[1:])
            print(f"{table}, seed {seed}: {rows['error'][0]:.3f}; {cells}", flush=True)
    found = pd.read_csv(given.csv)
    for task in TABLES:
        summarize(found[found["task"] == task], task)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
