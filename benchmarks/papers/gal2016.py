"""Gal & Ghahramani 2016: Monte-Carlo dropout on UCI regression sets, as in their experiment.

Run ``python benchmarks/papers/gal2016.py --data FOLDER`` (``--quick``: a tenth of the epochs). One
hidden layer of 50 units; 20 splits of nine tenths; dropout rate and τ by the log-likelihood of the
last fifth of each training part, then a network on all of it. The splits are those of the
published script. All splits × rates train as one population.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from evidence import spread
from populations import Batches, Column, Orders, Plan, train
from results import Row, provenance, read_rows, write_rows
from torch import Tensor

from bridle import Network, predict
from bridle.errors import BridleError, DataError, UsageError

RATES = (0.005, 0.01, 0.05, 0.1)
HIDDEN = 50
BATCH = 128
LENGTH_SCALE = 1e-2
LEARNING_RATE = 1e-3
REFERENCE = "reference_gal_uci_results.csv"
# precisions τ to choose from, and the set's name in the reference
SETS = {
    "boston": ((0.1, 0.15, 0.2), "bostonHousing"),
    "concrete": ((0.025, 0.05, 0.075), "concrete"),
    "energy": ((0.25, 0.5, 0.75), "energy"),
    "kin8nm": ((150.0, 200.0, 250.0), "kin8nm"),
    "wine-red": ((2.5, 3.0, 3.5), "wine-quality-red"),
}
_ROWS_AT_ONCE = 200_000


@dataclass(frozen=True)
class Limits:
    """How much of the experiment is run."""

    epochs: int = 4000
    splits: int = 20
    samples: int = 10_000
    validation_samples: int = 1000


FULL = Limits()
QUICK = Limits(epochs=400, samples=1000, validation_samples=200)


@dataclass(frozen=True, eq=False)
class Parts:
    """Rows to train and to predict for each split, standardized by the training rows' own moments.

    ``X`` is float32 ``[splits, rows, inputs]`` and ``y`` ``[splits, rows]``; ``mean`` and ``scale``
    bring predictions back to the target's units, in which ``truth`` is.
    """

    X: Tensor
    y: Tensor
    X_other: Tensor
    truth: Tensor
    mean: Tensor
    scale: Tensor


def splits_of(rows: int, count: int) -> list[tuple[list[int], list[int]]]:
    """Return the training and test rows of each split, as in the published script."""
    random = np.random.RandomState(1)  # the script's generator and seed
    found = []
    for _ in range(count):
        order = random.choice(range(rows), rows, replace=False)
        end = round(rows * 9.0 / 10)
        found.append((order[:end].tolist(), order[end:].tolist()))
    return found


def parts_of(frame: pd.DataFrame, pairs: list[tuple[list[int], list[int]]]) -> Parts:
    """Return the rows of all splits, stacked."""
    if "target" not in frame:
        raise DataError(f"the table has no column 'target'; it has {', '.join(frame.columns)}")
    X = frame.drop(columns="target").to_numpy(dtype=np.float64)
    y = frame["target"].to_numpy(dtype=np.float64)
    stacked: list[list[np.ndarray]] = [[] for _ in range(6)]
    for trained, other in pairs:
        mean, scale = X[trained].mean(0), X[trained].std(0)
        scale[scale == 0] = 1
        centre, width = y[trained].mean(), y[trained].std()
        values = (
            (X[trained] - mean) / scale,
            (y[trained] - centre) / width,
            (X[other] - mean) / scale,
            y[other],
            centre,
            width,
        )
        for list_, value in zip(stacked, values, strict=True):
            list_.append(np.asarray(value))
    singles = [torch.from_numpy(np.stack(list_)) for list_ in stacked]
    return Parts(
        singles[0].float(), singles[1].float(), singles[2].float(), singles[3], *singles[4:]
    )


def column_of(rate: float, tau: float, rows: int) -> Column:
    """Return dropout of inputs and units, and the weight decay that goes with τ."""
    # the published code penalizes by reg Σw², with reg = l² (1 - rate) / (2 N τ)
    decay = LENGTH_SCALE**2 * (1 - rate) / (rows * tau)
    return Column(f"{rate:g}", keep_prob=1 - rate, input_keep_prob=1 - rate, l2=decay)


def batches_of(parts: Parts, places: list[int]) -> Batches:
    """Return a function of the step, where ``places`` has each member's split."""
    orders = [Orders(parts.X.shape[1], split) for split in range(len(parts.X))]
    of_member = torch.tensor(places)
    count = torch.arange(len(parts.X))[:, None]

    def batches(step: int) -> tuple[Tensor, Tensor]:
        rows = torch.stack([order.at(step, BATCH) for order in orders])
        return parts.X[count, rows][of_member], parts.y[count, rows][of_member]

    return batches


@torch.no_grad()
def sampled(
    network: Network, parts: Parts, places: list[int], taus: Tensor, samples: int
) -> tuple[Tensor, Tensor]:
    """Return the RMSE ``[members]`` of the mean of many passes, and the log-likelihoods.

    Each pass of each row has masks of its own: those of another row address. The log-likelihood
    ``[members, taus]`` is the mean over rows of ``log mean_t N(y; ŷ_t, 1/τ)``, for τ
    ``[members, taus]``.
    """
    device = network.seeds.device
    of_member = torch.tensor(places)
    X = parts.X_other[of_member].to(device)
    truth = parts.truth[of_member].to(device)[:, :, None]
    mean, scale = (
        value[of_member].to(device)[:, None, None] for value in (parts.mean, parts.scale)
    )
    taus = taus.to(device)[:, None, :]
    members, rows = X.shape[:2]
    at_once = max(1, _ROWS_AT_ONCE // (members * rows))
    total = torch.zeros(members, rows, dtype=torch.float64, device=device)
    likelihood = torch.full((members, rows, taus.shape[-1]), -torch.inf, dtype=torch.float64)
    likelihood = likelihood.to(device)
    for first in range(0, samples, at_once):
        count = min(at_once, samples - first)
        addresses = torch.arange(first * rows, (first + count) * rows, device=device)
        outputs = network(X.repeat(1, count, 1), noise=True, rows=addresses)
        values = outputs.double().view(members, count, rows).transpose(1, 2) * scale + mean
        total += values.sum(-1)
        squares = (values - truth).square()
        for place in range(taus.shape[-1]):
            exponents = torch.logsumexp(-0.5 * taus[..., place, None] * squares, -1)
            likelihood[..., place] = torch.logaddexp(likelihood[..., place], exponents)
    rmse = (total / samples - truth[..., 0]).square().mean(1).sqrt()
    constants = 0.5 * taus.log() - 0.5 * math.log(2 * math.pi) - math.log(samples)
    return rmse.cpu(), (likelihood + constants).mean(1).cpu()


def fitted(
    parts: Parts,
    members: list[tuple[Column, int]],
    limits: Limits,
    options: argparse.Namespace,
    name: str,
) -> Network:
    """Train a population, a member for each column and split."""
    rows = parts.X.shape[1]
    plan = Plan(
        sizes=(parts.X.shape[2], HIDDEN, 1),
        members=tuple(members),
        rates=((limits.epochs * rows // BATCH, LEARNING_RATE),),
        adam=True,
        objective="squared_error",
    )
    population = train(
        plan,
        batches_of(parts, [split for _, split in members]),
        data=hashlib.sha256(parts.X.numpy().tobytes() + parts.y.numpy().tobytes()).hexdigest(),
        device=options.device,
        checkpoint=options.run / f"gal2016-{name}.safetensors" if options.run else None,
        save_every=options.save_every,
    )
    return population.network


def one(name: str, limits: Limits, options: argparse.Namespace) -> list[dict[str, object]]:
    """Run the experiment on one set; return a row for each split."""
    path = options.data / f"{name}.csv.gz"
    if not path.exists():
        raise DataError(f"{path} does not exist; --data is the folder of the UCI sets")
    frame = pd.read_csv(path)
    taus = SETS[name][0]
    pairs = splits_of(len(frame), limits.splits)
    cut = int(0.8 * len(pairs[0][0]))
    grid = parts_of(frame, [(trained[:cut], trained[cut:]) for trained, _ in pairs])
    # τ moves the weight decay by a part of a millionth: the middle one stands for all in training
    columns = [column_of(rate, taus[1], cut) for rate in RATES]
    members = [(column, split) for column in columns for split in range(limits.splits)]
    network = fitted(grid, members, limits, options, f"{name}-grid")
    places = [split for _, split in members]
    precisions = torch.tensor(taus, dtype=torch.float64).expand(len(members), -1)
    scores = sampled(network, grid, places, precisions, limits.validation_samples)[1]
    scores = scores.view(len(RATES), limits.splits, len(taus))
    chosen = scores.transpose(0, 1).flatten(1).argmax(1).tolist()

    whole = parts_of(frame, pairs)
    rows = whole.X.shape[1]
    picked = [(RATES[best // len(taus)], taus[best % len(taus)]) for best in chosen]
    final = [(column_of(rate, tau, rows), split) for split, (rate, tau) in enumerate(picked)]
    network = fitted(whole, final, limits, options, f"{name}-final")
    places = list(range(limits.splits))
    precisions = torch.tensor([[tau] for _, tau in picked], dtype=torch.float64)
    rmse, likelihood = sampled(network, whole, places, precisions, limits.samples)
    values = predict(network, whole.X_other.to(options.device))[..., 0].cpu().double()
    values = values * whole.scale[:, None] + whole.mean[:, None]
    one_pass = (values - whole.truth).square().mean(1).sqrt()
    return [
        {
            "set": name,
            "split": split,
            "mc_rmse": float(rmse[split]),
            "log_likelihood": float(likelihood[split, 0]),
            "one_pass_rmse": float(one_pass[split]),
            "drop_prob": rate,
            "tau": tau,
            "quick": limits != FULL,
            "epochs": limits.epochs,
            "samples": limits.samples,
            "validation_samples": limits.validation_samples,
        }
        for split, (rate, tau) in enumerate(picked)
    ]


def print_results(rows: list[Row], reference: pd.DataFrame | None) -> None:
    """Print means over the splits with Student's 95 % intervals, beside the published ones."""
    first = rows[0]
    print(f"{first['machine']}; bridle {first['bridle']}, commit {first['commit']}\n")
    print(
        "| set | splits, epochs | RMSE | published | log-likelihood | published | one pass, RMSE |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in dict.fromkeys(row["set"] for row in rows):
        mine = [row for row in rows if row["set"] == name]
        cells = []
        for key, digits in (("mc_rmse", 3), ("log_likelihood", 2), ("one_pass_rmse", 3)):
            digits += 1 if name == "kin8nm" and "rmse" in key else 0
            mean, _, half = spread([float(row[key]) for row in mine])
            cells.append(f"{mean:.{digits}f} ± {half:.{digits}f}")
        theirs = ["", ""]
        if reference is not None:
            theirs = [
                _published(reference, SETS[name][1], key)
                for key in ("test_MC_rmse_100x_1h", "test_ll_100x_1h")
            ]
        limited = ", quick: under-trained" if mine[0]["quick"] == "True" else ""
        print(
            f"| {name}{limited} | {len(mine)}, {mine[0]['epochs']} | {cells[0]} | {theirs[0]} "
            f"| {cells[1]} | {theirs[1]} | {cells[2]} |"
        )


def _published(reference: pd.DataFrame, name: str, file: str) -> str:
    row = reference[(reference["dataset"] == name) & (reference["file"] == file)].iloc[0]
    half = 2.093 * float(row["stderr"])  # Student's t of 19 degrees of freedom
    mean = float(row["mean_over_splits"])
    digits = 4 if name == "kin8nm" and "rmse" in file else 3 if "rmse" in file else 2
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def main(arguments: list[str] | None = None) -> None:
    """Run the sets, write a file for each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the sets and of the reference")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the epochs and samples")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--splits", type=int)
    parser.add_argument(
        "--run", type=Path, help="folder of checkpoints, from which a stopped run continues"
    )
    parser.add_argument("--save-every", type=float, default=60.0, help="seconds")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the CSV files")
    parser.add_argument("--show", type=Path, nargs="*", help="print the table of such files")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (not tried on a GPU yet)")
    options = parser.parse_args(arguments)
    if options.data is None and options.show is None:
        raise UsageError("--data is missing: give the folder of the UCI sets")
    reference = None
    if options.data is not None and (options.data / REFERENCE).exists():
        reference = pd.read_csv(options.data / REFERENCE)
    found: list[Row] = []
    if options.show is not None:
        for path in options.show:
            found += read_rows(path)
    else:
        limits = QUICK if options.quick else FULL
        given = {name: getattr(options, name) for name in ("epochs", "splits")}
        limits = replace(limits, **{name: value for name, value in given.items() if value})
        print(f"limits: {limits}; the experiment's: {FULL}", file=sys.stderr)
        shared = provenance(options.device)
        for name in options.sets:
            out = options.out / f"gal2016-{name}{'-quick' if options.quick else ''}.csv"
            write_rows(out, one(name, limits, options), shared)
            found += read_rows(out)
    print_results(found, reference)


if __name__ == "__main__":
    try:
        main()
    except BridleError as error:
        sys.exit(f"gal2016: {error}")
