"""Errors of the answers that ``search_answers.py`` measured, as means over the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from search_answers_ways import (
    Answer,
    Measured,
    calibrated,
    crossed,
    errors_of,
    moved,
    nested,
    twice_calibrated,
    ways_of,
)

from bridle.search.plan import ENSEMBLE_SIZE


def temperatures(folder: Path) -> None:
    """Print what the temperature of the mean does to the log loss of each table.

    Then print which labels the temperature of the members changes, and the log loss with both.
    """
    counts: dict[str, list[np.ndarray]] = {"held-out": [], "test": []}
    ratios: dict[str, list[tuple[float, float, float]]] = {}
    for measured in map(Measured, sorted(folder.glob("*.npz"))):
        if measured.classes:
            trials, _ = measured.halved("accuracy", np.ones(len(measured.y), bool))
            answer = Answer(measured, trials[:ENSEMBLE_SIZE], None)
            both = twice_calibrated(answer)
            untouched = answer.held_out(), answer.tested()
            for of, new, old, y in zip(
                counts, both, untouched, (measured.y, measured.y_test), strict=True
            ):
                counts[of].append(moved(new, old, y))
            after, bounded, twice, before = (
                np.log(errors_of(said, measured.y_test)["log loss"])
                for said in (
                    calibrated(answer)[1],
                    calibrated(answer, at_most_one=True)[1],
                    both[1],
                    untouched[1],
                )
            )
            ratios.setdefault(measured.set, []).append(
                (after - before, bounded - before, twice - before)
            )
    print("test log loss with the temperature over that without, equal weights by accuracy")
    means = {name: np.mean(each, 0) for name, each in ratios.items()}
    for name, (free, bounded, twice) in (means | {"all": np.mean([*means.values()], 0)}).items():
        figures = f"{np.exp(free):.3f}, at most 1: {np.exp(bounded):.3f}, both: {np.exp(twice):.3f}"
        print(f"  {name:12} {figures}")
    spread = np.std([*means.values()], 0, ddof=1) / np.sqrt(len(means))
    print("  standard error {:.3f}, at most 1: {:.3f}, both: {:.3f}".format(*spread))
    for of, each in counts.items():
        changed, right, wrong, rows = np.sum(each, 0)
        print(
            f"the temperature of the members changes {changed} of {rows} {of} labels: "
            f"{right} become right, {wrong} wrong"
        )


def against(folder: Path, base: Path) -> None:
    """Print the test errors of a measurement over those of another's equal weights."""
    rows = []
    for path in sorted(folder.glob("*.npz")):
        first: dict[str, float] = {}
        for kind, each in (("base", Measured(base / path.name)), ("this", Measured(path))):
            scoring = "accuracy" if each.classes else "r2"
            trials, _ = each.halved(scoring, np.ones(len(each.y), bool))
            answer = Answer(each, trials[:ENSEMBLE_SIZE], None)
            ways = {"equal weights": answer.tested()}
            if each.classes:
                ways["T of the mean, guarded"] = calibrated(answer)[1]
            for way, said in ways.items():
                for error, value in errors_of(said, each.y_test).items():
                    change = np.log(value / first.setdefault(error, value))
                    rows.append((each.set, path.name, kind, way, error, change))
    table = pd.DataFrame(rows, columns=["set", "file", "scoring", "way", "error", "change"])
    _show("test error over that of equal weights in the base", table, "way", "change")


def compare(folder: Path) -> None:
    """Print the ratios of the test errors of all ways, and what estimates of them are off by."""
    rows, estimates = [], []
    for path in sorted(folder.glob("*.npz")):
        measured = Measured(path)
        scorings = ("accuracy", "neg_log_loss", "roc_auc", "refined")
        for scoring in scorings if measured.classes else ("r2",):
            ways = ways_of(measured, scoring)
            for way, (_, said) in ways.items():
                for error, value in errors_of(said, measured.y_test).items():
                    rows.append((measured.set, path.name, scoring, way, error, value))
            if scoring not in ("accuracy", "r2"):
                continue
            way, best = (
                ("T of the mean, guarded", "best, T")
                if measured.classes
                else (
                    "equal weights",
                    "best",
                )
            )
            tested = errors_of(ways[way][1], measured.y_test)
            known = {"best": ways[best][0], "average": ways[way][0]}
            if measured.classes:
                known["T of other folds"] = crossed(ways["equal weights"][0], measured)
            known["nested"] = nested(measured, scoring)
            for name, each in known.items():
                for error, value in errors_of(each, measured.y).items():
                    ratio = np.log(tested[error] / value)
                    estimates.append((measured.set, path.name, scoring, name, error, ratio))
    table = pd.DataFrame(rows, columns=["set", "file", "scoring", "way", "error", "value"])
    first = table[table.way.eq("equal weights") & table.scoring.isin(["accuracy", "r2"])]
    base = first.set_index(["file", "error"])["value"]
    keys = pd.MultiIndex.from_frame(table[["file", "error"]])
    table["change"] = np.log(table["value"].to_numpy() / base.loc[keys].to_numpy())
    _show("test error over that of equal weights by accuracy or R²", table, "way", "change")
    names = ["set", "file", "scoring", "estimate", "error", "change"]
    optimism = pd.DataFrame(estimates, columns=names)
    _show("test error of the model over its estimate", optimism, "estimate", "change")


def _show(title: str, table: pd.DataFrame, by: str, value: str) -> None:
    """Print geometric means over the tables, with their standard errors."""
    print(f"\n{title}; {table['set'].nunique()} tables, {table['file'].nunique()} splits")
    means = table.groupby(["scoring", by, "error", "set"])[value].mean().reset_index()
    for (scoring, way), part in means.groupby(["scoring", by], sort=False):
        told = []
        for error, each in part.groupby("error"):
            spread = each[value].std(ddof=1) / np.sqrt(len(each))
            told.append(f"{error} {np.exp(each[value].mean()):.3f} ± {spread:.3f}")
        print(f"  {scoring:13} {way:30} {'  '.join(told)}")
