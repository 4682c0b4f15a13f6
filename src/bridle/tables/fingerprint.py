"""Fingerprints of a table, by which a model recognizes its table and its training rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import as_strings
from bridle.tables.missing import USUAL

__all__ = ["facts_of_table", "fingerprint", "row_hashes", "share_of_known_rows"]

Array = np.ndarray[Any, np.dtype[Any]]

_SAMPLE_SIZE = 64


def fingerprint(frame: pd.DataFrame, target: pd.Series[Any]) -> str:
    """Return a fingerprint of a table: 16 hexadecimal digits.

    It changes if a value, the order of the rows or the name of a column changes. The order of the
    columns does not matter.

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
    return _of_hashes(row_hashes(frame, target))


def _of_hashes(hashes: Array) -> str:
    return hashlib.sha256(hashes.tobytes()).hexdigest()[:16]


def row_hashes(frame: pd.DataFrame, target: pd.Series[Any]) -> Array:
    """Return a hash of each row, uint64 ``[rows]``; the order of columns does not matter."""
    columns = {name: frame[name] for name in frame.columns} | {str(target.name): target}
    plain = {name: _plain(columns[name]) for name in sorted(columns)}
    return pd.util.hash_pandas_object(pd.DataFrame(plain), index=False).to_numpy()


def _plain(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return values that do not depend on the file format they were read from."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _nanoseconds(values)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)
    codes, distinct = pd.factorize(values.astype(object))
    texts = [*as_strings(pd.Series(distinct, dtype=object)), None]  # code -1 is missing
    texts = [None if text in USUAL else text for text in texts]  # as in earlier model files
    return pd.Series(np.array(texts, dtype=object)[codes], index=values.index, dtype=object)


def _nanoseconds(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return dates as nanoseconds, or as seconds where those of a date do not fit in int64."""
    held = values.dropna()
    seconds = held.astype("datetime64[s]").astype("int64").abs()
    fits = seconds.max() < 9_223_372_036 if len(held) else True
    return values.astype("datetime64[ns]" if fits else "datetime64[s]").astype("int64")


def facts_of_table(
    frame: pd.DataFrame, target: pd.Series[Any], trained: Array, *, split: str
) -> dict[str, Any]:
    """Return the facts that a model keeps about its table; JSON values.

    Parameters
    ----------
    frame : DataFrame
        The features of all rows.
    target : Series
    trained : int64 array
        The training rows.
    split : str
        The name of the split, by which it can be reproduced.

    Returns
    -------
    dict
        The fingerprint, the numbers of rows, and the 64 lowest hashes of training rows. These are
        a random sample that can be found again in any table with the same rows (Broder 1997).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> frame = pd.DataFrame({"x": range(9), "y": [0, 1, 0] * 3})
    >>> facts = facts_of_table(frame[["x"]], frame["y"], np.arange(6), split="none")
    >>> facts["rows"], facts["trained_on"], len(facts["sample"])
    (9, 6, 6)
    """
    hashes = row_hashes(frame, target)
    own = np.unique(hashes[trained])[:_SAMPLE_SIZE]
    return {
        "rows": len(frame),
        "trained_on": len(trained),
        "fingerprint": _of_hashes(hashes),
        "split": split,
        "sample": [f"{each:016x}" for each in own],
    }


def share_of_known_rows(
    facts: Mapping[str, Any], frame: pd.DataFrame, target: pd.Series[Any]
) -> float:
    """Return the share of a model's training rows that a table contains, from a sample of them.

    Parameters
    ----------
    facts : mapping
        What :func:`facts_of_table` returned.
    frame : DataFrame
        The features of the table's rows.
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
    return len(known & set(row_hashes(frame, target).tolist())) / len(known) if known else 0.0
