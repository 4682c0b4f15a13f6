"""Splits of rows that keep groups whole, and later rows after earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

from bridle.errors import DataError
from bridle.models.grouping import Grouping

__all__ = ["check_after", "check_apart", "earlier_and_later", "grouped_folds", "grouped_parts"]

Array = np.ndarray[Any, np.dtype[Any]]

PARTS = 5
"""Groups are dealt into fifths; one is the test set, and one is held out."""

_TOO_LARGE = 1.5
_LEAST_TRAINING = 0.4


def grouped_parts(grouping: Grouping, codes: Array | None, held: int, seed: int) -> list[Array]:
    """Return the rows of the training part and of ``held`` others of a fifth each, in this order.

    With times, later rows come after earlier ones, and so does each part. Otherwise groups are
    dealt into fifths with about equal shares of each class. Of the fifths, those are held out that
    are not too large and leave a row of each class in training, if there are such.

    Parameters
    ----------
    grouping : Grouping
    codes : int64 ``[rows]``, optional
        The class of each row.
    held : int
    seed : int

    Raises
    ------
    DataError
        If there are too few groups or times.
    """
    if grouping.times is not None:
        shares = [1 - (held - at) / PARTS for at in range(held)]
        part = _cut(grouping, shares)
        if (part == 0).mean() < _LEAST_TRAINING:
            raise DataError(
                f"{_said(grouping)} leaves {int((part == 0).sum())} of {len(part)} rows for "
                "training, since the rows after them cannot be divided; give a finer time, or "
                f"split without {'groups' if grouping.groups is not None else 'time'}"
            )
        return [np.flatnonzero(part == at) for at in range(held + 1)]
    part = _dealt(grouping, codes, PARTS, seed, "three parts" if held == 2 else "a test set")
    chosen = _chosen(part, codes, held, seed)
    # the test set is the last one
    return [np.flatnonzero(~np.isin(part, chosen))] + [np.flatnonzero(part == at) for at in chosen]


def grouped_folds(grouping: Grouping, codes: Array | None, folds: int, seed: int) -> Array:
    """Return the fold that holds out each row, int64 ``[rows]``; a group is in one fold.

    With times, the rows are cut into one more part than folds. Each fold holds out one part and
    trains on those before it. No fold holds out the first part: it has -1.
    """
    if grouping.times is not None:
        return _cut(grouping, [at / (folds + 1) for at in range(1, folds + 1)]) - 1
    return _dealt(grouping, codes, folds, seed, f"{folds} folds")


def earlier_and_later(grouping: Grouping | None, fold: Array, folds: int) -> Array | None:
    """Return which rows each fold trains on if rows have times, bool ``[folds, rows]``."""
    if grouping is None or grouping.times is None:
        return None
    return fold < np.arange(folds)[:, None]


def _dealt(grouping: Grouping, codes: Array | None, parts: int, seed: int, what: str) -> Array:
    """Deal groups to parts, so that each has about the same share of the rows of each class."""
    assert grouping.groups is not None  # noqa: S101
    _, groups = np.unique(grouping.groups, return_inverse=True)
    count = int(groups.max()) + 1
    if count < parts:
        raise DataError(
            f"{grouping.group_words} has {count} groups, too few for {what}; give "
            f"{parts} groups or more" + (", or fewer folds" if "folds" in what else "")
        )
    classes = np.zeros(len(groups), dtype=np.int64) if codes is None else np.asarray(codes)
    kinds = int(classes.max()) + 1
    table = np.bincount(groups * kinds + classes, minlength=count * kinds).reshape(count, kinds)
    sizes = table.sum(axis=1, keepdims=True)
    table = np.concatenate([table, sizes], axis=1).astype(np.float64)
    weights = table / np.maximum(table.sum(axis=0), 1) ** 2
    random = np.random.default_rng([seed, 0x6A09])
    order = random.permutation(count)
    # groups of about the same size are dealt in random order, the large ones first
    order = order[np.argsort(-np.floor(np.log2(sizes[order, 0])), kind="stable")]
    loads = np.zeros((parts, kinds + 1))
    of_group = np.empty(count, dtype=np.int64)
    for group in order.tolist():
        of_group[group] = at = int((loads @ weights[group]).argmin())
        loads[at] += table[group]
    return random.permutation(parts)[of_group][groups]


def _chosen(part: Array, codes: Array | None, held: int, seed: int) -> tuple[int, ...]:
    """Return the parts to hold out: not too large, and none with all rows of a class."""
    classes = np.zeros(len(part), dtype=np.int64) if codes is None else np.asarray(codes)
    kinds = int(classes.max()) + 1
    table = np.bincount(part * kinds + classes, minlength=PARTS * kinds).reshape(PARTS, kinds)
    most = _TOO_LARGE * len(part) / PARTS
    candidates = list(permutations(range(PARTS), held))
    np.random.default_rng([seed, 0xE667]).shuffle(candidates)

    def faults(chosen: Sequence[int]) -> tuple[int, ...]:
        rest = [at for at in range(PARTS) if at not in chosen]
        absent = [int((table[at] == 0).sum()) for at in reversed(chosen)]
        large = int((table[list(chosen)].sum(axis=1) > most).sum())
        return int((table[rest].sum(axis=0) == 0).sum()), large, *absent

    return tuple(int(at) for at in min(candidates, key=faults))


def _blocks(grouping: Grouping) -> Array:
    """Return the block of each row, in order of time; rows of one block cannot be divided."""
    assert grouping.times is not None  # noqa: S101
    times = np.unique(grouping.times, return_inverse=True)[1]
    if grouping.groups is None:
        return times
    _, groups = np.unique(grouping.groups, return_inverse=True)
    count, ranks = int(groups.max()) + 1, int(times.max()) + 1
    first = np.full(count, ranks)
    last = np.full(count, -1)
    np.minimum.at(first, groups, times)
    np.maximum.at(last, groups, times)
    order = np.argsort(first, kind="stable")
    before = np.concatenate([[-1], np.maximum.accumulate(last[order])[:-1]])
    block = np.empty(count, dtype=np.int64)
    block[order] = np.cumsum(first[order] > before) - 1  # a group that overlaps no earlier one
    return block[groups]


def _cut(grouping: Grouping, shares: Sequence[float]) -> Array:
    """Cut rows in order of time near some shares of them, between blocks; int64 ``[rows]``."""
    blocks = _blocks(grouping)
    edges = np.cumsum(np.bincount(blocks))[:-1]
    if len(edges) < len(shares):
        distinct = int(blocks.max()) + 1
        what = (
            f"the times of the groups overlap, which leaves {distinct} parts"
            if grouping.groups is not None
            else f"there are {distinct} distinct times"
        )
        raise DataError(
            f"{_said(grouping)} cannot divide the rows into {len(shares) + 1} parts: {what}, and "
            "neither a group nor a time may be in two; "
            + ("give groups or time alone" if grouping.groups is not None else "give a finer time")
        )
    part, first = np.zeros(len(blocks), dtype=np.int64), 0
    for at, share in enumerate(shares):
        last = len(edges) - (len(shares) - at - 1)
        first += int(np.abs(edges[first:last] - share * len(blocks)).argmin())
        part += blocks > first
        first += 1
    return part


def _said(grouping: Grouping) -> str:
    words = grouping.time_words
    return (
        words if grouping.groups is None else f"{words} with the groups of {grouping.group_words}"
    )


def check_apart(training: Grouping | None, new: Grouping | None) -> None:
    """Check that the groups of a table of test rows are new ones.

    Raises
    ------
    DataError
        If a group is in both.
    """
    if training is None or new is None or training.groups is None or new.groups is None:
        return
    known = {training.names[code] for code in np.unique(training.groups)}
    both = [new.names[code] for code in np.unique(new.groups) if new.names[code] in known]
    if both:
        shown = ", ".join(map(repr, both[:3])) + (" …" if len(both) > 3 else "")
        raise DataError(
            f"{len(both)} groups of {training.group_words} are in the table and in the test table "
            f"({shown}); leave their rows out of one of the two"
        )


def check_after(training: Grouping | None, new: Grouping | None) -> None:
    """Check that the rows of a test table are later than those of the table.

    Raises
    ------
    DataError
        If a row is not.
    """
    if training is None or new is None or training.times is None or new.times is None:
        return
    latest = int(training.times.max())
    early = int((new.times <= latest).sum())
    if early:
        raise DataError(
            f"{early} of {len(new.times)} rows of the test table are not later than the last row "
            f"of the table ({training.time_words}: {training.moments[latest]}); leave them out"
        )
