"""Copies up to the last digits: noise makes them, and neighbours of a fine column are none."""

import numpy as np
import pandas as pd
import pytest

from bridle.checks.tables import Parts, repeated_rows
from bridle.tables.fingerprint import rounded, without_noise
from bridle.tables.schema import columns_of
from bridle.tables.warnings import warnings_on

ROWS = 2400


def _seconds(random, decimals):
    """Return times of a sensor that writes each second for 40 s on 60 days of a year."""
    days = 1.7e9 + np.sort(random.choice(365, 60, replace=False)) * 86_400.0
    return (days[:, None] + np.arange(40) + random.random((60, 40))).ravel().round(decimals)


def _sensor(random, decimals=3):
    temperature = (20 + random.normal(size=60).cumsum()).round(1)
    return pd.DataFrame(
        {"t": _seconds(random, decimals), "temperature": np.repeat(temperature, 40)}
    )


def _microseconds(random):
    return _sensor(random, 6)


def _positions(random):
    """Return positions 2 m apart on 60 ways."""
    latitude = np.repeat(random.uniform(-60, 60, 60), 40) + np.arange(ROWS) % 40 * 2e-5
    longitude = np.repeat(random.uniform(-180, 180, 60), 40)
    return pd.DataFrame({"lat": latitude.round(6), "lon": longitude.round(6)})


def _unrounded(random):
    """Return positions as a transformation makes them, with all digits."""
    return _positions(random) * (1 + 1e-4 / 3)


def _three_at_once(random):
    """Return rows of three, a second apart, on days far apart."""
    days = np.repeat(1.7e9 + np.sort(random.choice(10**5, 800, replace=False)) * 86_400.0, 3)
    times = days + np.arange(ROWS) % 3 + random.random(ROWS) / 3
    return pd.DataFrame({"t": times, "h": np.repeat(random.normal(size=800), 3)})


@pytest.mark.parametrize("make", [_sensor, _microseconds, _positions, _unrounded, _three_at_once])
def test_neighbours_are_no_copies(make, rng):
    frame = make(rng)
    truth = pd.Series(rng.integers(0, 2, ROWS), name="y")
    assert not without_noise(frame).duplicated().any()
    columns, _ = columns_of(frame)
    assert not any("repeat another row" in str(each) for each in warnings_on(frame, truth, columns))
    order = rng.permutation(ROWS)
    parts = Parts(np.sort(order[480:]), np.sort(order[:480]))
    assert repeated_rows(frame, truth, parts).outcome == "passed"


@pytest.mark.parametrize("make", [_sensor, _positions, _unrounded])
def test_copies_of_them_are_found(make, rng):
    frame = make(rng)
    again = pd.concat([frame, frame * (1 + 2.0**-52)], ignore_index=True)
    assert not again.duplicated().any()
    assert without_noise(again).duplicated().sum() == ROWS


def _computed_anew(frame):
    return frame * (1 + 1e-12)


def _with_nine_digits(frame):
    return frame.map(lambda value: float(f"{value:.9g}"))


@pytest.mark.parametrize("copy", [_computed_anew, _with_nine_digits])
@pytest.mark.parametrize("times", [1, 2])
def test_copies_of_measured_numbers_are_found(copy, times, rng):
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=["a", "b", "c"])
    again = pd.concat([frame, *[copy(frame)] * times], ignore_index=True)
    assert without_noise(again).duplicated().sum() > 0.99 * ROWS * times


def test_missing_values_stay_and_decimals_are_kept():
    values = pd.Series([1.25, np.nan, -0.5, 1.25 + 1e-13])
    assert rounded(values).tolist()[0] == rounded(values).tolist()[3]
    assert rounded(values).isna().tolist() == values.isna().tolist()
    assert rounded(values).nunique() == 2
