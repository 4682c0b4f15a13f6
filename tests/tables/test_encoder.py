"""Columns become numbers: finite, row by row, and the same after a trip through the state."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from sklearn import datasets

from bridle.errors import DataError, ModelFileError
from bridle.tables import TableEncoder, read_table
from conftest import CREDIT


def _mixed(rows=60, seed=0):
    rng = np.random.default_rng(seed)
    names = [f"street {i} of {rng.integers(1000)}" for i in range(rows)]
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=rows) * 1e3,
            "holes": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
            "flag": rng.random(rows) < 0.5,
            "kind": rng.choice(["red", "green", "blue"], rows),
            "kind with holes": rng.choice(["x", "y", None], rows),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "moment": [f"2021-0{1 + i % 9}-03 1{i % 10}:30:00" for i in range(rows)],
            "address": names,
            "numbers in text": [str(i * 0.5) for i in range(rows)],
            "constant": "same",
        }
    )
    frame.loc[3, ["day", "address", "moment"]] = None
    return frame


def test_the_time_of_day_is_a_feature_where_there_are_times():
    moments = pd.DataFrame({"at": pd.date_range("2024-01-05 06:00", periods=8, freq="6h")})
    days = moments.apply(lambda at: at.dt.normalize())
    (dated, timed), wanted = (TableEncoder().fit(each) for each in (days, moments)), "at_hour_"
    assert [any(wanted in name for name in each.feature_names) for each in (dated, timed)] == [
        False,
        True,
    ]
    chosen = [wanted in name for name in timed.feature_names]
    found = timed.transform(moments)[:, chosen].round(6).tolist()
    assert len(set(map(tuple, found))) == 4
    assert found[:4] == found[4:]


def test_kinds():
    encoder = TableEncoder().fit(_mixed())
    kinds = {column.name: column.kind for column in encoder._all}
    assert kinds == {
        "number": "number",
        "holes": "number",
        "flag": "category",
        "kind": "category",
        "kind with holes": "category",
        "day": "date",
        "moment": "date",
        "address": "text",
        "numbers in text": "number",
        "constant": "constant",
    }
    assert encoder.summary()["number"] == 3
    assert "constant" not in encoder.columns
    assert any("constant" in note for note in encoder.notes)
    assert any("address" in note for note in encoder.notes)


def test_output_is_finite_float32_with_a_name_each():
    frame = _mixed()
    X = TableEncoder().fit(frame).transform(frame)
    assert X.dtype == np.float32
    assert X.flags["C_CONTIGUOUS"]
    assert np.isfinite(X).all()
    names = TableEncoder().fit(frame).feature_names
    assert X.shape == (60, len(names))
    assert len(set(names)) == len(names)


def test_numbers_are_centred_scaled_and_bounded():
    values = np.concatenate([np.linspace(-1, 1, 99), [1e12]])
    X = TableEncoder().fit(pd.DataFrame({"a": values})).transform(pd.DataFrame({"a": values}))
    assert abs(np.median(X)) < 0.01
    assert 2.9 < X.max() <= 3.0
    assert (np.diff(X[:, 0]) > 0).all()


@pytest.mark.parametrize(
    "values",
    [
        [1e308, -1e308, 0.0, 1.0],
        [1e-320, 0.0, 2e-320, 0.0],
        [2**80, 1, 2, 3],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ],
)
def test_extreme_numbers_stay_finite(values):
    frame = pd.DataFrame({"a": pd.Series(values)})
    X = TableEncoder().fit(frame).transform(frame)
    assert np.isfinite(X).all()
    assert len(np.unique(X)) > 1


def test_rows_do_not_depend_on_each_other():
    frame = _mixed()
    encoder = TableEncoder().fit(frame)
    whole = encoder.transform(frame)
    order = np.random.default_rng(1).permutation(len(frame))
    assert np.array_equal(encoder.transform(frame.iloc[order]), whole[order])
    for row in (0, 3, 17):
        assert np.array_equal(encoder.transform(frame.iloc[[row]])[0], whole[row])
    assert encoder.transform(frame.iloc[:0]).shape == (0, whole.shape[1])


def test_the_kind_is_decided_in_fit_and_never_again():
    frame = _mixed()
    encoder = TableEncoder().fit(frame)
    other = frame.copy()
    other["holes"] = None
    other["number"] = other["number"].round().astype(int)
    other["numbers in text"] = other["numbers in text"].astype(float)
    other["moment"] = pd.to_datetime(other["moment"])
    other["day"] = other["day"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    other["unknown"] = 1
    read = read_table(other[reversed(other.columns)])
    X, Y = encoder.transform(frame), encoder.transform(read)
    names = encoder.feature_names
    same = [i for i, name in enumerate(names) if name.split("=")[0] not in ("holes", "number")]
    assert np.array_equal(X[:, same], Y[:, same])
    assert (Y[:, names.index("holes=(missing)")] == 1).all()


def test_unseen_categories_are_zeros():
    frame = pd.DataFrame({"k": ["a", "b", "a", None], "n": range(4)})
    assert TableEncoder().fit(frame)._all[0].kind == "category"
    encoder = TableEncoder().fit(frame)
    X = encoder.transform(pd.DataFrame({"k": ["new", "a", None], "n": [0, 0, 0]}))
    names = encoder.feature_names
    block = X[:, [names.index(f"k={level}") for level in ("a", "b", "(missing)")]]
    assert block.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_whole_numbers_as_categories_match_in_any_dress():
    frame = pd.DataFrame({"k": pd.Categorical([1, 2, 1, 2]), "n": range(4)})
    encoder = TableEncoder().fit(frame)
    expected = encoder.transform(frame)
    for values in ([1.0, 2.0, 1.0, 2.0], ["1", "2", "1", "2"], np.array([1, 2, 1, 2])):
        assert np.array_equal(encoder.transform(frame.assign(k=values)), expected)


def test_booleans_match_in_any_dress(tmp_path):
    frame = pd.DataFrame({"k": [True, False, True, False], "n": range(4)})
    encoder = TableEncoder().fit(frame)
    texts = frame.assign(k=["True", "False", "True", "False"])
    assert np.array_equal(encoder.transform(texts), encoder.transform(frame))


def test_state_is_json_and_gives_the_same_bits():
    frame = _mixed()
    encoder = TableEncoder().fit(frame)
    state, arrays = encoder.state()
    text = json.dumps(state, allow_nan=False)
    again = TableEncoder.from_state(json.loads(text), {k: v.copy() for k, v in arrays.items()})
    assert np.array_equal(again.transform(frame), encoder.transform(frame))
    assert again.feature_names == encoder.feature_names
    assert again.notes == encoder.notes


DAMAGE = {
    "no columns": lambda s, a: s.clear(),
    "columns of text": lambda s, a: s.update(columns="many"),
    "a column of text": lambda s, a: s.update(columns=["x"]),
    "unknown kind": lambda s, a: s["columns"][0].update(kind="code"),
    "field too many": lambda s, a: s["columns"][0].update(run="os.system"),
    "no centres": lambda s, a: a.pop("center"),
    "no directions": lambda s, a: a.pop("text.0.directions"),
    "directions of another shape": lambda s, a: a.update({"text.0.idf": np.ones(3)}),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_state(case):
    state, arrays = TableEncoder().fit(_mixed()).state()
    DAMAGE[case](state, arrays)
    with pytest.raises(ModelFileError):
        TableEncoder.from_state(state, arrays)


FRAME = pd.DataFrame({"n": [1.0, 2.0, 3.0], "d": ["2020-01-01", "2020-02-01", "2021-01-01"]})
BAD_FIT = {
    "infinite": ({"n": [1.0, -np.inf, 2.0]}, "row 2: the value is -inf", "'n'"),
}


@pytest.mark.parametrize("case", BAD_FIT)
def test_bad_columns(case):
    change, *parts = BAD_FIT[case]
    with pytest.raises(DataError) as caught:
        TableEncoder().fit(FRAME.assign(**change))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("values", [[None] * 3, [np.nan] * 3, ["", "?", "NA"]])
def test_columns_without_values_are_left_out_with_a_note(values):
    encoder = TableEncoder().fit(FRAME.assign(e=values))
    assert "e" not in encoder.columns
    assert "left out, because they have no values: 'e'" in encoder.notes


def test_no_column_varies():
    with pytest.raises(DataError, match="all 2 columns are constant"):
        TableEncoder().fit(pd.DataFrame({"a": [1, 1], "b": ["x", "x"]}))


BAD_TRANSFORM = {
    "absent": ({"n": None}, "lacks the column 'n'"),
    "text for a number": ({"n": ["1", "2", "many"]}, "row 3: 'many' is not a number"),
    "no date at all": ({"d": ["1 soon", "2 late", None]}, "row 1: '1 soon' is not a date"),
    "infinite": ({"n": [1, 2, np.inf]}, "row 3: the value is inf"),
}


@pytest.mark.parametrize("case", BAD_TRANSFORM)
def test_bad_rows(case):
    change, part = BAD_TRANSFORM[case]
    encoder = TableEncoder().fit(FRAME)
    frame = FRAME.assign(**change)
    frame = frame.drop(columns=[name for name, value in change.items() if value is None])
    with pytest.raises(DataError) as caught:
        encoder.transform(frame)
    assert part in str(caught.value)


def test_one_date_of_another_form_is_missing_with_a_note():
    encoder = TableEncoder().fit(FRAME)
    notes = []
    cells = ["2020-01-01", "soon", None]
    X = encoder.transform(FRAME.assign(d=cells), notes)
    assert np.array_equal(X[1], encoder.transform(FRAME.assign(d=[cells[0], None, None]))[1])
    assert notes == [
        "'soon' in 'd' is not a date of the form %Y-%m-%d; 1 of 3 cells are taken as missing"
    ]


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes", "wine", "iris"])
def test_scikit_learns_tables(name):
    frame = getattr(datasets, f"load_{name}")(as_frame=True).data
    X = TableEncoder().fit(frame).transform(frame)
    assert X.shape[0] == len(frame)
    assert np.isfinite(X).all()


def test_the_example_table():
    encoder = TableEncoder().fit(pd.read_csv(CREDIT).drop(columns="class"))
    assert encoder.summary() == {"category": 13, "number": 7}


def test_many_columns_and_many_rows_are_no_trouble():
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(100, 3000)), columns=[f"c{i}" for i in range(3000)])
    assert TableEncoder().fit(wide).transform(wide).shape == (100, 3000)


# no letters that pandas' and Python's notions of white space see differently
CELLS = {
    "number": st.one_of(st.none(), st.floats(-1e9, 1e9)),
    "whole": st.integers(-5, 5),
    "word": st.one_of(st.none(), st.text(st.characters(codec="ascii"), max_size=4)),
    "flag": st.booleans(),
}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rows=st.integers(2, 12))
def test_any_small_table(data, rows):
    frame = pd.DataFrame(
        {
            name: data.draw(st.lists(cells, min_size=rows, max_size=rows))
            for name, cells in CELLS.items()
        }
        | {"varies": range(rows)}
    )
    missing = [name for name in frame if frame[name].isna().all()]
    frame = frame.drop(columns=missing)
    try:
        encoder = TableEncoder().fit(frame)
    except DataError as error:
        # strings that mean a missing value or an infinite number
        assert any(words in str(error) for words in ("all values of column", "is inf"))  # noqa: PT017
        return
    X = encoder.transform(frame)
    assert X.shape == (rows, len(encoder.feature_names))
    assert np.isfinite(X).all()
    assert np.array_equal(encoder.transform(frame.iloc[::-1]), X[::-1])
    state, arrays = encoder.state()
    again = TableEncoder.from_state(json.loads(json.dumps(state)), arrays)
    assert np.array_equal(again.transform(frame), X)


def test_bins_come_after_the_other_features():
    frame = _mixed()
    plain = TableEncoder().fit(frame)
    binned = plain.binned(frame, 4)
    names = plain.feature_names
    assert binned.feature_names[: len(names)] == names
    found = binned.transform(frame)
    assert np.array_equal(found[:, : len(names)], plain.transform(frame))
    assert found.shape[1] == len(binned.feature_names)
    assert found[:, len(names) :].min() >= -1
    assert found[:, len(names) :].max() <= 2
    assert plain.binned(frame, 0).feature_names == names


def test_bins_add_up_to_the_number():
    # between the outer edges the encoding is one to one: widths times places are the number
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=200)})
    encoder = TableEncoder().fit(frame)
    z = encoder.transform(frame)[:, 0]
    binned = encoder.binned(frame, 8)
    edges = np.quantile(encoder.transform(frame).astype(float)[:, 0], np.linspace(0, 1, 9))
    places = binned.transform(frame)[:, 1:]
    assert np.allclose(edges[0] + places @ np.diff(edges), z, atol=1e-5)


def test_bins_survive_the_state():
    frame = _mixed()
    binned = TableEncoder().fit(frame).binned(frame, 5)
    state, arrays = binned.state()
    again = TableEncoder.from_state(json.loads(json.dumps(state)), arrays)
    assert again.feature_names == binned.feature_names
    assert np.array_equal(again.transform(frame), binned.transform(frame))


@pytest.mark.parametrize("part", ["columns", "counts", "edges"])
def test_damaged_bins_are_refused(part):
    frame = _mixed()
    state, arrays = TableEncoder().fit(frame).binned(frame, 5).state()
    arrays[f"bins.{part}"] = arrays[f"bins.{part}"][:-1]
    with pytest.raises(ModelFileError, match="bins"):
        TableEncoder.from_state(state, arrays)
    del arrays[f"bins.{part}"]
    with pytest.raises(ModelFileError):
        TableEncoder.from_state(state, arrays if part != "edges" else {})
