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
_MOST_DECIMALS = 6
_EXACT = 2.0**50  # whole numbers above it are too coarse to tell decimals
_USUAL_GAP = 0.6  # quantile of the gaps in a column; of pairs of copies, half of them are noise
_GAP_BITS = 8  # of the usual gap
_NOISE_BITS = 46  # of the largest number: a gap below is that of a sum in another order
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

    Copies of rows that were written with fewer digits, or computed anew, are equal then. A number
    keeps 20 bits of its own size or of the column's interquartile range, whichever are finer, and
    8 bits of the usual gap between the values of its column. A column of at most 6 decimals, such
    as times in milliseconds, keeps all of them; it comes in units of the last one.

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
    """Return decimal numbers as :func:`without_noise` does; others as they are."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return values
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]
    return pd.Series(_rounded(numbers)[:, 0], index=values.index, name=values.name)


def _rounded(numbers: Array) -> Array:
    """Return the numbers of columns ``[rows, columns]`` without what is noise in each."""
    # nanpercentile works column by column, which is slow
    percentile = np.nanpercentile if np.isnan(numbers).any() else np.percentile
    low, high = percentile(numbers, [25, 75], axis=0)
    made = np.empty_like(numbers)
    for at, column in enumerate(numbers.T):
        decimals = _decimals(column)
        if decimals is None:
            made[:, at] = _with_bits(column, high[at] - low[at])
        else:
            made[:, at] = np.rint(column * 10.0**decimals)
    return made + 0.0  # no negative zero


def _decimals(column: Array) -> int | None:
    """Return the decimals with which the numbers are written, or None if they have more than 6.

    Noise of less than a hundredth of the last decimal does not count.
    """
    present = column[np.isfinite(column)]
    most = np.abs(present).max(initial=0.0)
    for decimals in range(_MOST_DECIMALS + 1):
        if most * 10.0**decimals > _EXACT:
            return None
        if all(_has_decimals(each, decimals) for each in (present[:_SAMPLE_SIZE], present)):
            return decimals
    return None


def _has_decimals(numbers: Array, decimals: int) -> bool:
    scaled = numbers * 10.0**decimals
    return bool((np.abs(scaled - np.rint(scaled)) <= 0.01).all())


def _with_bits(column: Array, spread: float) -> Array:
    """Return numbers with 20 bits, or with more where the column has values closer together."""
    size = np.abs(column)
    size = np.where(spread > 0, np.minimum(size, spread), size)
    step = np.minimum(np.frexp(size)[1] - _BITS, np.frexp(_usual_gap(column))[1] - 1 - _GAP_BITS)
    with np.errstate(over="ignore"):
        found: Array = np.ldexp(np.rint(np.ldexp(column, -step)), step)
    return found


def _usual_gap(column: Array) -> float:
    """Return the gap between neighbouring values that most gaps do not exceed.

    It is not that between a value and its copy: if each has one, half of the gaps are such.
    """
    present = np.sort(column[np.isfinite(column)])
    gaps = np.diff(present)
    gaps = gaps[gaps > np.ldexp(np.abs(present).max(initial=0.0), -_NOISE_BITS)]
    return float(np.quantile(gaps, _USUAL_GAP)) if len(gaps) else np.finfo(np.float64).max


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
