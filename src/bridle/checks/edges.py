"""The check of a search's ranges, BR020."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.checks.ranges import Range
from bridle.checks.results import CheckResult, failed, not_run, passed
from bridle.statistics.shares import at_least

__all__ = ["edges_check", "recorded_edges"]

Array = np.ndarray[Any, np.dtype[Any]]

_OUTER = 0.1
_LEVEL = 0.025


def edges_check(configurations: pd.DataFrame, ranges: Mapping[str, Range]) -> list[CheckResult]:
    """Return BR020, once for each strength whose best values are at the edge of its range.

    Parameters
    ----------
    configurations : DataFrame
        The sampled ones of a search, the best first, with ``first_score``, the score in the first
        rung.
    ranges : mapping of str to Range

    Returns
    -------
    list of CheckResult

    Examples
    --------
    >>> l2 = np.geomspace(1e-2, 1e-5, 60)
    >>> tried = pd.DataFrame({"l2": l2, "first_score": l2})
    >>> edges_check(tried, {"l2": Range(1e-5, 1e-2, log=True, edges=("high",))})[0].outcome
    'failed'
    """
    names = [name for name in ranges if name in configurations]
    tests = sum(len(ranges[name].edges) for name in names)
    found = [
        each
        for name in names
        for edge in ranges[name].edges
        if (each := _at_edge(configurations, name, ranges[name], edge, _LEVEL / tests)) is not None
    ]
    return found or [passed("BR020") if names else not_run("BR020")]


def _at_edge(
    configurations: pd.DataFrame, name: str, within: Range, edge: str, level: float
) -> CheckResult | None:
    values = configurations[name].to_numpy(dtype=np.float64)
    scores = configurations["first_score"].to_numpy(dtype=np.float64)
    on = (values >= within.low) & (values <= within.high) & np.isfinite(scores)
    order = np.argsort(-scores[on], kind="stable")
    top = _in_outer(values[on][order][: on.sum() // 3], within, edge)
    if not (on[0] and len(top) and _in_outer(values[:1], within, edge)[0]):
        return None
    p_value = at_least(int(top.sum()), len(top), _OUTER)
    if p_value > level:
        return None
    best, end = float(values[0]), within.low if edge == "low" else within.high
    message = (
        f"{name} is {best:.3g}, and {int(top.sum())} of the {len(top)} best values are in the "
        f"outer tenth of its range, which ends at {end:g}"
    )
    return failed(
        "BR020",
        message,
        strength=name,
        best=best,
        end=end,
        outer=int(top.sum()),
        of=len(top),
        p_value=p_value,
        level=level,
    )


def recorded_edges(facts: Mapping[str, Any]) -> list[CheckResult]:
    """Return BR020 as the facts of a searched model record it."""
    found = [CheckResult(**each) for each in facts.get("edges", ())]
    return found or [not_run("BR020")]


def _in_outer(values: Array, within: Range, edge: str) -> Array:
    """Return which values are in the tenth of the range next to an edge."""
    if within.log:
        place = np.log(values / within.low) / np.log(within.high / within.low)
    else:
        place = (values - within.low) / (within.high - within.low)
    return place >= 1 - _OUTER if edge == "high" else place <= _OUTER
