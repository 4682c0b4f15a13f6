"""The features of dates are the numbers of skrub's encoder, bit for bit."""

import numpy as np
import pandas as pd
import pytest
from skrub import DatetimeEncoder

from bridle.tables.date_features import date_feature_names, date_features


@pytest.mark.parametrize("resolution", ["day", "hour"])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_they_are_those_of_skrub(rng, unit, resolution):
    seconds = rng.integers(0, 250 * 365 * 86400, 500).astype("timedelta64[s]")
    dates = pd.Series(np.datetime64("1900-01-01") + seconds).astype(f"datetime64[{unit}]")
    dates = dates.mask(rng.random(500) < 0.1).rename("d")
    encoder = DatetimeEncoder(resolution=resolution, add_weekday=True, periodic_encoding="circular")
    expected = encoder.fit_transform(dates)
    has_time = resolution == "hour"
    assert list(expected) == date_feature_names("d", has_time=has_time)
    found = date_features(dates, has_time=has_time)
    assert np.array_equal(found, expected.to_numpy(dtype=np.float64), equal_nan=True)
    assert np.array_equal(date_features(dates[:1], has_time=has_time), found[:1], equal_nan=True)
