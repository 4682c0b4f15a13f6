"""What is said about the groups and times of a table before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.models.grouping import Grouping

__all__ = ["absent_classes", "split_notes"]

_MANY_CLASSES = 20


def split_notes(grouping: Grouping | None, truth: pd.Series[Any]) -> tuple[str, ...]:
    """Return how the rows are split, in a sentence for the groups and one for the times.

    Examples
    --------
    >>> grouping = Grouping(np.arange(20) // 4, tuple("abcde"), group_column="patient")
    >>> split_notes(grouping, pd.Series(range(20)))[0]
    "split by 'patient': 5 groups, 4 rows each; none is in two parts, and it is no feature"
    """
    if grouping is None:
        return ()
    found = []
    if grouping.groups is not None:
        sizes = np.bincount(grouping.groups)
        sizes = sizes[sizes > 0]
        many = f"{sizes[0]} rows each" if len(set(sizes.tolist())) == 1 else _sizes(sizes)
        feature = "" if grouping.group_column is None else ", and it is no feature"
        found.append(
            f"split by {grouping.group_words}: {len(sizes)} groups, {many}; none is in two parts"
            f"{feature}"
        )
        if sizes.max() == 1:
            found.append(
                f"each row has a group of its own in {grouping.group_words}, so that grouping "
                "changes nothing; give a column that several rows share"
            )
        found += _lonely_classes(grouping.groups, truth)
    if grouping.times is not None:
        first, last = (grouping.moments[at] for at in (grouping.times.min(), grouping.times.max()))
        feature = "" if grouping.time_column is None else "; it is no feature"
        found.append(
            f"split in order of {grouping.time_words}, from {first} to {last}: training rows come "
            f"before held-out rows, these before test rows, and equal times stay together{feature}"
        )
    return tuple(found)


def _sizes(sizes: np.ndarray[Any, Any]) -> str:
    return f"{sizes.min()} to {sizes.max()} rows each (half of them {np.median(sizes):g} or less)"


def _lonely_classes(groups: np.ndarray[Any, Any], truth: pd.Series[Any]) -> list[str]:
    """Tell of classes whose rows are all of one group: they are in one part only."""
    codes, distinct = pd.factorize(truth)
    if pd.api.types.is_float_dtype(truth.dtype) or not 2 <= len(distinct) <= _MANY_CLASSES:
        return []
    pairs = pd.DataFrame({"class": codes, "group": groups}).drop_duplicates()
    spread = pairs["class"].value_counts()
    lonely = sorted(str(distinct[code]) for code in spread.index[spread == 1])
    if not lonely:
        return []
    shown = ", ".join(map(repr, lonely[:3])) + (" …" if len(lonely) > 3 else "")
    return [
        f"{truth.name!r} is {shown} in one group only, so that training or the test set lacks it; "
        "give rows of more groups"
    ]


def absent_classes(
    grouping: Grouping | None,
    truth: pd.Series[Any],
    rows: Mapping[str, np.ndarray[Any, Any]],
    task: str,
) -> tuple[str, ...]:
    """Tell of classes that no training row has; without groups and times, of those in one part.

    Groups and times decide about the parts; otherwise, classes of few rows are in training.

    Examples
    --------
    >>> truth = pd.Series(["no"] * 6 + ["yes"] * 4, name="ill")
    >>> rows = {"training": np.arange(6), "test": np.arange(6, 10)}
    >>> absent_classes(Grouping(times=np.arange(10)), truth, rows, "classification")[0]
    "no training row has 'ill' = 'yes', so that it cannot be learned; split by other columns"
    """
    if task != "classification":
        return ()
    found = []
    if absent := _absent(truth, rows["training"]):
        advice = "give more rows of it" if grouping is None else "split by other columns"
        found.append(
            f"no training row has {truth.name!r} = {absent}, so that it cannot be learned; {advice}"
        )
    if grouping is None and "test" in rows and (absent := _absent(truth, rows["test"])):
        found.append(
            f"no test row has {truth.name!r} = {absent}, so that the scores do not tell how well "
            "it is predicted; give more rows of it"
        )
    return tuple(found)


def _absent(truth: pd.Series[Any], rows: np.ndarray[Any, Any]) -> str:
    """Return the classes that none of some rows has, in words."""
    known = set(truth.iloc[rows].unique())
    absent = sorted(str(each) for each in truth.unique() if each not in known)
    return ", ".join(map(repr, absent[:3])) + (" …" if len(absent) > 3 else "")
