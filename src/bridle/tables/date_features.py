"""Features of dates: year, seconds since 1970, and circular month, day, weekday and hour."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["date_feature_names", "date_features"]

_EPOCH = dt.datetime(1970, 1, 1)
_PERIODS = {"month": 12, "day": 30, "hour": 24, "weekday": 7}


def date_features(
    dates: pd.Series[Any], *, has_time: bool = False
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the features of dates without a time zone, with NaN for missing ones.

    They are the numbers of skrub's ``DatetimeEncoder`` with circular periods, which takes seconds
    to import. The seconds have single precision.

    Parameters
    ----------
    dates : Series
        datetime64 ``[rows]``.
    has_time : bool
        Whether the hour counts.

    Returns
    -------
    ndarray
        float64 ``[rows, 8]``, or ``[rows, 10]`` with the hour.

    Examples
    --------
    >>> dates = pd.Series(pd.to_datetime(["2024-06-15", None]))
    >>> date_features(dates).round(2)[:, [0, 2, 3]]
    array([[ 2.024e+03,  0.000e+00, -1.000e+00],
           [       nan,        nan,        nan]])
    """
    parts = dates.dt
    seconds = ((dates - _EPOCH) / pd.Timedelta("1s")).to_numpy(dtype=np.float64)
    found = [parts.year.to_numpy(dtype=np.float64), seconds.astype(np.float32)]
    for name, period in _periods(has_time):
        numbers = parts.day_of_week + 1 if name == "weekday" else getattr(parts, name)
        angles = numbers.to_numpy(dtype=np.float64) / period * 2 * np.pi
        found += [np.sin(angles), np.cos(angles)]
    return np.stack(found, axis=1)


def _periods(has_time: bool) -> list[tuple[str, int]]:
    return [(name, period) for name, period in _PERIODS.items() if has_time or name != "hour"]


def date_feature_names(name: str, *, has_time: bool = False) -> list[str]:
    """Return the names of the features of a column of dates.

    Examples
    --------
    >>> date_feature_names("d")[:4]
    ['d_year', 'd_total_seconds', 'd_month_circular_0', 'd_month_circular_1']
    """
    circles = [f"{name}_{part}_circular_{at}" for part, _ in _periods(has_time) for at in (0, 1)]
    return [f"{name}_year", f"{name}_total_seconds", *circles]
