"""Networks that share weights in a search that averages the networks of its folds anyway.

Run ``python benchmarks/search_members.py measure --data FOLDER --out FILE`` and then
``python benchmarks/search_members.py compare --out FILE``. ``measure`` samples configurations,
trains each with five folds to a third of the steps, and takes the three best. It trains these
again in several ways: with one network for each fold, or with k that share their weights; for the
same steps, or for 1/k of them, which costs as many multiply-adds as one network; and, as a rival at
equal cost, with k independent networks for each fold. ``compare`` prints errors over those of one
network for each fold.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from commands import append, parser_of, run
from machine import machine
from search_answers import FOLDS, Table, shares_of
from search_answers_ways import errors_of
from torch import Tensor

from bridle.search.configuration import HIDDEN, Configuration, Space
from bridle.search.plan import MIN_STEPS, batch_size_for
from bridle.search.scoring import mean_losses, scores_of
from bridle.search.trial_population import TrialPopulation

SETS = (
    *("sonar", "vehicle", "diabetes", "credit-g", "jasmine", "phoneme"),
    *("concrete", "wine-red", "kin8nm"),
)
ROWS, BEST, EVALUATIONS = 1000, 3, 12
BASE = "one network"


class Ways:
    """The ways to train a table's best configurations."""

    def __init__(self, table: Table, split: int, sampled: int, steps: int) -> None:
        self.table, self.split, self.steps = table, split, steps
        data = table.data
        self.batch_size = batch_size_for(min(len(data.rows_of(v)[0]) for v in range(FOLDS)))
        self.scoring = "accuracy" if data.classes else "r2"
        random = np.random.default_rng(split)
        space = Space((HIDDEN,), tuple(data.inputs), classes=bool(data.classes))
        configurations = [space.sample(random) for _ in range(sampled)]
        ranked = []
        for at, each in enumerate(configurations):
            _, _, best = self._best([each], [at], steps // 3)
            ranked.append((*best[0], -at))
        ranked.sort(reverse=True)
        self.ids = [-each[-1] for each in ranked[:BEST]]
        self.chosen = [configurations[at] for at in self.ids]

    def train(self, shared: int = 1, seeds: int = 1, share: int = 1) -> tuple[Tensor, Tensor]:
        """Return the outputs ``[networks, rows, outputs]`` for the held-out rows and the test set.

        Those for the held-out rows are of the networks that did not train on them; those for the
        test set have the networks of a fold one after another, and then the next fold's.
        """
        known, said = [], []
        for each, number in zip(self.chosen, self.ids, strict=True):
            configuration = replace(each, shared_members=shared)
            ids = [number + 1000 * seed for seed in range(seeds)]
            one = self._best([configuration] * seeds, ids, self.steps // share)
            known.append(one[0])
            said.append(one[1])
        return torch.cat(known), torch.stack(said)

    def _best(
        self, configurations: Sequence[Configuration], ids: Sequence[int], steps: int
    ) -> tuple[Tensor, Tensor, list[tuple[float, float]]]:
        """Return the outputs of each trial's best evaluation, and its score."""
        data, bins = self.table.data, configurations[0].bins
        population = TrialPopulation(
            data, configurations, ids, seed=self.split, batch_size=self.batch_size
        )
        best = [(-np.inf, -np.inf)] * len(ids)
        known = torch.empty(len(ids), len(data.y), data.outputs)
        said = torch.empty(0)
        for stop in np.linspace(0, steps, EVALUATIONS + 1).round().astype(int)[1:].tolist():
            population.train(stop - population.step)
            now = population.held_out_outputs()
            scores = scores_of(now, data.y, self.scoring)
            losses = -mean_losses(now, data.y, classes=bool(data.classes))
            tested = self._tested(population, bins)
            said = torch.empty_like(tested) if not said.numel() else said
            for at, pair in enumerate(zip(scores.tolist(), losses.tolist(), strict=True)):
                if pair > best[at]:
                    best[at], known[at], said[at] = pair, now[at], tested[at]
        return known, said, best

    @torch.no_grad()
    def _tested(self, population: TrialPopulation, bins: int) -> Tensor:
        """Return the outputs for the test set, ``[trials, folds, networks, rows, outputs]``."""
        with population.averaged_weights() as network:
            parts = [network(X, noise=False) for X in self.table.X_test[bins].split(1000)]
        outputs = torch.cat(parts, 1)
        return outputs.unflatten(0, (-1, FOLDS, population.shared_members))


def measure(options: argparse.Namespace) -> None:
    """Append the errors of each table, split and way to a file."""
    print(f"{machine('cpu')}; {options.steps} steps\n")
    ways: dict[str, dict[str, int]] = {BASE: {}}
    for k in options.members:
        ways[f"{k} shared"] = {"shared": k}
        ways[f"{k} shared, 1/{k} of the steps"] = {"shared": k, "share": k}
    ways |= {f"{n} independent": {"seeds": n} for n in options.independent}
    for split in options.splits:
        for name in options.sets:
            table = Table(name, options.data, split, ROWS)
            classes = bool(table.data.classes)
            trained = Ways(table, split, options.sampled, options.steps)
            y, y_test = table.data.y.numpy(), table.y_test.numpy()
            rows = []
            for way, arguments in ways.items():
                began = time.process_time()
                known, said = trained.train(**arguments)
                seconds = time.process_time() - began
                found = {
                    "held out": [errors_of(shares_of(known, classes=classes), y)],
                    "test": [errors_of(shares_of(said.flatten(0, 3), classes=classes), y_test)],
                    "test, one fold": [
                        errors_of(shares_of(each.flatten(0, 1), classes=classes), y_test)
                        for each in said.transpose(1, 2).flatten(0, 1)
                    ],
                }
                for rows_of, errors in found.items():
                    for error in errors[0]:
                        value = float(np.mean([one[error] for one in errors]))
                        at = {"set": name, "split": split, "way": way, "seconds": seconds}
                        rows.append({**at, "rows": rows_of, "error": error, "value": value})
            append(pd.DataFrame(rows), options.out)
            print(f"{name}, split {split}: batches of {trained.batch_size}", flush=True)


def compare(options: argparse.Namespace) -> None:
    """Print each way's errors over those of one network: geometric means over the tables."""
    frame = pd.read_csv(options.out)
    keys = ["set", "split", "rows", "error"]
    base = frame[frame["way"] == BASE].set_index(keys)
    joined = frame[frame["way"] != BASE].join(
        base[["value", "seconds"]].add_suffix("_base"), on=keys
    )
    joined["ratio"] = np.log(joined["value"] / joined["value_base"])
    joined["cost"] = np.log(joined["seconds"] / joined["seconds_base"])
    for rows, part in joined.groupby("rows"):
        table: dict[str, dict[str, str]] = {}
        for pair, found in part.groupby(["way", "error"], sort=False):
            way, error = map(str, pair)
            of_sets = found.groupby("set")["ratio"].mean()
            spread = of_sets.std(ddof=1) / np.sqrt(len(of_sets))
            mean = np.exp(of_sets.mean())
            table.setdefault(way, {})[error] = f"{mean:.3f} ± {spread * mean:.3f}"
            table[way]["seconds"] = f"{np.exp(found['cost'].mean()):.2f}"
        print(f"{rows}: over {BASE} for each fold\n{pd.DataFrame(table).T.to_string()}\n")


def main() -> None:
    """Measure, or compare."""
    parser = parser_of(__doc__, "--out")
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--splits", type=int, nargs="*", default=[51, 52])
    parser.add_argument("--members", type=int, nargs="*", default=[4, 8, 16])
    parser.add_argument("--independent", type=int, nargs="*", default=[4])
    parser.add_argument("--sampled", type=int, default=9)
    parser.add_argument("--steps", type=int, default=MIN_STEPS)
    options = parser.parse_args()
    run(parser, options, measure, compare)


if __name__ == "__main__":
    main()
