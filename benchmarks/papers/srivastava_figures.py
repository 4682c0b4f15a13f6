"""Srivastava et al. 2014, figures 8, 10 and 11, as tables."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from digits import Digits
from evidence import classes_of, error_of, mcnemar, probabilities, spread, vote
from populations import Column, Orders, Plan, crossed, train
from results import Row
from srivastava_recipe import BATCH, MOMENTUM, SIZES, rates_of
from torch import Tensor

from bridle import predict
from bridle.subnetworks import subnetwork_scores
from tables import seeded_batches, test_part

__all__ = ["FIGURES", "Figure", "print_figure"]

Rows = list[dict[str, object]]

DROPOUT = {"keep_prob": 0.5, "input_keep_prob": 0.8, "max_norm": 2.0}
DATA_SIZES = (100, 500, 1000, 5000, 10_000, 50_000)
SAMPLED = (1, 2, 5, 10, 20, 50, 100)
POOL = 500
QUICK_POOL = 200
CODE = 256


class Reconstruction:
    """The autoencoder's loss: the squared error of a row, summed over its pixels."""

    name = "reconstruction"
    score_name = "squared error, negated"

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the squared error of each row, ``[members, rows]``."""
        return (outputs - y).square().sum(-1)

    def score(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean error of each member, negated."""
        return -self.loss(outputs, y).mean(1)


def _limits(options: argparse.Namespace, digits: Digits) -> dict[str, object]:
    return {
        "quick": options.limited,
        "train_rows": len(digits.y),
        "steps": options.updates,
        "batch": BATCH,
        "test_rows": len(digits.y_test),
    }


def sparsity(options: argparse.Namespace) -> Rows:
    """Figure 8: autoencoders of 256 ReLU units, with and without dropout of the units."""
    digits = test_part(options).first(options.rows)
    columns = (Column("none"), Column("dropout", keep_prob=0.5))
    pixels = digits.X.shape[1]
    plan = Plan(
        sizes=(pixels, CODE, pixels),
        members=crossed(columns, tuple(range(options.seeds))),
        rates=rates_of(options.updates, rate=1e-3),
        adam=True,
        objective=Reconstruction(),
        # small weights, as was usual then: from He's, the first steps kill most units
        initial_scale=0.2,
    )
    population = train(
        plan,
        seeded_batches(plan, digits.X, digits.X, BATCH),
        data=f"{digits.fingerprint()} {BATCH}",
        device=options.device,
        checkpoint=options.run / "srivastava2014-figure8.safetensors" if options.run else None,
        save_every=options.save_every,
    )
    network = population.network
    X = digits.X_test.to(options.device)
    errors = Reconstruction().loss(predict(network, X), X).mean(1)
    with torch.no_grad():
        pre = torch.baddbmm(
            network.biases[0], X.expand(network.members, -1, -1), network.weights[0]
        )
    units = pre.relu()
    means = units.mean(1)
    limits = _limits(options, digits)
    return [
        {
            "column": column.name,
            "seed": seed,
            "mean_activation": float(means[member].mean()),
            "median_unit": float(means[member].median()),
            "zeros": 100 * float((units[member] == 0).float().mean()),
            "reconstruction": float(errors[member]),
        }
        | limits
        for member, (column, seed) in enumerate(plan.members)
    ]


def data_size(options: argparse.Namespace) -> Rows:
    """Figure 10: error with and without dropout on nested parts of the training rows."""
    digits = test_part(options).first(options.rows)
    sizes = [size for size in DATA_SIZES if size <= len(digits.y)]
    columns = (Column("none"), Column("dropout", **DROPOUT))
    seeds = tuple(range(options.seeds))
    places = [(size, column, seed) for size in sizes for column in columns for seed in seeds]
    plan = Plan(
        sizes=(digits.X.shape[1], *SIZES, 10),
        members=tuple((column, seed) for _, column, seed in places),
        rates=rates_of(options.updates),
        momentum=MOMENTUM,
    )
    orders = {(size, seed): Orders(size, seed) for size in sizes for seed in seeds}

    def batches(step: int) -> tuple[Tensor, Tensor]:
        drawn = {key: order.at(step, BATCH) for key, order in orders.items()}
        rows = torch.stack([drawn[size, seed] for size, _, seed in places])
        return digits.X[rows], digits.y[rows]

    population = train(
        plan,
        batches,
        data=f"{digits.fingerprint()} {sizes}",
        device=options.device,
        checkpoint=options.run / "srivastava2014-figure10.safetensors" if options.run else None,
        save_every=options.save_every,
    )
    found = probabilities(population.network, digits.X_test)
    by_size = found.unflatten(0, (len(sizes), len(columns), len(seeds)))
    limits = _limits(options, digits)
    rows: Rows = []
    for size, part in zip(sizes, by_size, strict=True):
        votes = [vote(members) for members in part]
        paired = mcnemar(votes[0], votes[1], digits.y_test)
        for column, members in zip(columns, part, strict=True):
            for seed, member in zip(seeds, members, strict=True):
                error = error_of(classes_of(member), digits.y_test)
                row: dict[str, object] = {"size": size, "column": column.name, "seed": seed}
                row |= {"error": error.value, "low": error.low, "high": error.high}
                row |= {"votes_p_value": paired.p_value, "strengths": column.strengths()}
                rows.append(row | limits)
    return rows


def error_against_k(options: argparse.Namespace) -> Rows:
    """Figure 11: the mean of k sampled subnetworks, beside one pass with scaled weights."""
    digits = test_part(options).first(options.rows)
    seeds = tuple(range(options.seeds))
    plan = Plan(
        sizes=(digits.X.shape[1], *SIZES, 10),
        members=crossed((Column("dropout", **DROPOUT),), seeds),
        rates=rates_of(options.updates),
        momentum=MOMENTUM,
    )
    population = train(
        plan,
        seeded_batches(plan, digits.X, digits.y, BATCH),
        data=f"{digits.fingerprint()} {BATCH}",
        device=options.device,
        checkpoint=options.run / "srivastava2014-figure11.safetensors" if options.run else None,
        save_every=options.save_every,
    )
    network = population.network
    pool = QUICK_POOL if options.quick else POOL
    groups = {k: pool // k for k in SAMPLED}
    wrong = {k: torch.zeros(len(seeds), groups[k]) for k in SAMPLED}
    # numbers that no step of training had
    names = range(plan.steps, plan.steps + pool)
    for X, y in zip(digits.X_test.split(250), digits.y_test.split(250), strict=True):
        scores = subnetwork_scores(network, X.to(options.device), k=names)
        found = scores.softmax(-1).cpu().transpose(0, 1)
        for k in SAMPLED:
            means = found[:, : k * groups[k]].unflatten(1, (groups[k], k)).mean(2)
            wrong[k] += (means.argmax(-1) != y).sum(-1)
    scaled = probabilities(network, digits.X_test)
    limits = _limits(options, digits)
    rows: Rows = []
    for member, seed in enumerate(seeds):
        error = error_of(classes_of(scaled[member]), digits.y_test)
        shared: dict[str, object] = {"seed": seed, "pool": pool, "low": "", "high": ""} | limits
        for k in SAMPLED:
            errors = (100 * wrong[k][member] / len(digits.y_test)).tolist()
            mean, deviation, _ = spread(errors)
            row: dict[str, object] = {"k": k, "groups": groups[k], "error": mean}
            rows.append(row | {"deviation": deviation} | shared)
        row = {"k": "scaled weights", "groups": 1, "error": error.value, "deviation": ""}
        rows.append(row | shared | {"low": error.low, "high": error.high})
    return rows


@dataclass(frozen=True)
class Figure:
    """A figure of the paper: how it is run, its quick limits, what the paper found."""

    run: Callable[[argparse.Namespace], Rows]
    quick: Mapping[str, int]
    published: str


FIGURES: dict[int, Figure] = {
    8: Figure(
        sparsity,
        {"rows": 10_000, "updates": 1000, "seeds": 3},
        "the units' mean activation falls from about 2.0 to about 0.7 with dropout",
    ),
    10: Figure(
        data_size,
        {"rows": 1000, "updates": 150, "seeds": 2},
        "no gain from dropout at 100 and 500 rows; then a gain that rises, and falls in the end",
    ),
    11: Figure(
        error_against_k,
        {"rows": 5000, "test_rows": 2000, "updates": 800, "seeds": 1},
        "averaging reaches scaled weights near k = 50, and is slightly better beyond",
    ),
}


def print_figure(figure: int, rows: Sequence[Row]) -> None:
    """Print a figure's rows as a table, with what the paper found."""
    first = rows[0]
    print(f"{first['machine']}; bridle {first['bridle']}, commit {first['commit']}\n")
    print(
        f"train rows {first['train_rows']}; steps {first['steps']}; test rows {first['test_rows']}"
    )
    print(f"\nThe paper: {FIGURES[figure].published}.")
    if first["quick"] == "True":
        print("**Quick run: under-trained by these limits.**")
    print()
    {8: _print_sparsity, 10: _print_sizes, 11: _print_k}[figure](rows)


def _about(values: Sequence[float], digits: int) -> str:
    mean, _, half = spread(values)
    return f"{mean:.{digits}f}" + ("" if math.isnan(half) else f" ± {half:.{digits}f}")


def _values(rows: Sequence[Row], name: str, **wanted: str) -> list[float]:
    return [
        float(row[name]) for row in rows if all(row[key] == value for key, value in wanted.items())
    ]


def _print_sparsity(rows: Sequence[Row]) -> None:
    names = ("mean_activation", "median_unit", "zeros", "reconstruction")
    print("| | mean activation | median unit's mean | zeros, % | squared error of a test row |")
    print("|---|---:|---:|---:|---:|")
    for column in dict.fromkeys(row["column"] for row in rows):
        cells = [_about(_values(rows, name, column=column), 2) for name in names]
        print(f"| {column} | {' | '.join(cells)} |")


def _print_sizes(rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys(row["column"] for row in rows))
    print(f"| training rows | {' | '.join(f'{c}, error in %' for c in columns)} | McNemar's p |")
    print("|---:|---:|---:|---:|")
    for size in dict.fromkeys(row["size"] for row in rows):
        cells = [_about(_values(rows, "error", column=c, size=size), 2) for c in columns]
        p = next(float(row["votes_p_value"]) for row in rows if row["size"] == size)
        print(f"| {size} | {' | '.join(cells)} | {p:.2g} |")


def _print_k(rows: Sequence[Row]) -> None:
    print("| k | error in %, mean over groups | sd over groups | groups of each seed |")
    print("|---:|---:|---:|---:|")
    for k in dict.fromkeys(row["k"] for row in rows):
        mine = [row for row in rows if row["k"] == k]
        deviations = [float(row["deviation"]) for row in mine if row["deviation"]]
        shown = f"{sum(deviations) / len(deviations):.2f}" if deviations else ""
        print(f"| {k} | {_about(_values(rows, 'error', k=k), 2)} | {shown} | {mine[0]['groups']} |")
