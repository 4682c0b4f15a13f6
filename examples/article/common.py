"""Shared code of the scripts: the digits, a training loop, intervals, the style of a figure."""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import t as student
from sklearn.datasets import load_digits
from torch import Tensor

import bridle

NETWORKS = 8
BLUE, RED, GREEN, GREY = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "0.45",
)  # distinguishable with colour blindness


class Digits(NamedTuple):
    """Eight disjoint training sets, and one test set."""

    X: Tensor  # [8, rows, 64], from 0 to 1
    y: Tensor  # [8, rows]
    X_test: Tensor  # [remaining rows, 64]
    y_test: Tensor


def digits(*, rows: int = 120, wrong: float = 0.0) -> Digits:
    """Return scikit-learn's digits; replace a share of the training labels by random ones."""
    X, y = (torch.tensor(part) for part in load_digits(return_X_y=True))
    X = X.float() / 16
    draw = torch.Generator().manual_seed(0)
    order = torch.randperm(len(X), generator=draw)
    training, test = order[: NETWORKS * rows].view(NETWORKS, rows), order[NETWORKS * rows :]
    labels = y[training]
    random = torch.randint(10, labels.shape, generator=draw)
    labels = torch.where(torch.rand(labels.shape, generator=draw) < wrong, random, labels)
    return Digits(X[training], labels, X[test], y[test])


def fit(network, data, *, steps=300, penalties=(), learning_rate=0.1, watch=None):
    """Train a population by SGD with momentum; member k has the training set k modulo 8."""
    groups = network.members // NETWORKS
    X, y = data.X.repeat(groups, 1, 1), data.y.repeat(groups, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=0.9)
    draw = torch.Generator().manual_seed(0)
    for step in range(steps):
        rows = torch.randint(X.shape[1], (40,), generator=draw)
        batch = (X[:, rows], y[:, rows])
        bridle.train_step(network, batch, optimizer=optimizer, penalties=penalties)
        if watch is not None:
            watch(step + 1)


def groups_of(values):
    """Return one value per member as float64 ``[groups, 8]``."""
    return values.detach().double().view(-1, NETWORKS).numpy()


def judge(network, X, y):
    """Return accuracy in percent and mean cross-entropy, noise off: ``[groups, 8]`` each."""
    outputs = bridle.predict(network, X)
    labels = y.repeat(network.members // NETWORKS, 1) if y.ndim == 2 else y.expand(len(outputs), -1)
    right = (outputs.argmax(-1) == labels).double().mean(1)
    loss = torch.nn.functional.cross_entropy(outputs.mT, labels, reduction="none").mean(1)
    return groups_of(100 * right), groups_of(loss)


def interval(values):
    """Return the mean and half the 95 % interval (Student's t) over the networks, the last axis.

    The networks differ in their seed and their training rows. All have the same test rows.
    """
    values = np.asarray(values)
    count = values.shape[-1]
    error = values.std(-1, ddof=1) / np.sqrt(count)
    return values.mean(-1), student.ppf(0.975, count - 1) * error


def say(name, values, unit="", digits=1):
    """Print a mean with its interval; return the interval's two ends."""
    mean, half = interval(values)
    print(f"{name}: {mean:.{digits}f} ± {half:.{digits}f}{unit}")
    return mean - half, mean + half


def conclude(held):
    """Print whether the claim held."""
    print(f"the claim held: {bool(held)}")


def axes(count, *, height=3.4, width=8.5, **options):
    """Return a figure with axes side by side."""
    figure, found = plt.subplots(1, count, figsize=(width, height), layout="constrained", **options)
    for axis in np.atleast_1d(found):
        axis.spines[["top", "right"]].set_visible(False)
    return figure, found


def save(figure, script):
    """Write the figure to the path on the command line, or to the current folder."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else f"{Path(script).stem}.png")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"figure: {path.name}")
