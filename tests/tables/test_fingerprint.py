"""The fingerprint of a table: its rows, whatever the order of columns and whoever made it."""

import warnings

import pandas as pd

from bridle.tables.fingerprint import fingerprint


def put_together(columns):
    frame = pd.DataFrame(index=range(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        for name, value in columns:
            frame.insert(len(frame.columns), name, value)
    return frame


def test_many_columns_put_in_one_by_one_are_no_reason_for_a_warning():
    columns = [(f"c{i}", [float(i), 1.0, 2.0]) for i in range(150)]
    target = pd.Series([0, 1, 0], name="y")
    found = fingerprint(put_together(columns), target)  # a warning would be an error here
    assert found == fingerprint(put_together(reversed(columns)).copy(), target)
    assert found != fingerprint(put_together(columns), 1 - target)


def test_dates_that_nanoseconds_do_not_hold():
    target = pd.Series([0, 1, 0], name="y")
    days = pd.Series(["1066-10-14", "2024-01-05", "9999-12-31"], dtype="datetime64[s]")
    frame = pd.DataFrame({"day": days})
    found = fingerprint(frame, target)
    assert found == fingerprint(frame.astype("datetime64[us]"), target)
    assert found != fingerprint(frame + pd.Timedelta("1s"), target)
    near = pd.DataFrame({"day": days.where(days.dt.year == 2024)})
    assert fingerprint(near, target) == fingerprint(near.astype("datetime64[ns]"), target)
