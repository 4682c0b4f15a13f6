"""What lowers the root mean squared error of a search's networks, with the same steps.

Run ``python benchmarks/search_regression.py --data FOLDER --csv FILE``. Three configurations of the
search's space are trained with five folds: learning rates 0.002, 0.004 and 0.008, an L2 of 1e-4, no
noise, weight averaging, and 16 bins. Each has the weights of the best of its four evaluations on
the held-out rows. Then each is trained again on all rows, with five seeds, to its best step times
5 / 4. A way is ``plain``, or changes of it, such as ``bins=32,length=2``:

- ``bins``: of each number, 0 for none;
- ``length``: how many times as many steps;
- ``rate``: how many times as high the learning rates;
- ``l2``, ``keep``: the L2, and the probability to keep a hidden unit;
- ``width``: the units of a hidden layer;
- ``through=1``: the biases of the first layer start so that the boundary of each unit goes through
  a random training row; ``through=5``: through a random mean of five rows;
- ``zero=1``: the last layer starts at zero;
- ``mish=1``, ``silu=1``: the activation in place of ReLU, in torch's own operations.

Errors are those of the test rows, of the standardized target. ``model`` is the average of all
fifteen networks of the folds, ``held out`` the error of the three that held a row out, averaged,
and ``single`` the mean error of a network. ``again`` is the average of all networks that are
trained again, ``again, best`` of the five of the best configuration, ``again, two each`` of two of
each, and ``both`` of the networks of the folds and all that are trained again. ``clipped`` is
``model`` with predictions clipped to the range of the training rows.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from commands import add_choices, measured
from machine import machine
from search_large import split_of
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.networks.layers import ACTIVATIONS
from bridle.networks.population import predict
from bridle.search import trial_population
from bridle.search.configuration import Configuration
from bridle.search.data import FOLDS, SearchData, fold_of_rows
from bridle.search.encoding import encode, encoded_rows, fit_encoders
from bridle.search.plan import batch_size_for
from bridle.search.trial_population import TrialPopulation

SETS = ("energy", "boston", "concrete", "wine-red", "kin8nm", "cpu-act")
MAX_ROWS = 3000  # for training
RATES, L2, AVERAGING, BINS = (2e-3, 4e-3, 8e-3), 1e-4, 8.0, 16
STEPS, EVALUATIONS, AGAIN = 1200, 4, 5
FIGURES = ("model", "held out", "single", "clipped", "again", "again, best", "again, two each")


def data_of(name: str, folder: Path, split: int, bins: int) -> tuple[SearchData, Tensor, Tensor]:
    """Return the training data, the encoded test rows and their target."""
    rest, test = split_of(name, folder, split)
    rest = rest.iloc[:MAX_ROWS] if len(rest) > 2 * MAX_ROWS else rest
    X, X_test = (each.drop(columns="target") for each in (rest, test))
    encoders = fit_encoders(X, bins=bins or None)
    center, scale = rest["target"].mean(), rest["target"].std(ddof=0)
    y, y_test = (torch.tensor(((p["target"] - center) / scale).to_numpy()) for p in (rest, test))
    fold = torch.from_numpy(fold_of_rows(y.numpy(), FOLDS, 0, split))
    inputs = encode(encoders, X)
    data = SearchData(inputs, y.float(), fold, 0, encoded=encoded_rows(encoders, inputs))
    return data, encode(encoders, X_test)[bins], y_test


def start(population: TrialPopulation, through: int, *, zero: bool) -> None:
    """Change the initial biases of the first layer, or the last layer."""
    network, data = population.network, population.data
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for member, weight in enumerate(network.weights[0]):
            if not through:
                break
            rows = data.rows_of(member % data.folds)[0]
            shares = -torch.rand(through, weight.shape[1], generator=draw).log()
            shares /= shares.sum(0)
            picked = rows[torch.randint(len(rows), shares.shape, generator=draw)]
            centers = (shares[..., None] * population.X[picked]).sum(0)
            network.biases[0][member, 0] = -(centers * weight.T).sum(1)
        if zero:
            network.weights[-1].zero_()
        for average, parameter in zip(population.average, population.parameters, strict=True):
            average.copy_(parameter)


def rmse(outputs: Tensor, y: Tensor) -> Tensor:
    """Return the error of each network."""
    return (outputs[..., 0].double() - y).square().mean(-1).sqrt()


def averaged(population: TrialPopulation, X: Tensor) -> Tensor:
    """Return the outputs of all networks with their averaged weights."""
    with torch.no_grad(), population.averaged_weights() as network:
        return predict(network, X)


def trained(name: str, folder: Path, split: int, way: str) -> dict[str, Any]:
    """Train all configurations in one way; return errors and times."""
    changes = {k: float(v) for k, _, v in (e.partition("=") for e in way.split(",") if "=" in e)}
    bins, width = int(changes.get("bins", BINS)), int(changes.get("width", 128))
    steps = int(STEPS * changes.get("length", 1))
    through, zero = int(changes.get("through", 0)), bool(changes.get("zero", 0))
    data, X_test, y_test = data_of(name, folder, split, bins)
    size = batch_size_for(len(data.rows_of(0)[0]))
    configurations = [
        Configuration(
            learning_rate=rate * changes.get("rate", 1),
            l2=changes.get("l2", L2),
            keep_prob=changes.get("keep", 1.0),
            averaging=AVERAGING,
            bins=bins,
            hidden=(width, width),
        )
        for rate in RATES
    ]
    count, began = len(RATES), time.process_time()
    with ExitStack() as stack:
        for other in ("mish", "silu"):
            if other in changes:
                stack.enter_context(mock.patch.dict(ACTIVATIONS, relu=getattr(F, other)))
                stack.enter_context(
                    mock.patch.object(trial_population, "can_step", return_value=False)
                )
        population = TrialPopulation(
            data, configurations, range(count), seed=split, batch_size=size
        )
        start(population, through, zero=zero)
        held_out, tested = [], []
        for _ in range(EVALUATIONS):
            population.train(steps // EVALUATIONS)
            held_out.append(population.held_out_outputs())
            tested.append(averaged(population, X_test).unflatten(0, (count, FOLDS)))
        spent = time.process_time() - began
        errors = torch.stack([rmse(each, data.y) for each in held_out])
        at = errors.argmin(0)
        again = []
        for place, configuration in enumerate(configurations):
            ids = range(100 + AGAIN * place, 100 + AGAIN * (place + 1))
            refit = TrialPopulation(
                data.without_folds(), [configuration] * AGAIN, ids, seed=split, batch_size=size
            )
            start(refit, through, zero=zero)
            share = (int(at[place]) + 1) / EVALUATIONS
            refit.train(round(share * steps * len(data.y) / len(data.rows_of(0)[0])))
            again.append(averaged(refit, X_test))
    every = torch.arange(count)
    known, said = torch.stack(held_out)[at, every], torch.stack(tested)[at, every].flatten(0, 1)
    retrained = torch.stack(again)
    best = int(errors.amin(0).argmin())
    low, high = float(data.y.min()), float(data.y.max())

    def of_mean(outputs: Tensor, y: Tensor = y_test) -> float:
        return float(rmse(outputs.double().mean(0), y))

    return {
        "model": of_mean(said),
        "held out": of_mean(known, data.y.double()),
        "single": float(rmse(said, y_test).mean()),
        "clipped": float(rmse(said.double().mean(0).clamp(low, high), y_test)),
        "again": of_mean(retrained.flatten(0, 1)),
        "again, best": of_mean(retrained[best]),
        "again, two each": of_mean(retrained[:, :2].flatten(0, 1)),
        "both": of_mean(torch.cat([said, retrained.flatten(0, 1)])),
        "evaluations": " ".join(str(int(each) + 1) for each in at),
        "seconds": spent,
    }


def compare(table: pd.DataFrame) -> None:
    """Print the change of each error in per cent of that of the plain model."""
    plain = table[table["way"] == "plain"].set_index(["set", "split"])
    for figure in (*FIGURES, "both"):
        base = plain[figure if figure in FIGURES[:3] else "model"]
        pairs = table.pivot_table(index=["set", "split"], columns="way", values=figure)
        changes = 100 * pairs.div(base, axis=0).apply(np.log)
        each = changes.groupby("set", sort=False).mean()
        print(f"\n{figure}, % of that of the plain way\n{each.round(1).to_string()}")
        means = pd.DataFrame({"mean": each.mean(), "standard error": each.sem()})
        print(means.round(1).to_string())


def main() -> None:
    """Print a line for each table, split and way, and the changes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True)
    add_choices(parser, SETS, ["plain"], [81])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine('cpu')}\n")
    compare(measured(options, lambda *of: trained(of[0], options.data, *of[1:])))


if __name__ == "__main__":
    main()
