"""Command lines of benchmarks, and the files that keep their rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["add_choices", "append", "measured", "parser_of", "records_of", "run"]


def parser_of(description: str | None, out: str) -> argparse.ArgumentParser:
    """Return a parser with the commands, the folder of the data and where results are kept."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("command", choices=["measure", "compare"])
    parser.add_argument("--data", type=Path)
    parser.add_argument(out, type=Path, required=True)
    return parser


def add_choices(
    parser: argparse.ArgumentParser, sets: Sequence[str], ways: Sequence[str], splits: Sequence[int]
) -> None:
    """Add options for the tables, the ways to learn and the splits."""
    parser.add_argument("--sets", nargs="*", default=sets)
    parser.add_argument("--ways", nargs="*", default=ways)
    parser.add_argument("--splits", nargs="*", type=int, default=splits)


def records_of(file: Path) -> list[dict[Any, Any]]:
    """Return the rows of a file; none if there is no file yet."""
    return pd.read_csv(file).to_dict("records") if file.exists() else []


def measured(
    options: argparse.Namespace, measure: Callable[[str, int, str], dict[str, Any]]
) -> pd.DataFrame:
    """Measure each table, split and way that the file does not have; print and keep each row.

    ``measure`` takes a table's name, a split and a way.
    """
    rows = records_of(options.csv)
    known = {(row["set"], row["split"], row["way"]) for row in rows}
    for split in options.splits:
        for name in options.sets:
            for way in options.ways:
                if (name, split, way) in known:
                    continue
                rows.append({"set": name, "split": split, "way": way, **measure(name, split, way)})
                pd.DataFrame(rows).to_csv(options.csv, index=False)
                print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    return pd.DataFrame(rows)


def append(rows: pd.DataFrame, file: Path) -> None:
    """Append rows to a file, which is begun with their names."""
    rows.to_csv(file, mode="a", header=not file.exists(), index=False)


def run(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    measure: Callable[[argparse.Namespace], Any],
    compare: Callable[[argparse.Namespace], Any],
) -> None:
    """Run the command; to measure takes data."""
    if options.command == "compare":
        compare(options)
    elif options.data is None:
        parser.error("measure needs --data FOLDER")
    else:
        measure(options)
