"""A form of dates acts on a column, or is refused, or a note says what it did not do."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.models.reading import read_for_fit
from bridle.tables import ReadOptions

FORM, SLIP = "%d/%m/%Y", "%d-%m-%Y"
DAYS = pd.Series([f"{day:02}/{month:02}/2024" for month in range(1, 13) for day in range(1, 13)])
ROWS = len(DAYS)
ISO = pd.Series(pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d"))
TABLE = pd.DataFrame({"x": np.arange(ROWS) * 37 % 11, "y": ["a", "b"] * (ROWS // 2)})


def _read(frame, form=FORM, drop=(), **by):
    return read_for_fit(frame, "y", drop, ReadOptions(date_format=form), **by)


def _doubts(read):
    return [note for note in read.notes if "can also be" in note]


@pytest.mark.parametrize("by", ["groups", "time"])
@pytest.mark.parametrize("as_column", [True, False])
def test_a_form_that_groups_or_times_do_not_have_is_refused(by, as_column):
    frame = TABLE.assign(t=DAYS) if as_column else TABLE
    given = {by: "t" if as_column else DAYS.tolist()}
    told = "'t' has the form %m/%d/%Y" if as_column else "leave it out"
    with pytest.raises(bridle.UsageError, match=rf"%d-%m-%Y .* fits no column[:;] {told}"):
        _read(frame, SLIP, **given)
    assert _doubts(_read(frame, **given)) == []


def test_times_of_another_form_are_noted_beside_a_column_of_the_form():
    read = _read(TABLE.assign(t=DAYS, day=DAYS.str.replace("/", "-")), SLIP, time="t")
    assert _doubts(read) == [
        "the dates of 't' are read as %m/%d/%Y, but can also be %d/%m/%Y; they lack the given form "
        "%d-%m-%Y; correct it, or write 2024-01-31"
    ]


def test_a_column_of_iso_dates_does_not_hide_the_doubt():
    with pytest.raises(bridle.UsageError, match="'t' has the form %m/%d/%Y; give the form that"):
        _read(TABLE.assign(created=ISO, t=DAYS), SLIP)
    assert _doubts(_read(TABLE.assign(created=ISO, t=DAYS))) == []


@pytest.mark.parametrize("beside", ["none", "ISO", "typed", "empty"])
def test_the_cell_that_does_not_fit_is_named(beside):
    more = {
        "none": {},
        "ISO": {"created": ISO},
        "typed": {"created": pd.to_datetime(ISO)},
        "empty": {"created": None},
    }[beside]
    frame = TABLE.assign(due=DAYS.where(DAYS.index != 7, "32/01/2024"), **more)
    with pytest.raises(bridle.UsageError, match="fits no column: 'due' has '32/01/2024'"):
        _read(frame)


def test_no_other_form_is_advised_for_a_cell_that_does_not_fit():
    short = DAYS.str.replace("/20", "/")
    frame = TABLE.assign(start=short, due=short.where(short.index != 7, "32/01/24"))
    (note,) = (note for note in _read(frame, "%d/%m/%y").notes if "look like dates" in note)
    assert "of the form %d/%m/%y, but are read as words, since '32/01/24' has" in note
    assert "--date-format" not in note


@pytest.mark.parametrize("gaps", [True, False])
def test_compact_dates_as_pandas_writes_them_beside_gaps(tmp_path, gaps):
    days = pd.to_datetime(ISO).dt.strftime("%Y%m%d").astype(float)
    frame = TABLE.assign(day=days.where(days.index % 5 > 0) if gaps else days)
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert "20240102.0" in (tmp_path / "t.csv").read_text()
    read = _read(tmp_path / "t.csv", "%Y%m%d")
    assert read.columns == _read(frame, "%Y%m%d").columns
    (day,) = (column for column in read.columns if column.name == "day")
    assert (day.kind, day.date_format, day.has_missing) == ("date", "%Y%m%d", gaps)
    options = {"reading": ReadOptions(date_format="%Y%m%d"), "hidden": (4,), "epochs": 1}
    model = bridle.fit(tmp_path / "t.csv", "y", **options).model
    assert model.predict(tmp_path / "t.csv").equals(model.predict(frame))


def test_a_form_that_fits_is_not_refused():
    category = _read(TABLE.assign(day=DAYS.astype("category")))
    assert category.columns[-1].kind == "category"
    (note,) = (note for note in category.notes if "categories" in note)
    assert note.startswith("the dates of 'day' are pandas categories, and stay categories; give")
    assert _read(TABLE.assign(day=DAYS), drop=["day"]).columns
    assert _read(TABLE.assign(day=DAYS.where(DAYS.index > 0, "?3")), drop=["day"]).columns
    assert _read(TABLE.assign(day=None)).columns
    assert _read(TABLE.assign(day=None), "%Y%m%d").columns
    with pytest.raises(bridle.UsageError, match="fits no column; leave it out"):
        _read(TABLE.assign(day=DAYS, town="Ulm"), SLIP, drop=["day"])


@pytest.mark.parametrize("typed", [True, False])
def test_a_slip_beside_a_column_of_iso_dates_is_refused(typed):
    frame = TABLE.assign(a=pd.to_datetime(ISO) if typed else ISO)
    with pytest.raises(bridle.UsageError, match=r"fits no column: 'b' has the form %d/%m/%Y; give"):
        _read(frame.assign(b="31/01/2024").assign(b=DAYS.where(DAYS.index > 0, "31/01/2024")), SLIP)
    words = pd.to_datetime(ISO).dt.strftime("%d-%b-%y")
    with pytest.raises(bridle.UsageError, match=r"'b' has dates such as '01-Jan-24', of the form"):
        _read(frame.assign(b=words), SLIP)
    assert _read(frame.assign(b=words), SLIP, drop=["b"]).columns
    assert _read(frame, SLIP).columns


def test_a_form_without_known_directives_is_refused():
    for form in ("%d-%Q-%y", "%", "day", "%d%d", "%d.%m.%y %d", "%G", "%V", "%Y-%U", "%d/%V/%Y"):
        with pytest.raises(bridle.UsageError, match=r"date_format is .* must be a form such as"):
            ReadOptions(date_format=form)


def test_one_date_that_tells_day_from_month_decides():
    # the others fit both orders, and a guess from some of them would be wrong
    read = _read(TABLE.assign(b=DAYS.where(DAYS.index > 0, "31/01/2024")), None)
    assert {each.name: each.date_format for each in read.columns}["b"] == FORM
