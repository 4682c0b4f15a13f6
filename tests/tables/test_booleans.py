"""A column of booleans, or of yes and no, is read however a file writes them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

import bridle
from bridle.estimators import MLPClassifier
from bridle.tables.columns import Column, column_of, restricted
from bridle.tables.levels import LevelsReader

RECIPE = bridle.Recipe(epochs=3, hidden=(8,))
TRUE = np.arange(60) % 3 == 0
WAYS = [(True, False), ("true", "false"), ("yes", "no"), ("Yes", "No"), ("Y", "N"), ("t", "f")]
WAYS += [(1, 0), (1.0, 0.0), ("1", "0"), ("on", "OFF")]


def _table(way):
    return pd.DataFrame(
        {"k": [way[0] if each else way[1] for each in TRUE], "x": np.sqrt(range(60))}
    )


@pytest.mark.parametrize("trained", [(True, False), ("yes", "no"), ("T", "F")])
def test_booleans_are_read_in_any_way(tmp_path, trained):
    model = bridle.fit(_table(trained).assign(y=["p", "q"] * 30), "y", recipe=RECIPE).model
    expected = model.predict(_table(trained)).iloc[:, 1]
    path = tmp_path / "new.csv"
    for way in WAYS:
        _table(way).to_csv(path, index=False)
        for source in (_table(way), path):
            found = model.predict(source)
            np.testing.assert_array_equal(found.iloc[:, 1], expected)
            assert found.attrs["notes"] == []
        np.testing.assert_allclose(
            model.predict(_table(way)[:1]).iloc[0, 1], expected[0], rtol=1e-5
        )


@pytest.mark.parametrize("rows", [1, 60])
def test_another_word_is_a_new_category(rows):
    table = _table((True, False))
    model = bridle.fit(table.assign(y=["p", "q"] * 30), "y", recipe=RECIPE).model
    found = model.predict(_table(("unknown", "nein"))[:rows])
    told = f"'k' has {min(rows, 2)} new categor"
    assert any(note.startswith(told) for note in found.attrs["notes"])
    same = model.predict(table.assign(k=None)[:rows])
    np.testing.assert_array_equal(found.iloc[:, 1], same.iloc[:, 1])


def test_unused_categories_do_not_matter():
    table = _table((True, False))
    model = bridle.fit(table.assign(y=["p", "q"] * 30), "y", recipe=RECIPE).model
    found = model.predict(
        table.assign(k=pd.Categorical(table["k"].astype(str), ["True", "False", "unknown"]))
    )
    np.testing.assert_array_equal(found.iloc[:, 1], model.predict(table).iloc[:, 1])
    assert found.attrs["notes"] == []


@pytest.mark.parametrize("mark", ["-", "n/a", "--", "None", "#N/A"])
def test_marks_are_missing_values(tmp_path, mark):
    table = _table((True, False)).astype({"k": object})
    table.loc[::7, "k"] = None
    model = bridle.fit(table.assign(y=["p", "q"] * 30), "y", recipe=RECIPE).model
    expected = model.predict(table).iloc[:, 1]
    marked = table.assign(k=table["k"].map(lambda cell: mark if cell is None else cell))
    marked.to_csv(tmp_path / "new.csv", index=False)
    for source in (marked, tmp_path / "new.csv"):
        found = model.predict(source)
        np.testing.assert_array_equal(found.iloc[:, 1], expected)
        assert found.attrs["notes"] == []


@pytest.mark.parametrize("word", ["unknown", "-", "maybe"])
def test_a_rare_third_word_does_not_fail_by_chance(tmp_path, word):
    table = _table(("True", "False")).assign(y=["p", "q"] * 30)
    table.loc[7, "k"] = word
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    lacking = 0
    for seed in range(6):
        model = bridle.fit(path, "y", recipe=RECIPE, seed=seed).model
        column = model.encoder.schema["k"]
        lacking += column.categories == ("False", "True")
        assert column.has_words == (column.categories == ("False", "True"))
        # words of a table with others are no booleans, whether the others are in training or not
        assert LevelsReader(column).place("yes") == (-1, "yes")
        loaded = model.encoder.from_state(*model.encoder.state())
        assert loaded.schema["k"] == column
    assert lacking


def test_a_rare_third_value_in_a_fold_of_the_estimators():
    table = _table((True, False)).astype({"k": object})
    table.loc[7, "k"] = "unknown"
    network = MLPClassifier((4,), max_iter=50, n_iter_no_change=2, tol=1.0)
    scores = cross_val_score(network, table, ["p", "q"] * 30, cv=3, error_score="raise")
    assert np.isfinite(scores).all()


def test_words_beside_booleans_stay_what_they_are():
    values = pd.Series(["y", "n"] * 20 + ["t"] * 3, name="k")
    column = restricted(column_of(values), values[:30])
    assert column.categories == ("n", "y")
    assert Column.from_state(column.state()) == column
    earlier = {name: each for name, each in column.state().items() if name != "has_words"}
    assert Column.from_state(earlier) == replace(column, has_words=False)
    assert LevelsReader(column).place("t") == (-1, "t")
    assert LevelsReader(column_of(values[:30])).place("t") == (1, None)
