"""Tables of test errors: columns × seeds, their votes, and their paired tests."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from digits import Digits, read_digits
from evidence import classes_of, error_of, mcnemar, spread, vote
from populations import Batches, Column, Orders, Plan, train
from results import Row
from torch import Tensor

from bridle import Network
from bridle.errors import UsageError

__all__ = [
    "Published",
    "add_options",
    "judged",
    "populations_of",
    "print_errors",
    "run_columns",
    "seeded_batches",
    "test_part",
]

Published = Mapping[tuple[str, str], tuple[float | None, float | None]]
"""(group, column) -> the paper's mean error and its vote's error, in per cent."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that the benchmarks on MNIST share."""
    parser.add_argument("--mnist", type=Path, help="mnist.npz, or a folder of idx files")
    parser.add_argument(
        "--quick", action="store_true", help="a run of minutes, with limits that are printed"
    )
    parser.add_argument("--seeds", type=int, help="number of networks for each column")
    parser.add_argument("--rows", type=int, help="training rows; default: all, or the quick limit")
    parser.add_argument("--test-rows", type=int, help="test rows; default: all")
    parser.add_argument(
        "--run", type=Path, help="folder of checkpoints, from which a stopped run continues"
    )
    parser.add_argument("--save-every", type=float, default=60.0, help="seconds")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    parser.add_argument("--show", type=Path, help="print the table of such a CSV file, run nothing")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (not tried on a GPU yet)")


def test_part(options: argparse.Namespace) -> Digits:
    """Read MNIST, with the test part cut to ``--test-rows``."""
    if options.mnist is None:
        raise UsageError("--mnist is missing: give mnist.npz, or a folder of idx files")
    digits = read_digits(options.mnist)
    rows = options.test_rows
    if rows is not None and not 0 < rows <= len(digits.y_test):
        raise UsageError(f"--test-rows is {rows}; the test part has {len(digits.y_test)}")
    return Digits(digits.X, digits.y, digits.X_test[:rows], digits.y_test[:rows])


def seeded_batches(plan: Plan, X: Tensor, y: Tensor, batch_size: int) -> Batches:
    """Return a function of the step: each seed has its own order, the same in all columns."""
    orders = {seed: Orders(len(y), seed) for _, seed in plan.members}

    def batches(step: int) -> tuple[Tensor, Tensor]:
        drawn = {seed: order.at(step, batch_size) for seed, order in orders.items()}
        rows = torch.stack([drawn[seed] for _, seed in plan.members])
        return X[rows], y[rows]

    return batches


def run_columns(
    plan: Plan, digits: Digits, options: argparse.Namespace, *, name: str, batch_size: int
) -> Network:
    """Train a plan on the training part; return its networks."""
    return train(
        plan,
        seeded_batches(plan, digits.X, digits.y, batch_size),
        data=f"{digits.fingerprint()} {batch_size}",
        device=options.device,
        checkpoint=options.run / f"{name}.safetensors" if options.run else None,
        save_every=options.save_every,
    ).network


def populations_of(columns: Sequence[Column], *, per_example: bool) -> list[tuple[Column, ...]]:
    """Return the columns of each population, DropConnect's last.

    A mask for each example costs as many bits as there are weights, so that DropConnect's columns
    are a population of their own then.
    """
    apart = [column for column in columns if column.drop_connect_keep_prob < 1]
    others = [column for column in columns if column.drop_connect_keep_prob == 1]
    parts = [tuple(others), tuple(apart)] if per_example else [(*others, *apart)]
    return [part for part in parts if part]


def judged(
    group: str,
    columns: Sequence[Column],
    seeds: Sequence[int],
    found: Tensor,
    truth: Tensor,
    limits: Mapping[str, object],
) -> list[dict[str, object]]:
    """Return the rows of a table: each network, each column's vote, each pair of votes.

    ``found`` has the probabilities ``[columns * seeds, rows, classes]``, column by column.
    """
    by_column = found.unflatten(0, (len(columns), len(seeds)))
    votes = [vote(part) for part in by_column]
    rows: list[dict[str, object]] = []

    def add(kind: str, column: Column, **entries: object) -> None:
        blank = dict.fromkeys(("seed", "error", "low", "high", "against"), "")
        blank |= dict.fromkeys(("first_only", "second_only", "p_value"), "")
        row: dict[str, object] = {"kind": kind, "group": group, "column": column.name, **blank}
        rows.append(row | entries | {"strengths": column.strengths()} | dict(limits))

    for column, part, voted in zip(columns, by_column, votes, strict=True):
        for seed, member in zip(seeds, part, strict=True):
            error = error_of(classes_of(member), truth)
            add("network", column, seed=seed, error=error.value, low=error.low, high=error.high)
        error = error_of(voted, truth)
        add("vote", column, seed=len(seeds), error=error.value, low=error.low, high=error.high)
    for i, first in enumerate(columns):
        for j, second in enumerate(columns[i + 1 :], i + 1):
            paired = mcnemar(votes[i], votes[j], truth)
            add(
                "paired",
                second,
                against=first.name,
                first_only=paired.first_only,
                second_only=paired.second_only,
                p_value=paired.p_value,
            )
    return rows


def print_errors(rows: Sequence[Row], published: Published) -> None:
    """Print the table of :func:`judged`, beside the paper's figures."""
    first = rows[0]
    quick = first["quick"] == "True"
    print(f"{first['machine']}; bridle {first['bridle']}, commit {first['commit']}\n")
    names = ("train_rows", "epochs", "steps", "batch", "masks", "test_rows")
    print("; ".join(f"{name.replace('_', ' ')} {first[name]}" for name in names if first.get(name)))
    if quick:
        print("\n**Quick run: under-trained by these limits; the paper's figures are of the full")
        print("recipe and are no measure of these rows.**")
    for group in dict.fromkeys(row["group"] for row in rows):
        _print_group(group, [row for row in rows if row["group"] == group], published, quick=quick)


def _print_group(group: str, rows: list[Row], published: Published, *, quick: bool) -> None:
    columns = list(dict.fromkeys(row["column"] for row in rows))
    seeds = len({row["seed"] for row in rows if row["kind"] == "network"})
    base = columns[0]
    full = " (full recipe)" if quick else ""
    print(f"\n### {group}, test error in per cent\n")
    print(
        f"| | mean of {seeds}, 95 % of the mean | sd over seeds | vote, 95 % of the test set "
        f"| paper: mean{full} | paper: vote{full} | wrong with {base} only, with this only |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for column in columns:
        mine = [row for row in rows if row["column"] == column]
        errors = [float(row["error"]) for row in mine if row["kind"] == "network"]
        mean, deviation, half = spread(errors)
        voted = next(row for row in mine if row["kind"] == "vote")
        theirs = [_number(value) for value in published.get((group, column), (None, None))]
        pairs = [row for row in mine if row["kind"] == "paired" and row["against"] == base]
        alone = f"{pairs[0]['first_only']}, {pairs[0]['second_only']}" if pairs else ""
        about = f" ± {half:.2f}" if seeds > 1 else ""
        over = f"{deviation:.2f}" if seeds > 1 else ""
        interval = f"{float(voted['low']):.2f} to {float(voted['high']):.2f}"
        print(
            f"| {column}{', quick' if quick else ''} | {mean:.2f}{about} | {over} "
            f"| {float(voted['error']):.2f} ({interval}) | {theirs[0]} | {theirs[1]} | {alone} |"
        )
    print(f"\nMcNemar's exact p of the votes, pairwise:\n\n| | {' | '.join(columns[:-1])} |")
    print("|---|" + "---:|" * (len(columns) - 1))
    for place, column in enumerate(columns[1:], 1):
        against = {row["against"]: row for row in rows if row["column"] == column}
        cells = [_p(against[other]["p_value"]) for other in columns[:place]]
        print(f"| {column} | {' | '.join([*cells, *[''] * (len(columns) - 1 - place)])} |")
    print()
    for column in columns:
        strengths = next(row["strengths"] for row in rows if row["column"] == column)
        print(f"- {column}: {strengths}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _p(value: str) -> str:
    return "< 1e-300" if float(value) == 0 else f"{float(value):.2g}"
