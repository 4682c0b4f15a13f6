"""The checks of a table: what looks like a fault and is none must not fail."""

import numpy as np
import pandas as pd
import pytest

from bridle.checks.tables import Parts, known_rows, table_checks
from bridle.diagnosis.subjects.rows import checks_of_rows
from bridle.tables.schema import columns_of
from bridle.tables.warnings import warnings_on

ROWS = 240


def _failed(frame, truth, parts):
    columns, _ = columns_of(frame)
    found = table_checks(frame, truth, columns, warnings_on(frame, truth, columns), parts)
    return {each.code for each in found if each.outcome == "failed"}


@pytest.fixture
def table(rng):
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=["a", "b", "c"])
    noisy = frame["a"] + rng.normal(size=ROWS)
    return frame, pd.Series(np.where(noisy > 0, "yes", "no"), name="y")


@pytest.fixture
def random_parts(rng):
    order = rng.permutation(ROWS)
    return Parts(np.sort(order[60:]), np.sort(order[:60]))


LAST = Parts(np.arange(180), np.arange(180, ROWS))


def test_an_ordinary_table_has_none(table, random_parts):
    assert _failed(*table, random_parts) == set()


def test_a_column_that_is_nearly_the_target(table, random_parts, rng):
    frame, truth = table
    assert _failed(frame.assign(leak=truth.map({"yes": 1, "no": 0})), truth, random_parts) == {
        "BR010"
    }
    flipped = truth.where(rng.random(ROWS) < 0.97, "no")
    assert _failed(frame.assign(strong=flipped.to_numpy()), truth, random_parts) == set()


def test_forty_rows_that_agree_are_no_proof_of_a_leak(table):
    frame, truth = (each[:40] for each in table)
    frame = frame.assign(leak=truth)
    columns, _ = columns_of(frame)
    (warned,) = warnings_on(frame, truth, columns)
    assert "gives the target away" in str(warned)
    assert warned.code == ""
    assert _failed(frame, truth, Parts(np.arange(30), np.arange(30, 40))) == set()


def test_groups_need_both_sides(table, random_parts, rng):
    frame, _ = table
    patient = np.repeat(np.arange(ROWS // 6), 6)
    truth = pd.Series(np.where(rng.random(ROWS // 6) < 0.5, "ill", "well")[patient], name="y")
    frame = frame.assign(patient=[f"P{each}" for each in patient])
    assert _failed(frame, truth, random_parts) == {"BR013"}
    assert _failed(frame, truth, LAST) == set()  # split by group


@pytest.mark.parametrize("within", [0.0, 0.15, 0.5, 1.0])
@pytest.mark.parametrize("tail", [False, True])
def test_groups_of_a_numerical_target(table, random_parts, rng, within, tail):
    """The variance within the groups is 0, 2, 20 and 50 % of all: only the first two share it."""
    frame, _ = table
    patient = np.repeat(np.arange(ROWS // 6), 6)
    value = rng.normal(size=ROWS // 6)[patient] + within * rng.normal(size=ROWS)
    truth = pd.Series(np.exp(4 * value) if tail else value, name="y")
    named = frame.assign(patient=[f"P{each}" for each in patient])
    numbered = frame.assign(patient_id=patient)
    wanted = {"BR013"} if within < 0.5 else set()
    for grouped in (named, numbered):
        assert _failed(grouped, truth, random_parts) == wanted
        assert _failed(grouped, truth, LAST) == set()  # split by group
    few = named.assign(patient=[f"P{each // 6}" for each in patient])
    assert _failed(few, truth, random_parts) == set()  # fewer than 10 groups


def test_a_rare_class_is_no_group(table, random_parts, rng):
    """With 3 % of one class, most groups have the other one alone, by chance."""
    frame, _ = table
    truth = pd.Series(np.where(rng.random(ROWS) < 0.03, "yes", "no"), name="y")
    frame = frame.assign(shop=[f"S{each}" for each in rng.permutation(np.arange(ROWS) // 3)])
    assert _failed(frame, truth, random_parts) == set()


def test_order_of_time_is_broken_by_a_random_split_only(table, random_parts):
    frame, truth = table
    ordered = frame.assign(day=pd.date_range("2024-01-01", periods=ROWS))
    assert _failed(ordered, truth, random_parts) == {"BR014"}
    assert _failed(ordered[::-1].reset_index(drop=True), truth, random_parts) == {"BR014"}
    assert _failed(ordered, truth, LAST) == set()
    birthdays = frame.assign(born=ordered["day"].sample(frac=1, random_state=0).to_numpy())
    assert _failed(birthdays, truth, random_parts) == set()


def test_copies_are_rows_that_do_not_repeat_by_chance(table, random_parts, rng):
    frame, truth = table
    twice = pd.concat([frame[: ROWS // 2]] * 2, ignore_index=True)
    same = pd.concat([truth[: ROWS // 2]] * 2, ignore_index=True)
    assert _failed(twice, same, random_parts) == {"BR011"}
    assert _failed(twice, same, Parts(np.arange(100), np.arange(100, 120))) == set()
    for copies in (twice + 1e-10 * rng.normal(size=twice.shape), twice.round(12)):
        again = pd.concat([twice[: ROWS // 2], copies[ROWS // 2 :]], ignore_index=True)
        assert not again.duplicated().any()
        assert _failed(again, same, random_parts) == {"BR011"}
        values = again["a"] * 3 + again["b"]  # a numerical target is rounded, too
        assert "BR011" in _failed(again, values.rename("y"), random_parts)
    two = frame.copy()
    two.iloc[[180, 181]] = two.iloc[[0, 1]].to_numpy()
    assert _failed(two, truth, LAST) == set()
    one = pd.DataFrame({"a": 1e-9 * frame["a"] + 1, "b": frame["b"], "c": truth == "yes"})
    assert _failed(one, truth, random_parts) - {"BR010"} == set()  # small differences are numbers
    answers = pd.DataFrame(rng.integers(0, 3, (ROWS, 3)), columns=["a", "b", "c"])
    assert _failed(answers, truth, random_parts) == set()


def test_identifiers_and_what_is_none(table, random_parts, rng):
    frame, truth = table
    for name, values in {
        "row": np.arange(ROWS) + 17,
        "row_": np.arange(ROWS)[::-1].astype(float),
        "customer_id": rng.permutation(10**6)[:ROWS],
        "name": [f"n{each:09d}" for each in rng.permutation(10**6)[:ROWS]],
    }.items():
        assert _failed(frame.assign(**{name: values}), truth, random_parts) == {"BR012"}, name
    for name, values in {
        "paid": rng.permutation(10**6)[:ROWS],
        "id": rng.integers(0, 100, ROWS),
        "text": [f"word {each}" for each in range(ROWS)],
    }.items():
        assert _failed(frame.assign(**{name: values}), truth, random_parts) == set(), name


def test_a_few_rows_are_not_judged(table, random_parts):
    frame, truth = (each[:20] for each in table)
    columns, _ = columns_of(frame)
    found = table_checks(frame, truth, columns, (), None)
    assert {each.outcome for each in found} == {"not run"}
    assert "20 rows are too few" in found[0].message


def test_a_sample_of_training_rows():
    assert known_rows(64, 64, 300, 300).outcome == "failed"
    assert known_rows(8, 64, 300, 100).outcome == "failed"
    assert known_rows(0, 64, 300, 100).outcome == "passed"
    assert known_rows(1, 64, 300, 100).outcome == "passed"


ODD = {
    "dictionaries": lambda rows: [{"a": at} for at in range(rows)],
    "complex": lambda rows: np.arange(rows) + 1j,
    "time zone": lambda rows: pd.date_range("2024", periods=rows, tz="UTC")[::-1],
    "infinite": lambda rows: np.where(np.arange(rows) == 3, np.inf, 0.5),
    "huge": lambda rows: 1e300 * np.sin(np.arange(rows)),
    "mixed": lambda rows: [1, "x", None] * (rows // 3),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_columns_are_no_fault(kind, table):
    frame, truth = table
    odd = frame.assign(odd=ODD[kind](ROWS))
    pairs = [(odd[:180], truth[:180].to_numpy()), (odd[180:], truth[180:].to_numpy())]
    found = checks_of_rows(pairs[1], pairs[0])
    assert len({each.code for each in found}) == 5
    assert {each.code for each in found if each.outcome == "failed"} <= {"BR014"}
