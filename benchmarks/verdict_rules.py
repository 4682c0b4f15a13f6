"""bridle's verdict beside the rules of other tools, where the truth is known.

Each simulation generates its own rows and trains its own network, as in ``verdicts.py``. All rules
see the same predictions for the same training and new rows. A false alarm is a verdict whose
condition is not met in truth: the true gap, or the distance to the best possible score, is within
2 points. A miss is an absent verdict where it is above 10 points. Between 2 and 10 points, neither
is counted. For classes, the output also has the misses of the most powerful test of overfitting at
2.5 % that knows the training score and counts the correct new rows.

Needs ``pip install skore==0.28.0 weightwatcher==0.7.7`` for WeightWatcher's rule, and for
``--check``.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from machine import machine
from other_rules import (
    Rows,
    deepchecks_overfits,
    gap_above,
    skore_itself,
    skore_verdict,
    weightwatcher_verdict,
)
from scipy.stats import binom
from torch import Tensor
from verdict_cases import Case, World
from verdicts import said_of

from bridle import Network, predict
from bridle.diagnosis.assemble import Measurements, assemble
from bridle.diagnosis.predictions import Predictions
from bridle.statistics.claims import LEVEL
from bridle.statistics.wording import TOLERANCE

SIZES = (100, 300, 1000, 4000, 20_000)
LARGE = 0.1
REFERENCE = ((24, 24), 300)
NETWORKS = {"large": ((48, 48), 400), "linear": ((), 300), "early": ((24, 24), 60)}
KINDS: dict[str, dict[str, float | bool]] = {
    "balanced classes": {},
    "a rare class": {"shift": 4.0},
    "no signal": {"signal": 0.0},
    "regression": {"classification": False},
    "regression, unit ÷ 100": {"classification": False},
    "regression, long tail": {"classification": False, "long_tail": True},
}
RULES = (
    "bridle",
    "skore 0.28.0",
    "deepchecks 0.19.1",
    "gap above 10 %",
    "WeightWatcher 0.7.7",
)

BEST = "the most powerful test at 2.5 %"


@dataclass
class Counts:
    """False alarms and misses of one rule."""

    alarms: list[bool] = field(default_factory=list)
    misses: list[float] = field(default_factory=list)

    def see(self, said: bool, truth: float) -> None:
        """Count a verdict where the gap or the lead is known."""
        if truth <= TOLERANCE:
            self.alarms.append(said)
        elif truth > LARGE:
            self.misses.append(not said)


Key = tuple[str, str, str]
Table = dict[Key, Counts]


def cases() -> Iterator[tuple[str, int, Case]]:
    """Yield every kind of data, number of rows and network."""
    for (kind, options), rows, (name, shape) in product(KINDS.items(), SIZES, NETWORKS.items()):
        new = max(50, rows // 4)
        case = Case(f"{kind}, {rows} rows, {name}", rows, new, *shape, REFERENCE, **options)  # type: ignore[arg-type]
        yield kind, rows, case


def verdicts_of(
    task: str, said: dict[str, Rows], member: list[Tensor], own: Network, beside: Rows
) -> dict[str, str | None]:
    """Return the verdict of each rule; None where it does not apply."""
    training, new = said["training"], said["held out"]
    found = assemble(
        Measurements(
            subject="a network",
            task=task,
            predicted={name: predictions(rows) for name, rows in said.items()},
            references={"another network": predictions(beside)},
            worst=0,
        )
    )
    return {
        "bridle": found.verdict,
        "skore 0.28.0": skore_verdict(training, new),
        "deepchecks 0.19.1": "overfits" if deepchecks_overfits(training, new) else "",
        "gap above 10 %": "overfits" if gap_above(training, new) else "",
        "WeightWatcher 0.7.7": weightwatcher_verdict(member) if len(own.weights) > 1 else None,
    }


def predictions(rows: Rows) -> Predictions:
    """Return rows as bridle's predictions."""
    y = torch.from_numpy(rows.y)
    outputs = rows.said if rows.classification else rows.said[:, None]
    found = torch.from_numpy(outputs)
    return said_of(found.log() if rows.classification else found, y, None)


def rows_of(outputs: Tensor, y: Tensor, unit: float) -> Rows:
    """Return one member's predictions beside the truth."""
    if y.is_floating_point():
        return Rows(unit * y.double().numpy(), unit * outputs[:, 0].double().numpy())
    return Rows(y.numpy(), outputs.double().softmax(-1).numpy())


def least_misses(score: float, truth: float, rows: int) -> float:
    """Return how often the most powerful test at 2.5 % misses that a gap is above 2 points.

    By the lemma of Neyman and Pearson it rejects for few correct rows, and at the edge at random.
    """
    highest = min(score - TOLERANCE, 1.0)
    edge = int(binom.ppf(LEVEL, rows, highest))
    below = float(binom.cdf(edge - 1, rows, highest))
    share = (LEVEL - below) / float(binom.pmf(edge, rows, highest))
    found = float(binom.cdf(edge - 1, rows, truth)) + share * float(binom.pmf(edge, rows, truth))
    return 1 - found


def simulate(
    kind: str, rows: int, case: Case, seed: int, members: int, check: int, table: Table
) -> int:
    """Count the verdicts of one case; return how often skore itself says otherwise."""
    world = World(case, members, seed=seed)
    X, y = world.rows(case.training)
    held = world.rows(case.new)
    own = world.trained(X, y, case.hidden, case.steps, seed=seed)
    other = world.trained(X, y, *case.reference, seed=10**6 + seed)
    parts = {"training": (X, y), "held out": held}
    outputs = {name: predict(own, each) for name, (each, _) in parts.items()}
    beside = predict(other, held[0])
    task = "classification" if case.classification else "regression"
    unit = 0.01 if "unit" in kind else 1.0
    attainable, otherwise = world.attainable(), 0
    for at, truth in enumerate(world.truth(own)):
        said = {
            name: rows_of(outputs[name][at], target[at], unit)
            for name, (_, target) in parts.items()
        }
        training = said["training"]
        score = predictions(training).judged.value
        gap, lag = score - truth["score"], attainable - truth["score"]
        member = [weight[at] for weight in own.weights]
        of_other = rows_of(beside[at], held[1][at], unit)
        for rule, verdict in verdicts_of(task, said, member, own, of_other).items():
            if verdict is None:
                continue
            for group in (kind, f"{rows:,} rows", "all"):
                table[rule, "overfits", group].see(verdict == "overfits", gap)
                table[rule, "underfits", group].see(verdict == "underfits", lag)
        if case.classification and gap > LARGE:
            table[BEST, "overfits", kind].misses.append(
                least_misses(score, truth["score"], case.new)
            )
        if at < check:
            itself = skore_itself(training, said["held out"])
            otherwise += itself != skore_verdict(training, said["held out"])
    return otherwise


def _cell(counts: Counts) -> str:
    found = [
        f"{100 * float(np.mean(each)):.1f}" if each else "–"
        for each in (counts.alarms, counts.misses)
    ]
    return " / ".join(found)


def show(table: Table) -> None:
    """Print false alarms / misses of each rule."""
    groups = [*KINDS, *(f"{rows:,} rows" for rows in SIZES), "all"]
    for word in ("overfits", "underfits"):
        rules = [
            rule for rule in RULES if word == "overfits" or rule.startswith(("b", "s", "Weight"))
        ]
        print(f"\n### {word.capitalize()}: false alarms / misses, %\n")
        print("| rows | truths within / above | " + " | ".join(rules) + " |")
        print("|---|---:|" + "---:|" * len(rules))
        for group in groups:
            of = table["bridle", word, group]
            if of.alarms or of.misses:
                cells = [_cell(table[rule, word, group]) for rule in rules]
                print(f"| {group} | {len(of.alarms)} / {len(of.misses)} | {' | '.join(cells)} |")
    print()
    for kind in KINDS:
        least, own = (table[rule, "overfits", kind].misses for rule in (BEST, RULES[0]))
        if least:
            misses = [f"{100 * float(np.mean(each)):.1f} %" for each in (least, own)]
            print(f"- {kind}, overfits: {BEST} misses {misses[0]}, bridle {misses[1]}")


def main() -> None:
    """Run all cases and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=32)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", default="", help="run the cases whose name contains this")
    parser.add_argument(
        "--check", type=int, default=0, help="ask skore itself in so many simulations of each case"
    )
    given = parser.parse_args()
    began = time.perf_counter()
    table: Table = defaultdict(Counts)
    otherwise, total = 0, 0
    chosen = [each for each in cases() if given.case in each[-1].name]
    for start in range(0, given.simulations, given.at_once):
        members = min(given.at_once, given.simulations - start)
        check = min(members, max(0, given.check - start))
        for each in chosen:
            otherwise += simulate(*each, given.seed + start, members, check, table)
            total += check
    print(f"{machine()}; {given.simulations} simulations of each case, seed {given.seed}")
    show(table)
    if total:
        print(f"\n- skore itself said otherwise in {otherwise} of {total} simulations")
    print(f"\n{time.perf_counter() - began:.0f} seconds")


if __name__ == "__main__":
    main()
