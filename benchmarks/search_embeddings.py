"""Trainable embeddings of numbers in the search's own networks, beside its fixed encodings.

Run ``python benchmarks/search_embeddings.py --data FOLDER --csv FILE``. The same configurations of
the search's space are trained with each way to enter numbers, for the same number of steps:

- ``plain``: the scaled numbers;
- ``bins``: with the piecewise-linear encoding of 16 bins;
- ``periodic:s``: with :class:`bridle.networks.PeriodicEmbedding`, whose frequencies start with the
  standard deviation s (Holzmueller et al. 2024);
- ``bins+periodic:s``: with both;
- ``plr:s``: with 12 outputs of ``relu(W2 [cos, sin](2 pi w1 x) + b2)`` for each number and 24
  frequencies, where W2 and b2 are the same for all numbers (Gorishniy et al. 2022), in plain torch.

A fifth of the training rows is held out. Each configuration has the weights of its best evaluation
there. ``mean`` is the error of the test rows, averaged over configurations, ``best`` that of the
mean prediction of the three configurations with the best held-out score.
"""

from __future__ import annotations

import argparse
import math
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from commands import add_choices, measured
from machine import machine
from other_networks import begin_with
from search_large import split_of
from search_quality import REGRESSION
from torch import Tensor, nn

from bridle.networks.forward import prediction_forward, training_forward
from bridle.networks.population import Network
from bridle.search import trial_population
from bridle.search.configuration import Configuration, Space
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.plan import batch_size_for
from bridle.search.trial_population import TrialPopulation
from bridle.tables import TableEncoder

SETS = (
    "california",
    "kin8nm",
    "phoneme",
    "cpu-act",
    "boundaries",
    "wine-red",
    "vehicle",
    "diabetes",
)
WAYS = (
    "plain",
    "bins",
    "periodic:0.1",
    "periodic:0.3",
    "periodic:1",
    "bins+periodic:0.3",
    "plr:0.3",
)
MAX_ROWS = 10_000  # for training
CONFIGURATIONS, BINS, EVALUATIONS = 6, 16, 8
WAVES, OUTPUTS = 24, 12  # of PLR-lite


class PLR(Network):
    """A network whose first layer also takes the PLR-lite embedding of the first inputs."""

    def __init__(self, sizes: list[int], *, deviation: float, numbers: int, **options: Any) -> None:
        self.numbers = numbers
        super().__init__([sizes[0] + numbers * OUTPUTS, *sizes[1:]], **options)
        draw = [torch.Generator().manual_seed(int(seed) + 1) for seed in self.seeds]
        bound = 1 / math.sqrt(2 * WAVES)
        waves = [torch.randn(numbers, 1, WAVES, generator=each) for each in draw]
        inner = [2 * torch.rand(1, 2 * WAVES + 1, OUTPUTS, generator=each) - 1 for each in draw]
        self.w1 = nn.Parameter(deviation * torch.stack(waves))
        self.w2 = nn.Parameter(bound * torch.stack(inner)[:, :, :-1])
        self.b2 = nn.Parameter(bound * torch.stack(inner)[:, :, -1:])

    def forward(self, X: Tensor, *, noise: bool | None = None, rows: Any = None) -> Tensor:
        """Return the outputs."""
        hidden = X.expand(self.members, -1, -1) if X.ndim == 2 else X
        angle = 2 * math.pi * hidden[..., : self.numbers].mT[..., None] * self.w1
        found = torch.relu(torch.cat([angle.cos(), angle.sin()], -1) @ self.w2 + self.b2)
        hidden = torch.cat([hidden, found.transpose(1, 2).flatten(2)], -1)
        return training_forward(self, hidden, rows) if noise else prediction_forward(self, hidden)


def configurations_of(*, classes: bool) -> list[Configuration]:
    """Return the configurations that every way has."""
    random, space = np.random.default_rng(7), Space(classes=classes)
    return [space.sample(random) for _ in range(CONFIGURATIONS)]


def data_of(
    name: str, folder: Path, split: int, bins: int
) -> tuple[SearchData, Tensor, np.ndarray[Any, Any], int]:
    """Return the training data, the test rows with their target, and the number of numbers."""
    rest, test = split_of(name, folder, split)
    rest = rest.iloc[:MAX_ROWS]
    encoder = TableEncoder().fit(rest.drop(columns="target")).binned(rest, bins)
    X, X_test = (torch.from_numpy(encoder.transform(each)) for each in (rest, test))
    classes = 0
    y_test: Any  # an array of floats or of codes
    if name in REGRESSION:
        mean, scale = rest["target"].mean(), rest["target"].std()
        y, y_test = ((each["target"].to_numpy() - mean) / scale for each in (rest, test))
        coded = torch.from_numpy(y.astype(np.float32))
    else:
        levels = sorted(rest["target"].unique())
        code = {level: at for at, level in enumerate(levels)}
        codes, y_test = (np.array([code[each] for each in part["target"]]) for part in (rest, test))
        coded = torch.from_numpy(codes)
        classes = len(levels)
    fold = fold_of_rows(coded.numpy(), 5, classes, split)
    held_out = torch.from_numpy(np.where(fold == 0, 0, -1))
    return SearchData({bins: X}, coded, held_out, classes), X_test, y_test, encoder.numbers


def errors_of(outputs: Tensor, y: Any, classes: int) -> Tensor:
    """Return the error rate or the root mean squared error of each member."""
    y = torch.as_tensor(y)
    if classes:
        return (outputs.argmax(-1) != y).double().mean(-1)
    return (outputs[..., 0].double() - y).square().mean(-1).sqrt()


def trained(name: str, folder: Path, split: int, way: str, steps: int) -> dict[str, Any]:
    """Train all configurations in one way; return errors and times."""
    bins = BINS if "bins" in way else 0
    data, X_test, y_test, numbers = data_of(name, folder, split, bins)
    data = replace(data, numbers=numbers)
    deviation = float(way.partition(":")[2] or 0)
    periodic = deviation if "periodic" in way else 0.0
    configurations = [
        replace(each, bins=bins, embedding=periodic)
        for each in configurations_of(classes=bool(data.classes))
    ]
    size = batch_size_for(len(data.rows_of(0)[0]))
    population = TrialPopulation(
        data, configurations, range(CONFIGURATIONS), seed=split, batch_size=size
    )
    stack = ExitStack()
    if "plr" in way:
        replace_network(population, deviation, numbers)
        stack.enter_context(mock.patch.object(trial_population, "can_step", return_value=False))
    held_out, tested, spent = [], [], 0.0
    with stack:
        for _ in range(EVALUATIONS):
            began = time.process_time()
            population.train(steps // EVALUATIONS)
            spent += time.process_time() - began
            with torch.no_grad(), population.averaged_weights() as network:
                rows = data.rows_of(0)[1]
                outputs = network(population.X[rows], noise=False)
                held_out.append(errors_of(outputs, data.y[rows], data.classes))
                tested.append(network(X_test, noise=False))
    scores, outputs = torch.stack(held_out), torch.stack(tested)
    best = scores.argmin(0)
    outputs = outputs[best, torch.arange(CONFIGURATIONS)]
    top = scores.amin(0).argsort()[:3]
    averaged = outputs[top].softmax(-1).mean(0) if data.classes else outputs[top].mean(0)
    return {
        "mean": float(errors_of(outputs, y_test, data.classes).mean()),
        "best": float(errors_of(averaged, y_test, data.classes)),
        "held out": float(scores.amin(0)[top].mean()),
        "ms": 1000 * spent / steps / CONFIGURATIONS,
    }


def replace_network(population: TrialPopulation, deviation: float, numbers: int) -> None:
    """Replace the networks of a population by those with PLR-lite."""
    old = population.network
    network = PLR(
        list(old.sizes),
        deviation=deviation,
        numbers=numbers,
        seeds=old.seeds.tolist(),
        hidden_noise=old.hidden_noise,
        input_noise=old.input_noise,
        weight_noise=old.weight_noise,
    )
    begin_with(population, network)


def main() -> None:
    """Print a line for each table, split and way, and the ratios to the better fixed encoding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    add_choices(parser, SETS, WAYS, [0, 1])
    parser.add_argument("--steps", type=int, default=2400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine('cpu')}; {options.steps} steps\n")
    table = measured(options, lambda *of: trained(of[0], options.data, of[1], of[2], options.steps))
    for figure in ("mean", "best", "held out", "ms"):
        wide = table.pivot_table(index="set", columns="way", values=figure)
        print(f"\n{figure}\n{wide.round(4).to_string()}")
        pairs = table.pivot_table(index=["set", "split"], columns="way", values=figure)
        logs = 100 * np.log(pairs.div(pairs[["plain", "bins"]].min(axis=1), axis=0))
        for way in options.ways:
            print(f"{way}: {logs[way].mean():+.2f} ± {logs[way].sem():.2f} % of the lower one")


if __name__ == "__main__":
    main()
