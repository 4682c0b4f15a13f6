"""Targets: which task, which classes, which units; and there and back."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from bridle.errors import DataError, ModelFileError
from bridle.tables import ClassTarget, ValueTarget, infer_task, target_column


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([0, 1, 1], "classification"),
        ([0.0, 1.0], "classification"),
        ([0.5, 1.0], "regression"),
        (list(range(20)) * 2, "classification"),
        (list(range(20)), "regression"),  # values, as nearly all differ
        ([float(each) for each in range(20)], "regression"),
        ([*range(18), 0, 1], "classification"),
        (list(range(21)), "regression"),
        (pd.Categorical([1.5, 2.5]), "classification"),
    ],
)
def test_tasks(values, task):
    assert infer_task(pd.Series(values)) == task


def test_tasks_of_real_targets():
    assert infer_task(datasets.load_digits(as_frame=True).target) == "classification"
    assert infer_task(datasets.load_breast_cancer(as_frame=True).target) == "classification"
    assert infer_task(datasets.load_diabetes(as_frame=True).target) == "regression"


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["no", "yes", "no"], ("no", "yes")),
        ([3, 1, 2], (1, 2, 3)),
        ([1.0, 0.0], (0, 1)),
        ([0.5, 1.5], (0.5, 1.5)),
        ([True, False], (False, True)),
        (pd.Categorical(["b", "a"]), ("a", "b")),
        ([" yes", "no "], ("no", "yes")),
    ],
)
def test_classes_there_and_back(values, classes):
    series = pd.Series(values, name="y")
    target = ClassTarget.fit(series)
    assert target.classes == classes
    again = ClassTarget.from_state(json.loads(json.dumps(target.state())))
    assert again == target
    assert [type(label) for label in again.classes] == [type(label) for label in classes]
    codes = again.transform(series)
    assert codes.dtype == np.int64
    back = again.inverse(codes)
    assert back.tolist() == [classes[code] for code in codes]


def test_values_there_and_back():
    series = pd.Series([10.0, 20.0, 60.0], name="y")
    target = ValueTarget.fit(series)
    scaled = target.transform(series)
    assert scaled.dtype == np.float32
    assert abs(scaled.mean()) < 1e-6
    assert scaled.std() == pytest.approx(1)
    again = ValueTarget.from_state(json.loads(json.dumps(target.state())))
    assert np.allclose(again.inverse(scaled), series)


BAD = {
    "one class": (lambda: ClassTarget.fit(pd.Series(["a", "a"], name="y")), "only one class, 'a'"),
    "constant": (lambda: ValueTarget.fit(pd.Series([2.0, 2.0], name="y")), "2 in every row"),
    "text": (lambda: ValueTarget.fit(pd.Series(["a", "b"], name="y")), "--task classification"),
    "infinite": (lambda: ValueTarget.fit(pd.Series([1.0, np.inf], name="y")), "row 2"),
    "infinite class": (lambda: ClassTarget.fit(pd.Series([1.0, -np.inf], name="y")), "-inf"),
    "new class": (
        lambda: ClassTarget(("no", "yes")).transform(pd.Series(["yess"])),
        "did you mean 'yes'",
    ),
    "absent": (lambda: target_column(pd.DataFrame({"a": [1], "b": [2]}), "c"), "'c'"),
    "alone": (lambda: target_column(pd.DataFrame({"a": [1]}), "a"), "only column"),
    "no rows": (lambda: target_column(pd.DataFrame({"a": [], "b": []}), "a"), "no rows"),
    "missing": (
        lambda: target_column(pd.DataFrame({"a": [1, None], "b": [1, 2]}), "a"),
        "missing in 1 of 2 rows",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_value(case):
    call, part = BAD[case]
    with pytest.raises(DataError) as caught:
        call()
    assert part in str(caught.value)


@pytest.mark.parametrize("state", [{}, {"classes": "ab"}, {"classes": [["x"]]}, None, {"mean": 1}])
def test_damaged_states(state):
    for kind in (ClassTarget, ValueTarget):
        with pytest.raises(ModelFileError):
            kind.from_state(state)


@pytest.mark.parametrize(("unit", "size"), [(1e-200, "small"), (1e200, "large")])
def test_values_whose_squares_are_no_numbers_are_refused(unit, size):
    with pytest.raises(DataError, match=rf"so {size} that .* give them in another unit"):
        ValueTarget.fit(pd.Series([1.0, 2.0, 4.0], name="y") * unit)
