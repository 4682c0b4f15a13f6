"""The case of a polluted table, and how a reader's answer is compared with the right one."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Columns = dict[str, list[Any]]

TOWN = ["Ulm", "Bonn", "Köln", "Ulm", "Bonn", "Kiel", "Ulm", "Jena"]
COUNT = [3, 14, 15, 92, 65, 35, 89, 79]
SIZE = [0.5, 12.25, 3.125, -7.5, 1000.75, 2.5, 0.125, 88.25]
TABLE: Columns = {"town": TOWN, "count": COUNT, "size": SIZE}


@dataclass(frozen=True)
class Case:
    """A file, and the columns that are right for it; None if it must be refused."""

    content: bytes
    right: Columns | None
    name: str = "t.csv"


def text(
    columns: Mapping[str, Sequence[Any]],
    sep: str = ",",
    *,
    decimal: str = ".",
    end: str = "\n",
    header: bool = True,
    quote: str = "",
) -> str:
    """Write columns as text."""

    def cell(value: Any) -> str:
        if isinstance(value, float):
            return quote + f"{value:g}".replace(".", decimal) + quote
        return quote + ("" if value is None else str(value)) + quote

    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    lines = [list(columns)] if header else []
    return "".join(sep.join(map(cell, row)) + end for row in [*lines, *rows])


def same(right: Columns, found: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether a reader's columns are the right ones, whatever types it stores them in."""
    return list(right) == [str(name) for name in found] and all(
        len(right[name]) == len(cells) and all(map(_same_cell, right[name], cells))
        for name, cells in zip(right, found.values(), strict=True)
    )


def _same_cell(right: Any, found: Any) -> bool:
    if right is None:
        return (
            found is None
            or (isinstance(found, float) and math.isnan(found))
            or str(found) in ("NaT", "<NA>")
        )
    if isinstance(right, bool):
        return str(found).lower() == str(right).lower()
    if isinstance(right, dt.datetime):
        return str(found)[:10] == f"{right:%Y-%m-%d}"
    if isinstance(right, int | float):
        if isinstance(found, bool | str) or found is None:
            return False
        return (
            int(found) == right
            if isinstance(right, int) and abs(right) > 2**53
            else math.isclose(float(found), right, rel_tol=1e-9)
        )
    if isinstance(found, dt.date) and right[2:3] == ".":  # a date with points, read as one
        return f"{found:%d.%m.%Y}" == right
    if isinstance(found, dt.time):
        return f"{found:%H:%M}" == right
    return isinstance(found, str) and found == right
