"""Dates as targets, as numbers such as 20240113, and in another form at prediction."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.models.reading import read_for_fit, read_for_model
from bridle.tables import ReadOptions, infer_task
from bridle.tables.target_checks import MAX_CLASSES

ROWS = 60
DAYS = pd.Series(pd.date_range("2023-01-05", periods=ROWS, freq="5D")).sample(
    frac=1, random_state=0, ignore_index=True
)
FORMS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y", "%B %d, %Y", "%Y-%m-%dT%H:%M:%S", "%H:%M")
QUICK = {"hidden": (4,), "epochs": 1}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=ROWS), "y": rng.choice(["u", "v"], ROWS)})


def _written(form):
    days = DAYS + pd.to_timedelta(np.arange(ROWS) * 7, unit="min")
    return days.dt.strftime(form)


@pytest.mark.parametrize("form", FORMS)
def test_a_target_of_dates_is_refused(table, tmp_path, form):
    path = tmp_path / "t.csv"
    table.assign(y=_written(form)).to_csv(path, index=False)
    with pytest.raises(bridle.DataError, match=r"'y' has dates or times.*convert them to numbers"):
        bridle.fit(path, "y", **QUICK)


def test_words_among_the_dates_of_a_target_make_no_classes(table):
    cells = _written("%d.%m.%Y").where(np.arange(ROWS) % 5 > 0, "never")
    with pytest.raises(bridle.DataError, match="'y' has dates or times"):
        bridle.fit(table.assign(y=cells), "y", **QUICK)


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m%d%H%M"])
def test_a_target_of_dates_that_are_numbers_is_refused(table, form):
    y = _written(form).astype("int64")
    with pytest.raises(bridle.DataError, match="--task regression"):
        bridle.fit(table[["a"]], y, **QUICK)
    assert bridle.fit(table[["a"]], y, task="regression", **QUICK).model.task == "regression"


@pytest.mark.parametrize(
    "values",
    [
        list(DAYS[:MAX_CLASSES]) * 2,  # few dates are classes, as few whole numbers are
        [f"10.0.{i}.1" for i in range(40)],
        [f"1.{i}.0" for i in range(40)],
        [f"12 bottles {i}" for i in range(40)],
        [f"2024-{i}" for i in range(100, 140)],
        [f"2024-01-{i:02}" for i in range(40)],
    ],
)
def test_what_is_no_date_stays_a_class(values):
    assert infer_task(pd.Series(values)) == "classification"


@pytest.mark.parametrize("low", [10_000_000, 100_000])
def test_numbers_that_are_no_dates_are_not_noted(table, low):
    codes = np.random.default_rng(0).integers(low, 10 * low, ROWS)
    assert bridle.fit(table.assign(code=codes), "y", **QUICK).notes == ()


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m", "%Y%m%d%H%M%S"])
@pytest.mark.parametrize("gap", [False, True])
def test_dates_of_digits_are_noted_and_read_with_their_form(table, tmp_path, form, gap):
    numbers = _written(form).astype("int64").astype(float if gap else "int64")
    if gap:
        numbers[3] = np.nan
    frame, path = table.assign(day=numbers), tmp_path / "t.csv"
    frame.assign(day=numbers.astype("Int64")).to_csv(path, index=False)
    as_number = bridle.fit(path, "y", **QUICK)
    assert as_number.model.encoder.schema["day"].kind == "number"
    assert any(f"give --date-format {form}" in note for note in as_number.notes)
    reading = ReadOptions(date_format=form)
    models = [bridle.fit(each, "y", reading=reading, **QUICK).model for each in (path, frame)]
    for model in models:
        assert model.encoder.schema["day"].kind == "date"
        predicted = [model.predict(each) for each in (path, frame)]
        assert predicted[0].equals(predicted[1])
        assert predicted[0].attrs["notes"] == []
    assert models[0].predict(path).equals(models[1].predict(path))
    if form == "%Y%m%d":
        iso = _written("%Y-%m-%d").where(numbers.notna())
        assert models[0].predict(frame.assign(day=iso)).equals(models[0].predict(frame))


@pytest.fixture(scope="module")
def american(table):
    """A model of dates with the month first."""
    frame = table.assign(day=DAYS.dt.strftime("%m/%d/%Y"))
    return bridle.fit(frame, "y", **QUICK).model, frame


def test_day_and_month_exchanged_in_a_new_file_are_refused(american, tmp_path):
    model, frame = american
    new, path = frame.assign(day=DAYS.dt.strftime("%d/%m/%Y")), tmp_path / "new.csv"
    new.to_csv(path, index=False)
    for rows in (new, path):
        with pytest.raises(bridle.DataError, match="give --date-format %d/%m/%Y"):
            model.predict(rows)
    for rows in (new, path):
        read = read_for_model(model, rows, ReadOptions(date_format="%d/%m/%Y"))
        assert model.predict(read).equals(model.predict(frame))


def test_the_form_of_a_new_file_acts_on_the_command_line(bridle, american, tmp_path):
    import bridle as library

    model, frame = american
    library.save_model(model, tmp_path / "m.bridle")
    new, path = frame.assign(day=DAYS.dt.strftime("%d-%m-%Y")), tmp_path / "new.csv"
    new.loc[2, "day"] = "sometime 7"
    new.to_csv(path, index=False)
    assert bridle("predict", tmp_path / "m.bridle", path).code == 1
    ran = bridle("predict", tmp_path / "m.bridle", path, "--date-format", "%d-%m-%Y")
    assert ran.code == 0
    assert "1 of 60 cells are taken as missing" in ran.err
    gone = frame.assign(day=frame["day"].where(frame.index != 2))
    assert ran.out == model.predict(gone).to_csv(index=False)


def test_a_column_of_another_form_is_refused_and_one_cell_is_missing(american):
    model, frame = american
    with pytest.raises(bridle.DataError, match="is not a date of the form %m/%d/%Y"):
        model.predict(frame.assign(day=DAYS.dt.strftime("%d.%m.%Y")))
    one = frame.assign(day=["31/01/2024", *frame["day"][1:]])
    assert model.predict(one).attrs["notes"] == [
        "'31/01/2024' in 'day' is not a date of the form %m/%d/%Y; 1 of 60 cells are taken as "
        "missing"
    ]


@pytest.mark.parametrize(
    "form", ["%d/%m/%y", "%m/%d/%Y %I:%M %p", "%d-%b-%y", "%b %d, %Y", "%d/%b/%Y:%H:%M:%S +0000"]
)
def test_dates_of_a_form_that_is_not_found_out_are_noted(table, tmp_path, form):
    """Otherwise nothing tells that the rows are in order of time."""
    path, days = tmp_path / "t.csv", pd.date_range("2023-01-05 08:00", periods=ROWS, freq="31h")
    table.assign(when=days.strftime(form)).to_csv(path, index=False)
    notes = read_for_fit(path, "y", ()).notes
    (note,) = (note for note in notes if "look like dates" in note)
    asked = form.replace("+0000", "%z")
    assert note.startswith("the cells of 'when' look like dates, such as")
    assert f"--date-format '{asked}'" in note  # 05/01/23 may begin with the year, too
    given = read_for_fit(path, "y", (), ReadOptions(date_format=asked))
    assert not any("look like dates" in note for note in given.notes)
    assert any("in order of time ('when')" in note for note in given.notes)


@pytest.mark.parametrize(
    "cells", [["1/2", "3/4", "2/5"], ["120/80", "90/60", "110/70"], ["3:1", "2:0", "1:1"]]
)
def test_words_that_are_no_dates_are_not_noted(table, cells):
    frame = table.assign(x=cells * (ROWS // 3))
    assert not any("look like dates" in note for note in read_for_fit(frame, "y", ()).notes)


def test_a_form_that_no_column_has_is_refused(table):
    days = pd.Series(pd.date_range("2023-01-05", periods=ROWS).strftime("%d/%m/%y"))
    frame, form = table.assign(when=days.where(days.index != 4, "31/02/23")), "%d/%m/%y"
    with pytest.raises(bridle.UsageError, match=r"fits no column: 'when' has '31/02/23', which"):
        read_for_fit(frame, "y", (), ReadOptions(date_format=form))
    given = ReadOptions(date_format=form, missing=("31/02/23",))
    assert read_for_fit(frame, "y", (), given).columns[-1].kind == "date"
    with pytest.raises(bridle.UsageError, match="fits no column; leave it out"):
        read_for_fit(table, "y", (), ReadOptions(date_format=form))
    same = table.assign(when="05/01/23", day=DAYS)  # one date in all rows, and typed dates
    assert read_for_fit(same.drop(columns="day"), "y", (), ReadOptions(date_format=form)).columns
    assert read_for_fit(same.drop(columns="when"), "y", (), ReadOptions(date_format=form)).columns


def test_periods_are_dates(table):
    months = pd.period_range("2000-01", periods=ROWS, freq="M")
    read = read_for_fit(table.assign(when=months), "y", ())
    assert read.frame["when"].tolist() == months.to_timestamp().tolist()
    assert any("in order of time ('when')" in note for note in read.notes)
    with pytest.raises(bridle.DataError, match="'y' has dates or times"):
        bridle.fit(table.assign(y=months), "y", **QUICK)


def test_times_with_and_without_a_zone_are_noted(table):
    hours = pd.Series(pd.date_range("2024-01-05", periods=ROWS, freq="h").strftime("%FT%T"))
    for zoned, noted in ((hours.index % 2 == 0, True), (hours.index >= 0, False)):
        mixed = hours.where(~zoned, hours + "+05:00")
        notes = read_for_fit(table.assign(when=mixed), "y", ()).notes
        said = "some times of 'when' have a time zone and others, such as '2024-01-05T01:00:00'"
        assert any(note.startswith(said) for note in notes) is noted
