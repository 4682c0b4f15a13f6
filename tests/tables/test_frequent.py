"""Columns of many values: the frequent ones have inputs, and the inputs are bounded."""

import json

import numpy as np
import pandas as pd
import pytest

from bridle.search.encoding import encode, encoded_rows, fit_encoders
from bridle.tables import TableEncoder, frequent


def _shops(levels, rows, seed=0):
    """Return a column of codes: every level twice or more often, some much more often."""
    random = np.random.default_rng(seed)
    at = np.concatenate([np.repeat(np.arange(levels), 2), random.integers(0, 20, rows)])[:rows]
    return pd.Series([f"S{7919 * each % 10**6:06d}" for each in at], name="shop")


@pytest.fixture(scope="module")
def frame():
    """Return 80 values, of which 20 are frequent."""
    shops = _shops(80, 400)
    return pd.DataFrame({"x": np.arange(400.0), "shop": shops})


def test_frequent_values_have_an_input_each(frame):
    encoder = TableEncoder().fit(frame)
    X = encoder.transform(frame)
    counts = frame["shop"].value_counts()
    often = sorted(counts.index[counts >= 3])
    assert len(often) == 20
    names = [f"shop={level}" for level in often]
    at = encoder.feature_names.index(names[0])
    assert list(encoder.feature_names[at : at + 20]) == names
    expected = frame["shop"].to_numpy()[:, None] == np.array(often)
    assert np.array_equal(X[:, at : at + 20], expected)
    assert "read as free text: 'shop'" in encoder.notes
    assert "frequent values with inputs of their own: 20 of 'shop'" in encoder.notes
    again = TableEncoder.from_state(json.loads(json.dumps(encoder.state()[0])), encoder.state()[1])
    assert np.array_equal(again.transform(frame), X)


def test_new_and_missing_values_have_no_input_of_a_value(frame):
    encoder = TableEncoder().fit(frame)
    new = pd.DataFrame({"x": [1.0, 2.0, 3.0], "shop": ["S999999", None, " " + frame["shop"][399]]})
    notes = []
    X = encoder.transform(new, notes)
    of_values = [name.startswith("shop=") for name in encoder.feature_names]
    assert X[:, of_values].sum(1).tolist() == [0, 0, 1]
    assert np.isfinite(X).all()
    (note,) = notes
    assert note.startswith("'shop' is missing in 1 row,")


def test_a_missing_value_is_one_of_them_if_it_was_missing_in_training(frame):
    gaps = frame.assign(shop=frame["shop"].where(frame.index % 7 > 0, None))
    encoder = TableEncoder().fit(gaps)
    missing = encoder.transform(gaps)[:, encoder.feature_names.index("shop=(missing)")]
    assert np.array_equal(missing == 1, gaps["shop"].isna())


@pytest.mark.parametrize("categories", [False, True])
def test_a_column_of_five_thousand_values_is_bounded(categories):
    shops = _shops(5000, 12_000)
    table = pd.DataFrame({"shop": shops.astype("category") if categories else shops, "x": 1.0})
    table.loc[::2, "x"] = 2.0
    encoder = TableEncoder().fit(table)
    assert encoder.schema["shop"].kind == "text"
    assert len(encoder.feature_names) <= 512 + 30 + 1
    assert encoder.transform(table).shape == (12_000, len(encoder.feature_names))


def test_categories_of_pandas_up_to_512_stay_categories():
    values = pd.Series([f"c{at % 512}" for at in range(2000)], dtype="category", name="c")
    column = TableEncoder().fit(values.to_frame()).schema["c"]
    assert (column.kind, len(column.categories)) == ("category", 512)


def test_columns_share_the_bound_and_the_most_frequent_values_come_first(monkeypatch):
    monkeypatch.setattr(frequent, "MOST_LEVELS", 25)
    random = np.random.default_rng(1)
    table = pd.DataFrame({"a": _shops(80, 400), "b": random.permutation(_shops(70, 400, 1))})
    encoder = TableEncoder().fit(table)
    kept = {name: encoder.schema[name].categories for name in ("a", "b")}
    assert sum(map(len, kept.values())) == 25
    counts = {name: table[name].value_counts() for name in kept}
    least = min(counts[name][level] for name in kept for level in kept[name])
    others = [
        count for name in kept for level, count in counts[name].items() if level not in kept[name]
    ]
    assert max(others) <= least


def test_many_rows_leave_fewer_inputs(monkeypatch, frame):
    monkeypatch.setattr(frequent, "MOST_VALUES", 400 * 5 + 399)
    assert len(TableEncoder().fit(frame).schema["shop"].categories) == 5


def test_a_search_takes_the_first_layer_of_frequent_values_by_sums(frame):
    encoders = fit_encoders(frame)
    rows = encoded_rows(encoders, encode(encoders, frame))
    assert any(block.count == 20 and not block.binned for block in rows[0].blocks)
