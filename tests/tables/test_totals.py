"""A last row with the totals of the others is told, whatever it is called."""

import numpy as np
import pandas as pd
import pytest

from bridle.tables.read import read_with_notes

ROWS = 12
TABLE = pd.DataFrame(
    {
        "region": [f"r{i}" for i in range(ROWS)],
        "units": range(3, ROWS + 3),
        "price": np.arange(ROWS) ** 2,
    }
)
TOTAL = {"units": TABLE["units"].sum(), "price": TABLE["price"].sum()}
MEAN = {"units": round(TABLE["units"].mean(), 2), "price": round(TABLE["price"].mean(), 2)}


def _notes(path, last, frame=TABLE):
    whole = pd.concat([frame, pd.DataFrame([last])], ignore_index=True)[list(frame)]
    write = whole.to_excel if path.suffix == ".xlsx" else whole.to_csv
    write(path, index=False)
    return [note for note in read_with_notes(path).notes if "last row" in note]


@pytest.mark.parametrize(
    "last", [{"region": "Total"}, {"region": "Insgesamt"}, {"region": "Average", **MEAN}]
)
def test_words(tmp_path, last):
    (note,) = _notes(tmp_path / "t.csv", {"units": 1, "price": 2, **last})
    assert note == f"the last row begins with {last['region']!r}; if it is a sum, delete it"


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
@pytest.mark.parametrize("first", [None, "Celkem"])
def test_sums_and_means(tmp_path, name, first):
    if name == "t.xlsx":
        pytest.importorskip("openpyxl")
    for what, last in {"sums": TOTAL, "means": MEAN}.items():
        (note,) = _notes(tmp_path / name, {"region": first, **last})
        assert note == (
            f"the last row has the {what} of the rows above it; if it is a total, delete it"
        )


def test_sums_beside_means_and_constants(tmp_path):
    more = TABLE.assign(rate=[0.5, 0.7] * (ROWS // 2), one=1)
    said = "the last row has the {} of the rows above it; if it is a total, delete it"
    for one in (1, ROWS):
        last = {"region": "Celkem", **TOTAL, "one": one}
        (note,) = _notes(tmp_path / "t.csv", {**last, "rate": 0.6}, more)
        assert note == said.format("sums and means")
        (note,) = _notes(tmp_path / "t.csv", last, more)
        assert note == said.format("sums")
    assert _notes(tmp_path / "t.csv", {"region": "r", **TOTAL, "one": 7}, more) == []
    assert _notes(tmp_path / "t.csv", {"region": "r", "one": ROWS}, more[["region", "one"]]) == []


def test_a_word_in_a_later_column(tmp_path):
    frame = TABLE.reset_index(names="id")
    (note,) = _notes(tmp_path / "t.csv", {"id": None, "region": "Total", "units": 1}, frame)
    assert note == "the last row begins with 'Total'; if it is a sum, delete it"


@pytest.mark.parametrize("word", ["Media", "All", "sum"])
def test_a_word_that_means_other_things_needs_numbers_that_agree(tmp_path, word):
    path, said = tmp_path / "t.csv", f"the last row begins with {word!r}; if it is a sum, delete it"
    assert _notes(path, {"region": word, "units": 8, "price": 50}) == []
    assert _notes(path, {"region": word}, TABLE[["region"]]) == []
    assert _notes(path, {"region": word, "units": MEAN["units"]}) == [said]
    assert _notes(path, {"region": word, **TOTAL}) == [said]
    assert _notes(path, {"region": word}) == [said]


def test_rows_that_are_no_totals(tmp_path, rng):
    path = tmp_path / "t.csv"
    assert _notes(path, {"region": "r", **TOTAL, "units": 7}) == []
    assert _notes(path, {"region": "r", "units": 8, "price": 50}) == []
    flags = pd.DataFrame({"a": [0] * 10 + [1], "b": [1] + [0] * 10})
    assert _notes(path, {"a": 1, "b": 1}, flags) == []
    for _ in range(50):
        stars = pd.DataFrame(rng.integers(1, 6, (20, 2)), columns=["a", "b"])
        ratings = stars.assign(c=rng.normal(size=20))
        assert _notes(path, ratings.iloc[-1].to_dict(), ratings[:-1]) == []
