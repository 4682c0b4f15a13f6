"""Wan et al. 2013, Table 2: 784-800-800-10 on MNIST without augmentation; five seeds, their vote.

Run ``python benchmarks/papers/wan2013.py --mnist FILE --quick``, or without ``--quick`` for the
paper's recipe with ``--run FOLDER``, which continues where it was stopped. All seeds and columns of
an activation train as one population.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from evidence import gaussian_probabilities, probabilities
from populations import Column, Plan, crossed
from results import provenance, read_rows, write_rows
from torch import Tensor

from bridle.errors import BridleError, UsageError
from tables import add_options, judged, populations_of, print_errors, run_columns, test_part

SIZES = (800, 800)
BATCH = 128
RATE = 0.1
MOMENTUM = 0.9
COLUMNS = (
    Column("none"),
    Column("dropout", keep_prob=0.5),
    Column("DropConnect", drop_connect_keep_prob=0.5),
)
# the same networks, without the paper's inference
MEAN_WEIGHTS = Column("DropConnect, mean weights", drop_connect_keep_prob=0.5)
ACTIVATIONS = {"relu": "relu", "sigmoid": "logistic", "tanh": "tanh"}
# Table 2's mean errors for ReLU; its votes, sigmoid and tanh were not at hand to be checked
PUBLISHED: dict[tuple[str, str], tuple[float | None, float | None]] = {
    ("relu", "none"): (1.62, None),
    ("relu", "dropout"): (1.28, None),
    ("relu", "DropConnect"): (1.20, None),
}


@dataclass(frozen=True)
class Recipe:
    """How much of the paper's recipe is run."""

    rows: int | None
    seeds: int
    schedule: tuple[int, int, int]
    masks: str
    activations: tuple[str, ...]

    @property
    def stages(self) -> list[tuple[int, float]]:
        """The epochs at each multiple of the learning rate: the paper's reading of a-b-c.

        a epochs at 1; b epochs each at 0.5 and 0.1; c epochs each at 0.05, 0.01, 0.005, 0.001.
        """
        first, second, third = self.schedule
        tail = [(third, factor) for factor in (0.05, 0.01, 0.005, 0.001)]
        return [(first, 1.0), (second, 0.5), (second, 0.1), *tail]

    @property
    def epochs(self) -> int:
        """How many epochs there are in all."""
        return sum(epochs for epochs, _ in self.stages)


FULL = Recipe(None, 5, (600, 400, 20), "example", tuple(ACTIVATIONS))
QUICK = Recipe(3000, 5, (12, 4, 1), "batch", ("relu",))


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe that the options ask for."""
    recipe = QUICK if options.quick else FULL
    schedule = recipe.schedule
    if options.schedule is not None:
        numbers = options.schedule.split("-")
        if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
            raise UsageError(f"--schedule is {options.schedule!r}; give three numbers: 600-400-20")
        schedule = (int(numbers[0]), int(numbers[1]), int(numbers[2]))
    return replace(
        recipe,
        rows=recipe.rows if options.rows is None else options.rows,
        seeds=options.seeds or recipe.seeds,
        schedule=schedule,
        masks=options.masks or recipe.masks,
        activations=tuple(options.activations or recipe.activations),
    )


def one(recipe: Recipe, activation: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """Train the columns of one activation; return their rows."""
    whole = test_part(options)
    digits = whole.first(recipe.rows)
    seeds = tuple(range(recipe.seeds))
    # a stage ends with its last whole step
    ends = [0]
    for epochs, _ in recipe.stages:
        ends.append(ends[-1] + epochs)
    at = [epochs * len(digits.y) // BATCH for epochs in ends]
    steps = [after - before for before, after in pairwise(at)]
    rates = tuple(
        (count, RATE * factor) for count, (_, factor) in zip(steps, recipe.stages, strict=True)
    )
    per_example = recipe.masks == "example"
    found: list[Tensor] = []
    for part in populations_of(COLUMNS, per_example=per_example):
        plan = Plan(
            sizes=(digits.X.shape[1], *SIZES, 10),
            members=crossed(part, seeds),
            rates=rates,
            momentum=MOMENTUM,
            activation=ACTIVATIONS[activation],
            # as in the paper: inverted scaling would make the steps 1 / p² times as long
            scaling="classic",
            per_example=per_example,
        )
        name = f"wan2013-{activation}-{part[-1].name.lower()}"
        network = run_columns(plan, digits, options, name=name, batch_size=BATCH)
        found.append(probabilities(network, digits.X_test))
    # the last networks are DropConnect's: by the paper's inference, then by their mean weights
    count = len(seeds)
    last = network.take(range(network.members - count, network.members))
    mean_weights = torch.cat(found)
    gaussian = gaussian_probabilities(last, digits.X_test)
    judgeable = torch.cat([mean_weights[:-count], gaussian, mean_weights[-count:]])
    limits: dict[str, object] = {
        "quick": replace(recipe, activations=FULL.activations) != FULL,
        "train_rows": f"{len(digits.y)} of {len(whole.y)}",
        "epochs": f"{recipe.epochs} of {FULL.epochs}",
        "steps": at[-1],
        "batch": BATCH,
        "masks": recipe.masks,
        "test_rows": len(digits.y_test),
    }
    columns = (*COLUMNS, MEAN_WEIGHTS)
    return judged(activation, columns, seeds, judgeable, digits.y_test, limits)


def main(arguments: list[str] | None = None) -> None:
    """Run, print the table, and write it to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--activations", nargs="*", choices=list(ACTIVATIONS))
    parser.add_argument("--schedule", help="epochs, as the paper writes them: 600-400-20")
    parser.add_argument("--masks", choices=["batch", "example"], help="DropConnect's masks")
    options = parser.parse_args(arguments)
    if options.show:
        print_errors(read_rows(options.show), PUBLISHED)
        return
    recipe = recipe_of(options)
    print(f"limits: {recipe}; the paper's: {FULL}", file=sys.stderr)
    shared = provenance(options.device)
    rows: list[dict[str, object]] = []
    out = options.out or Path(options.run or ".") / "wan2013.csv"
    for activation in recipe.activations:
        rows += one(recipe, activation, options)
        write_rows(out, rows, shared)
    print_errors(read_rows(out), PUBLISHED)


if __name__ == "__main__":
    try:
        main()
    except BridleError as error:
        sys.exit(f"wan2013: {error}")
