"""The form in which groups and times are written travels with a model, and other tables have it."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from bridle import Recipe, ablate, diagnose, fit, search
from bridle.errors import DataError, ModelFileError, UsageError
from bridle.models.grouping import facts_of_grouping, grouping_of, known_groups, not_later
from bridle.models.row_forms import forms_of, is_column, series_of
from bridle.tables.options import ReadOptions
from bridle.tables.read import read_with_notes

CHEAP = {"reference": False, "shuffled_labels": False, "masks": 0, "audit": False}


def _grouped(values, facts=None, *, by="time"):
    """Return the groups or times of values, as a model with these facts has them."""
    read = read_with_notes(pd.DataFrame({"y": range(len(values))}), ReadOptions())
    forms = None if facts is None else forms_of(facts)
    given = {"groups": None, "time": None, by: values}
    found, _ = grouping_of(read, np.ones(len(values), bool), **given, target="y", forms=forms)
    return found


def _trained(values, **options):
    found = _grouped(values, **options)
    return {"table": facts_of_grouping(found, np.arange(len(values)))}


def _early(facts, values):
    told = not_later(facts, _grouped(values, facts))
    return int(told.split()[0]) if told else 0


DAYS = pd.date_range("2024-01-01", periods=4)


@pytest.mark.parametrize("trained", ["0h", "15h", "500ms"])
@pytest.mark.parametrize("new", ["0h", "15h", "250ms", "500ms", "750ms"])
def test_midnight_and_parts_of_seconds(trained, new):
    known, moments = DAYS[:2] + pd.Timedelta(trained), DAYS + pd.Timedelta(new)
    assert _early(_trained(known), moments) == (moments <= known[-1]).sum()
    texts = list(moments.strftime("%Y-%m-%d %H:%M:%S.%f"))
    assert _early(_trained(known), texts) == (moments <= known[-1]).sum()


def test_times_with_a_zone_are_compared_in_utc():
    facts = _trained(DAYS[:2])
    for shift, early in (("8h", 2), ("10h", 1)):  # 9 hours earlier in UTC
        tokyo = (DAYS + pd.Timedelta(shift)).tz_localize("Asia/Tokyo")
        assert _early(facts, pd.Series(tokyo)) == early


def test_whole_numbers_are_compared_exactly():
    first = 1_700_000_000_000_000_001
    assert _early(_trained([first, first + 1]), [first, first + 1, first + 2]) == 2
    assert _early(_trained([0.1, 0.1 + 2e-17, 0.30000000000000004]), [0.3, 0.4]) == 1


def test_numbers_however_they_are_held():
    facts = _trained(range(3))
    for values in (
        pd.Series([2, 3, 10], dtype="category"),
        [Decimal(2), Decimal(3), Decimal(10)],
        ["2", "3", "10"],
        pd.Series(["2", "3", "10"], dtype="category"),
        np.array([2, 3, 10], dtype=object),
    ):
        found = _grouped(values)
        assert found.times.tolist() == [0, 1, 2]
        assert _early(facts, values) == 1
    for values in (np.array([1j, 2j]), [1j, 2j]):
        with pytest.raises(DataError, match="complex"):
            _grouped(values)


def test_dates_are_read_in_the_form_of_the_model():
    facts = _trained(["13/01/2024", "05/02/2024"])
    assert _early(facts, ["03/01/2024", "06/02/2024"]) == 1
    for values, message in (
        (["02/13/2024"], r"is no date of the form %d/%m/%Y, .* give --date-format %m/%d/%Y"),
        (["13.02.2024"], "say with --date-format how they are written"),
        ([2, 3], "has numbers, such as 2, but had dates in training"),
    ):
        with pytest.raises(DataError, match=message):
            _grouped(values, facts)
    with pytest.raises(DataError, match="is not a number"):
        _grouped(["2024-02-13"], _trained([1, 2]))


def test_groups_have_the_form_of_the_model():
    same = {
        "numbers": ([1000, 1001], [1000.0, 1001.0], ["1000", "1001"]),
        "dates": (["13.01.2024", "05.02.2024"], pd.to_datetime(["2024-01-13", "2024-02-05"])),
        "codes": (["01", "02"], pd.Series(["01", "02"], dtype="category")),
    }
    for first, *others in same.values():
        facts = _trained(first, by="groups")
        for values in (first, *others):
            found = _grouped(values, facts, by="groups")
            assert found.same_form
            assert known_groups(facts, found) == 1
    for first, other in ((["01", "02"], [1, 2]), ([1, 2], ["01", "02"]), (DAYS, [1, 2, 3])):
        facts = _trained(first, by="groups")
        assert not _grouped(other, facts, by="groups").same_form
    earlier = {"table": {"grouping": {"groups": {"column": "g", "sample": []}}}}
    assert _grouped([1, 2], earlier, by="groups").same_form
    earlier["table"]["grouping"]["groups"]["kind"] = 3
    with pytest.raises(ModelFileError, match="an invalid form of groups"):
        forms_of(earlier)


def test_what_has_no_order_or_no_length_is_refused():
    for values, name in (
        ({1, 2}, "set"),
        ((x for x in "ab"), "generator"),
        ({"a": 1}, "dict"),
        ({}.values(), "dict_values"),
    ):
        assert not is_column(values)
        with pytest.raises(UsageError, match=f"groups is a {name}; give a list or an array"):
            series_of(values, "groups")
    assert is_column(np.str_("g"))
    assert is_column(3)
    with pytest.raises(UsageError, match=r"has the shape \[2\]; give the name"):
        series_of([[1], [1, 2]], "groups")


def test_new_rows_of_a_model(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=40)}).assign(y=["p", "q"] * 20)
    days = pd.date_range("2024-01-01", periods=40)
    table = frame.assign(day=days.strftime("%d/%m/%Y"), who=[f"{at // 2:03}" for at in range(40)])
    table.to_csv(tmp_path / "t.csv", index=False)
    model = fit(tmp_path / "t.csv", "y", groups="who", time="day", recipe=Recipe(epochs=1)).model
    assert model.facts["table"]["grouping"]["time"]["date_format"] == "%d/%m/%Y"
    assert diagnose(model, tmp_path / "t.csv", **CHEAP).notes[0].startswith("this is the table")
    new = table.assign(a=0.5, day=["03/04/2024", "04/05/2024"] * 20, who=range(40))
    notes = diagnose(model, new, **CHEAP).notes
    assert any(
        "groups of 'who' in the held out rows are written in another form" in n for n in notes
    )
    assert not any("not later" in note for note in notes)  # 3 April is later; 4 March would not be
    early = diagnose(model, new.assign(day="02/01/2024"), **CHEAP)  # not 1 February
    assert any(note.startswith("40 of 40 rows are not later") for note in early.notes)
    timeless = diagnose(model, new.drop(columns="day"), **CHEAP)
    assert any(
        "in order of times of 'day', which these rows lack" in note for note in timeless.notes
    )
    with pytest.raises(UsageError, match="groups is a mapping, which is for arrays"):
        diagnose(model, new, training=new, groups={"training": "who"}, **CHEAP)


def test_a_series_must_have_the_index_of_the_rows(tmp_path):
    frame = pd.DataFrame({"a": np.arange(40.0), "y": ["p", "q"] * 20}, index=range(5, 45))
    who = pd.Series(np.arange(40) // 2, index=frame.index)
    mixed, recipe = who.sample(frac=1, random_state=0), Recipe(epochs=1)
    with pytest.raises(UsageError, match="the indexes of the table and of groups differ"):
        fit(frame, "y", groups=mixed)
    with pytest.raises(UsageError, match="the indexes of the table and of time differ"):
        fit(frame[["a"]].to_numpy(), frame["y"], time=mixed)
    with pytest.raises(UsageError, match="the indexes of the table and of groups differ"):
        search(frame, "y", groups=mixed)
    aligned = fit(frame, "y", groups=mixed.loc[frame.index], recipe=recipe)
    by_place = fit(frame, "y", groups=who.to_numpy(), recipe=recipe)
    for name, at in by_place.places.items():
        assert np.array_equal(at, aligned.places[name])
    assert diagnose(aligned.model, frame, groups=who, **CHEAP).test.groups
    for table in (frame, frame.assign(a=0.5)):
        with pytest.raises(UsageError, match="the indexes of the table and of groups differ"):
            diagnose(aligned.model, table, groups=mixed, **CHEAP)
    with pytest.raises(UsageError, match="the indexes of the table and of groups differ"):
        ablate(aligned.model, frame, groups=mixed)
    unknown = diagnose(aligned.model, frame.assign(a=0.5), **CHEAP)
    assert any("was fitted with groups given as values" in note for note in unknown.notes)
