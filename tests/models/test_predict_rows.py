"""A model predicts rows of any form alike: a frame, a dict, a Series, an array, a file."""

import numpy as np
import pandas as pd
import pytest
import torch
from untrained import untrained_model

import bridle
from bridle.models.predictor import Predictor
from bridle.models.reading import read_for_model
from bridle.tables import ReadOptions

ROWS = 60


def _table(*, with_texts=False):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, ROWS).astype(float),
            "town": rng.choice(["Ulm", "Bonn", "none"], ROWS),
            "flag": rng.random(ROWS) < 0.5,
            "code": rng.choice(["01", "02"], ROWS),
            "grade": pd.Categorical(rng.choice(["a", "b"], ROWS)),
            "same": 1,
            "rooms": pd.array(rng.integers(0, 9, ROWS), dtype="Int64"),
            "y": rng.choice(["no", "yes", "maybe"], ROWS),
        }
    )
    table.loc[::7, "age"] = np.nan
    table.loc[::11, "town"] = None
    table.loc[5:9, "rooms"] = pd.NA
    if with_texts:
        table["text"] = [f"street {i} of {i * i}" for i in range(ROWS)]
        table["day"] = pd.date_range("2023-01-01", periods=ROWS).strftime("%d.%m.%Y")
        table["when"] = pd.date_range("2023-01-01", periods=ROWS, freq="31h")
        table.loc[3, "when"] = pd.NaT
    return table


TABLE = _table()
X = TABLE.drop(columns="y")


@pytest.fixture(scope="module")
def model():
    return untrained_model(TABLE)


def _same(found, expected):
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), expected.reset_index(drop=True), rtol=0, atol=1e-6
    )


def test_a_frame_keeps_its_index(model):
    index = pd.Index([f"id {i}" for i in range(ROWS)], name="id")
    expected = model.predict(X)
    assert expected.index.equals(X.index)
    assert model.predict(X.set_axis(index)).index.equals(index)
    assert model.predict(X[::-1]).index.tolist() == list(range(ROWS))[::-1]
    assert model.predict(X.iloc[[7]]).index.tolist() == [7]
    assert model.predict_proba(X.set_axis(index)).index.equals(index)
    strings = X.astype({"age": str}).set_axis(index)  # is read as text tables are
    assert model.predict(strings).index.equals(index)
    joined = X[::-1].join(model.predict(X[::-1]))
    assert joined.loc[4, "prediction"] == expected.loc[4, "prediction"]


@pytest.mark.parametrize("row", [0, 1, 5, 11])
def test_one_row_in_any_form(model, row):
    expected = model.predict(X).iloc[[row]]
    values = X.iloc[row].to_dict()
    forms = {
        "frame": X.iloc[[row]],
        "dict": values,
        "dict with None": {name: None if pd.isna(v) else v for name, v in values.items()},
        "dict of lists": {name: [value] for name, value in values.items()},
        "list of a dict": [values],
        "Series": X.iloc[row],
        "list of a Series": [X.iloc[row]],
        "list of lists": [list(values.values())],
        "array": X.iloc[[row]].to_numpy(dtype=object),
        "with other columns": {"id": "x", **values, "y": None},
        "in another order": dict(reversed(values.items())),
    }
    for name, form in forms.items():
        _same(model.predict(form), expected), name
    assert model.predict(X.iloc[row]).index.tolist() == [row]


@pytest.mark.parametrize("with_texts", [False, True])
def test_many_rows_in_any_form(with_texts, tmp_path):
    polars = pytest.importorskip("polars", exc_type=ImportError) if not with_texts else None
    table = _table(with_texts=with_texts)
    rows = table.drop(columns="y")
    model = untrained_model(table)
    expected = model.predict(rows)
    records = [row.to_dict() for _, row in rows.iterrows()]
    rows.to_parquet(tmp_path / "rows.parquet")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    _same(model.predict(records), expected)
    _same(model.predict(rows[reversed(rows.columns)].assign(other=1)), expected)
    _same(model.predict(rows.to_numpy(dtype=object)), expected)
    _same(model.predict(rows.astype(object)), expected)
    _same(model.predict(tmp_path / "rows.parquet"), expected)
    _same(model.predict(tmp_path / "rows.csv"), expected)
    if polars is not None:
        _same(model.predict(polars.from_pandas(rows.astype({"grade": str}))), expected)


def test_arrow_tables(model):
    import pyarrow as pa

    _same(model.predict(pa.Table.from_pandas(X)), model.predict(X))


def test_integer_column_names(rng):
    table = pd.DataFrame(rng.normal(size=(40, 3)))
    table["y"] = np.where(table[0] > 0, "a", "b")
    model = untrained_model(table)
    rows = table.drop(columns="y")
    expected = model.predict(rows)
    _same(model.predict(rows.to_numpy()), expected)
    _same(model.predict(rows.to_numpy().tolist()), expected)
    _same(model.predict(torch.tensor(rows.to_numpy())), expected)
    _same(model.predict(rows[[2, 0, 1]]), expected)
    _same(model.predict(rows.loc[3]), expected.iloc[[3]])
    _same(model.predict({0: rows[0][3], 2: rows[2][3], 1: rows[1][3]}), expected.iloc[[3]])


def test_probabilities(model):
    found, table = model.predict(X), model.predict_proba(X)
    assert table.columns.tolist() == list(model.target.classes)
    assert np.array_equal(table.to_numpy(), found.iloc[:, 1:].to_numpy())
    array = model.predict_proba(X.to_numpy(dtype=object))
    assert isinstance(array, np.ndarray)
    assert np.allclose(array, table, atol=1e-6)
    assert np.allclose(array.sum(axis=1), 1)
    assert (np.array(model.target.classes)[array.argmax(1)] == found["prediction"]).all()
    regression = untrained_model(TABLE.assign(y=np.arange(ROWS) / 7))
    assert regression.predict(X).columns.tolist() == ["prediction"]
    with pytest.raises(bridle.UsageError, match="regression, which has no probabilities"):
        regression.predict_proba(X)


def test_reading_options_at_prediction(model, tmp_path):
    (tmp_path / "de.csv").write_text(X.to_csv(index=False, sep="|", decimal=","))
    (tmp_path / "odd.csv").write_text(X.to_csv(index=False, na_rep="absent"))
    expected = model.predict(X)
    _same(model.predict(tmp_path / "de.csv", reading=ReadOptions(sep="|", decimal=",")), expected)
    odd = ReadOptions(missing=("absent",))
    _same(model.predict(tmp_path / "odd.csv", reading=odd), expected)
    with pytest.raises(bridle.DataError, match="'absent' is not a number"):
        model.predict(tmp_path / "odd.csv")
    probabilities = model.predict_proba(tmp_path / "odd.csv", reading=odd)
    assert np.array_equal(probabilities.to_numpy(), expected.iloc[:, 1:].to_numpy())
    frame = pd.read_csv(tmp_path / "odd.csv", dtype=str, keep_default_na=False)
    _same(model.predict(frame, reading=odd), expected)


def test_subnetworks_take_the_same_forms():
    model = untrained_model(TABLE, hidden_noise=bridle.Dropout(keep_prob=0.5))
    expected = model.predict(X.iloc[[3]], subnetworks=5)
    assert expected.index.tolist() == [3]
    _same(model.predict(X.iloc[3].to_dict(), subnetworks=5), expected)


REFUSED = {
    "a column is missing": (X.drop(columns="age"), "lacks the column 'age'"),
    "a key is missing": ({"age": 3}, "lacks the column"),
    "a key is missing in one row": (
        [X.iloc[0].to_dict(), {k: v for k, v in X.iloc[1].items() if k != "town"}],
        "row 2 of the list lacks 'town'",
    ),
    "too few columns": (np.zeros((2, 3)), "row 1 of the array has 3 values, but the model was"),
    "ragged": ([[1] * 7, [1] * 8], "row 2 of the array has 8 values"),
    "one dimension": (np.zeros(7), "give one of two dimensions"),
    "three dimensions": (np.zeros((1, 2, 7)), "give one of two dimensions"),
    "a list of values": ([1, 2, 3], "a list of values is no table"),
    "a list of objects": ([object()], "give one list a row"),
    "a column as a Series": (X["age"], "a Series is one row"),
    "a list and a value": ({"age": [1, 2], "town": "Ulm"}, "the dict has a list at 'age'"),
    "lists of several lengths": ({"age": [1, 2], "town": ["Ulm"]}, "lists of several lengths"),
    "a number": (3, "a table is a path or a DataFrame, not a int"),
    "no number": ({**X.iloc[0].to_dict(), "age": "old"}, "'old' is not a number"),
    "infinite": ({**X.iloc[0].to_dict(), "age": np.inf}, "the value is inf"),
    "two columns of one name": (
        pd.concat([X, X["age"].rename("age")], axis=1),
        "several columns named 'age'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused(model, name):
    rows, message = REFUSED[name]
    with pytest.raises(bridle.DataError) as caught:
        model.predict(rows)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_rows(model):
    found = model.predict(X.iloc[:0])
    assert found.shape == (0, 4)
    assert model.predict_proba(X.iloc[:0]).shape == (0, 3)
    assert model.predict([]).shape == (0, 4)
    assert model.predict_proba([]).shape == (0, 3)


def test_new_rows_are_remarked_upon_whatever_their_form(model):
    row = {**X.iloc[1].to_dict(), "town": "Rome", "age": 5000}
    frame = pd.concat([X, pd.DataFrame([row])], ignore_index=True)
    for form in (row, [row], frame, frame.astype(object)):
        notes = model.predict(form).attrs["notes"]
        assert any("'town' has 1 new category in 1 row: 'Rome'" in note for note in notes)
        assert any("'age' is far outside the training range" in note for note in notes)
    assert not model.predict(X).attrs["notes"]


def _general(model, rows):
    """The predictions without what is prepared for values that have types."""
    read = read_for_model(model, rows)
    notes = list(read.notes)
    return model.encoder.transform(read.frame, notes), notes


def _awkward():
    """Tables with other types than in training, new categories and missing values."""
    rng = np.random.default_rng(1)
    yield X
    yield X.astype(str)
    yield X.astype(object).mask(rng.random(X.shape) < 0.2)
    yield X.astype(object).mask(rng.random(X.shape) < 0.2).infer_objects()
    yield X.assign(age=range(ROWS), rooms=1.5, flag=1)
    yield X.assign(flag=rng.choice(["TRUE", "false", " true"], ROWS), town="Rome ")
    yield X.assign(flag=rng.choice(["yes", "True"], ROWS), code=1, grade=2.0)
    yield X.assign(code=[1, "01", "1", 2.0, None, True] * 10, grade=X["grade"].astype(object))
    yield X.assign(grade=pd.Categorical(["z", "a", None] * 20, categories=["q", "a", "z"]))
    yield X.assign(town=["NA", "nan", "", "?", " Ulm", "none"] * 10, rooms=X["rooms"].astype(float))
    yield X.assign(age=X["age"].astype("Float32"), rooms="3", flag=X["flag"].astype("boolean"))
    yield X.assign(age=["1", 2, None, 3.5, True, "?"] * 10)


@pytest.mark.parametrize("bins", [0, 4])
def test_typed_values_are_encoded_as_by_the_general_way(bins):
    model = untrained_model(TABLE, bins=bins)
    for rows in _awkward():
        for part in (rows, rows.iloc[[0]], rows.iloc[[3]], rows.iloc[[4]], rows.iloc[:2]):
            expected, notes = _general(model, part)
            found = model._predictor.encode(part)
            assert np.array_equal(found.features, expected)
            assert found.notes == notes
            if len(part) == 1:
                found = model._predictor.encode(part.iloc[0].to_dict())
                assert np.array_equal(found.features, expected)
                assert found.notes == notes


def test_numbers_with_percent_signs_in_training_are_not_taken_as_they_are(tmp_path):
    lines = "".join(f"{i} %,{'ab'[i % 2]}\n" for i in range(1, 41))
    (tmp_path / "train.csv").write_text("rate,y\n" + lines)
    model = untrained_model(tmp_path / "train.csv")
    assert "taken as percent" in model.predict({"rate": 15}).attrs["notes"][0]
    with pytest.raises(bridle.DataError, match="between -1 and 1"):
        model.predict({"rate": 0.15})


def test_changed_weights_predict_anew():
    model = untrained_model(TABLE)
    before = model.predict(X)
    with torch.no_grad():
        model.network.weights[0].zero_()
    after = model.predict(X)
    assert after["probability_no"].nunique() == 1 < before["probability_no"].nunique()


@pytest.mark.parametrize(
    "noises",
    [
        {"hidden_noise": bridle.Dropout(keep_prob=0.5), "input_noise": bridle.Dropout(keep_prob=1)},
        {"hidden_noise": bridle.Dropout(keep_prob=0.5, scaling="classic")},
        {"weight_noise": bridle.DropConnect(keep_prob=0.5)},
        {"hidden_noise": bridle.AlphaDropout(keep_prob=0.9)},
        {"dtype": torch.float64},
    ],
)
def test_a_stored_model_predicts_as_the_loaded_one(noises, tmp_path):
    from bridle.models.stored import load_predictor

    model = untrained_model(TABLE, **noises)
    bridle.save_model(model, tmp_path / "model.bridle")
    stored = load_predictor(tmp_path / "model.bridle")
    assert isinstance(stored, Predictor)
    assert stored.predict(X).equals(bridle.load(tmp_path / "model.bridle").predict(X))
    assert stored.predict(X).equals(model.predict(X))
