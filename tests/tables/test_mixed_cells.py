"""Columns of several types in memory are read as the file of the same table; infinite numbers."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.errors import DataError
from bridle.tables import read_table
from bridle.tables.columns import column_of

RECIPE = bridle.Recipe(epochs=2, hidden=(8,))
ROWS = range(60)
DAY = dt.date(2024, 1, 1)
MIXED = {
    "dates and a word": [DAY + dt.timedelta(days=i) if i % 9 else "unknown" for i in ROWS],
    "times and a word": [dt.datetime(2024, 1, 1, i % 24) if i % 9 else "unknown" for i in ROWS],
    "numbers and a mark": [i / 7 if i % 9 else "?" for i in ROWS],
    "numbers and a word": [i / 7 if i % 9 else "unknown" for i in ROWS],
    "whole floats and a letter": [float(i % 4) if i % 9 else "A" for i in ROWS],
    "large floats and words": [[1e20, "abc", "x"][i % 3] for i in ROWS],
    "large floats and texts": [1e20 if i % 3 else f"a text {i}" for i in ROWS],
    "booleans and a word": [bool(i % 2) if i % 9 else "maybe" for i in ROWS],
}


@pytest.mark.parametrize("case", MIXED)
def test_a_table_in_memory_is_read_as_its_file(tmp_path, case):
    frame = pd.DataFrame({"k": pd.Series(MIXED[case], dtype=object), "x": np.sqrt(ROWS)})
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    ours, file = read_table(frame), read_table(path)
    assert column_of(ours["k"]) == column_of(file["k"])
    pd.testing.assert_series_equal(ours["k"], file["k"])
    model = bridle.fit(frame.assign(y=["p", "q"] * 30), "y", recipe=RECIPE).model
    found = [model.predict(source).iloc[:, 1] for source in (frame, path)]
    np.testing.assert_array_equal(*found)


UNENDING = ("∞", "-∞", "−∞", "inf", "-inf", "INF", "Infinity", "-infinity", "1e400")


@pytest.mark.parametrize("cell", UNENDING)
def test_infinite_numbers_are_refused_in_any_spelling(tmp_path, cell):
    path = tmp_path / "t.csv"
    rows = [f"{i / 8},{'pq'[i % 2]}" for i in ROWS]
    path.write_text("\n".join(["x,y", *rows, f"{cell},p"]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"column 'x', row 61: the value is -?inf; replace"):
        bridle.fit(path, "y", recipe=RECIPE)


def test_infinite_numbers_are_refused_at_prediction(tmp_path):
    frame = pd.DataFrame({"x": np.sqrt(ROWS), "y": ["p", "q"] * 30})
    model = bridle.fit(frame, "y", recipe=RECIPE).model
    path = tmp_path / "new.csv"
    for cell in UNENDING:
        path.write_text(f"x\n1\n{cell}\n", encoding="utf-8")
        for source in (path, pd.DataFrame({"x": ["1", cell]}), pd.DataFrame({"x": [1.5, cell]})):
            with pytest.raises(DataError, match=r"column 'x', row 2: the value is -?inf"):
                model.predict(source)


def test_an_infinite_target_is_no_missing_one(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{i},{i / 7}" for i in ROWS]
    path.write_text("\n".join(["x,y", *rows, "7,∞"]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"column 'y', row 61: the value is inf"):
        bridle.fit(path, "y", recipe=RECIPE)
