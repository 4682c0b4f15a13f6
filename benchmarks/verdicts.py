"""The verdicts and intervals of the diagnosis where the truth is known.

A function defined here generates the rows, so that each network's true score is known: the exact
expectation over the target, on 16,384 quasi-random rows of inputs. Each simulation generates its
own training, held-out and test rows and trains its own network; hundreds train as one population.
In the grouped cases, the truth is the score on rows of new groups.
The output is how often each verdict was given, how often it was wrong, and how often each 95 %
interval contained the truth.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from machine import machine
from torch import Tensor
from verdict_cases import CASES, Case, Scores, World

from bridle import predict
from bridle.diagnosis import Diagnosis
from bridle.diagnosis.assemble import Measurements, assemble
from bridle.diagnosis.predictions import Predictions
from bridle.statistics.intervals import corrected_interval
from bridle.statistics.scores import Estimate
from bridle.statistics.wording import TOLERANCE


def said_of(outputs: Tensor, y: Tensor, groups: Tensor | None) -> Predictions:
    """Return one member's predictions beside the truth."""
    of_rows = None if groups is None else groups.numpy()
    if y.is_floating_point():
        values = outputs[:, 0].double().numpy()
        return Predictions(y.double().numpy(), values, groups=of_rows)
    shares = outputs.double().softmax(-1).numpy()
    return Predictions.of_probabilities(y.numpy(), shares, (0, 1), groups=of_rows)


@dataclass
class Tally:
    """What was counted in one case."""

    verdicts: Counter[str] = field(default_factory=Counter)
    covered: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    wrong: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    gaps: list[float] = field(default_factory=list)
    leads: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def see(self, found: Diagnosis, own: Scores, other: Scores, attainable: float) -> None:
        """Count one simulation."""
        if found.training is None or found.gap is None or found.held_out is None:
            raise AssertionError("a simulation has all parts")
        gap, lead = found.training.score.value - own["score"], other["score"] - own["score"]
        self.gaps.append(gap)
        self.leads.append(lead)
        self.lags.append(attainable - own["score"])
        self.verdicts[found.verdict] += 1
        if gap <= TOLERANCE:
            self.wrong["overfits, although the gap is within 2 points"].append(
                found.verdict == "overfits"
            )
        known, constant = found.training.score.value, found.training.baseline or 0.0
        nothing = known - constant < TOLERANCE * (1 - constant)  # learned, of the training rows
        if lead <= (0 if nothing else TOLERANCE):
            self.wrong["underfits, although the lead is within 2 points"].append(
                found.verdict == "underfits"
            )
        if gap >= TOLERANCE or lead >= TOLERANCE:
            name = "fine, although the gap or the lead is above 2 points"
            self.wrong[name].append(found.verdict == "fine")
        self._cover("held-out score", found.held_out.score, own["score"])
        self._cover("held-out loss", found.held_out.loss, own["loss"])
        self._cover("gap", found.gap.value, gap)
        if found.training.loss is not None:
            self._cover("gap of the loss", found.gap.loss, own["loss"] - found.training.loss.value)
        if found.test is not None:
            self._cover("test score", found.test.score, own["score"])
        self._cover("lead of the reference", found.references[0].comparison.difference, lead)
        if found.calibration is not None:
            self._cover("Brier score", found.calibration.brier, own["brier"])
            overconfidence = found.calibration.overconfidence
            self._cover("overconfidence", overconfidence, own["overconfidence"])

    def _cover(self, name: str, interval: Estimate | None, truth: float) -> None:
        if interval is not None:
            self.covered[name].append(interval.low <= truth <= interval.high)


def simulate(case: Case, simulations: int, at_once: int) -> Tally:
    """Run a case."""
    tally = Tally()
    for start in range(0, simulations, at_once):
        members = min(at_once, simulations - start)
        world = World(case, members, seed=start)
        X, y = world.rows(case.training)
        held, test = world.rows(case.new), world.rows(case.new)
        own = world.trained(X, y, case.hidden, case.steps, seed=start)
        other = world.trained(X, y, *case.reference, seed=10**6 + start)
        parts = {"training": (X, y), "held out": held, "test": test}
        outputs = {name: predict(own, rows) for name, (rows, _) in parts.items()}
        beside = predict(other, held[0])
        groups = {
            name: world.groups(len(y[0])) if case.group else None for name, (_, y) in parts.items()
        }
        pairs = zip(world.truth(own), world.truth(other), strict=True)
        attainable = world.attainable()
        for at, (own_truth, other_truth) in enumerate(pairs):
            measured = Measurements(
                subject=case.name,
                task="classification" if case.classification else "regression",
                predicted={
                    name: said_of(outputs[name][at], target[at], groups[name])
                    for name, (_, target) in parts.items()
                },
                references={
                    "another network": said_of(beside[at], held[1][at], groups["held out"])
                },
                worst=0,
            )
            tally.see(assemble(measured), own_truth, other_truth, attainable)
    return tally


def folds(simulations: int, at_once: int, *, count: int = 5) -> tuple[list[bool], list[bool]]:
    """Return whether the corrected interval over folds contained the true gap.

    First the gap of its own networks, as the mean over folds; then the mean gap of such networks
    over training sets, which is what Nadeau & Bengio's interval is for.
    """
    case = Case("folds", 250, 0, (16,), 150, ((), 0))
    found: list[Estimate] = []
    true: list[float] = []
    for start in range(0, simulations, at_once):
        members = min(at_once, simulations - start)
        world = World(case, members, seed=start)
        X, y = world.rows(case.training)
        fold = torch.arange(case.training) % count
        gaps, own = torch.zeros(members, count), torch.zeros(members, count)
        for each in range(count):
            inside = fold != each
            network = world.trained(
                X[:, inside], y[:, inside], case.hidden, case.steps, seed=start + each * 10**6
            )
            right = (predict(network, X).argmax(-1) == y).double()
            known = right[:, inside].mean(1)
            gaps[:, each] = known - right[:, ~inside].mean(1)
            own[:, each] = known - torch.tensor([one["score"] for one in world.truth(network)])
        found += [corrected_interval(each, 1 / (count - 1)) for each in gaps.tolist()]
        true += own.mean(1).tolist()
    average = float(np.mean(true))
    own_held = [each.low <= gap <= each.high for each, gap in zip(found, true, strict=True)]
    return own_held, [each.low <= average <= each.high for each in found]


def show(tallies: dict[str, Tally], of_folds: tuple[Sequence[bool], Sequence[bool]]) -> None:
    """Print the tables."""
    words = ("overfits", "underfits", "fine", "cannot tell")
    print("### Verdicts\n")
    print(
        "| case | true gap | true lead | below the best possible score | "
        + " | ".join(words)
        + " |"
    )
    print("|---|---:|---:|---:|" + "---:|" * len(words))
    for name, tally in tallies.items():
        total = sum(tally.verdicts.values())
        middle = [100 * float(np.mean(each)) for each in (tally.gaps, tally.leads, tally.lags)]
        shares = [f"{100 * tally.verdicts[word] / total:.1f} %" for word in words]
        print(f"| {name} | " + " | ".join([*(f"{m:.1f}" for m in middle), *shares]) + " |")
    print(
        "\n### Wrong verdicts\n\n| verdict, although | simulations | verdict given | worst case |"
    )
    print("|---|---:|---:|---|")
    kinds = dict.fromkeys(kind for tally in tallies.values() for kind in tally.wrong)
    for kind in kinds:
        every = [wrong for tally in tallies.values() for wrong in tally.wrong.get(kind, [])]
        large = {n: t.wrong[kind] for n, t in tallies.items() if len(t.wrong.get(kind, [])) >= 50}
        said = ""
        if large:
            worst = max(large, key=lambda name: float(np.mean(large[name])))
            rate = 100 * float(np.mean(large[worst]))
            said = f"{worst}: {rate:.1f} % of {len(large[worst])}"
        print(f"| {kind} | {len(every)} | {100 * float(np.mean(every)):.2f} % | {said} |")
    print("\n### Coverage of the 95 % intervals\n")
    names = list(dict.fromkeys(name for tally in tallies.values() for name in tally.covered))
    print("| case | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names))
    for name, tally in tallies.items():
        cells = [_share(tally.covered.get(each)) for each in names]
        print(f"| {name} | " + " | ".join(cells) + " |")
    pooled: dict[str, list[bool]] = {
        each: [hit for tally in tallies.values() for hit in tally.covered.get(each, [])]
        for each in names
    }
    print("| all | " + " | ".join(_share(pooled[each]) for each in names) + " |")
    inside = [0.93 <= float(np.mean(hits)) <= 0.97 for hits in pooled.values()]
    print(f"\n- pooled intervals whose coverage is from 93 to 97 %: {sum(inside)} of {len(inside)}")
    own, average = map(_share, of_folds)
    print(
        "- corrected interval of the gap over 5 folds: it contains the mean gap of such networks in"
    )
    print(f"  {average} of the simulations, and the gap of its own five networks in {own}")


def _share(hits: Any) -> str:
    return "" if not hits else f"{100 * float(np.mean(hits)):.1f} %"


def main() -> None:
    """Run all cases and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=512)
    parser.add_argument("--at-once", type=int, default=128)
    parser.add_argument("--case", help="run the cases whose name contains this")
    given = parser.parse_args()
    began = time.perf_counter()
    chosen = [case for case in CASES if given.case is None or given.case in case.name]
    tallies = {}
    for case in chosen:
        tallies[case.name] = simulate(case, given.simulations, given.at_once)
    of_folds = folds(given.simulations, given.at_once)
    print(f"{machine()}; {given.simulations} simulations of each case\n")
    show(tallies, of_folds)
    print(f"\n{time.perf_counter() - began:.0f} seconds")


if __name__ == "__main__":
    main()
