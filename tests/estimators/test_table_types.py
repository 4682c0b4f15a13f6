"""DataFrames with columns of other types than numbers and strings, and with other names."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.errors import DataError

ROWS = 40
TABLE = pd.DataFrame({"k": ["a", "b"] * 20, "x": np.sqrt(range(ROWS))})
Y = np.array([0, 1, 1, 0] * 10)
DAYS = pd.date_range("2024-01-01", periods=ROWS)


def _fitted(table):
    return bridle.MLPClassifier(max_iter=400, tol=1.0, random_state=0).fit(table, Y)


def test_times_of_a_zone_and_durations_are_measured():
    plain = _fitted(TABLE.assign(t=DAYS)).predict_proba(TABLE.assign(t=DAYS))
    for days in (DAYS.tz_localize("UTC"), [day.date() for day in DAYS]):
        other = TABLE.assign(t=days)
        np.testing.assert_array_equal(_fitted(other).predict_proba(other), plain)
    hours = TABLE.assign(t=pd.to_timedelta(range(ROWS), unit="h"))
    assert _fitted(hours).encoder_.schema["t"].kind == "number"


def test_names_that_are_no_strings():
    other = TABLE.set_axis([0, 1], axis=1)
    np.testing.assert_array_equal(
        _fitted(other).predict_proba(other), _fitted(TABLE).predict_proba(TABLE)
    )


@pytest.mark.parametrize("kind", [bridle.MLPClassifier, bridle.MLPClassifierCV])
def test_nested_values_are_refused(kind):
    with pytest.raises(DataError, match="column 'l' has nested values"):
        kind().fit(TABLE.assign(l=[[1, 2]] * ROWS), Y)


def test_dates_with_a_word_stay_words():
    mixed = TABLE.assign(t=[dt.date(2024, 1, 1) if i % 2 else "later" for i in range(ROWS)])
    assert _fitted(mixed).encoder_.schema["t"].categories == ("2024-01-01", "later")
