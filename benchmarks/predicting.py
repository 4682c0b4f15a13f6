"""Time predictions of one row, of 100,000 rows, and of whole processes, beside skrub's pipeline.

The table is German credit data, which comes with bridle. bridle's model is that of ``bridle.fit``.
The contender is ``skrub.tabular_pipeline`` with scikit-learn's ``MLPClassifier`` of the same shape.
Both predict probabilities. Variants run in turn, and a time is the median over the rounds.

    python benchmarks/predicting.py [--rounds N] [--process-rounds N]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from machine import machine
from sklearn.neural_network import MLPClassifier
from skrub import tabular_pipeline
from timing import interleaved

import bridle

CREDIT = Path(__file__).parents[1] / "examples" / "credit-g.csv"
TARGET = "class"
MANY = 100_000
TARGETS = {  # seconds
    ("one row", "bridle, DataFrame"): 1e-3,
    ("one row", "bridle, dict"): 1e-3,
    ("100,000 rows", "bridle"): 0.26,
    ("process", "bridle predict, one row"): 1.5,
    ("process", "bridle fit"): 4.0,
}
STRENGTHS = ("--keep-prob", "0.5", "--l1", "1e-4", "--l2", "1e-3")  # those of the README
LOADED = """
import sys, joblib, pandas
pipeline = joblib.load(sys.argv[1])
table = pandas.read_csv(sys.argv[2])
print(pandas.DataFrame(pipeline.predict_proba(table), columns=pipeline.classes_).to_csv())
"""


def times_of_calls(model: Any, pipeline: Any, table: pd.DataFrame, rounds: int) -> dict[Any, float]:
    """Return the milliseconds of predictions in this process."""
    one, row = table.iloc[[3]], table.iloc[3].to_dict()
    many = pd.concat([table] * (MANY // len(table)), ignore_index=True)
    few = interleaved(
        {
            ("one row", "bridle, DataFrame"): lambda: model.predict(one),
            ("one row", "bridle, dict"): lambda: model.predict(row),
            ("one row", "skrub's pipeline"): lambda: pipeline.predict_proba(one),
        },
        rounds=10 * rounds,
    )
    whole = interleaved(
        {
            ("100,000 rows", "bridle"): lambda: model.predict(many),
            ("100,000 rows", "skrub's pipeline"): lambda: pipeline.predict_proba(many),
        },
        rounds=rounds,
        warm_up=1,
    )
    return {**few, **whole}


def times_of_processes(
    model: Any, pipeline: Any, table: pd.DataFrame, rounds: int
) -> dict[Any, float]:
    """Return the milliseconds of whole processes, which start, load a model and predict."""
    with tempfile.TemporaryDirectory() as folder:
        stored, dumped, row = (Path(folder) / name for name in ("m.bridle", "m.joblib", "row.csv"))
        bridle.save_model(model, stored)
        joblib.dump(pipeline, dumped)
        table.iloc[[3]].to_csv(row, index=False)
        fit = ["fit", CREDIT, "--target", TARGET, *STRENGTHS, "-o", Path(folder) / "fit.bridle"]
        return interleaved(
            {
                ("process", "bridle predict, one row"): started(
                    "-m", "bridle", "predict", stored, row
                ),
                ("process", "skrub's pipeline, one row"): started("-c", LOADED, dumped, row),
                ("process", "bridle fit"): started("-m", "bridle", *fit),
            },
            rounds=rounds,
            warm_up=1,
        )


def started(*arguments: object) -> Callable[[], object]:
    """Return what runs Python with arguments, as a process of its own."""
    command = [sys.executable, "-W", "ignore", *map(str, arguments)]
    return lambda: subprocess.run(command, check=True, capture_output=True)  # noqa: S603


def check(model: Any, table: pd.DataFrame) -> None:
    """Check that a row predicts the same alone, as a dict and among others."""
    every = model.predict(table).drop(columns="prediction").to_numpy()
    for at in (0, 3, 77):
        for rows in (table.iloc[[at]], table.iloc[at].to_dict()):
            found = model.predict(rows).drop(columns="prediction").to_numpy()
            if not np.allclose(found, every[[at]], rtol=0, atol=1e-6):
                raise SystemExit(f"row {at} predicts {found}, among others {every[[at]]}")


def shown(milliseconds: float) -> str:
    """Return a time in milliseconds or seconds."""
    return f"{milliseconds:.2f} ms" if milliseconds < 100 else f"{milliseconds / 1e3:.2f} s"


def main() -> None:
    """Fit both, time their predictions, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--process-rounds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table = pd.read_csv(CREDIT)
    features, truth = table.drop(columns=TARGET), table[TARGET]
    model = bridle.fit(table, TARGET).model
    hidden = tuple(model.network.sizes[1:-1])
    learner = MLPClassifier(hidden, early_stopping=True, random_state=0)
    pipeline = tabular_pipeline(learner).fit(features, truth)
    check(model, features)
    found = times_of_calls(model, pipeline, features, options.rounds)
    found |= times_of_processes(model, pipeline, features, options.process_rounds)
    print(machine())
    print("| what | who | median | target |\n|---|---|---:|---|")
    for (what, who), milliseconds in found.items():
        target = TARGETS.get((what, who))
        wanted = ""
        if target is not None:
            met = "met" if milliseconds <= 1e3 * target else "**missed**"
            wanted = f"≤ {shown(1e3 * target)} {met}"
        print(f"| {what} | {who} | {shown(milliseconds)} | {wanted} |")


if __name__ == "__main__":
    main()
