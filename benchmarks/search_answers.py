"""What to make of the trials of a search: the score to select by, the ensemble, the temperature.

Run ``python benchmarks/search_answers.py measure --data FOLDER --out FOLDER`` and then
``python benchmarks/search_answers.py compare --out FOLDER``. ``measure`` runs successive halving
over a fixed number of configurations and steps, on each table and split. Each rung promotes what
any of the scores would promote, so that the same trials serve every way of selecting. It writes
each trial's outputs for the held-out rows and for the test set, evaluation by evaluation.
``compare`` selects and averages them in several ways, and prints the error on the test set over
that of the way the search had before: its geometric mean over the tables, with the standard error.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from commands import parser_of, run
from machine import machine
from search_answers_compare import against, compare, temperatures
from search_quality import table_of
from sklearn.model_selection import train_test_split
from torch import Tensor

from bridle.search.configuration import HIDDEN, Space
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.encoding import encode, fit_encoders
from bridle.search.plan import ETA, EVALUATIONS, MIN_STEPS, RUNGS, batch_size_for
from bridle.search.scoring import mean_losses, scores_of
from bridle.search.trial_population import TrialPopulation
from bridle.tables import ClassTarget, ValueTarget

SETS = (
    *("wdbc", "sonar", "ionosphere", "vowel", "australian", "ilpd", "diabetes", "vehicle"),
    *("credit-g", "car", "boston", "energy", "concrete"),
)
FOLDS, TOGETHER = 5, 8
SCORINGS = {True: ("accuracy", "neg_log_loss", "roc_auc"), False: ("r2",)}


class Table:
    """A table's rows, encoded as the search does it, and a test set."""

    def __init__(self, name: str, folder: Path, split: int, rows: int | None = None) -> None:
        frame, by = table_of(name, folder)
        # of a table with more rows than are wanted, the others are the test set
        size = 0.2 if rows is None else max(0.2, 1 - rows / len(frame))
        rest, test = train_test_split(frame, test_size=size, random_state=split, stratify=by)
        encoders = fit_encoders(rest.drop(columns="target"))
        coding = (ValueTarget if by is None else ClassTarget).fit(frame["target"])
        y, self.y_test = (
            torch.from_numpy(coding.transform(part["target"])) for part in (rest, test)
        )
        count = len(coding.classes) if isinstance(coding, ClassTarget) else 0
        fold = torch.from_numpy(fold_of_rows(y.numpy(), FOLDS, count, split))
        X, self.X_test = (encode(encoders, part) for part in (rest, test))
        self.data = SearchData(X, y, fold, count)

    @torch.no_grad()
    def tested(self, population: TrialPopulation, bins: int) -> Tensor:
        """Return the outputs for the test set, ``[trials, folds, rows, outputs]``."""
        X = self.X_test[bins]
        with population.averaged_weights() as network:
            outputs = network(X.expand(len(network.seeds), -1, -1), noise=False)
        return outputs.unflatten(0, (-1, FOLDS))


def shares_of(outputs: Tensor, *, classes: bool) -> np.ndarray:
    """Return the mean probabilities, or the mean, over the first axis."""
    outputs = outputs.double()
    return (outputs.softmax(-1) if classes else outputs).mean(0).numpy()


def halve(table: Table, count: int, split: int, *, smoothing: bool) -> dict[str, Any]:
    """Run the rungs; return the outputs of each trial at each evaluation."""
    data, classes = table.data, bool(table.data.classes)
    random = np.random.default_rng(split)
    space = Space((HIDDEN,), tuple(data.inputs), classes=classes)
    configurations = [space.sample(random) for _ in range(count)]
    if not smoothing:
        configurations = [replace(each, label_smoothing=0.0) for each in configurations]
    rows = min(len(data.rows_of(v)[0]) for v in range(FOLDS))
    size = batch_size_for(rows)
    longest = MIN_STEPS  # as in a search with a short budget
    ends = [0, *(longest // ETA ** (RUNGS - 1 - rung) for rung in range(RUNGS))]
    best = {name: np.full((count, 2), -np.inf) for name in SCORINGS[classes]}
    states: dict[int, dict[str, list[Tensor]]] = {}
    found: dict[str, Any] = {"y": data.y.numpy(), "y_test": table.y_test.numpy()}
    found["fold"] = data.fold.numpy()
    promoted = list(range(count))
    for rung in range(RUNGS):
        stops = np.linspace(ends[rung], ends[rung + 1], EVALUATIONS + 1).round().astype(int)[1:]
        seen: list[list[tuple[list[int], Tensor, Tensor]]] = [[] for _ in stops]
        for bins in data.inputs:
            same = [each for each in promoted if configurations[each].bins == bins]
            for begin in range(0, len(same), TOGETHER):
                ids = same[begin : begin + TOGETHER]
                chosen = [configurations[each] for each in ids]
                population = TrialPopulation(data, chosen, ids, seed=split, batch_size=size)
                if rung:
                    population.load_state({"step": ends[rung], **joined_states(states, ids)})
                for at, stop in enumerate(stops.tolist()):
                    population.train(stop - population.step)
                    known = population.held_out_outputs()
                    seen[at].append((ids, known, table.tested(population, bins)))
                keep_states(population, ids, states)
        for at, parts in enumerate(seen):
            ids = [each for part in parts for each in part[0]]
            known = torch.cat([part[1] for part in parts])
            said = torch.cat([part[2] for part in parts])
            losses = mean_losses(known, data.y, classes=classes).numpy()
            for name, each in best.items():
                now = np.stack([scores_of(known, data.y, name).numpy(), -losses], 1)
                for place, number in enumerate(ids):
                    each[number] = max(tuple(each[number]), tuple(now[place]))
            key = f"{rung}.{at}"
            found[f"ids.{key}"] = np.array(ids)
            found[f"known.{key}"] = known.numpy().astype(np.float32)
            found[f"said.{key}"] = said.numpy().astype(np.float32)
        left = -(-count // ETA ** (rung + 1))
        union: set[int] = set()
        for each in best.values():
            ranked = [(-each[number, 0], -each[number, 1], number) for number in promoted]
            union |= {number for _, _, number in sorted(ranked)[:left]}
        promoted = sorted(union)
    return found


def keep_states(
    population: TrialPopulation, ids: list[int], states: dict[int, dict[str, list[Tensor]]]
) -> None:
    """Keep the state of each trial of a population, by its id."""
    state = population.state()
    for at, number in enumerate(ids):
        rows = slice(at * FOLDS, (at + 1) * FOLDS)
        states[number] = {
            name: [each[rows].clone() for each in values]
            for name, values in state.items()
            if name != "step"
        }


def joined_states(
    states: dict[int, dict[str, list[Tensor]]], ids: list[int]
) -> dict[str, list[Tensor]]:
    """Return the states of trials as that of one population."""
    parts = [states[each] for each in ids]
    return {
        name: [torch.cat(each) for each in zip(*(part[name] for part in parts), strict=True)]
        for name in parts[0]
    }


def measure(options: argparse.Namespace) -> None:
    """Write a file for each table and split; a file that is there is not computed again."""
    print(f"{machine('cpu')}; {options.configurations} configurations\n")
    options.out.mkdir(parents=True, exist_ok=True)
    for split in options.splits:
        for name in options.sets:
            path = options.out / f"{name}.{split}.npz"
            if path.exists():
                continue
            began = time.perf_counter()
            found = halve(
                Table(name, options.data, split),
                options.configurations,
                split,
                smoothing=not options.no_smoothing,
            )
            np.savez(path, **found)
            print(f"{name}, split {split}: {time.perf_counter() - began:.1f} s", flush=True)


def compared(options: argparse.Namespace) -> None:
    """Print all comparisons."""
    temperatures(options.out)
    compare(options.out)


def main() -> None:
    """Measure, or compare."""
    parser = parser_of(__doc__, "--out")
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--splits", type=int, nargs="*", default=[31, 32])
    parser.add_argument("--configurations", type=int, default=27)
    parser.add_argument("--no-smoothing", action="store_true", help="no label smoothing")
    parser.add_argument("--base", type=Path, help="compare with what was measured in this folder")
    options = parser.parse_args()
    if options.base is not None:
        against(options.out, options.base)
    else:
        run(parser, options, measure, compared)


if __name__ == "__main__":
    main()
