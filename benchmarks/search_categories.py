"""Ways to enter categories into the networks of a search, with equal work.

Run ``python benchmarks/search_categories.py --data FOLDER --csv FILE``. The same six configurations
train for as many steps with each way, in torch. Ways:

- ``one-hot``: an input for each level of each categorical column;
- ``frequent``: only for the levels of at least three training rows, the 512 most frequent ones;
- ``embedding``: an embedding of each column's levels with min(50, 1.6 c^0.56) dimensions for c
  levels (Howard & Gugger 2020), where that is fewer than c;
- ``root``: the same with c^(1/4) dimensions (Google's guide to feature columns, 2017);
- ``eight``: columns of more than eight levels with eight dimensions (Holzmüller et al. 2024);
- ``text``: thirty components of the character n-grams in place of a column of more than 64 levels;
- ``text+frequent``: both;
- ``bins``, ``bins by number``: one-hot, with sixteen bins of each number; noise on inputs drops
  each input by itself, or a number with its bins and the indicator of its missing values.

In all of them but the last, noise on inputs drops the one input of a row that is not zero, and so
the whole category. The tables ``levels-50`` to ``levels-2000`` have a column of so many levels,
whose frequencies fall as a power and whose effects are drawn, and three numbers; ``adult-crossed``
has four of adult's columns as one. Errors are of the average of the three configurations with the
lowest log loss on held-out rows. Rows that the file has are not computed again.
"""

from __future__ import annotations

import argparse
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from commands import add_choices, measured
from machine import machine
from other_networks import begin_with
from search_answers_ways import errors_of
from search_large import split_of
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from bridle.networks.forward import prediction_forward, training_forward
from bridle.networks.population import Network
from bridle.search import trial_population
from bridle.search.configuration import Space
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.plan import batch_size_for
from bridle.search.trial_population import TrialPopulation
from bridle.tables import TableEncoder
from bridle.tables.strings import as_strings
from bridle.tables.text import TextFeatures

SETS = (
    "car",
    "splice",
    "credit-g",
    "credit-approval",
    "australian",
    "adult",
    "adult-crossed",
    "levels-50",
    "levels-300",
    "levels-2000",
)
WAYS = ("one-hot", "frequent", "embedding", "root", "eight", "text", "text+frequent")
MAX_ROWS, CONFIGURATIONS, EVALUATIONS, BINS = 8_000, 6, 6, 16
FEWEST_ROWS, MOST_LEVELS, MANY = 3, 512, 64
CROSSED = ["workclass", "education", "occupation", "relationship"]


def levels_table(levels: int) -> pd.DataFrame:
    """Return a table with a column of many levels."""
    random = np.random.default_rng([levels, 1])
    share = 1 / np.arange(1, levels + 1) ** 0.7
    level = random.choice(levels, 10_000, p=share / share.sum())
    X = random.normal(size=(10_000, 3))
    score = 1.2 * random.normal(size=levels)[level] + X[:, 0] - 0.5 * X[:, 1] * X[:, 2]
    names = random.choice(10**6, levels, replace=False)
    score += 0.5 * random.normal(size=10_000)
    frame = pd.DataFrame(X).add_prefix("x").assign(shop=[f"S{names[at]:06d}" for at in level])
    return frame.assign(target=np.where(score > 0, "yes", "no"))


def parts_of(name: str, folder: Path, split: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and the test rows."""
    if name.startswith("levels-"):
        frame = levels_table(int(name.removeprefix("levels-")))
        parts = train_test_split(frame, test_size=0.2, random_state=split, stratify=frame["target"])
        return tuple(each.reset_index(drop=True) for each in parts)
    rest, test = split_of(name.partition("-crossed")[0], folder, split)
    if name.endswith("-crossed"):
        rest, test = (
            each.drop(columns=CROSSED).assign(
                crossed=each[CROSSED].astype(str).agg("|".join, axis=1)
            )
            for each in (rest, test)
        )
    return rest.iloc[:MAX_ROWS], test


@dataclass
class Encoded:
    """The rows, and which inputs are of one column."""

    train: Tensor
    test: Tensor
    blocks: list[tuple[int, int]]  # the first input and the count, of each categorical column
    groups: Tensor  # of each input


def encoded(rest: pd.DataFrame, test: pd.DataFrame, way: str) -> Encoded:
    """Encode the features in one way."""
    features = rest.drop(columns="target")
    categories = [c for c in features if not pd.api.types.is_numeric_dtype(features[c])]
    numbers = features.drop(columns=categories)
    found: list[list[np.ndarray[Any, Any]]] = []
    blocks, groups = [], []
    if len(numbers.columns):
        encoder = TableEncoder().fit(numbers).binned(numbers, BINS if "bins" in way else 0)
        found.append([encoder.transform(each) for each in (numbers, test)])
        places = {column: at for at, column in enumerate(numbers)}
        groups += [places[column] for column in encoder.feature_columns]
    at = len(groups)
    for column in categories:
        texts, others = (each[column].astype(str) for each in (features, test))
        counts = texts.value_counts()
        levels = list(counts.index)
        if "frequent" in way and len(counts) > MANY:
            levels = list(counts.index[counts >= FEWEST_ROWS][:MOST_LEVELS])
        if "text" in way and len(counts) > MANY:
            reader, values = TextFeatures.fit(as_strings(texts))
            found.append([values, reader.transform(as_strings(others))])
            groups += [at] * reader.count
            at += 1
        if way != "text" or len(counts) <= MANY:
            blocks.append((len(groups), len(levels)))
            found.append([(t.to_numpy()[:, None] == levels).astype(float) for t in (texts, others)])
            groups += [at] * len(levels)
            at += 1
    tables = [
        torch.from_numpy(np.hstack(each).astype(np.float32)) for each in zip(*found, strict=True)
    ]
    return Encoded(tables[0], tables[1], blocks, torch.tensor(groups))


def dimensions(way: str, levels: int) -> int:
    """Return the dimensions of an embedding; 0 is none."""
    if way == "embedding":
        wanted = min(50, round(1.6 * levels**0.56))
    elif way == "root":
        wanted = math.ceil(levels**0.25)
    else:
        wanted = 8 if way == "eight" else levels
    return wanted if wanted < levels else 0


class Entered(Network):
    """A network with embeddings of categories, whose noise on inputs can drop whole columns."""

    def __init__(
        self, sizes: list[int], *, of: Encoded, way: str, drops: Any, **options: Any
    ) -> None:
        chosen = [(*block, dimensions(way, block[1])) for block in of.blocks]
        self.embedded = [each for each in chosen if each[2]]
        self.groups = of.groups if way == "bins by number" else torch.arange(len(of.groups))
        self.drops, self.draw = drops, torch.Generator().manual_seed(5)
        inside = {at for first, count, _ in self.embedded for at in range(first, first + count)}
        self.plain = [at for at in range(sizes[0]) if at not in inside]
        width = len(self.plain) + sum(each[2] for each in self.embedded)
        super().__init__([width, *sizes[1:]], **options)
        draw = torch.Generator().manual_seed(int(self.seeds[0]))
        self.tables = nn.ParameterList(
            nn.Parameter(torch.randn(self.members, count, size, generator=draw))
            for _, count, size in self.embedded
        )

    def forward(self, X: Tensor, *, noise: bool | None = None, rows: Any = None) -> Tensor:
        """Return the outputs."""
        hidden = X.expand(self.members, -1, -1) if X.ndim == 2 else X
        if noise and self.drops is not None:
            shape = (*hidden.shape[:2], int(self.groups.max()) + 1)
            keep = self.drops[:, None, None].float()
            kept = (torch.rand(shape, generator=self.draw) < keep) / keep
            hidden = hidden * kept[..., self.groups]
        if self.embedded:
            parts = [
                hidden[..., first : first + count] @ table
                for (first, count, _), table in zip(self.embedded, self.tables, strict=True)
            ]
            hidden = torch.cat([hidden[..., self.plain], *parts], -1)
        return training_forward(self, hidden, rows) if noise else prediction_forward(self, hidden)


def trained(name: str, folder: Path, split: int, way: str, steps: int) -> dict[str, Any]:
    """Train all configurations in one way; return errors and times."""
    rest, test = parts_of(name, folder, split)
    of = encoded(rest, test, way)
    classes = sorted(rest["target"].unique())
    y, y_test = (
        np.array([classes.index(each) for each in part["target"]]) for part in (rest, test)
    )
    fold = fold_of_rows(y, 5, len(classes), split)
    held_out = torch.from_numpy(np.where(fold == 0, 0, -1))
    data = SearchData({0: of.train}, torch.from_numpy(y), held_out, len(classes))
    random, space = np.random.default_rng(7), Space()
    configurations = [replace(space.sample(random), bins=0) for _ in range(CONFIGURATIONS)]
    if "bins" in way:  # the comparison is of noise on inputs
        configurations = [
            replace(each, input_keep_prob=random.uniform(0.7, 0.98)) for each in configurations
        ]
    size = batch_size_for(len(data.rows_of(0)[0]))
    population = TrialPopulation(data, configurations, range(6), seed=split, batch_size=size)
    replace_network(population, of, way)
    rows, truth = data.rows_of(0)[1], data.y[data.rows_of(0)[1]]
    scores, tested, spent = [], [], 0.0
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(trial_population, "can_step", return_value=False))
        for _ in range(EVALUATIONS):
            began = time.process_time()
            population.train(steps // EVALUATIONS)
            spent += time.process_time() - began
            with torch.no_grad(), population.averaged_weights() as network:
                said = network(population.X[rows], noise=False).log_softmax(-1)
                scores.append(-said[:, torch.arange(len(rows)), truth].mean(-1))
                parts = of.test.split(2000)
                tested.append(torch.cat([network(each, noise=False) for each in parts], 1))
    held = torch.stack(scores)
    outputs = torch.stack(tested)[held.argmin(0), torch.arange(CONFIGURATIONS)]
    top = held.amin(0).argsort()[:3]
    found = errors_of(outputs[top].softmax(-1).mean(0).double().numpy(), y_test)
    singles = [errors_of(each.softmax(-1).double().numpy(), y_test) for each in outputs]
    each = float(np.mean([single["log loss"] for single in singles]))
    figures = {"inputs": of.train.shape[1], "held out": float(held.amin(0)[top].mean())}
    return {**found, "log loss of each": each, **figures, "ms": 1000 * spent / steps}


def replace_network(population: TrialPopulation, of: Encoded, way: str) -> None:
    """Replace the networks of a population."""
    old = population.network
    drops = None if old.input_noise is None else population.keep_probs[0]
    network = Entered(
        list(old.sizes),
        of=of,
        way=way,
        drops=drops,
        seeds=old.seeds.tolist(),
        hidden_noise=old.hidden_noise,
        weight_noise=old.weight_noise,
    )
    begin_with(population, network)


def main() -> None:
    """Print a line for each table, split and way, and ratios to the first way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    add_choices(parser, SETS, WAYS, [91, 92, 93])
    parser.add_argument("--steps", type=int, default=900)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine('cpu')}; {options.steps} steps\n")
    table = measured(options, lambda *of: trained(of[0], options.data, of[1], of[2], options.steps))
    for figure in ("log loss", "log loss of each", "1 − accuracy", "1 − AUC", "ms"):
        wide = table.pivot_table(index="set", columns="way", values=figure)
        print(f"\n{figure}\n{wide.round(4).to_string()}")
        logs = np.log(wide.div(wide[options.ways[0]], axis=0).replace(0, np.nan))
        for way in options.ways[1:]:
            ratio, error = np.exp(logs[way].mean()), logs[way].sem()
            print(f"{way}: {ratio:.3f} ± {error:.3f} of {options.ways[0]}")


if __name__ == "__main__":
    main()
