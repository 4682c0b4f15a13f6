"""Numbers that are codes: of missing values, or names made of digits."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.tables import ReadOptions, read_table
from bridle.tables.columns import column_of
from bridle.tables.read import read_with_notes

RECIPE = bridle.Recipe(epochs=3, hidden=(8,))
ROWS = np.arange(60)
CODED = pd.DataFrame(
    {"x": np.where(ROWS % 9 == 0, -999.0, ROWS / 7), "z": np.sqrt(ROWS), "y": ["p", "q"] * 30}
)


@pytest.mark.parametrize("in_file", [True, False])
def test_a_code_of_missing_values_acts_on_numbers_of_any_type(tmp_path, in_file):
    path = tmp_path / "t.csv"
    CODED.to_csv(path, index=False)
    options = ReadOptions(missing=("-999",))
    source = path if in_file else CODED
    assert read_table(source, options)["x"].isna().sum() == (ROWS % 9 == 0).sum()
    model = bridle.fit(source, "y", recipe=RECIPE, reading=options).model
    expected = model.predict(CODED.replace({"x": {-999.0: np.nan}})).iloc[:, 1]
    for new in (path, CODED, CODED.astype({"x": "float32"}), CODED.astype({"x": "string"})):
        found = model.predict(new).iloc[:, 1]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(model.predict(CODED[:1]).iloc[0, 1], expected[0], rtol=1e-5)


def test_a_code_does_not_act_on_booleans():
    table = pd.DataFrame({"x": [True, False] * 5, "k": [1, 2] * 5})
    frame = read_table(table, ReadOptions(missing="1"))
    assert not frame["x"].isna().any()
    assert frame["k"].isna().sum() == 5


@pytest.mark.parametrize("first", [2**60, 10**19])
def test_whole_numbers_that_would_be_one_float_are_names(tmp_path, first):
    table = CODED.assign(x=[first + int(i % 3) for i in ROWS])
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    names = tuple(str(first + i) for i in range(3))
    for source in (table, path):
        model = bridle.fit(source, "y", recipe=RECIPE).model
        assert model.encoder.schema["x"].categories == names
        np.testing.assert_array_equal(*(model.predict(each).iloc[:, 1] for each in (table, path)))


@pytest.mark.parametrize("kind", ["int64", "str"])
def test_a_few_large_numbers_that_would_be_one_float_are_numbers(kind, rng):
    counter = rng.integers(0, 2**62, 300)
    counter[:2] = 2**60, 2**60 + 1
    assert column_of(pd.Series(counter.astype(kind), name="bytes")).kind == "number"
    ids = pd.Series((10**17 + 7 * rng.permutation(300)).astype(kind), name="id")
    assert column_of(ids).kind == "text"


def test_a_class_that_looks_like_a_missing_value_is_noted(tmp_path):
    path = tmp_path / "t.csv"
    CODED.assign(y=["p", "q", "-"] * 20).to_csv(path, index=False)
    told = "'-' is a class of 'y'; if not, give --missing -"
    assert told in read_with_notes(path, target="y").notes
    CODED.assign(y=["+", "-"] * 30).to_csv(path, index=False)
    assert read_with_notes(path, target="y").notes == ()
