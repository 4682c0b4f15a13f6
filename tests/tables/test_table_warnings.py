"""Warnings before training: each for what it names, and none for an ordinary table."""

import uuid

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

import bridle
from bridle.errors import DataError
from bridle.models.reading import read_for_fit
from conftest import CREDIT

ROWS = 600


def _table(rng):
    x = rng.normal(size=(ROWS, 4))
    frame = pd.DataFrame(x, columns=["age", "income", "score", "visits"])
    noisy = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=ROWS)
    return frame.assign(churned=np.where(noisy > 0, "yes", "no"))


def _notes(frame, target="churned"):
    return read_for_fit(frame, target, ()).notes


def test_ordinary_tables_have_none(rng):
    assert _notes(_table(rng)) == ()
    assert read_for_fit(CREDIT, "class", ()).notes == ()
    for name in ("breast_cancer", "wine", "diabetes"):
        frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        assert [note for note in _notes(frame, "target") if "repeat" not in note] == []


def _leak(frame, rng):
    return frame.assign(refund=np.where(frame["churned"] == "yes", "R1", "R0"))


def _identifier(frame, rng):
    return frame.assign(customer=[str(uuid.UUID(int=i * 7919)) for i in range(ROWS)])


def _position(frame, rng):
    return frame.assign(customer=np.arange(10000, 10000 + ROWS))


def _sorted(frame, rng):
    return frame.sort_values("churned").reset_index(drop=True).assign(number=range(ROWS))


def _duplicates(frame, rng):
    return pd.concat([frame[:150]] * 4, ignore_index=True)


def _case(frame, rng):
    upper = rng.random(ROWS) < 0.3
    return frame.assign(churned=frame["churned"].where(~upper, frame["churned"].str.upper()))


def _copies_of_fewer_digits(frame, rng):
    return pd.concat([frame[:300], frame[:300].round(9)], ignore_index=True)


def _far_code(frame, rng):
    return frame.assign(score=frame["score"].where(rng.random(ROWS) < 0.9, -999.0))


def _time(frame, rng):
    return frame.assign(day=pd.date_range("2022-01-01", periods=ROWS))


def _groups(frame, rng):
    patient = np.repeat(np.arange(ROWS // 8), 8)
    ill = rng.random(len(patient) // 8) < 0.5
    names = [f"P{p:03}" for p in patient]
    return frame.assign(patient=names, churned=np.where(ill[patient], "i", "w"))


KINDS = {
    _leak: "'refund' gives the target away: it tells it in 100.0 % of the rows",
    _identifier: "'customer' looks like an identifier",
    _position: "'customer' is the position of the row; leave it out with --drop customer",
    _sorted: "'number' gives the target away: sorted by it, each class is one block",
    _duplicates: "450 of 600 rows repeat another row",
    _copies_of_fewer_digits: "of 600 rows repeat another row, up to the last digits",
    _case: "the classes 'YES', 'yes' of 'churned' differ in case or blanks only",
    _far_code: "rows, far from all other values; if it means a missing value, give --missing -999",
    _time: "the rows are in order of time ('day')",
    _groups: "about 8 rows for each of 75 values of 'patient'",
}

WAYS_OUT = {_time: "--time day", _groups: "--groups patient"}


@pytest.mark.parametrize("make", KINDS)
def test_each_kind(make, rng):
    notes = _notes(make(_table(rng), rng))
    assert any(KINDS[make] in note for note in notes), notes


@pytest.mark.parametrize("make", WAYS_OUT)
def test_the_way_out_ends_the_warning(make, rng):
    frame, option = make(_table(rng), rng), WAYS_OUT[make]
    assert any(note.endswith(f"Give {option}") for note in _notes(frame))
    kind, _, column = option.removeprefix("--").partition(" ")
    given = read_for_fit(frame, "churned", (), **{kind: column})
    assert not any(KINDS[make] in note for note in given.notes)
    assert column not in given.frame.columns


def test_patients_that_are_numbered(rng):
    frame = _groups(_table(rng), rng)
    frame["patient"] = frame["patient"].str[1:].astype(int)
    assert any("about 8 rows for each of 75 values of 'patient'" in n for n in _notes(frame))


def test_one_row_per_class():
    frame = pd.DataFrame({"a": np.linspace(0, 1, 40) ** 2, "name": [f"n{i}" for i in range(40)]})
    for table in (frame, frame.assign(name=range(40)), frame.assign(name=frame["a"] * 3)):
        for run, way in ((bridle.fit, {}), (bridle.search, {"budget": "1s"})):
            with pytest.raises(DataError, match="40 classes in 40 rows, nearly one row each"):
                run(table, "name", task="classification", **way)


def test_few_whole_numbers_that_nearly_all_differ_are_values():
    frame = pd.DataFrame({"a": np.linspace(0, 1, 20) ** 2, "count": range(20)})
    for run, way in ((bridle.fit, {"epochs": 2}), (bridle.search, {"configurations": 2})):
        found = run(frame, "count", **way)
        assert any("20 whole numbers in 20 rows; as nearly all differ" in n for n in found.notes)
        with pytest.raises(DataError, match="20 classes in 20 rows"):
            run(frame, "count", task="classification", **way)
        with pytest.raises(DataError, match="20 classes in 20 rows"):
            run(frame.assign(count=[f"n{i}" for i in range(20)]), "count", **way)
        fractions = run(frame.assign(count=frame["count"] + 0.5), "count", **way)
        assert not any("nearly all differ" in note for note in fractions.notes)


def test_blanks_around_labels(tmp_path, rng):
    frame = _table(rng)
    frame["churned"] = frame["churned"].where(rng.random(ROWS) < 0.7, frame["churned"] + " ")
    frame.to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, tmp_path / "t.csv"):
        given = read_for_fit(source, "churned", ())
        assert any("have blanks around them" in note for note in given.notes)
        assert set(given.truth) == {"yes", "no"}


COLUMNS = {
    "dates": lambda rng: pd.Series(pd.date_range("2020-01-01", periods=ROWS)).sample(frac=1),
    "texts": lambda rng: pd.Series([f"left for {i} reasons" for i in range(ROWS)]),
    "numbers": lambda rng: pd.Series(rng.normal(size=ROWS)),
    "few numbers": lambda rng: pd.Series(rng.integers(0, 3, ROWS)),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_missing_values_that_tell_the_class(kind, rng):
    frame = _table(rng)
    values = COLUMNS[kind](rng).reset_index(drop=True).where(frame["churned"] == "yes")
    warned = read_for_fit(frame.assign(end=values), "churned", ()).warned
    found = [each for each in warned if each.code == "BR010"]
    assert [each.evidence["column"] for each in found] == ["end"]
    assert "it is missing exactly where 'churned' is 'no'" in str(found[0])
    holes = values.where(rng.random(ROWS) < 0.9)  # most of them tell the class, but not surely
    given = read_for_fit(frame.assign(end=holes), "churned", ())
    assert not any("missing exactly" in str(each) for each in given.warned)


@pytest.mark.parametrize("name", ["userId", "userID", "order_no", "orderNo", "user_id"])
def test_names_of_identifiers(name, rng):
    numbers = rng.permutation(ROWS) + 1000
    warned = read_for_fit(_table(rng).assign(**{name: numbers}), "churned", ()).warned
    assert [each.code for each in warned if each.evidence.get("column") == name] == ["BR012"]
    count = _table(rng).assign(no_of_steps=numbers, nobody=numbers)
    assert not any(each.code == "BR012" for each in read_for_fit(count, "churned", ()).warned)


@pytest.mark.parametrize("step", [7, 70])
@pytest.mark.parametrize("kind", ["int64", "str"])
def test_large_identifiers(step, kind, rng):
    """Most of the first ones would be the float of another one; none of the others."""
    table = _table(rng).assign(id=(10**17 + rng.permutation(ROWS) * step).astype(kind))
    read = read_for_fit(table, "churned", ())
    assert [each.code for each in read.warned if each.evidence.get("column") == "id"] == ["BR012"]
