"""The command line of benchmarks that first measure and then compare."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["parser_of", "run"]


def parser_of(description: str | None, out: str = "--csv") -> argparse.ArgumentParser:
    """Return a parser with the commands, the folder of the data and where results are kept."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("command", choices=["measure", "compare"])
    parser.add_argument("--data", type=Path)
    parser.add_argument(out, type=Path, required=True)
    return parser


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
