"""A search by groups and times: its test set, its folds, its model and its intervals."""

import numpy as np
import pandas as pd
import pytest
import torch

from bridle import diagnose, search
from bridle.errors import DataError, UsageError
from bridle.models.reading import read_for_fit
from bridle.search.comparison import compare_outputs
from bridle.search.prepare import prepare_table
from grouped_tables import patients, visits

FAST = {"configurations": 9, "epochs": 1, "hidden": [(4,)], "folds": 3}
CHEAP = {"reference": False, "shuffled_labels": False, "masks": 0}


def _prepared(table, target, test=None, **by):
    given = read_for_fit(table, target, (), **by)
    options = {"target": target, "task": "classification", "folds": 3, "seed": 0, "device": "cpu"}
    return prepare_table(given, test, seconds=0.0, memory=2e9, **options, **by)


def test_no_patient_is_in_two_folds():
    table = patients(40)
    prepared = _prepared(table, "status", groups="patient")
    test = set(table["patient"].iloc[prepared.places["test"]])
    searched = table["patient"].iloc[prepared.places["searched"]].to_numpy()
    assert not test & set(searched)
    assert len(test) == 8
    for fold in range(3):
        trained, held = (set(searched[rows.numpy()]) for rows in prepared.data.rows_of(fold))
        assert not trained & held
        assert len(trained | held) == 32


@pytest.mark.parametrize("by", [{"time": "day"}, {"time": "day", "groups": "week"}])
def test_folds_train_on_earlier_rows(by):
    table = visits()
    table["week"] = table["day"].dt.strftime("W%U")
    prepared = _prepared(table, "y", **by)
    days = table["day"].to_numpy()
    searched = days[prepared.places["searched"]]
    assert searched.max() < days[prepared.places["test"]].min()
    for fold in range(3):
        trained, held = prepared.data.rows_of(fold)
        assert searched[trained].max() < searched[held].min()
        assert len(trained)
        if "groups" in by:
            week = table["week"].to_numpy()[prepared.places["searched"]]
            assert not set(week[trained]) & set(week[held])
    trained, _ = prepared.data.without_folds().rows_of(0)
    assert len(trained) == len(searched)


def test_a_search_by_groups():
    table = patients(40)
    found = search(table, "status", groups="patient", **FAST)
    assert found.groups == {"searched": 32, "test": 8}
    assert (found.answer, "patient" in found.model.encoder.columns) == ("ensemble", False)
    assert found.test_score.high - found.test_score.low > 0.4  # 8 patients
    again = diagnose(found.model, table, **CHEAP)
    assert again.test == diagnose(found, **CHEAP).test
    assert again.test.groups == 8
    assert again.gap.value == found.chosen.diagnosis.gap


def test_a_search_by_time():
    table = visits()
    found = search(table, "y", time="day", **FAST)
    assert (found.answer, found.model.network.members) == ("refit", 5)
    assert diagnose(found.model, table, **CHEAP).test == diagnose(found, **CHEAP).test
    with pytest.raises(UsageError, match="answer is 'best', but with time"):
        search(table, "y", time="day", answer="best", **FAST)


def test_a_table_of_test_rows():
    table = patients(20)
    known, new = table[table["patient"] < "P012"], table[table["patient"] >= "P012"]
    prepared = _prepared(known, "status", new, groups="patient")
    assert len(np.unique(prepared.groups_of("test"))) == 8
    with pytest.raises(DataError, match=r"1 groups of 'patient' are in .*test table \('P011'\)"):
        _prepared(known, "status", table[table["patient"] >= "P011"], groups="patient")
    with pytest.raises(DataError, match="no column 'patient' for groups in the test table"):
        _prepared(known, "status", new.drop(columns="patient"), groups="patient")
    with pytest.raises(UsageError, match="the rows of the test table need one too"):
        _prepared(known, "status", new, groups=known["patient"])
    rows = visits().sort_values("day", ignore_index=True)
    later = rows[rows["day"] > pd.Timestamp("2024-01-30")]
    early = rows[rows["day"] <= pd.Timestamp("2024-01-30")]
    assert _prepared(early, "y", later, time="day").X_test[0].shape[0] == len(later)
    with pytest.raises(DataError, match="are not later than the last row of the table"):
        _prepared(later, "y", early, time="day")


def test_a_test_table_has_the_form_of_the_table():
    table = patients(20).assign(patient=np.arange(20).repeat(8))
    known, new = table[table["patient"] < 12], table[table["patient"] >= 12]
    coded = known.assign(patient=known["patient"].map("{:03}".format))
    with pytest.raises(DataError, match="'patient' in the test table are written in another form"):
        _prepared(coded, "status", new, groups="patient")
    rows = visits().sort_values("day", ignore_index=True)
    early, later = rows[rows["day"] < "2024-01-30"], rows[rows["day"] >= "2024-01-30"]
    early = early.assign(day=early["day"].dt.strftime("%d/%m/%Y"))
    assert _prepared(early, "y", later, time="day").groups_of("test") is None
    for day, message in (("05/01/2024", "are not later"), ("05/13/2024", "give --date-format %m")):
        with pytest.raises(DataError, match=message):
            _prepared(early, "y", later.assign(day=day), time="day")


def test_too_few_groups_for_the_folds():
    with pytest.raises(DataError, match="5 groups, too few for 6 folds; give 6 groups or more, or"):
        search(patients(7), "status", groups="patient", **FAST | {"folds": 6})


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc", "balanced_accuracy"])
def test_other_scores_resample_whole_groups(rng, scoring):
    y = torch.from_numpy((np.arange(20) % 2).repeat(10))
    groups = np.arange(20).repeat(10)
    noise = torch.from_numpy(rng.normal(size=(2, 20)).repeat(10, axis=1))
    outputs = torch.stack([torch.zeros_like(noise), (y - 0.5)[None] + noise], dim=-1)
    (alone, _), (grouped, compared) = (
        compare_outputs(outputs[0], {"plain": outputs[1]}, y, scoring, classes=True, groups=by)
        for by in (None, groups)
    )
    assert grouped.value == alone.value
    assert grouped.margin > 2 * alone.margin
    assert compared["plain"].answer == "cannot tell"
    few, _ = compare_outputs(outputs[0], {}, y, scoring, classes=True, groups=groups // 5)
    assert np.isnan(few.low)
