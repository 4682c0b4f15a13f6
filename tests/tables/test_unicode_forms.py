"""A name or a category is the same in Unicode's composed form and in that of macOS."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.errors import DataError
from bridle.tables import read_table
from bridle.tables.columns import Column
from bridle.tables.levels import LevelsReader

RECIPE = bridle.Recipe(epochs=3, hidden=(8,))
TABLE = pd.DataFrame(
    {"été": ["Évry", "Nîmes", "Ulm", "Nîmes"] * 20, "x": range(80), "clé": ["oui", "né"] * 40}
)


def decomposed(text):
    return unicodedata.normalize("NFD", text)


OTHER = TABLE.map(lambda value: decomposed(value) if isinstance(value, str) else value)
OTHER.columns = [decomposed(name) for name in TABLE]


def test_both_forms_are_one_category():
    both = pd.concat([TABLE, OTHER.set_axis(TABLE.columns, axis=1)])
    for target in ("clé", decomposed("clé")):
        model = bridle.fit(both, target, recipe=RECIPE).model
        assert model.encoder.schema["été"].categories == ("Nîmes", "Ulm", "Évry")
        assert model.target.classes == ("né", "oui")


def test_a_model_reads_the_other_form(tmp_path):
    path = tmp_path / "mac.csv"
    OTHER.to_csv(path, index=False)
    model = bridle.fit(TABLE, "clé", recipe=RECIPE).model
    expected = model.predict(TABLE)
    categories = OTHER.astype({decomposed("été"): "category"})
    for source in (path, OTHER, categories):
        found = model.predict(source)
        np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
        assert found.attrs["notes"] == []
    row = OTHER.iloc[:1]
    np.testing.assert_allclose(model.predict(row).iloc[0, 1], expected.iloc[0, 1], rtol=1e-5)
    assert bridle.fit(path, "clé", drop=["été"], recipe=RECIPE).model.encoder.columns == ("x",)


def test_a_model_with_decomposed_categories_reads_composed_ones():
    reader = LevelsReader(Column("k", "category", categories=("a", decomposed("é"))))
    assert reader.read(pd.Series(["é", decomposed("é"), "a"])).codes.tolist() == [1, 1, 0]


def test_names_that_differ_by_form_only_are_refused():
    with pytest.raises(DataError, match="several columns named 'é'"):
        read_table(pd.DataFrame({"é": [1], decomposed("é"): [2]}))
