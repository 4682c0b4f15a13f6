"""A row with a text gives the same prediction in whatever form it comes."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from untrained import untrained_model

ROWS = 900


def _model(cells, **types):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"c": cells, "x": random.normal(size=len(cells))}).astype(types)
    frame["y"] = np.where(random.random(len(cells)) < 0.5, "yes", "no")
    return untrained_model(frame)


def _often(*words):
    """Return cells of each word in 40 rows, and other cells that are rare."""
    cells = [word for word in words for _ in range(40)]
    return cells + [f"c{at}" for at in range(ROWS - len(cells))]


def _shares(model, cell, folder):
    """Return the probabilities of a row by the form it has."""
    row = pd.DataFrame({"c": pd.Series([cell], dtype=object), "x": 1.0})
    mixed = pd.concat([row, pd.DataFrame({"c": ["c3"], "x": [1.0]})])  # stays a column of objects
    path = folder / "rows.csv"
    row.to_csv(path, index=False)
    forms = {
        "objects": mixed,
        "categories": row.astype({"c": "category"}),
        "dict": row.iloc[0].to_dict(),
        "dicts": [row.iloc[0].to_dict()],
        "csv": path,
        "inferred": row.infer_objects(),
    }
    return {name: model.predict_proba(form).to_numpy()[:1] for name, form in forms.items()}


def _check(model, cell, folder, like=None):
    shares = _shares(model, cell, folder)
    if like is not None:
        shares["like"] = _shares(model, like, folder)["csv"]
    for name, found in shares.items():
        assert found == pytest.approx(shares["csv"], abs=1e-6), name


WORDS = ["NA", "None", "null", "N/A"]


@pytest.fixture(scope="module")
def marks():
    """Return a model of a column with words that are missing values elsewhere."""
    cells = [*WORDS * 40, "none", "n/a", *(f"c{at}" for at in range(ROWS))]
    return _model(cells, c="category")


@pytest.mark.parametrize("cell", [*WORDS, "none", "n/a", "NULL", "c1", "", None])
def test_words_for_missing_values(marks, cell, tmp_path):
    assert set(WORDS) <= set(marks.encoder.schema["c"].categories)
    assert marks.encoder.schema["c"].has_missing  # "none" is too rare to be a value
    _check(marks, cell, tmp_path)


def test_a_frequent_word_is_a_value_and_a_rare_one_is_missing(marks, tmp_path):
    shares = {cell: _shares(marks, cell, tmp_path)["csv"] for cell in ["NA", "none", None]}
    assert np.array_equal(shares["none"], shares[None])
    assert not np.allclose(shares["NA"], shares[None])


@pytest.fixture(scope="module")
def codes():
    """Return a model whose column has codes: frequent ones, rare ones and ones like 4.0."""
    return _model([*_often("1", "2", "4.0"), "7", "8.0"])


@pytest.mark.parametrize(
    ("cell", "like"),
    [
        *((kind(1), "1") for kind in (int, float, np.int64, np.float32, np.float64, Decimal)),
        *((kind("1.0"), "1") for kind in (str, Decimal)),
        *((cell, "4.0") for cell in (4, 4.0, "4", "4.00", np.float32(4))),
        *((cell, "7") for cell in (7, 7.0, "7.0", Decimal("7.0"), np.float32(7))),  # rare
        *((cell, "8") for cell in (8.0, "8.0", "8")),
        *((cell, "9") for cell in (9.0, "9.0", "9")),  # new
        *((cell, None) for cell in (2.5, "2.5", np.float32(2.5), "007.0", "-3.0", "1.0.0", True)),
    ],
)
def test_codes_that_became_floats(codes, cell, like, tmp_path):
    _check(codes, cell, tmp_path, like)


def test_a_column_of_single_precision_is_read_as_a_file_has_it(codes, tmp_path):
    rows = pd.DataFrame({"c": np.array([0.1, 1, 2.5], dtype=np.float32), "x": 1.0})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    shares = codes.predict_proba(rows).to_numpy()
    assert np.array_equal(shares, codes.predict_proba(tmp_path / "rows.csv").to_numpy())


@pytest.mark.parametrize("which", ["marks", "codes"])
def test_the_exported_graph_gives_the_same(which, request):
    pytest.importorskip("onnxruntime")
    from onnx_helpers import check_equal

    cells = [*WORDS, "none", "", "1", "1.0", "2.00", "4", "4.0", "4.00", "7.0", " 7.0 ", "8.0"]
    cells += ["9.0", "-3.0", "007.0", "1.0.0", "c.0", ".", "c1", "TRUE"]
    check_equal(request.getfixturevalue(which), pd.DataFrame({"c": cells, "x": 1.0}))


@pytest.mark.parametrize("often", [[], ["shop 1"]])
def test_a_text_that_was_never_missing_has_a_note_when_it_is(often, tmp_path):
    model = _model(_often(*often))
    assert bool(model.encoder.schema["c"].categories) == bool(often)
    rows = pd.DataFrame({"c": [None, "c1", "", "new"], "x": 1.0})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    note = "'c' is missing in {}, but was never missing in training; it is taken as an empty text"
    for form, many in ((rows, "2 rows"), (tmp_path / "rows.csv", "2 rows")):
        assert model.predict(form).attrs["notes"] == [note.format(many)]
    assert model.predict({"c": None, "x": 1.0}).attrs["notes"] == [note.format("1 row")]
    assert not model.predict(rows[1::2]).attrs["notes"]
