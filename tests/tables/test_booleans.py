"""A column of booleans, or of yes and no, is read however a file writes them."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.errors import DataError

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
def test_what_is_neither_true_nor_false_is_refused(rows):
    table = _table((True, False))
    model = bridle.fit(table.assign(y=["p", "q"] * 30), "y", recipe=RECIPE).model
    with pytest.raises(DataError, match="column 'k' was true or false in training, and has 'ja'"):
        model.predict(_table(("ja", "nein"))[:rows])
    assert len(model.predict(table.assign(k=None))) == 60
