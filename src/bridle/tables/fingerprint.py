"""Fingerprints of a table, by which a model recognizes its table and its training rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.tables.columns import as_strings
from bridle.tables.missing import USUAL

__all__ = ["facts_of_table", "fingerprint", "rounded", "row_hashes"]
__all__ += ["share_of_known_rows", "without_noise"]

Array = np.ndarray[Any, np.dtype[Any]]

_SAMPLE_SIZE = 64
_BITS = 20  # of a number and of its column's spread: a millionth
_MEASURED = 2  # columns that must agree in so many bits: one alone does by chance


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


def without_noise(frame: pd.DataFrame) -> pd.DataFrame | None:
    """Return a table whose decimal numbers have 20 bits; None if there are too few to compare rows.

    Copies of rows that were written with fewer digits, or computed anew, are equal then. No network
    tells them apart. A number keeps 20 bits of its own size or of the column's interquartile range,
    whichever are finer.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": [1.7, 1.7 + 1e-10, 2.5], "y": [0.3, 0.3, 0.3]})
    >>> without_noise(frame).duplicated().tolist()
    [False, True, False]
    """
    floats = [name for name in frame if pd.api.types.is_float_dtype(frame[name].dtype)]
    numbers = frame[floats].to_numpy(dtype=np.float64, na_value=np.nan)
    measured = ~((numbers == np.floor(numbers)) | ~np.isfinite(numbers)).all(axis=0)
    if measured.sum() < _MEASURED:
        return None
    names = [name for name, each in zip(floats, measured, strict=True) if each]
    fine = pd.DataFrame(_rounded(numbers[:, measured]), index=frame.index, columns=pd.Index(names))
    return pd.concat([frame.drop(columns=names), fine], axis=1)


def rounded(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return decimal numbers with 20 bits, as :func:`without_noise` does; others as they are."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return values
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]
    return pd.Series(_rounded(numbers)[:, 0], index=values.index, name=values.name)


def _rounded(numbers: Array) -> Array:
    """Return the numbers of columns ``[rows, columns]`` with 20 bits."""
    # nanpercentile works column by column, which is slow
    percentile = np.nanpercentile if np.isnan(numbers).any() else np.percentile
    low, high = percentile(numbers, [25, 75], axis=0)
    size = np.abs(numbers)
    size = np.where(high > low, np.minimum(size, high - low), size)
    step = np.frexp(size)[1] - _BITS
    with np.errstate(over="ignore"):
        return np.ldexp(np.rint(np.ldexp(numbers, -step)), step) + 0.0  # no negative zero


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
