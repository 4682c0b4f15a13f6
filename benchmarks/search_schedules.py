"""Schedules of the search's training: the learning rate, the noise and the decay over its steps.

Run ``python benchmarks/search_schedules.py measure --data FOLDER --csv FILE`` and then
``python benchmarks/search_schedules.py compare --csv FILE``. ``measure`` samples configurations,
trains them with constant strengths through the lower rungs of successive halving, and trains those
that are left through the last rung in each way: with the same weights, batches and masks, and the
same number of steps. A way that changes the whole run trains them from the start. It writes the
test errors of each configuration at its best evaluation, and of the average of all of them.
``compare`` prints the errors over those of constant strengths: geometric means over the tables,
with the standard error of their logarithm. Rows that the file has are not computed again. Tables
with more than 2,000 rows are trained on 2,000 of them, and at most 4,000 rows are tested.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from commands import add_choices, parser_of, run
from machine import machine
from search_answers import FOLDS, Table, joined_states, keep_states, shares_of
from search_answers_ways import errors_of, refined
from search_quality import REGRESSION
from search_schedules_ways import WAYS, Scheduled
from torch import Tensor

from bridle.search.configuration import HIDDEN, Space
from bridle.search.plan import (
    EPOCHS,
    ETA,
    EVALUATIONS,
    MAX_STEPS,
    MIN_STEPS,
    RUNGS,
    batch_size_for,
)
from bridle.search.scoring import mean_losses, scores_of
from bridle.search.temperature import fit_temperature

SETS = (
    *("vehicle", "credit-g", "australian", "ilpd", "diabetes", "vowel", "car", "ionosphere"),
    *("phoneme", "boston", "concrete", "energy", "wine-red", "kin8nm", "california"),
)
SAMPLED, FINALISTS, ROWS, TESTED = 16, 5, 2000, 4000


class Run:
    """The configurations of a table and split, and their training."""

    def __init__(self, name: str, folder: Path, split: int, steps: int) -> None:
        self.table = table = Table(name, folder, split, ROWS)
        if len(table.y_test) > TESTED:
            table.y_test = table.y_test[:TESTED]
            table.X_test = {bins: each[:TESTED] for bins, each in table.X_test.items()}
        self.data, self.split = table.data, split
        self.classes = bool(table.data.classes)
        random = np.random.default_rng(split)
        space = Space((HIDDEN,), tuple(self.data.inputs), classes=self.classes)
        self.configurations = [space.sample(random) for _ in range(SAMPLED)]
        if not steps:
            rows = min(len(self.data.rows_of(v)[0]) for v in range(FOLDS))
            epochs = EPOCHS * rows / batch_size_for(rows)
            steps = int(min(MAX_STEPS, max(MIN_STEPS, epochs)))
        self.ends = [steps // ETA ** (RUNGS - 1 - rung) for rung in range(RUNGS)]
        self.states: dict[int, Any] = {}
        left = list(range(SAMPLED))
        for start, stop in pairwise([0, *self.ends[:-1]]):
            best, *_ = self.train(left, "constant", start, stop, keep=True)
            left = sorted(sorted(left, key=lambda at: best[at], reverse=True)[:FINALISTS])
        self.finalists = left

    def train(
        self, ids: list[int], way: str, start: int, stop: int, *, keep: bool = False
    ) -> tuple[dict[int, tuple[float, float]], dict[int, Tensor], dict[int, Tensor]]:
        """Train between two steps; return best scores, and then test and held-out outputs."""
        data = self.data
        rows = min(len(data.rows_of(v)[0]) for v in range(FOLDS))
        best: dict[int, tuple[float, float]] = {}
        tested: dict[int, Tensor] = {}
        held_out: dict[int, Tensor] = {}
        scoring = "accuracy" if self.classes else "r2"
        lower = {**self.states}
        for bins in data.inputs:
            here = [at for at in ids if self.configurations[at].bins == bins]
            if not here:
                continue
            population = Scheduled(
                data,
                [self.configurations[at] for at in here],
                here,
                seed=self.split,
                batch_size=batch_size_for(rows),
            )
            population.follow(WAYS[way], start, stop)
            if start:
                population.load_state({"step": start, **joined_states(lower, here)})
            for end in np.linspace(start, stop, EVALUATIONS + 1).round().astype(int)[1:].tolist():
                population.train(end - population.step)
                known = population.held_out_outputs()
                losses = mean_losses(known, data.y, classes=self.classes)
                now = zip(scores_of(known, data.y, scoring).tolist(), losses.tolist(), strict=True)
                said = self.table.tested(population, bins)
                for at, (score, loss), *outputs in zip(here, now, said, known, strict=True):
                    if at not in best or (score, -loss) > best[at]:
                        best[at] = (score, -loss)
                        tested[at], held_out[at] = outputs
            if keep:
                keep_states(population, here, self.states)
        return best, tested, held_out

    def errors(self, way: str) -> list[dict[str, Any]]:
        """Train the finalists in one way; return their test errors, and those of their average."""
        began = time.process_time()
        start = 0 if WAYS[way].whole else self.ends[-2]
        stop = start + round(WAYS[way].steps * (self.ends[-1] - start))
        best, tested, held_out = self.train(self.finalists, way, start, stop)
        seconds = (time.process_time() - began) / (stop - start)
        shares = {at: shares_of(each, classes=self.classes) for at, each in tested.items()}
        everyone = {str(at): each for at, each in shares.items()}
        everyone["average"] = np.mean([*shares.values()], 0)
        y = self.table.y_test.numpy()
        found = {of: errors_of(each, y) | self._refined(each, y) for of, each in everyone.items()}
        found["average"] |= {"seconds a step": seconds}
        found["average"] |= self._tempered(everyone["average"], held_out)
        return [
            {"way": way, "of": of, "error": error, "value": value}
            for of, each in found.items()
            for error, value in each.items()
        ] + [
            {"way": way, "of": str(at), "error": "validation", "value": -score[1]}
            for at, score in best.items()
        ]

    def _tempered(self, shares: np.ndarray, held_out: dict[int, Tensor]) -> dict[str, float]:
        """Return the temperature as the search fits it, and the log loss with it."""
        if not self.classes:
            return {}
        outputs = torch.stack([*held_out.values()])
        found = fit_temperature(outputs, self.data.y, averages_more=True).value
        powers = np.clip(shares, 1e-12, None) ** (1 / found)
        y = self.table.y_test.numpy()
        loss = errors_of(powers / powers.sum(1, keepdims=True), y)["log loss"]
        return {"temperature": found, "log loss at fitted T": loss}

    def _refined(self, shares: np.ndarray, y: np.ndarray) -> dict[str, float]:
        return {"log loss at best T": max(refined(shares, y), 1e-4)} if self.classes else {}


def measure(options: argparse.Namespace) -> None:
    """Write the errors of each table, split and way."""
    print(f"{machine('cpu')}; {SAMPLED} configurations, {FINALISTS} in the last rung\n")
    found = [pd.read_csv(options.csv)] if options.csv.exists() else []
    keys = ["steps", "set", "split", "way"]
    known = {tuple(key) for part in found for key in part[keys].to_numpy()}
    steps = options.steps
    for split in options.splits:
        for name in options.sets:
            ways = [way for way in options.ways if (steps, name, split, way) not in known]
            if not ways:
                continue
            began, run = time.process_time(), Run(name, options.data, split, steps)
            spent = {"lower rungs": time.process_time() - began}
            for way in ways:
                began = time.process_time()
                rows = pd.DataFrame(run.errors(way))
                found.append(rows.assign(set=name, split=split, steps=steps))
                spent[way] = time.process_time() - began
                pd.concat(found).to_csv(options.csv, index=False, float_format="%.6g")
            told = ", ".join(f"{way} {seconds:.1f} s" for way, seconds in spent.items())
            print(f"{name} {split}: {told}", flush=True)


def compare(options: argparse.Namespace) -> None:
    """Print the errors over those of constant strengths."""
    table = pd.read_csv(options.csv)
    table = table[table["steps"].eq(options.steps)]
    table["value"] = np.log(table["value"])
    table["of"] = np.where(table["of"].eq("average"), "average", "each")
    keys = ["set", "split", "of", "error"]
    means = table.groupby([*keys, "way"])["value"].mean().unstack("way")
    for of in ("each", "average"):
        for kinds in (False, True):
            part = means.xs(of, level="of")
            part = part[part.index.get_level_values("set").isin(REGRESSION) == kinds]
            if part.empty:
                continue
            print(f"{of}, {'regression' if kinds else 'classification'}")
            for way in part:
                change = (part[way] - part["constant"]).dropna()
                by_set = change.groupby(["error", "set"]).mean().groupby("error")
                figures = "  ".join(
                    f"{error} {np.exp(each.mean()):.3f} ± {each.sem():.3f}"
                    for error, each in by_set
                )
                count = change.index.get_level_values("set").nunique()
                print(f"  {way:34} {count:2} tables  {figures}")


def main() -> None:
    """Measure, or compare."""
    parser = parser_of(__doc__, "--csv")
    add_choices(parser, SETS, list(WAYS), [51, 52])
    parser.add_argument(
        "--steps", type=int, default=MIN_STEPS, help="0: those of a search with enough time"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    run(parser, options, measure, compare)


if __name__ == "__main__":
    main()
