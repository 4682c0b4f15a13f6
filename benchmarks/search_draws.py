"""The same random configurations on many data sets, and what each range of a space is worth.

Run ``python benchmarks/search_draws.py measure --data FOLDER --csv FILE`` (``--device cuda``: some
minutes) and then ``python benchmarks/search_draws.py compare --csv FILE``. ``measure`` trains
configurations from a space wider than the search's, with five folds on each table, and writes their
scores on the held-out rows and on a test part. ``compare`` samples 27 of them at a time, from all
and from a part of the space, and compares the test scores of the best. It also chooses a portfolio
of eight greedily (Feurer et al. 2022) and compares samples that begin with it with samples that do
not. Each table in turn is left out of the choice and used for the comparison.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from commands import parser_of, run
from machine import machine
from search_quality import REGRESSION, table_of
from sklearn.model_selection import train_test_split
from torch import Tensor

from bridle.search.configuration import HIDDEN, Configuration, Space
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.encoding import encode, fit_encoders
from bridle.search.final_model import average_outputs
from bridle.search.plan import EPOCHS, MAX_STEPS, MIN_STEPS, batch_size_for
from bridle.search.scoring import mean_losses, scores_of
from bridle.search.trial_population import TrialPopulation
from bridle.tables import ClassTarget, ValueTarget

CLASSIFICATION = (
    *("wdbc", "sonar", "ionosphere", "vowel", "lung-small", "credit-approval", "australian"),
    *("ilpd", "diabetes", "vehicle", "credit-g", "car", "arrhythmia", "colon", "cnae-9", "kc1"),
    *("jasmine", "splice", "madelon", "spambase", "phoneme", "satimage", "adult"),
)
FOLDS, SPLIT = 5, 31
EVALUATIONS = (1 / 9, 1 / 6, 2 / 9, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1)
TOGETHER = 256
SCORINGS = {True: ("balanced_accuracy", "accuracy"), False: ("neg_root_mean_squared_error",)}


class Wide(Space):
    """Learning rates from 3e-4 on, L2 up to 0.1, and bins for half of the configurations."""

    def sample(self, random: np.random.Generator) -> Configuration:
        """Sample, and stretch what is narrower in the search's space."""
        sampled = super().sample(random)
        longer = np.log(1e-2 / 3e-4) / np.log(1e-2 / 1e-3)
        return replace(
            sampled,
            learning_rate=1e-2 * (sampled.learning_rate / 1e-2) ** longer,
            l2=1e-5 * (sampled.l2 / 1e-5) ** (4 / 3) if sampled.l2 else 0.0,
        )

    def _drawn_bins(self, random: np.random.Generator) -> int:
        return self.bins[random.integers(len(self.bins))]


def sampled(count: int, *, classes: bool) -> list[Configuration]:
    """Return the configurations, the same for each table."""
    random = np.random.default_rng(0)
    space = Wide((HIDDEN,), (0, 16), classes=classes, balanced=True)
    return [space.sample(random) for _ in range(count)]


class Table:
    """A table's rows, encoded as the search does it, and a test part."""

    def __init__(self, name: str, folder: Path, device: str) -> None:
        frame, by = table_of(name, folder)
        rest, test = train_test_split(frame, test_size=0.2, random_state=SPLIT, stratify=by)
        encoders = fit_encoders(rest.drop(columns="target"))
        coding = (ValueTarget if by is None else ClassTarget).fit(frame["target"])
        y, self.y_test = (
            torch.from_numpy(coding.transform(part["target"])) for part in (rest, test)
        )
        count = len(coding.classes) if isinstance(coding, ClassTarget) else 0
        fold = torch.from_numpy(fold_of_rows(y.numpy(), FOLDS, count, 0))
        X, self.X_test = (encode(encoders, part) for part in (rest, test))
        self.data = SearchData(X, y, fold, count, device)

    @torch.no_grad()
    def tested(self, population: TrialPopulation, bins: int) -> Tensor:
        """Return each configuration's outputs for the test part, averaged over its folds."""
        X = self.X_test[bins].to(self.data.device)
        found = []
        with population.averaged_weights() as network:
            for block in X.split(max(1, 2**20 // len(network.seeds))):
                outputs = network(block.expand(len(network.seeds), -1, -1), noise=False)
                found.append(outputs.unflatten(0, (-1, FOLDS)).cpu())
        outputs = torch.cat(found, dim=2)
        classes = bool(self.data.classes)
        return torch.stack([average_outputs(each, classes=classes) for each in outputs])

    def measured(self, configurations: list[Configuration]) -> pd.DataFrame:
        """Train the configurations; return a row for each evaluation of each."""
        data = self.data
        rows = min(len(data.rows_of(v)[0]) for v in range(FOLDS))
        size = batch_size_for(rows)
        longest = int(min(MAX_STEPS, max(MIN_STEPS, EPOCHS * rows / size)))
        found: list[pd.DataFrame] = []
        for bins in data.inputs:
            here = [
                at
                for at, each in enumerate(configurations)
                if (each.bins if each.bins in data.inputs else 0) == bins
            ]
            for begin in range(0, len(here), TOGETHER):
                ids = here[begin : begin + TOGETHER]
                population = TrialPopulation(
                    data,
                    [configurations[at].with_shape(HIDDEN, bins) for at in ids],
                    ids,
                    seed=0,
                    batch_size=size,
                )
                for share in EVALUATIONS:
                    population.train(round(share * longest) - population.step)
                    found.append(
                        self._evaluation(population, bins).assign(id=ids, part=round(share, 3))
                    )
        return pd.concat(found)

    def _evaluation(self, population: TrialPopulation, bins: int) -> pd.DataFrame:
        data, classes = self.data, bool(self.data.classes)
        known, said = population.held_out_outputs(), self.tested(population, bins)
        y = data.y[data.scored]
        return pd.DataFrame(
            {"step": population.step, "loss": mean_losses(known, y, classes=classes).numpy()}
            | {name: scores_of(known, y, name).numpy() for name in SCORINGS[classes]}
            | {
                f"test {name}": scores_of(said, self.y_test, name).numpy()
                for name in SCORINGS[classes]
            }
        )


def measure(options: argparse.Namespace) -> None:
    """Write every evaluation of every configuration to the file, table by table."""
    print(f"{machine(options.device)}; {options.configurations} configurations\n")
    found = []
    for name in options.sets:
        began = time.perf_counter()
        table = Table(name, options.data, options.device)
        configurations = sampled(options.configurations, classes=bool(table.data.classes))
        found.append(table.measured(configurations).assign(set=name))
        pd.concat(found).to_csv(options.csv, index=False, float_format="%.5g")
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)


PARTS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "learning rate ≥ 1e-3": lambda c: c.learning_rate >= 1e-3,
    "learning rate ≥ 2e-3": lambda c: c.learning_rate >= 2e-3,
    "L2 ≤ 1e-2": lambda c: c.l2 <= 1e-2,
    "L2 ≤ 1e-3": lambda c: c.l2 <= 1e-3,
    "no L1": lambda c: c.l1 == 0,
    "no dropout": lambda c: c.keep_prob == 1,
    "no input dropout": lambda c: c.input_keep_prob == 1,
    "no mixup": lambda c: c.mixup == 0,
    "no label smoothing": lambda c: c.label_smoothing == 0,
    "weight averaging": lambda c: np.isfinite(c.averaging),
    "full class weights": lambda c: c.class_weight == 1,
    "partial class weights": lambda c: c.class_weight < 1,
    "finest bins 3:1": lambda c: 1 + 2 * (c.bins > 0),
    "learning rate ≥ 1e-3, L2 ≤ 1e-2, bins 3:1": lambda c: (
        (c.learning_rate >= 1e-3) * (c.l2 <= 1e-2) * (1 + 2 * (c.bins > 0))
    ),
}
SAMPLED, AVERAGED, PORTFOLIO, ROUNDS = 27, 4, 8, 600
Scores = pd.DataFrame  # a row for each configuration, a column for each table


def best_evaluations(measured: pd.DataFrame, scoring: str) -> tuple[Scores, Scores]:
    """Return each configuration's validation and test score at its best evaluation."""
    rows = measured[np.isfinite(measured[scoring])].reset_index(drop=True)
    best = rows.loc[rows.groupby(["set", "id"])[scoring].idxmax()]
    known, said = (
        best.pivot(index="id", columns="set", values=name) for name in (scoring, f"test {scoring}")
    )
    return known.fillna(known.min()), said.fillna(said.min())


def simulated(
    known: pd.Series, said: pd.Series, weights: np.ndarray, first: list[int]
) -> tuple[float, float]:
    """Return the mean over samples: best validation score, and the best ones' mean test score."""
    random = np.random.default_rng(0)
    weights = weights.astype(float)
    weights[first] = 0
    weights /= weights.sum()
    seen, tested, found = known.to_numpy(), said.to_numpy(), []
    for _ in range(ROUNDS):
        more = random.choice(len(seen), SAMPLED - len(first), replace=False, p=weights)
        places = np.concatenate([np.array(first, dtype=int), more])
        best = places[np.argsort(-seen[places])][:AVERAGED]
        found.append((seen[best[0]], tested[best].mean()))
    return tuple(np.mean(found, axis=0))


def portfolio(known: Scores) -> list[int]:
    """Return the configurations that, greedily, add most to the best of them."""
    middle = known.median()
    share = ((known - middle) / (known.max() - middle)).clip(lower=-1).to_numpy()
    best, chosen = np.full(share.shape[1], -1.0), []
    for _ in range(PORTFOLIO):
        chosen.append(int(np.argmax(np.maximum(best, share).mean(axis=1))))
        best = np.maximum(best, share[chosen[-1]])
    return chosen


def compare(options: argparse.Namespace) -> None:
    """Print what each part of the space and a portfolio are worth, for each score."""
    measured = pd.read_csv(options.csv)
    for scoring in (*SCORINGS[True], *SCORINGS[False]):
        classes = scoring in SCORINGS[True]
        rows = measured[measured["set"].isin(CLASSIFICATION if classes else REGRESSION)]
        if rows.empty:
            continue
        known, said = best_evaluations(rows, scoring)
        every = sampled(int(measured["id"].max()) + 1, classes=classes)
        table = pd.DataFrame([asdict(every[at]) for at in known.index])
        everything = np.ones(len(known))
        ways = {name: np.asarray(part(table), dtype=float) for name, part in PARTS.items()}
        ways = {
            name: each for name, each in ways.items() if each.std() and sum(each > 0) >= SAMPLED
        }
        ways["portfolio first"] = everything
        print(f"{scoring}: {known.shape[1]} tables; change of validation and of test score")
        changes: dict[str, list[list[float]]] = {way: [] for way in ways}
        for name in known:
            one = known[name], said[name]
            before = simulated(*one, everything, [])
            for way, weights in ways.items():
                first = portfolio(known.drop(columns=name)) if way == "portfolio first" else []
                changes[way].append(changed(simulated(*one, weights, first), before))
        for way, found in changes.items():
            means = np.mean(found, axis=0)
            errors = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
            figures = "  ".join(f"{m:+.2f} ± {e:.2f}" for m, e in zip(means, errors, strict=True))
            print(f"  {way:42} {figures}", flush=True)


def changed(now: tuple[float, float], before: tuple[float, float]) -> list[float]:
    """Return points for a classification score, and per cent for an error."""
    if before[0] > 0:
        return [100 * (b - a) for a, b in zip(before, now, strict=True)]
    return [100 * float(np.log(b / a)) for a, b in zip(before, now, strict=True)]


def main() -> None:
    """Measure, or compare."""
    parser = parser_of(__doc__, "--csv")
    parser.add_argument("--sets", nargs="*", default=[*CLASSIFICATION, *REGRESSION])
    parser.add_argument("--configurations", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    run(parser, options, measure, compare)


if __name__ == "__main__":
    main()
