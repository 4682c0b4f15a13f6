"""Accuracy with most hidden units removed: bridle, torchao's ``pat``, Torch-Pruning.

Run ``python benchmarks/structured_sparsity.py --data FOLDER --mnist FILE``. All methods have the
same initial network, batches, epochs and optimizer (AdamW), and remove the same share of the units
of each hidden layer by the middle of the training. The other half is for healing. Accuracy is that
of the network after its zero units are removed, on test rows.

- bridle: ``Sparsity``; with ``--shrink`` also by its soft threshold.
- pat: ``MinSparsityConstraint`` with its cubic schedule; and its group lasso, whose λ is chosen on
  held-out rows for each seed and share, among 14 by bisection. No other method has several tries.
- Torch-Pruning: magnitude, in five steps over the first half, or at once after it. It replaces the
  weights, so its optimizer is a new one after each step.
- For reference: the whole network, and one that has the small number of units from the start.

``pip install torchao torch-pruning`` first; what is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import torch
from machine import machine
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import bridle

SHARES = (0.5, 0.8, 0.9, 0.95)
LAMBDAS, BISECTIONS = (0.1, 1.0), 3  # the group lasso's λ: the range, and halvings for each share
PRUNINGS = 5  # steps of Torch-Pruning
SETTINGS = {  # width of the two hidden layers, epochs, rows of a batch
    "vowel": (100, 20, 32),
    "jasmine": (100, 4, 32),
    "mnist": (200, 4, 128),
}
MNIST_ROWS = (10_000, 2_000)  # training, held out


@dataclass(frozen=True)
class Task:
    """The rows and the settings of one data set and seed."""

    train: tuple[Tensor, Tensor]
    held_out: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    seed: int
    width: int
    epochs: int
    batch: int

    def batches(self) -> list[Tensor]:
        """Return the rows of each step."""
        draw = torch.Generator().manual_seed(self.seed)
        rows = len(self.train[0])
        orders = [torch.randperm(rows, generator=draw) for _ in range(self.epochs)]
        return [each for order in orders for each in order.split(self.batch)]

    def network(self, width: int | None = None) -> nn.Sequential:
        """Return the network before training, with two hidden layers."""
        torch.manual_seed(self.seed)
        inputs, outputs = self.train[0].shape[1], int(self.train[1].max()) + 1
        width = width or self.width
        return nn.Sequential(
            nn.Linear(inputs, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, outputs),
        )

    def left(self, share: float) -> int:
        """Return the number of units that a hidden layer keeps."""
        return round(self.width * (1 - share))


def optimizer_of(parameters: Any) -> torch.optim.AdamW:
    """Return the optimizer of all methods."""
    return torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.0, fused=True)


def descend(model: nn.Module, optimizer: Any, task: Task, batches: Iterable[Tensor]) -> None:
    """Train on the given batches."""
    X, y = task.train
    for rows in batches:
        optimizer.zero_grad()
        cross_entropy(model(X[rows]), y[rows]).backward()
        optimizer.step()


def compacted(model: nn.Module, task: Task) -> nn.Module:
    """Return the network without its zero units."""
    return bridle.compact(model, task.train[0][:2]).model


def accuracy(model: nn.Module, rows: tuple[Tensor, Tensor]) -> float:
    """Return the share of right answers, in percent."""
    with torch.inference_mode():
        return 100 * float((model(rows[0]).argmax(1) == rows[1]).double().mean())


def widths(model: nn.Module) -> list[int]:
    """Return the units of the hidden layers."""
    return [each.out_features for each in model.modules() if isinstance(each, nn.Linear)][:-1]


# ----------------------------------------------------------------------------------- the methods


def by_bridle(task: Task, share: float, *, shrink: bool = False) -> nn.Module:
    """Train with a target sparsity."""
    model, batches = task.network(), task.batches()
    optimizer = optimizer_of(model.parameters())
    rule = bridle.Sparsity(
        share, groups="units", ramp=len(batches) // 2, global_=False, shrink=shrink
    )
    bridle.attach(optimizer, {("0.weight", "2.weight"): rule}, model=model)
    descend(model, optimizer, task, batches)
    return compacted(model, task)


def by_pat(task: Task, strength: float, **settings: Any) -> nn.Module:
    """Train with torchao's proximal maps on the rows of the hidden layers."""
    pat = importlib.import_module("torchao.prototype.pat.optim")
    model, batches = task.network(), task.batches()
    pruned = [model[0].weight, model[2].weight]
    others = [each for each in model.parameters() if all(each is not p for p in pruned)]
    settings = {"group_type": "Dim0Grouper", **settings}
    optimizer = pat.PruneOptimizer(
        optimizer_of([{"params": pruned, **settings}, {"params": others}]),
        healing_start_step=len(batches) // 2,
        reg_lambda=strength,
    )
    descend(model, optimizer, task, batches)
    return compacted(model, task)


def by_pat_target(task: Task, share: float) -> nn.Module:
    """Train with pat's own target."""
    return by_pat(
        task,
        0.0,
        prox_type="MinSparsityConstraint",
        min_sparsity=share,
        min_sparsity_schedule=True,
    )


def by_torch_pruning(task: Task, share: float, *, prunings: int) -> nn.Module:
    """Train, prune and fine-tune with Torch-Pruning."""
    torch_pruning = importlib.import_module("torch_pruning")
    model, batches = task.network(), task.batches()
    half = len(batches) // 2
    pruner = torch_pruning.pruner.BasePruner(
        model,
        task.train[0][:2],
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=share - 1e-9,  # 1 - 0.9 is below 0.1, and one more unit of 100 would go
        iterative_steps=prunings,
        ignored_layers=[model[4]],
    )
    ends = [half * (step + 1) // prunings for step in range(prunings)]
    for begin, end in pairwise((0, *ends)):
        descend(model, optimizer_of(model.parameters()), task, batches[begin:end])
        pruner.step()
    descend(model, optimizer_of(model.parameters()), task, batches[half:])
    return model


def small(task: Task, share: float) -> nn.Module:
    """Train a network that has the small number of units from the start."""
    model = task.network(task.left(share))
    descend(model, optimizer_of(model.parameters()), task, task.batches())
    return model


# ----------------------------------------------------------------------------------- the figures


def table_of(path: Path, seed: int) -> Task:
    """Return a random split of a table: 60 % to train on, 20 % held out, 20 % to test."""
    frame = pd.read_csv(path)
    y = torch.tensor(pd.factorize(frame.pop("target"), sort=True)[0])
    X = torch.tensor(pd.get_dummies(frame).to_numpy(dtype="float32"))
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
    parts = order.tensor_split((len(X) * 3 // 5, len(X) * 4 // 5))
    mean, scale = X[parts[0]].mean(0), X[parts[0]].std(0)
    X = (X - mean) / torch.where(scale > 0, scale, 1)
    train, held_out, test = ((X[rows], y[rows]) for rows in parts)
    return Task(train, held_out, test, seed, *SETTINGS[path.name.removesuffix(".csv.gz")])


def mnist_of(path: Path, seed: int) -> Task:
    """Return random training rows of MNIST, others that are held out, and the test rows."""
    with np.load(path) as arrays:
        X, y, X_test, y_test = (
            torch.from_numpy(arrays[name]) for name in ("x_train", "y_train", "x_test", "y_test")
        )
    X, y, X_test, y_test = X.flatten(1) / 255, y.long(), X_test.flatten(1) / 255, y_test.long()
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
    rows, held = order[: sum(MNIST_ROWS)].split(MNIST_ROWS)
    held_out = X[held], y[held]
    return Task((X[rows], y[rows]), held_out, (X_test, y_test), seed, *SETTINGS["mnist"])


def methods(shrink: bool) -> dict[str, Callable[[Task, float], nn.Module]]:
    """Return the methods that are installed, except the group lasso."""
    found: dict[str, Callable[[Task, float], nn.Module]] = {
        "bridle": by_bridle,
    }
    if shrink:
        found["bridle, `shrink`"] = partial(by_bridle, shrink=True)
    if importlib.util.find_spec("torchao"):
        found["pat, target"] = by_pat_target
    if importlib.util.find_spec("torch_pruning"):
        for name, prunings in (("in five steps", PRUNINGS), ("at once", 1)):
            found[f"Torch-Pruning, {name}"] = partial(by_torch_pruning, prunings=prunings)
    found["small from the start"] = small
    return found


def lassos(task: Task) -> list[tuple[nn.Module, float]]:
    """Return networks after pat's group lasso, and their held-out accuracies.

    The interval of λ within which a share is reached is halved for each share in turn.
    """
    if not importlib.util.find_spec("torchao"):
        return []
    models: dict[float, nn.Module] = {}

    def add(strength: float) -> None:
        models[strength] = by_pat(task, strength, prox_type="ProxGroupLasso")

    for strength in LAMBDAS:
        add(strength)
    for share in SHARES:
        for _ in range(BISECTIONS):
            reached = {each: sum(widths(m)) <= 2 * task.left(share) for each, m in models.items()}
            below = [each for each, enough in reached.items() if not enough]
            above = [each for each, enough in reached.items() if enough]
            if below and above:
                add((max(below) * min(above)) ** 0.5)
    return [(model, accuracy(model, task.held_out)) for model in models.values()]


def measured(task: Task, shrink: bool) -> pd.DataFrame:
    """Return test accuracy and units left of all methods and shares."""
    whole = accuracy(small(task, 0.0), task.test)
    found: list[tuple[str, float, float, int]] = []
    paths = lassos(task)
    for share in SHARES:
        found.append(("the whole network", share, whole, 2 * task.width))
        for name, method in methods(shrink).items():
            model = method(task, share)
            found.append((name, share, accuracy(model, task.test), sum(widths(model))))
        reached = [each for each in paths if sum(widths(each[0])) <= 2 * task.left(share)]
        if reached:
            model = max(reached, key=lambda each: each[1])[0]
            found.append(
                ("pat, group lasso", share, accuracy(model, task.test), sum(widths(model)))
            )
    return pd.DataFrame(found, columns=["method", "share", "accuracy", "units"])


def print_table(found: pd.DataFrame, seeds: int) -> None:
    """Print the mean accuracies, and bridle's minus the others', paired."""
    of = found.pivot(index="seed", columns=["method", "share"], values="accuracy")
    units = found.groupby(["method", "share"]).units.mean()
    print(f"| method | {' | '.join(f'{share:.0%}' for share in SHARES)} |")
    print(f"|---|{'---:|' * len(SHARES)}")
    for name in found.method.unique():
        cells = []
        for share in SHARES:
            if (name, share) not in of or of[name, share].isna().any():
                cells.append("share not reached")
                continue
            cells.append(f"{of[name, share].mean():.1f}")
            if name != "bridle":
                less = of["bridle", share] - of[name, share]
                cells[-1] += f" ({less.mean():+.1f} ± {less.std() / seeds**0.5:.1f})"
        print(f"| {name} | {' | '.join(cells)} |")
    print()
    for name in found.method.unique():
        for share in SHARES:
            left, ours = units.get((name, share)), units["bridle", share]
            if name != "the whole network" and left is not None and left != ours:
                print(f"- {share:.0%}, {name}: {left:.1f} units left, bridle {ours:.1f}")
    print(flush=True)


def main() -> None:
    """Print a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder with vowel.csv.gz and jasmine.csv.gz")
    parser.add_argument("--mnist", type=Path, help="Keras's mnist.npz")
    parser.add_argument("--tables", nargs="*", default=["vowel", "jasmine"])
    parser.add_argument("--shrink", action="store_true", help="also the soft threshold")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    rivals = [f"{name} {_version(name)}" for name in ("torchao", "torch-pruning")]
    print(f"{machine()}; {', '.join(rivals)}; {options.seeds} seeds\n")
    sources = [(options.mnist, mnist_of)] if options.mnist else []
    if options.data:
        tables = [options.data / f"{name}.csv.gz" for name in options.tables]
        sources = [*((path, table_of) for path in tables), *sources]
    for path, read in sources:
        tasks = [read(path, seed) for seed in range(options.seeds)]
        rows, inputs = tasks[0].train[0].shape
        print(f"{path.name}: {rows} training rows, {inputs} inputs, {len(tasks[0].test[0])} test")
        found = [measured(task, options.shrink).assign(seed=task.seed) for task in tasks]
        print_table(pd.concat(found), options.seeds)
    print(f"{process_time() / 60:.1f} minutes of the processor")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed"


if __name__ == "__main__":
    main()
