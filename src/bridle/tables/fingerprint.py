"""What a model remembers of its table, so that it knows the table, or rows of it, again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import as_texts

__all__ = ["facts_of_table", "fingerprint", "share_of_known_rows"]

Array = np.ndarray[Any, np.dtype[Any]]

_KEPT = 64


def fingerprint(frame: pd.DataFrame, target: pd.Series[Any]) -> str:
    """Return 16 hexadecimal digits that change with any value, the order of rows, or a column.

    Parameters
    ----------
    frame : DataFrame
        The features.
    target : Series

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": [1, 2], "y": [0, 1]})
    >>> same = fingerprint(frame[["x"]].copy(), frame["y"]) == fingerprint(frame[["x"]], frame["y"])
    >>> same, fingerprint(frame[["x"]], frame["y"]) == fingerprint(frame[["x"]], 1 - frame["y"])
    (True, False)
    """
    return hashlib.sha256(_hashes(frame, target).tobytes()).hexdigest()[:16]


def _hashes(frame: pd.DataFrame, target: pd.Series[Any]) -> Array:
    """Return a hash of each row, uint64 ``[rows]``; the order of columns does not matter."""
    columns = {name: frame[name] for name in frame.columns} | {str(target.name): target}
    plain = {name: _plain(columns[name]) for name in sorted(columns)}
    return pd.util.hash_pandas_object(pd.DataFrame(plain), index=False).to_numpy()


def _plain(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return values that are the same from whatever kind of file they come."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values.astype("datetime64[ns]").astype("int64")
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)
    codes, distinct = pd.factorize(values.astype(object))
    texts = [*as_texts(pd.Series(distinct, dtype=object)), None]  # code -1 is missing
    return pd.Series(np.array(texts, dtype=object)[codes], index=values.index, dtype=object)


def facts_of_table(
    frame: pd.DataFrame, target: pd.Series[Any], trained: Array, *, split: str
) -> dict[str, Any]:
    """Return what a model keeps of the table that it was trained on; JSON values.

    Parameters
    ----------
    frame : DataFrame
        The features of all rows.
    target : Series
    trained : int64 array
        The rows that it was trained on.
    split : str
        How they were chosen, so that it can be done again.

    Returns
    -------
    dict
        The fingerprint, the numbers of rows, and the 64 lowest hashes of rows that it was trained
        on: a sample that any table with those rows has too (Broder 1997).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> frame = pd.DataFrame({"x": range(9), "y": [0, 1, 0] * 3})
    >>> facts = facts_of_table(frame[["x"]], frame["y"], np.arange(6), split="none")
    >>> facts["rows"], facts["trained_on"], len(facts["sample"])
    (9, 6, 6)
    """
    own = np.unique(_hashes(frame.iloc[trained], target.iloc[trained]))[:_KEPT]
    return {
        "rows": len(frame),
        "trained_on": len(trained),
        "fingerprint": fingerprint(frame, target),
        "split": split,
        "sample": [f"{each:016x}" for each in own],
    }


def share_of_known_rows(
    facts: Mapping[str, Any], frame: pd.DataFrame, target: pd.Series[Any]
) -> float:
    """Return the share of a sample of a model's training rows that a table has too.

    Parameters
    ----------
    facts : mapping
        What :func:`facts_of_table` returned.
    frame : DataFrame
        The features of the rows in question.
    target : Series

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> frame = pd.DataFrame({"x": range(9), "y": [0, 1, 0] * 3})
    >>> facts = facts_of_table(frame[["x"]], frame["y"], np.arange(6), split="none")
    >>> share_of_known_rows(facts, frame[["x"]][6:], frame["y"][6:])
    0.0
    >>> share_of_known_rows(facts, frame[["x"]], frame["y"])
    1.0
    """
    known = {int(each, 16) for each in facts.get("sample", [])}
    return len(known & set(_hashes(frame, target).tolist())) / len(known) if known else 0.0
