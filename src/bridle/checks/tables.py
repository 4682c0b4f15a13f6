"""The checks of a table and of its parts, BR010 to BR014."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bridle.checks.results import CheckResult, failed, not_run, passed
from bridle.statistics.shares import exact
from bridle.tables.columns import Column
from bridle.tables.fingerprint import rounded, row_hashes, without_noise
from bridle.tables.structure import GroupColumn, group_columns, is_wide, time_column
from bridle.tables.warnings import MIN_ROWS, TableWarning

__all__ = [
    "MOST_KNOWN",
    "Parts",
    "copied_rows",
    "known_rows",
    "repeated_rows",
    "table_checks",
    "told",
]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_KNOWN = 0.1
"""The share of training rows among new rows up to which they may be repeated by accident."""

_TOLERANCE = 0.02  # copies of this share of the new rows can move a score by 2 points


@dataclass(frozen=True, eq=False)
class Parts:
    """The rows of a table that a model was trained on, and its new rows.

    Attributes
    ----------
    training, new : int64 array
        Positions of rows.
    """

    training: Array
    new: Array


def table_checks(
    frame: pd.DataFrame,
    truth: pd.Series[Any],
    columns: Sequence[Column],
    warned: Sequence[TableWarning],
    parts: Parts | None,
    *,
    grouped: bool = False,
    ordered: bool = False,
) -> list[CheckResult]:
    """Return the checks of a table.

    Parameters
    ----------
    frame, truth : DataFrame, Series
        The features and the target of all rows.
    columns : sequence of Column
        The kinds of the columns.
    warned : sequence of TableWarning
        The warnings on the table.
    parts : Parts, optional
        Which rows were trained on; None if that is not known.
    grouped, ordered : bool
        Whether the split keeps groups whole, and follows the time: BR013 and BR014 then pass.
    """
    columns = [each for each in columns if each.kind != "constant"]
    if len(frame) < MIN_ROWS:
        few = f"{len(frame)} rows are too few: it needs {MIN_ROWS}"
        return [not_run(code, few) for code in ("BR010", "BR011", "BR012", "BR013", "BR014")]
    found = [*_warned("BR010", warned), *_warned("BR012", warned)]
    groups = () if grouped else group_columns(frame, truth, columns)
    dated = None if ordered else time_column(frame, columns)
    if parts is not None:
        used = frame[[each.name for each in columns]]
        found.append(repeated_rows(used, truth, parts))
        found += _groups(frame, groups, parts)
        found.append(_time(dated, parts))
        return found
    unknown = "it is not known which rows were trained on (training=)"
    for code, seen in (("BR013", groups), ("BR014", dated)):
        found.append(not_run(code, unknown) if seen else passed(code))
    return found


def told(
    notes: Sequence[str], warned: Sequence[TableWarning], results: Sequence[CheckResult]
) -> tuple[str, ...]:
    """Return the notes on a table, when its rows are split: as the checks of the split say."""
    outcomes = {each.code: each for each in results}
    said = {str(each): each for each in warned}
    found = []
    for note in notes:
        code = said[note].code if note in said else ""
        if code in ("BR013", "BR014") and outcomes[code].outcome == "passed":
            continue
        if code == "BR011":
            note = said[note].text
        found.append(note)
    copies = outcomes["BR011"]
    if copies.outcome == "failed":
        found.append(f"{copies.code} {copies.message}; {copies.advice}")
    return tuple(found)


def _warned(code: str, warned: Sequence[TableWarning]) -> list[CheckResult]:
    found = [
        failed(code, each.text, each.advice, **each.evidence)
        for each in warned
        if each.code == code
    ]
    return found or [passed(code)]


def repeated_rows(frame: pd.DataFrame, truth: pd.Series[Any], parts: Parts) -> CheckResult:
    """Return BR011: whether new rows repeat training rows.

    Parameters
    ----------
    frame, truth : DataFrame, Series
        The features and the target of all rows.
    parts : Parts
    """
    if len(parts.training) + len(parts.new) < MIN_ROWS:
        return not_run("BR011")
    if not is_wide(frame):
        return not_run("BR011", "the columns have few distinct values: rows repeat by chance")
    exact = copied_rows(_copies(frame, truth, parts), len(parts.new))
    if exact.outcome == "failed" or (coarse := without_noise(frame)) is None:
        return exact
    copies = _copies(coarse, rounded(truth), parts)
    return copied_rows(copies, len(parts.new), how=", up to the last digits")


def _copies(frame: pd.DataFrame, truth: pd.Series[Any], parts: Parts) -> int:
    """Return how many new rows are training rows too."""
    hashes = row_hashes(frame, truth)
    return int(np.isin(hashes[parts.new], hashes[parts.training]).sum())


def known_rows(found: int, sampled: int, trained: int, new: int) -> CheckResult:
    """Return BR011 from a sample of the training rows, of which some are among the new rows.

    Parameters
    ----------
    found, sampled : int
        How many rows of the sample are among the new rows, and its size.
    trained, new : int
        The numbers of training rows and of new rows.
    """
    share = min(1.0, found / sampled * trained / new)
    low = exact(found, sampled)[0] * trained / new
    numbers = {"share": share, "low": min(1.0, low), "sampled": sampled}
    if low <= _TOLERANCE and share <= MOST_KNOWN:
        return passed("BR011", **numbers)
    message = f"about {share * new:,.0f} of the {new:,} rows were trained on"
    return failed("BR011", message, "give rows that it was not trained on", **numbers)


def copied_rows(copies: int, new: int, how: str = "") -> CheckResult:
    """Return BR011 from the number of new rows that are training rows too; ``how`` exactly."""
    low = exact(copies, new)[0]
    numbers = {"copies": copies, "rows": new, "share": copies / new, "low": low}
    if low <= _TOLERANCE:
        return passed("BR011", **numbers)
    return failed("BR011", f"{copies} of {new} new rows repeat a training row{how}", **numbers)


def _groups(frame: pd.DataFrame, groups: Sequence[GroupColumn], parts: Parts) -> list[CheckResult]:
    found = []
    for each in groups:
        values = frame[each.column]
        new, known = values.iloc[parts.new], values.iloc[parts.training].dropna().unique()
        both, rows = int(new.isin(known).sum()), len(new)
        low = exact(both, rows)[0]
        if low > _TOLERANCE:
            shared = f"its {each.groups} values share their target"
            if each.numerical:
                shared = f"rows with one of its {each.groups} values have nearly the same target"
            message = (
                f"{both} of {rows} new rows have a value of {each.column!r} that training rows "
                f"have too; {shared}"
            )
            numbers = {"column": each.column, "rows": both, "share": both / rows, "low": low}
            found.append(failed("BR013", message, **numbers, groups=each.groups, pure=each.pure))
    return found or [passed("BR013")]


def _time(ordered: tuple[str, pd.Series[Any]] | None, parts: Parts) -> CheckResult:
    if ordered is None:
        return passed("BR014")
    name, values = ordered
    first = values.iloc[parts.new].min()
    later = int((values.iloc[parts.training] > first).sum())
    share = later / len(parts.training)
    numbers = {"column": name, "later": later, "share": share}
    if share <= _TOLERANCE:
        return passed("BR014", **numbers)
    message = (
        f"the rows are in order of time ({name!r}), and {100 * share:.0f} % of the training rows "
        "are later than the first new row"
    )
    return failed("BR014", message, **numbers)
