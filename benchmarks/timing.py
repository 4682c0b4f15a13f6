"""Interleaved timing: variants run in turn, so a change in machine speed affects all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

__all__ = ["interleaved"]

Name = TypeVar("Name", bound=Hashable)


def interleaved(
    variants: Mapping[Name, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Name, float]:
    """Return the median milliseconds of each variant."""
    times: dict[Name, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + warm_up):
        for name, run in variants.items():
            start = clock()
            run()
            if turn >= warm_up:
                times[name].append(1e3 * (clock() - start))
    return {name: statistics.median(found) for name, found in times.items()}
