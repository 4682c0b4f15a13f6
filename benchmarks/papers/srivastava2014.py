"""Srivastava et al. 2014 on MNIST: Table 9, and figures 8, 10 and 11 as tables.

``--table 9``: regularizers compared, 784-1024-1024-2048-10. ``--figure 8``: the sparsity of an
autoencoder's features. ``--figure 10``: error against the size of the data. ``--figure 11``:
error against the number of sampled subnetworks. Each has ``--quick``; without it ``--run FOLDER``
continues where it was stopped. All seeds and columns of a table train as one population.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from digits import Digits
from evidence import classes_of, error_of, probabilities
from populations import Column, Plan, crossed
from results import provenance, read_rows, write_rows
from srivastava_figures import FIGURES, print_figure
from srivastava_recipe import BATCH, MOMENTUM, SIZES, UPDATES, rates_of
from torch import Tensor

from bridle.errors import BridleError, UsageError
from tables import add_options, judged, populations_of, print_errors, run_columns, test_part

SEEDS = 5
HELD_OUT = 10_000
QUICK = {"rows": 1000, "updates": 250, "seeds": 2}
_DROPOUT = {"keep_prob": 0.5, "input_keep_prob": 0.8}
# the first of each is what runs where nothing is tuned
GRID: dict[str, tuple[Column, ...]] = {
    "none": (Column("none"),),
    "L1": tuple(Column("L1", l1=l1) for l1 in (1e-5, 1e-6, 1e-4)),
    "L2": tuple(Column("L2", l2=l2) for l2 in (1e-4, 1e-5, 1e-3)),
    "elastic net": tuple(Column("elastic net", l1=l1, l2=10 * l1) for l1 in (5e-6, 5e-7, 5e-5)),
    "max-norm": tuple(Column("max-norm", max_norm=c) for c in (2.0, 3.0, 4.0)),
    "dropout + L2": tuple(Column("dropout + L2", l2=l2, **_DROPOUT) for l2 in (1e-5, 1e-6, 1e-4)),
    "dropout + max-norm": tuple(
        Column("dropout + max-norm", max_norm=c, **_DROPOUT) for c in (2.0, 3.0, 4.0)
    ),
    "DropConnect": tuple(
        Column("DropConnect", drop_connect_keep_prob=keep) for keep in (0.5, 0.7, 0.9)
    ),
}
# Table 9 has one figure for each row, and none for none, L1, the elastic net and DropConnect
PUBLISHED: dict[tuple[str, str], tuple[float | None, float | None]] = {
    ("ReLU", "L2"): (1.62, None),
    ("ReLU", "max-norm"): (1.35, None),
    ("ReLU", "dropout + L2"): (1.25, None),
    ("ReLU", "dropout + max-norm"): (1.05, None),
}


def found_by(
    columns: list[Column],
    seeds: Sequence[int],
    digits: Digits,
    options: argparse.Namespace,
    name: str,
) -> Tensor:
    """Train columns × seeds; return their probabilities, DropConnect's columns last."""
    found: list[Tensor] = []
    for part in populations_of(columns, per_example=options.masks == "example"):
        plan = Plan(
            sizes=(digits.X.shape[1], *SIZES, 10),
            members=crossed(part, tuple(seeds)),
            rates=rates_of(options.updates),
            momentum=MOMENTUM,
            per_example=options.masks == "example",
        )
        place = f"srivastava2014-{name}-{len(found)}"
        network = run_columns(plan, digits, options, name=place, batch_size=BATCH)
        found.append(probabilities(network, digits.X_test))
    return torch.cat(found)


def tuned(options: argparse.Namespace) -> list[Column]:
    """Choose each column's strength by the error on rows held out of the training part."""
    digits = test_part(options).first(options.rows)
    digits = digits.held_out(min(HELD_OUT, len(digits.y) // 6))
    candidates = _ordered([column for name in options.columns for column in GRID[name]])
    found = found_by(candidates, (SEEDS,), digits, options, "tuning")
    best: dict[str, tuple[float, Column]] = {}
    for column, member in zip(candidates, found, strict=True):
        error = error_of(classes_of(member), digits.y_test).value
        if column.name not in best or error < best[column.name][0]:
            best[column.name] = (error, column)
    return [column for _, column in best.values()]


def _ordered(columns: list[Column]) -> list[Column]:
    """Return the columns in the order of :func:`found_by`."""
    return [column for part in populations_of(columns, per_example=True) for column in part]


def table9(options: argparse.Namespace) -> list[dict[str, object]]:
    """Train the columns of Table 9; return their rows."""
    whole = test_part(options)
    digits = whole.first(options.rows)
    chosen = tuned(options) if options.tune else [GRID[name][0] for name in options.columns]
    columns, seeds = _ordered(chosen), range(options.seeds)
    found = found_by(columns, seeds, digits, options, "table9")
    limits: dict[str, object] = {
        "quick": options.limited,
        "train_rows": f"{len(digits.y)} of {len(whole.y)}",
        "steps": f"{options.updates} of {UPDATES}",
        "batch": BATCH,
        "masks": options.masks,
        "strengths_chosen": "on held-out rows" if options.tune else "not tuned",
        "test_rows": len(digits.y_test),
    }
    return judged("ReLU", columns, seeds, found, digits.y_test, limits)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options, the limits filled in."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", type=int, choices=[9])
    what.add_argument("--figure", type=int, choices=list(FIGURES))
    add_options(parser)
    parser.add_argument("--updates", type=int, help=f"steps; the paper's {UPDATES}")
    parser.add_argument("--columns", nargs="*", choices=list(GRID), default=list(GRID))
    parser.add_argument("--masks", choices=["batch", "example"], help="DropConnect's masks")
    parser.add_argument(
        "--tune", action=argparse.BooleanOptionalAction, help="choose strengths on held-out rows"
    )
    options = parser.parse_args(arguments)
    quick = (FIGURES[options.figure].quick if options.figure else QUICK) if options.quick else {}
    full = dict.fromkeys(("rows", "test_rows")) | {"updates": UPDATES, "seeds": SEEDS}
    for name, value in {**full, **quick}.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.masks = options.masks or ("batch" if options.quick else "example")
    if options.tune is None:
        options.tune = not options.quick
    options.limited = bool(
        options.rows or options.test_rows or options.updates < UPDATES or not options.tune
    )
    for name in ("updates", "seeds"):
        if getattr(options, name) < 1:
            raise UsageError(f"--{name} is {getattr(options, name)}; give 1 or more")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run, print the table, and write it to a file."""
    options = parsed(arguments)
    name = "table9" if options.table else f"figure{options.figure}"
    if options.show is None:
        limits = f"{options.updates} updates, seeds 0 to {options.seeds - 1}"
        limits += f", {options.rows or 'all'} training and {options.test_rows or 'all'} test rows"
        print(f"limits: {limits}; the paper's: {UPDATES} updates, all rows", file=sys.stderr)
        out = options.out or Path(options.run or ".") / f"srivastava2014-{name}.csv"
        shared = provenance(options.device)
        rows = table9(options) if options.table else FIGURES[options.figure].run(options)
        write_rows(out, rows, shared)
    else:
        out = options.show
    if options.table:
        print_errors(read_rows(out), PUBLISHED)
    else:
        print_figure(options.figure, read_rows(out))


if __name__ == "__main__":
    try:
        main()
    except BridleError as error:
        sys.exit(f"srivastava2014: {error}")
