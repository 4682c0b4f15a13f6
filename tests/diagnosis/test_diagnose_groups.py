"""Groups and times beside arrays: intervals of new groups, folds that keep them apart."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier

from bridle import diagnose
from bridle.errors import DataError, UsageError
from grouped_tables import patients

TABLE = patients(40)
X, Y = TABLE[list("uvwxyz")].to_numpy(), TABLE["status"].to_numpy()
GROUPS = TABLE["patient"].to_numpy()
KNOWN, NEW = slice(0, 160), slice(160, 320)
CHEAP = {"reference": False, "shuffled_labels": False}


def _nearest(known, new, **options):
    model = KNeighborsClassifier(1).fit(X[known], Y[known])
    given = {"training": (X[known], Y[known]), **CHEAP, **options}
    return diagnose(model, (X[new], Y[new]), **given)


class Recorder(ClassifierMixin, BaseEstimator):
    """Records the rows that it is fitted to, by their first input."""

    seen: list = []  # noqa: RUF012

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seen.append(X[:, 0].astype(int))
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_intervals_are_those_of_new_groups():
    rows, grouped = _nearest(KNOWN, NEW), _nearest(KNOWN, NEW, groups=GROUPS[NEW])
    assert grouped.held_out.groups == 20
    assert grouped.gap.value.value == rows.gap.value.value
    assert grouped.gap.value.margin > 1.8 * rows.gap.value.margin
    assert grouped.held_out.loss.margin > 1.5 * rows.held_out.loss.margin
    assert grouped.calibration.overconfidence.margin > 1.5 * rows.calibration.overconfidence.margin
    assert grouped.gap.method.endswith("on 160 held out rows of 20 groups")


def test_known_groups_are_no_new_rows():
    even, odd = slice(0, 320, 2), slice(1, 320, 2)
    found = _nearest(even, odd, groups={"data": GROUPS[odd], "training": GROUPS[even]})
    assert found.verdict == "cannot tell"
    assert found.notes[0].startswith("40 groups of the held out rows are also in the training rows")
    assert _nearest(even, odd).gap.value.value == pytest.approx(0, abs=0.05)  # they are recognized


@pytest.mark.parametrize("by", ["groups", "time", "dates"])
def test_folds_keep_groups_and_times_apart(by):
    numbered = np.arange(160.0)[:, None]
    Recorder.seen.clear()
    both = {"data": GROUPS[NEW], "training": GROUPS[KNOWN]}
    days = pd.date_range("2024-01-01", periods=160)[::-1]
    options = {
        "groups": {"groups": both},
        "time": {"time": np.arange(160)[::-1]},
        "dates": {"time": list(days.strftime("%d.%m.%Y"))},  # not in order of the alphabet
    }[by]
    model = Recorder().fit(numbered, Y[KNOWN])
    found = diagnose(
        model, (numbered, Y[NEW]), training=(numbered, Y[KNOWN]), folds=4, **options, **CHEAP
    )
    assert len(found.gap.folds) == 4
    for rows in Recorder.seen[1:]:
        if by == "groups":
            assert len(set(GROUPS[KNOWN][rows])) == len(rows) / 8 == 15
        else:  # time runs backwards: the last rows are the earliest
            assert sorted(rows) == list(range(160 - len(rows), 160))


def test_refused():
    for options, kind, message in (
        ({"groups": GROUPS}, UsageError, "is 320 values, but there are 160 rows"),
        ({"groups": "patient"}, UsageError, "is 'patient', but there are 160 rows"),
        ({"groups": {"new": GROUPS[NEW]}}, UsageError, "groups has the key 'new'"),
        ({"groups": np.r_[np.nan, np.zeros(159)]}, DataError, "row 1: the value is missing"),
        ({"groups": iter(GROUPS[NEW])}, UsageError, "give a list or an array"),
        (
            {
                "groups": {
                    "data": np.arange(160),
                    "training": [f"P{at}" for at in range(160)],
                }
            },
            UsageError,
            "the groups of training are written in another form than those of data",
        ),
        ({"groups": pd.Series(range(160))[::-1]}, UsageError, "the indexes of the table and of"),
        ({"time": pd.Series(range(160))[::-1]}, UsageError, "the indexes of the table and of time"),
        ({"groups": GROUPS[NEW], "folds": 3}, UsageError, "folds need the groups of the training"),
    ):
        with pytest.raises(kind, match=message):
            _nearest(KNOWN, NEW, **options)
