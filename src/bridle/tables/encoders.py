"""scikit-learn's and skrub's encoders, built from what a table's encoder has learned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder, RobustScaler

from bridle.tables.columns import Column, as_dates, as_levels, as_numbers

if TYPE_CHECKING:
    from skrub import DatetimeEncoder

__all__ = [
    "MISSING",
    "FloatArray",
    "center_of",
    "date_encoder_of",
    "levels_of",
    "one_hot_of",
    "read_columns",
    "safe_scale",
    "scaler_of",
]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
MISSING = "(missing)"


def read_columns(frame: pd.DataFrame, columns: Iterable[Column]) -> dict[str, Any]:
    """Return the values of each column but the texts: float64, dates, or categories."""
    read: dict[str, Any] = {}
    for column in columns:
        if column.kind == "number":
            read[column.name] = as_numbers(frame[column.name], column.missing)
        elif column.kind == "date":
            read[column.name] = as_dates(frame[column.name], column.date_format)
        elif column.kind == "category":
            read[column.name] = as_levels(frame[column.name], column)
    return read


def center_of(numbers: FloatArray) -> FloatArray:
    """Return the median of each column."""
    return RobustScaler(with_scaling=False).fit(numbers).center_


def scaler_of(center: FloatArray, scale: FloatArray) -> RobustScaler:
    """Build a scaler with these centers and scales."""
    scaler = RobustScaler()
    scaler.center_, scaler.scale_ = center, scale
    scaler.n_features_in_ = len(center)
    return scaler


def safe_scale(numbers: FloatArray) -> FloatArray:
    """Return the interquartile range; half the range if that is 0; 1 if both are 0."""
    # nanpercentile works column by column, which is slow
    percentile = np.nanpercentile if np.isnan(numbers).any() else np.percentile
    low, high = percentile(numbers, [25, 75], axis=0)
    half = (np.nanmax(numbers, axis=0) / 2) - (np.nanmin(numbers, axis=0) / 2)
    scale = np.where(high > low, high / 2 - low / 2, half / 2) * 2
    return np.where(scale > 0, scale, 1.0)


def levels_of(column: Column) -> list[str]:
    """Return a categorical column's categories, and a missing value as one if there was any."""
    return [*column.categories, MISSING] if column.has_missing else list(column.categories)


def one_hot_of(columns: list[Column]) -> OneHotEncoder | None:
    """Build an encoder with these columns' categories."""
    if not columns:
        return None
    levels = [np.array(levels_of(column), dtype=object) for column in columns]
    encoder = OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False)
    return encoder.fit(np.array([[level[0] for level in levels]], dtype=object))


def date_encoder_of(column: Column) -> DatetimeEncoder:
    """Return skrub's encoder for one column; its fit only learns the column's name."""
    from skrub import DatetimeEncoder  # takes seconds to import

    encoder = DatetimeEncoder(
        resolution="hour" if column.has_time else "day",
        add_weekday=True,
        periodic_encoding="circular",
    )
    days = pd.Series(pd.to_datetime(["2000-01-01", "2000-01-02"]), name=column.name)
    return encoder.fit(days)
