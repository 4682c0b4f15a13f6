"""A model reads a table as in training: whatever its cells look like, its format or its dialect."""

import itertools

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle import Recipe
from bridle.models.reading import read_for_fit
from bridle.tables import ReadOptions, ValueTarget

QUICK = Recipe(hidden=(16,), epochs=30, learning_rate=0.01)
SHORT = Recipe(hidden=(8,), epochs=2)


def _codes(rng, rows=300):
    code = rng.choice(["01", "02", "A3"], rows, p=[0.45, 0.45, 0.1])
    return pd.DataFrame(
        {"code": code, "x": rng.normal(size=rows), "y": np.where(code == "01", "p", "q")}
    )


def test_codes_with_leading_zeros_stay_codes(rng, tmp_path):
    _codes(rng).to_csv(tmp_path / "train.csv", index=False)
    model = bridle.fit(tmp_path / "train.csv", "y", recipe=QUICK).model
    new = pd.DataFrame({"code": ["01", "02"] * 50, "x": rng.normal(size=100)})
    new.to_csv(tmp_path / "new.csv", index=False)
    new.to_csv(tmp_path / "new.tsv", index=False, sep="\t")
    found = [model.predict(source) for source in (new, tmp_path / "new.csv", tmp_path / "new.tsv")]
    assert (found[0]["prediction"] == np.where(new["code"] == "01", "p", "q")).all()
    for other in found[1:]:
        pd.testing.assert_frame_equal(found[0], other, check_exact=True)


def test_classes_are_read_as_in_training(rng, tmp_path):
    x = rng.normal(size=120)
    table = pd.DataFrame({"x": x, "y": np.where(x > 1, "x", np.where(x > 0, "1", "2"))})
    table.to_csv(tmp_path / "train.csv", index=False)
    model = bridle.fit(tmp_path / "train.csv", "y", recipe=SHORT).model
    assert model.target.classes == ("1", "2", "x")
    table[table["y"] != "x"].to_csv(tmp_path / "new.csv", index=False)
    assert bridle.diagnose(model, tmp_path / "new.csv", shuffled_labels=False).held_out.rows > 90


def test_decimal_commas_make_a_regression(rng, tmp_path):
    x = rng.normal(size=200)
    rows = "".join(f"{a:.3f};{2 * a + b:.3f}\n" for a, b in zip(x, x[::-1], strict=True))
    (tmp_path / "eu.csv").write_text("x;y\n" + rows.replace(".", ","))
    result = bridle.fit(tmp_path / "eu.csv", "y", recipe=SHORT)
    assert isinstance(result.model.target, ValueTarget)
    assert result.reading == "read 200 rows × 2 columns: separator semicolon, decimal comma, UTF-8"
    # a single row says nothing of its decimal mark; the model's table does
    (tmp_path / "one.csv").write_text("x;z\n1,234;0\n")
    (tmp_path / "two.csv").write_text("x,z\n1.234,0\n0.5,0\n")
    one, two = (model_of(result, tmp_path / name) for name in ("one.csv", "two.csv"))
    assert one.iloc[0].equals(two.iloc[0])


def model_of(result, path):
    return result.model.predict(path)


@pytest.mark.parametrize("written", [("true", "false"), ("TRUE", "FALSE"), ("True", "False")])
def test_labels_come_back_as_they_were_written(rng, tmp_path, written):
    x = rng.normal(size=80)
    labels = np.where(x > 0, *written)
    table = pd.DataFrame({"x": x, "y": labels})
    table.to_csv(tmp_path / "t.csv", index=False)
    model = bridle.fit(tmp_path / "t.csv", "y", recipe=SHORT).model
    assert set(model.predict(tmp_path / "t.csv")["prediction"].astype(str)) <= set(written)
    assert [str(label) for label in model.target.classes] == sorted(written)


@pytest.mark.parametrize("label", ["none", "NA", "None", "null"])
def test_a_class_may_be_called_none(rng, tmp_path, label):
    x = rng.normal(size=80)
    table = pd.DataFrame({"x": x, "y": np.where(x > 0, label, "some")})
    table.to_csv(tmp_path / "t.csv", index=False)
    for source in (table, tmp_path / "t.csv"):
        result = bridle.fit(source, "y", recipe=SHORT)
        assert set(result.model.target.classes) == {label, "some"}
    assert sum(result.rows.values()) == 80
    given = ReadOptions(missing=(label,))
    with pytest.raises(bridle.DataError, match="in every row that has one"):
        bridle.fit(tmp_path / "t.csv", "y", reading=given, recipe=SHORT)


def test_text_labels_that_are_digits_stay_texts(rng):
    x = rng.normal(size=80)
    table = pd.DataFrame({"x": x, "y": np.where(x > 0, "01", "1")})
    model = bridle.fit(table, "y", recipe=SHORT).model
    assert model.target.classes == ("01", "1")


def test_booleans_in_any_dress(rng, tmp_path):
    flag = rng.random(200) < 0.5
    table = pd.DataFrame({"flag": flag, "x": rng.normal(size=200), "y": np.where(flag, "p", "q")})
    model = bridle.fit(table, "y", recipe=SHORT).model
    expected = model.predict(table)
    for values in (flag.astype(int), flag.astype(float), np.where(flag, "true", "false")):
        other = table.assign(flag=values)
        pd.testing.assert_frame_equal(model.predict(other), expected)
        other.to_csv(tmp_path / "t.csv", index=False)
        pd.testing.assert_frame_equal(model.predict(tmp_path / "t.csv"), expected)


def test_true_false_maybe(rng, tmp_path):
    level = rng.choice(["true", "false", "maybe"], 200)
    table = pd.DataFrame({"level": level, "x": rng.normal(size=200), "y": level == "true"})
    table.to_csv(tmp_path / "t.csv", index=False)
    model = bridle.fit(tmp_path / "t.csv", "y", recipe=QUICK).model
    table[table["level"] != "maybe"].to_csv(tmp_path / "new.csv", index=False)
    found = model.predict(tmp_path / "new.csv")["prediction"]
    assert (found.to_numpy() == (level[level != "maybe"] == "true")).mean() > 0.95


def test_times_of_day(rng, tmp_path):
    hours = rng.integers(0, 24, 200)
    table = pd.DataFrame({"at": [f"{h:02}:30" for h in hours], "x": rng.normal(size=200)})
    table["y"] = np.where(hours < 12, "am", "pm")
    table.to_csv(tmp_path / "t.csv", index=False)
    model = bridle.fit(tmp_path / "t.csv", "y", recipe=QUICK).model
    expected = model.predict(table)
    assert (expected["prediction"] == table["y"]).mean() > 0.9
    seconds = table.assign(at=[f"{h:02}:30:00" for h in hours])
    pd.testing.assert_frame_equal(model.predict(seconds), expected)


def test_dates_or_never(rng, tmp_path):
    days = pd.date_range("2024-01-01", periods=200)
    cells = days.strftime("%d.%m.%Y").to_numpy(dtype=object)
    cells[::10] = "never"
    table = pd.DataFrame({"left": cells, "x": rng.normal(size=200), "y": ["a", "b"] * 100})
    table.to_csv(tmp_path / "t.csv", index=False)
    result = bridle.fit(tmp_path / "t.csv", "y", recipe=SHORT)
    assert "180 of 200 cells of 'left' are dates; 'never' in 20 is taken as missing" in result.notes
    assert result.model.encoder.summary()["date"] == 1
    odd = table.assign(left=["2024/13/45", *cells[1:]])
    found = result.model.predict(odd)
    assert any("'2024/13/45' in 'left' is not a date" in note for note in found.attrs["notes"])


def test_day_and_month_that_cannot_be_told_apart(rng, tmp_path):
    days = [f"{d:02}/{m:02}/2024" for d, m in itertools.product(range(1, 11), range(1, 11))]
    table = pd.DataFrame({"when": days, "x": rng.normal(size=100), "y": ["a", "b"] * 50})
    table.to_csv(tmp_path / "t.csv", index=False)
    given = read_for_fit(tmp_path / "t.csv", "y", ())
    assert any("%m/%d/%Y, but can also be %d/%m/%Y" in note for note in given.notes)
    settled = read_for_fit(tmp_path / "t.csv", "y", (), ReadOptions(date_format="%d/%m/%Y"))
    assert settled.columns[0].date_format == "%d/%m/%Y"
    assert not any("can also be" in note for note in settled.notes)


def test_marks_among_numbers_are_missing_with_a_note(rng, tmp_path):
    cells = rng.normal(size=600).round(3).astype(str).astype(object)
    cells[rng.choice(600, 80, replace=False)] = "-"
    table = pd.DataFrame({"income": cells, "x": rng.normal(size=600), "y": ["a", "b"] * 300})
    table.to_csv(tmp_path / "t.csv", index=False)
    result = bridle.fit(tmp_path / "t.csv", "y", recipe=SHORT)
    note = "520 of 600 cells of 'income' are numbers; '-' in 80 is taken as missing"
    assert note in result.notes
    assert result.model.encoder.summary() == {"number": 2}
    new = pd.DataFrame({"income": ["-", None], "x": [0.0, 0.0]})
    found = result.model.predict(new)
    assert found.iloc[0].equals(found.iloc[1])


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_value_does_not_end_the_fit(seed):
    x = np.random.default_rng(0).normal(size=60)
    table = pd.DataFrame({"x": x, "rare": [np.nan] * 59 + [1.0], "empty": None})
    table["y"] = np.where(x > 0, "p", "q")
    result = bridle.fit(table, "y", seed=seed, recipe=SHORT)
    assert any("they have no values: " in note and "'empty'" in note for note in result.notes)


def test_rows_without_a_target_are_left_out_with_a_note(rng, tmp_path):
    x = rng.normal(size=100)
    y = np.where(x > 0, "p", "q").astype(object)
    y[:20] = ["?", None] * 10
    table = pd.DataFrame({"x": x, "y": y})
    table.to_csv(tmp_path / "t.csv", index=False)
    for source in (table, tmp_path / "t.csv"):
        result = bridle.fit(source, "y", recipe=SHORT)
        assert sum(result.rows.values()) == 80
        assert "left out: 20 of 100 rows, in which 'y' is missing" in result.notes
        diagnosis = bridle.diagnose(result.model, source, shuffled_labels=False)
        assert "it was split into the same parts" in diagnosis.notes[0]


def test_new_words_cannot_explode():
    words = ["red blue green black white", "small big tall wide flat", "cup jar bowl dish"]
    texts = [" ".join(c) for c in itertools.product(*(w.split() for w in words))]
    rng = np.random.default_rng(0)
    k = rng.integers(100, size=1000)
    table = pd.DataFrame({"item": [texts[i] for i in k], "x": rng.normal(size=1000)})
    table["y"] = table["x"] + (k % 4)
    model = bridle.fit(table, "y", recipe=Recipe(epochs=20)).model
    new = pd.DataFrame({"item": ["red small cup", "purple small cup", "zebra"], "x": 0.0})
    assert model.predict(new)["prediction"].between(-10, 10).all()


def test_what_is_new_is_noted_at_prediction(rng):
    x = rng.uniform(20, 60, 100)
    table = pd.DataFrame({"age": x, "town": ["Ulm", "Bonn"] * 50, "y": np.where(x > 40, "p", "q")})
    model = bridle.fit(table, "y", recipe=SHORT).model
    assert model.predict(table).attrs["notes"] == []
    new = pd.DataFrame({"age": [30.0, 5000.0], "town": ["Rom", "Ulm"]})
    far, category = model.predict(new).attrs["notes"]
    assert "'age' is far outside the training range" in far
    assert far.endswith("in 1 row, such as 5000")
    assert category == "'town' has 1 new category in 1 row: 'Rom'"


def test_missing_values_that_training_had_not_are_noted(rng):
    """A column that another program left empty would be the median in every row, without a word."""
    x = rng.uniform(20, 60, 100)
    days = pd.date_range("2024-01-05", periods=100).strftime("%d.%m.%Y")
    table = pd.DataFrame({"age": x, "gap": x, "town": ["Ulm", "Bonn"] * 50, "day": days})
    table = table.assign(gap=table["gap"].where(table.index > 9), y=np.where(x > 40, "p", "q"))
    model = bridle.fit(table, "y", recipe=SHORT).model
    said = "is missing in 2 rows, but was never missing in training; it is taken as"
    right = {f"'{name}' {said} the median of training" for name in ("age", "day")}
    right.add(f"'town' {said} no category")
    rows = table[:2].assign(age=np.nan, gap=np.nan, town=None, day=None)
    assert set(model.predict(rows).attrs["notes"]) == right
    assert set(model.predict(rows.astype(object)).attrs["notes"]) == right
    alone = bridle.fit(table.drop(columns="day"), "y", recipe=SHORT).model
    row = {"age": None, "gap": None, "town": "Ulm"}  # by the quick way for one row
    assert alone.predict(row).attrs["notes"] == [
        "'age' is missing in 1 row, but was never missing in training; it is taken as the median "
        "of training"
    ]
    assert alone.predict({**row, "age": 30.0}).attrs["notes"] == []
    assert (
        "'town' is missing" in alone.predict({**row, "age": 30.0, "town": None}).attrs["notes"][0]
    )


def test_files_of_before_are_read(rng, tmp_path):
    """Earlier files have no ranges, no limits of texts and no marks of missing values."""
    from bridle.models.file import from_state, state_of

    texts = [f"word{i} and word{i * 7 % 90}" for i in range(100)]
    table = pd.DataFrame({"t": texts, "x": rng.normal(size=100), "y": ["a", "b"] * 50})
    model = bridle.fit(table, "y", recipe=SHORT).model
    document, tensors = state_of(model)
    for column in document["encoder"]["columns"]:
        del column["missing"]
    del document["facts"]["table"]["marks"], tensors["encoder.ranges"]
    tensors = {name: value for name, value in tensors.items() if not name.endswith(".limit")}
    again = from_state(document, tensors)
    pd.testing.assert_frame_equal(again.predict(table), model.predict(table))
