"""Groups and times: no group is on both sides of a split, and later rows come after earlier."""

import json
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from bridle import Recipe, ablate, diagnose, fit, load, save_model
from bridle.errors import DataError, UsageError
from bridle.models.group_split import grouped_folds
from bridle.models.grouping import Grouping
from bridle.models.split import split_rows, three_parts
from grouped_tables import patients, visits

QUICK = Recipe(epochs=2, hidden=(4,))
CHEAP = {"reference": False, "shuffled_labels": False, "masks": 0}


@pytest.fixture(scope="module")
def fitted():
    """The patients, and a model that was fitted to them by patient."""
    table = patients(30)
    return table, fit(table, "status", groups="patient", recipe=QUICK)


def test_the_printed_score_is_that_of_new_patients(bridle, tmp_path):
    """Split at random, the score is that of recognized patients; of new ones it is chance."""
    patients().to_csv(tmp_path / "t.csv", index=False)
    common = ("fit", tmp_path / "t.csv", "--target", "status", "--epochs", 30, "--hidden", "32")
    found = {}
    for name, options in {
        "random": ("--drop", "patient"),
        "grouped": ("--groups", "patient"),
    }.items():
        ran = bridle(*common, "--learning-rate", 0.02, *options, "--json")
        assert ran.code == 0, ran.err
        found[name] = json.loads(ran.out)
    random, grouped = (each["plain"]["test"] for each in found.values())
    assert random["value"] > 0.75
    assert random["low"] > 0.65
    assert grouped["value"] < random["value"] - 0.1
    assert grouped["low"] < 0.5 < grouped["high"]
    wide = grouped["high"] - grouped["low"]
    assert wide > 0.3  # 12 patients; Wilson's interval of 96 single rows is 0.2 wide
    assert found["grouped"]["groups"] == {"training": 36, "held out": 12, "test": 12}
    assert any("split by 'patient': 60 groups, 8 rows each" in n for n in found["grouped"]["notes"])


@pytest.mark.parametrize("by_class", [True, False])
def test_no_group_is_in_two_parts(rng, by_class):
    for seed in range(30):
        count = int(rng.integers(5, 40))
        groups = np.arange(count).repeat(rng.geometric(0.2, count))
        groups = pd.factorize(rng.permutation(groups))[0]
        if len(groups) < 20:
            continue
        codes = (rng.random(count) < 0.3).astype(int)[groups] if by_class else None
        by = Grouping(groups)
        splits = [list(three_parts(len(groups), codes, seed, by).values())]
        splits.append(split_rows(len(groups), codes, seed, by))
        fold = grouped_folds(by, codes, 3, seed)
        splits.append([np.flatnonzero(fold == at) for at in range(3)])
        for parts in splits:
            assert sorted(np.concatenate(parts)) == list(range(len(groups)))
            assert all(len(part) for part in parts)
            of_part = [set(groups[part]) for part in parts]
            assert sum(map(len, of_part)) == count  # each group is in one part


def test_parts_have_their_share_of_rows_and_classes():
    groups = np.arange(200).repeat(5)
    codes = (np.arange(200) % 4 == 0).astype(int).repeat(5)
    for name, part in three_parts(1000, codes, 0, Grouping(groups)).items():
        assert len(part) == (600 if name == "training" else 200)
        assert codes[part].mean() == pytest.approx(0.25, abs=0.02)
    fold = grouped_folds(Grouping(groups), codes, 4, 0)
    for at in range(4):
        assert codes[fold == at].mean() == pytest.approx(0.25, abs=0.02)
        assert (fold == at).sum() == pytest.approx(250, abs=10)
    first, second = (three_parts(1000, codes, seed, Grouping(groups))["test"] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_large_group_is_trained_on():
    groups = np.r_[np.zeros(400), np.arange(1, 41).repeat(5)].astype(int)
    for seed in range(10):
        parts = three_parts(600, None, seed, Grouping(groups))
        assert 0 in groups[parts["training"]]
        assert len(parts["test"]) > 20


def test_training_comes_before_test(rng):
    for seed in range(20):
        times = rng.integers(0, int(rng.integers(6, 60)), 100)
        by = Grouping(times=times)
        training, held, test = three_parts(100, None, seed, by).values()
        assert times[training].max() < times[held].min()
        assert times[held].max() < times[test].min()
        fold = grouped_folds(by, None, 3, seed)
        for at in range(3):
            assert times[fold < at].max() < times[fold == at].min()


def test_groups_in_order_of_time():
    groups = np.arange(50).repeat(4)
    times = groups * 4 + np.tile([0, 3, 1, 5], 50)  # each group overlaps the next
    with pytest.raises(DataError, match="the times of the groups overlap, which leaves 1 parts"):
        three_parts(200, None, 0, Grouping(groups, times=times))
    times = groups // 2 * 10 + np.tile([0, 3, 1, 5], 50)  # two groups at a time
    parts = list(three_parts(200, None, 0, Grouping(groups, times=times)).values())
    for before, after in pairwise(parts):
        assert times[before].max() < times[after].min()
        assert not set(groups[before]) & set(groups[after])


def test_one_long_group_leaves_no_training_rows():
    groups = np.r_[np.arange(5), np.full(95, 5)]
    by = Grouping(groups, times=np.arange(100))
    with pytest.raises(DataError, match="leaves 4 of 100 rows for training"):
        three_parts(100, None, 0, by)


def _visits(**columns):
    return visits().assign(who=np.arange(120) // 6, **columns)


REFUSED = {
    "no such column": (
        {"groups": "wo"},
        DataError,
        "no column 'wo' for groups; did you mean 'who'",
    ),
    "no such time": ({"time": "days"}, DataError, "no column 'days' for time; did you mean 'day'"),
    "groups are the target": ({"groups": "y"}, UsageError, "groups is 'y', the target"),
    "time is the target": ({"time": "y"}, UsageError, "time is 'y', the target"),
    "both are one": ({"groups": "day", "time": "day"}, UsageError, "give time alone"),
    "few values": ({"groups": [1, 2]}, UsageError, "2 values, but the table has 120 rows"),
    "a table": ({"groups": [[1, 2]] * 120}, UsageError, r"groups has the shape \[120, 2\]"),
    "few groups": ({"groups": np.arange(120) % 4}, DataError, "4 groups, too few for three parts"),
    "no dates": ({"time": ["spring", "fall"] * 60}, DataError, "'spring' is no date or number"),
    "times of day": ({"time": ["10:30", "11:15"] * 60}, DataError, "is a time of day"),
    "two times": ({"time": [2020, 2021] * 60}, DataError, "there are 2 distinct times"),
    "missing time": (
        {"time": [None, *range(119)]},
        DataError,
        r"time is missing in 1 of 120 rows \(the first is row 1\)",
    ),
    "missing group": (
        {"groups": [*range(118), np.nan, "NA"]},
        DataError,
        r"groups is missing in 2 of 120 rows \(the first is row 119\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    given, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        fit(_visits(), "y", recipe=QUICK, **given)


def test_a_column_is_no_feature_but_values_leave_it(fitted):
    table, by_column = fitted
    assert "patient" not in by_column.model.encoder.columns
    by_values = fit(table, "status", groups=table["patient"], recipe=QUICK)
    assert "patient" in by_values.model.encoder.columns
    for name, at in by_column.places.items():
        assert np.array_equal(at, by_values.places[name])
    assert by_column.model.predict(table.drop(columns="patient")).shape[0] == len(table)


def test_rows_without_a_target_need_no_group(fitted):
    table = fitted[0]
    extra = pd.DataFrame({"u": [0.0, 1.0]}, index=[0, 1])
    longer = pd.concat([extra, table], ignore_index=True)
    found = fit(longer, "status", groups="patient", recipe=QUICK)
    by_values = fit(longer, "status", groups=[None, None, *table["patient"]], recipe=QUICK)
    for name, at in fitted[1].places.items():
        assert np.array_equal(found.places[name], at)
        assert np.array_equal(by_values.places[name], at)


def test_the_model_file_splits_the_table_again(fitted, tmp_path):
    table, result = fitted
    save_model(result.model, tmp_path / "m.bridle")
    model = load(tmp_path / "m.bridle")
    table.to_csv(tmp_path / "t.csv", index=False)
    found = diagnose(model, tmp_path / "t.csv", **CHEAP)
    own = diagnose(result, **CHEAP)
    assert found.test == own.test
    assert found.test.groups == 6
    assert found.gap == own.gap
    assert found.verdict == own.verdict == result.regularized.diagnosis.verdict
    assert result.regularized.diagnosis.gap == own.gap.value
    again = ablate(model, table, factors=[1], steps=1).networks[0].judgement
    assert again.held_out.high - again.held_out.low > 0.3  # 6 patients


def test_other_groups_are_refused(fitted):
    table, result = fitted
    shuffled = table["patient"].to_numpy()[::-1].copy()
    shuffled[0] = "P000"
    for given, kind, message in (
        ({"groups": shuffled}, DataError, "other groups or times"),
        ({"time": "u"}, UsageError, "was fitted to this table without time"),
    ):
        with pytest.raises(kind, match=message):
            diagnose(result.model, table, **given, **CHEAP)
    with pytest.raises(DataError, match="no column 'patient' for groups"):
        diagnose(result.model, table.drop(columns="patient"), **CHEAP)
    with pytest.raises(UsageError, match="groups cannot be given for a FitResult"):
        diagnose(result, groups="patient", **CHEAP)
    plain = fit(table, "status", drop=["patient"], recipe=QUICK)
    with pytest.raises(UsageError, match="was fitted to this table without groups"):
        diagnose(plain.model, table, groups="patient", **CHEAP)


def test_known_groups_among_new_rows(fitted):
    table, result = fitted
    known = set(table["patient"].iloc[result.places["training"]])
    noisy = table.assign(u=table["u"] + 1e-3)
    seen = diagnose(result.model, noisy, **CHEAP)
    assert seen.verdict == "cannot tell"
    assert (
        "18 of the 30 groups of this table are groups that the model was trained on"
        in seen.notes[-1]
    )
    new = diagnose(result.model, noisy[~noisy["patient"].isin(known)], **CHEAP)
    assert new.held_out.groups == 12
    assert new.claims
    nameless = diagnose(result.model, noisy.drop(columns="patient"), **CHEAP)
    assert "which the held out rows lack" in nameless.notes[0]
    assert nameless.held_out.groups is None


def test_few_groups_cannot_tell():
    found = fit(patients(12), "status", groups="patient", recipe=QUICK)
    judged = found.plain.diagnosis
    assert judged.verdict == "cannot tell"
    assert re.match("the rows of [23] test groups are too few", judged.reason)
    assert np.isnan(judged.gap.low)
    assert found.comparison.answer == "cannot tell"
    assert found.verdict.startswith("Cannot tell about the plain network")
    advice = diagnose(found, **CHEAP).advice[0]
    assert re.match("use more new groups: [23] are too few for an interval", advice)


def test_times_travel_with_the_model(tmp_path):
    table = _visits()
    table["day"] = table["day"].dt.strftime("%d.%m.%Y")
    table.to_csv(tmp_path / "t.csv", index=False)
    result = fit(tmp_path / "t.csv", "y", time="day", recipe=QUICK)
    days = pd.to_datetime(table["day"], format="%d.%m.%Y")
    parts = [days.iloc[at] for at in result.places.values()]
    assert parts[0].max() < parts[1].min()
    assert parts[1].max() < parts[2].min()
    assert any("split in order of 'day', from 2024-01-01" in note for note in result.notes)
    save_model(result.model, tmp_path / "m.bridle")
    found = diagnose(load(tmp_path / "m.bridle"), tmp_path / "t.csv", **CHEAP)
    assert found.test == diagnose(result, **CHEAP).test
    late = diagnose(result.model, table.iloc[result.places["held out"]].assign(a=0.5), **CHEAP)
    assert not late.notes
    sorted_by_class = table.assign(y=np.where(days > days.quantile(0.7), "late", "soon"))
    found = fit(sorted_by_class, "y", time="day", recipe=QUICK)
    assert any("no training row has 'y' = 'late'" in note for note in found.notes)
    mixed = diagnose(result.model, table.assign(a=0.5), **CHEAP)
    assert "are not later than the last row that the model was trained on" in mixed.notes[0]


def test_a_class_of_one_group_is_noted():
    table = patients(20)
    table.loc[table["patient"] == "P003", "status"] = "unsure"
    found = fit(table, "status", groups="patient", recipe=QUICK)
    assert any("'status' is 'unsure' in one group only" in note for note in found.notes)
