"""How many weights of bins a step leaves alone, and what a step costs by its rows and bins.

Run ``python benchmarks/search_untouched.py --data FOLDER``. The output is the share of inputs of
bins that are zero in every row of a random batch, so that their weights have no gradient, and the
processor's time of a step of one network, the shortest of four runs of ten steps.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from machine import machine
from search_large import split_of

from bridle.search.configuration import Configuration
from bridle.search.data import FOLDS, SearchData, enough_folds
from bridle.search.encoding import encode, encoded_rows, fit_encoders
from bridle.search.trial_population import TrialPopulation

ROWS, BATCHES, MEMBERS, STEPS, RUNS = 128, 50, 2, 10, 4


def untouched(inputs: torch.Tensor) -> float:
    """Return the share of inputs that are zero in all rows of a batch, mean of some batches."""
    draw = torch.Generator().manual_seed(0)
    batches = torch.randint(len(inputs), (BATCHES, ROWS), generator=draw)
    return float(np.mean([float((inputs[each] == 0).all(0).double().mean()) for each in batches]))


def milliseconds(data: SearchData, bins: int, rows: int) -> float:
    """Return the time of a step of one network, with batches of so many rows."""
    configuration = Configuration(bins=bins, l2=1e-4, averaging=8.0)
    population = TrialPopulation(
        data, [configuration] * MEMBERS, range(MEMBERS), seed=0, batch_size=rows
    )
    population.train(3)
    spent = []
    for _ in range(RUNS):
        began = time.process_time()
        population.train(STEPS)
        spent.append(time.process_time() - began)
    return 1e3 * min(spent) / STEPS / population.network.members


def main() -> None:
    """Print a line for each number of bins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", default="california", help="a regression")
    parser.add_argument("--split", type=int, default=81)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine('cpu')}\n")
    rest, _ = split_of(options.set, options.data, options.split)
    X, target = rest.drop(columns="target"), rest["target"]
    y = torch.tensor(((target - target.mean()) / target.std()).to_numpy(np.float32))
    fold = torch.from_numpy(enough_folds(y.numpy(), FOLDS, 0, options.split))
    for bins in (16, 128):
        encoders = fit_encoders(X, bins=bins)
        inputs = encode(encoders, X)
        data = SearchData(inputs, y, fold, 0, encoded=encoded_rows(encoders, inputs))
        of_bins = inputs[bins][:, inputs[0].shape[1] :]
        times = "  ".join(f"{r} rows {milliseconds(data, bins, r):.2f} ms" for r in (128, 256, 512))
        share = 100 * untouched(of_bins)
        print(f"{bins} bins, {of_bins.shape[1]} inputs: {share:.2f} % untouched; {times}")


if __name__ == "__main__":
    main()
