"""A model reads numbers by the signs of the new file, and refuses what they do not tell."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle import DataError, Recipe
from bridle.models.reading import read_for_fit, read_for_model
from bridle.tables import ReadOptions

SHORT = Recipe(hidden=(8,), epochs=2)


def _written(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def _german(value):
    return f"{value:,.1f}".translate(str.maketrans(",.", ".,"))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of the same numbers, written in German, in US and in plain form."""
    folder = tmp_path_factory.mktemp("models")
    values = np.random.default_rng(0).uniform(1, 9999, 120).round(1)
    forms = {
        "german": (";", _german),
        "german tab": ("\t", _german),
        "us": (",", lambda value: f'"{value:,.1f}"'),
        "plain": (",", str),
    }
    made = {}
    for name, (sep, form) in forms.items():
        rows = "".join(
            sep.join((form(v), str(i % 7), "ab"[int(v > 5000)])) + "\n"
            for i, v in enumerate(values)
        )
        path = _written(folder, f"{name}.csv", sep.join("pqy") + "\n" + rows)
        made[name] = bridle.fit(path, "y", recipe=SHORT).model
    return made


@pytest.mark.parametrize(
    ("model", "text", "right"),
    [
        ("german", "p,q\n1.549,2\n", 1.549),
        ("german", "p;q\n1,549;2\n", 1.549),
        ("german", "p;q\n1.549;2\n", 1549),
        ("german", "p\tq\n1.549\t2\n", None),
        ("german", "p\tq\n1.549,5\t2\n", 1549.5),
        ("german", "p\tq\n0.549\t2\n", 0.549),
        ("german", 'p,q\n"1,549",2\n', None),
        ("german", "p,q\n1.549,2\n500,3\n", None),
        ("german tab", "p\tq\n1.549\t2\n", 1549),
        ("german tab", "p;q\n1.549;2\n", None),
        ("us", "p;q\n1,549;2\n", None),
        ("us", 'p,q\n"1,549",2\n', 1549),
        ("us", "p,q\n1.549,2\n", 1.549),
        ("plain", "p;q\n1,549;2\n", None),
        ("plain", "p;q\n1,549;2\n2,5;3\n", 1.549),
        ("plain", 'p,q\n"1,549",2\n', None),
        ("plain", "p,q\n1.549,2\n500,3\n", 1.549),
        ("plain", "p\tq\n1.549\t2\n", 1.549),
        ("plain", "p\tq\n1.549\t2\n500\t3\n", None),
    ],
)
def test_the_file_tells_its_decimal_mark(models, tmp_path, model, text, right):
    path = _written(tmp_path, "new.csv", text)
    if right is None:
        with pytest.raises(DataError, match=r"can mean .*; give --decimal \. or --decimal ,"):
            models[model].predict(path)
        read = read_for_model(models[model], path, ReadOptions(decimal="."))
        assert len(models[model].predict(read)) == len(read.frame)
        return
    assert read_for_model(models[model], path).frame["p"][0] == right
    frame = pd.DataFrame({"p": [right], "q": [2]})
    found = models[model].predict(path)
    assert found["probability_a"][0] == models[model].predict(frame)["probability_a"][0]


def _fitted(folder, cells, name="train.csv"):
    rows = "".join(f"{cell},{i % 7},{'ab'[i % 2]}\n" for i, cell in enumerate(cells))
    return bridle.fit(_written(folder, name, "p,q,y\n" + rows), "y", recipe=SHORT).model


def test_percent_belongs_to_the_column(tmp_path):
    pytest.importorskip("openpyxl")
    model = _fitted(tmp_path, [f"{v} %" for v in range(60)])
    native = pd.DataFrame({"p": [0.15, 0.5], "q": [1, 2]})
    native.to_excel(tmp_path / "new.xlsx", index=False)
    for source in (tmp_path / "new.xlsx", native, _written(tmp_path, "n.csv", "p,q\n0.15,1\n")):
        with pytest.raises(DataError, match="column 'p' had numbers with '%' in training"):
            model.predict(source)
    same = model.predict(_written(tmp_path, "n.csv", "p,q\n15 %,1\n"))
    assert same.attrs["notes"] == []
    bare = model.predict(pd.DataFrame({"p": [15.0], "q": [1]}))
    assert bare["probability_a"][0] == same["probability_a"][0]
    assert "those without it are taken as percent" in bare.attrs["notes"][0]
    with pytest.raises(DataError, match="with '%' and without"):
        model.predict(_written(tmp_path, "n.csv", "p,q\n15 %,1\n0.2,1\n"))
    saved = tmp_path / "m.bridle"
    bridle.save_model(model, saved)
    with pytest.raises(DataError, match="had numbers with '%' in training"):
        bridle.load(saved).predict(native)


def test_another_unit_is_refused_and_a_new_one_noted(tmp_path):
    dollars = _fitted(tmp_path, [f"${v}.5" for v in range(60)])
    plain = _fitted(tmp_path, [f"{v}.5" for v in range(60)])
    yen = _written(tmp_path, "yen.csv", "p,q\n¥15,1\n")
    percent = _written(tmp_path, "percent.csv", "p,q\n15%,1\n")
    for model, path in ((dollars, yen), (dollars, percent), (plain, percent)):
        with pytest.raises(DataError, match=r"column 'p' has numbers with '[¥%]', but had"):
            model.predict(path)
    assert "has numbers with '¥', but had no unit" in plain.predict(yen).attrs["notes"][0]
    code = _written(tmp_path, "usd.csv", "p,q\n15.5 USD,1\n")
    assert dollars.predict(code).attrs["notes"] == []


@pytest.mark.parametrize(
    ("form", "odd"),
    [
        (lambda i: f"{i} kg", " with a unit, such as '0 kg'"),
        (lambda i: "<5" if i % 9 == 0 else f"{i}.5", ", but '<5' is not one"),
        (lambda i: f"{i},5 m/s", " with a unit, such as"),
        (lambda i: f"€{i}" if i % 2 else f"${i}", ", but not in one unit or form"),
    ],
)
def test_a_target_of_numbers_with_units_is_refused(tmp_path, form, odd):
    rows = "".join(f"{i % 7};{form(i % 40)}\n" for i in range(60))
    path = _written(tmp_path, "t.csv", "p;y\n" + rows)
    with pytest.raises(DataError, match="task classification") as caught:
        bridle.fit(path, "y", recipe=SHORT)
    assert f"the target 'y' looks like numbers{odd}" in str(caught.value)
    forced = bridle.fit(path, "y", recipe=SHORT, task="classification")
    assert len(forced.model.target.classes) > 20


@pytest.mark.parametrize("form", ["2024-01-{:02}", "A{}", "0{}", "{}-{}", "10.0.0.{}"])
def test_other_labels_are_classes(tmp_path, form):
    rows = "".join(f"{i % 7},{form.format(i % 25, i % 25 + 1)}\n" for i in range(100))
    found = bridle.fit(_written(tmp_path, "t.csv", "p,y\n" + rows), "y", recipe=SHORT)
    assert len(found.model.target.classes) == 25


def test_infinite_values_are_told_by_the_row_of_the_file(tmp_path):
    rows = ["1.5,a"] * 30 + ["2.5,b"] * 30
    rows[3], rows[41] = "1.5,", "inf,b"
    path = _written(tmp_path, "t.csv", "x,y\n" + "\n".join(rows) + "\n")
    for source in (path, pd.read_csv(path)):
        with pytest.raises(DataError, match="column 'x', row 42: the value is inf"):
            bridle.fit(source, "y", recipe=SHORT)


def test_a_header_alone_has_no_predictions(models, tmp_path):
    for name in ("german", "plain"):
        assert len(models[name].predict(_written(tmp_path, "t.csv", "p,q\n"))) == 0


def test_rows_that_begin_with_a_hash_are_predicted(tmp_path):
    model = _fitted(tmp_path, [f"{'# ' if i % 4 == 0 else ''}room {i % 5}" for i in range(60)])
    new = _written(tmp_path, "n.csv", "p,q\n# room 1,1\nroom 2,2\n# room 3,3\n")
    assert len(model.predict(new)) == 3


def test_words_among_dates_are_the_same_in_excel(tmp_path):
    pytest.importorskip("openpyxl")
    days = [pd.Timestamp(2024, 1 + i % 12, 1 + i % 28) if i % 6 else "never" for i in range(60)]
    table = pd.DataFrame({"d": days, "y": ["a", "b"] * 30})
    table.to_excel(tmp_path / "t.xlsx", index=False)
    table.assign(d=[str(d)[:10] for d in days]).to_csv(tmp_path / "t.csv", index=False)
    excel, text = (read_for_fit(tmp_path / f"t.{end}", "y", ()) for end in ("xlsx", "csv"))
    assert excel.columns == text.columns
    assert excel.columns[0].kind == "date"
    pd.testing.assert_frame_equal(excel.frame, text.frame)
    assert any("'never' in 10 is taken as missing" in note for note in excel.notes)


def test_months_are_no_numbers(tmp_path):
    for form in ("{:02}.2023", "{:02}.10"):
        rows = "".join(f"{form.format(i % 12 + 1)},{'ab'[i % 2]}\n" for i in range(60))
        given = read_for_fit(_written(tmp_path, "t.csv", "m,y\n" + rows), "y", ())
        assert given.columns[0].kind == "category"
        assert any("look like months or days" in note for note in given.notes)
