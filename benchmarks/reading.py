"""Compare readers on polluted tables: which columns are right, which files are refused.

Each reader gets the corpus of ``tests/tables/polluted.py`` with its defaults, as a person would who
knows nothing of the file. A file is *right* if all names and cells are the right ones, *refused* if
the reader raises an error, and *wrong* if it returns anything else. Where the right answer is to
refuse, an error is right.

    python benchmarks/reading.py [--cases] [READER…]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "tables"))

import pandas as pd
from machine import machine
from polluted import CASES, Case, same  # type: ignore[import-not-found]

Columns = dict[str, list[Any]]


def from_frame(frame: pd.DataFrame) -> Columns:
    """Return the columns of a frame; an index that is not counted is a part that was lost."""
    if not isinstance(frame.index, pd.RangeIndex):
        raise LookupError("some columns became an index")
    plain = frame.astype(object).where(frame.notna(), None)
    return {str(name): plain.iloc[:, at].tolist() for at, name in enumerate(frame.columns)}


def read_pandas(path: Path) -> Columns:
    """Read with ``pandas.read_csv``."""
    return from_frame(pd.read_csv(path))


def read_pandas_sniffed(path: Path) -> Columns:
    """Read with pandas' Python engine, which finds the separator."""
    return from_frame(pd.read_csv(path, sep=None, engine="python"))


def read_duckdb(path: Path) -> Columns:
    """Read with DuckDB's sniffer."""
    import duckdb

    found = duckdb.connect().read_csv(str(path))
    return dict(zip(found.columns, map(list, zip(*found.fetchall(), strict=True)), strict=True))


def read_clevercsv(path: Path) -> Columns:
    """Read with clevercsv's dialect, and pandas behind it."""
    import clevercsv

    return from_frame(clevercsv.read_dataframe(str(path)))


def read_polars(path: Path) -> Columns:
    """Read with ``polars.read_csv``."""
    import polars

    return {name: list(cells) for name, cells in polars.read_csv(path).to_dict().items()}


def read_bridle(path: Path) -> Columns:
    """Read with ``bridle.tables.read_table``."""
    from bridle.tables import read_table

    return from_frame(read_table(path))


READERS: dict[str, Callable[[Path], Columns]] = {
    "pandas": read_pandas,
    "pandas, sep=None": read_pandas_sniffed,
    "DuckDB": read_duckdb,
    "clevercsv": read_clevercsv,
    "polars": read_polars,
    "bridle": read_bridle,
}


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Hide what readers print and warn about."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def outcome(read: Callable[[Path], Columns], case: Case, folder: Path) -> tuple[str, str]:
    """Return "right", "refused" or "wrong", and what was read."""
    path = folder / case.name
    path.write_bytes(case.content)
    try:
        with silent():
            found = read(path)
    except LookupError as error:
        return "wrong", str(error)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return ("right" if case.right is None else "refused"), " ".join(str(error).split())
    right = case.right is not None and same(case.right, found)
    return ("right" if right else "wrong"), str(found)


def main() -> None:
    """Read the corpus with each reader, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("readers", nargs="*", default=list(READERS), metavar="READER")
    parser.add_argument("--cases", action="store_true", help="also print each file's outcome")
    options = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    found: dict[str, dict[str, tuple[str, str]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.readers:
            found[name] = {
                case: outcome(READERS[name], CASES[case], Path(folder)) for case in CASES
            }
    if options.cases:
        for name, cases in found.items():
            for case, (answer, text) in cases.items():
                print(f"{name:18} {answer:8} {case:48} {text[:160]}")
    print(machine())
    print(f"{len(CASES)} files, {sum(case.right is None for case in CASES.values())} to be refused")
    print(f"| {'reader':18} | right | refused | wrong |\n|---|---|---|---|")
    for name, cases in found.items():
        counts = Counter(answer for answer, _ in cases.values())
        print(f"| {name:18} | {counts['right']} | {counts['refused']} | {counts['wrong']} |")


if __name__ == "__main__":
    main()
