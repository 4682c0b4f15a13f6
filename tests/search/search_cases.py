"""Data, populations and plans that several test modules of the search share."""

import numpy as np
import pandas as pd
import torch

from bridle.search import Configuration, Space
from bridle.search.data import SearchData, fold_of_rows
from bridle.search.job import run_job
from bridle.search.plan import Plan
from bridle.search.successive_halving import SuccessiveHalving
from bridle.search.trial_population import TrialPopulation

SMALL = (16, 16)
FAST = {"configurations": 9, "epochs": 3, "hidden": [SMALL], "folds": 3}


def configured(**strengths):
    return Configuration(**{"hidden": SMALL, "averaging": 4.0} | strengths)


def make_data(rows=120, classes=3, folds=3, features=6):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(rows, features, generator=generator)
    noisy = X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * torch.randn(rows, generator=generator)
    if classes:
        y = torch.bucketize(noisy, noisy.quantile(torch.linspace(0, 1, classes + 1)[1:-1]))
    else:
        y = (noisy - noisy.mean()) / noisy.std()
    fold = torch.from_numpy(fold_of_rows(y.numpy(), folds, classes, 0))
    return SearchData({0: X}, y, fold, classes)


def make_population(data, configurations, ids=None, seed=0):
    ids = range(len(configurations)) if ids is None else ids
    return TrialPopulation(data, configurations, ids, seed=seed, batch_size=16)


def a_table(rows=120, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, 4)), columns=list("abcd"))
    frame["town"] = random.choice(["Ulm", "Bonn", None], rows)
    right = frame["a"] + (frame["town"] == "Ulm") + random.normal(scale=0.3, size=rows) > 0.3
    return frame.assign(y=np.where(right, "yes", "no"))


def make_plan(**changes):
    return Plan(
        **{
            "steps": (2, 4, 8),
            "configurations": 9,
            "trials_per_job": 4,
            "evaluations": 2,
            "batch_size": 16,
            "seed": 0,
            "scoring": "accuracy",
        }
        | changes
    )


def run_halving(data, **changes):
    halving = SuccessiveHalving(
        make_plan(**changes), Space(shapes=(SMALL,)), lambda jobs: (run_job(data, j) for j in jobs)
    )
    halving.run()
    return halving
