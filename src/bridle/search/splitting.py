"""Split the trials of a rung into jobs, each of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from bridle.search.configuration import Shape
from bridle.search.trial import Trial

__all__ = ["split_trials"]


def split_trials(trials: Sequence[Trial], most: int, workers: int) -> list[list[Trial]]:
    """Split trials into parts of one shape with at most ``most`` in each.

    For one worker the parts of a shape are of nearly equal size. For several, parts get smaller,
    down to one trial: each takes a share of all that is left, so that no worker ends long after the
    others (Polychronopoulos & Kuck 1987). The shapes with more inputs and units come first.
    """
    groups: dict[Shape, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.configuration.shape, []).append(trial)
    if workers == 1:
        return [part for group in groups.values() for part in _even_parts(group, most)]
    parts, left = [], len(trials)
    for _, group in sorted(groups.items(), key=lambda each: _size(each[0]), reverse=True):
        at = 0
        while at < len(group):
            part = group[at : at + min(most, math.ceil(left / (2 * workers)))]
            parts.append(part)
            at, left = at + len(part), left - len(part)
    return parts


def _even_parts(group: list[Trial], most: int) -> list[list[Trial]]:
    count = math.ceil(len(group) / most)
    ends = [round(at * len(group) / count) for at in range(count + 1)]
    return [group[a:b] for a, b in pairwise(ends)]


def _size(shape: Shape) -> tuple[int, int, int, bool]:
    hidden, bins, embedding, shared_members = shape
    return shared_members, bins, sum(hidden), bool(embedding)
