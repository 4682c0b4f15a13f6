"""The split of rows: classes of few rows are in training, and it is said what that leaves open."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle.models.split import split_rows, three_parts


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_few_rows_is_in_training(seed):
    codes = np.array([0, 1] * 30 + [2, 3, 3])
    parts = three_parts(len(codes), codes, seed)
    assert np.bincount(codes[parts["training"]])[2:].tolist() == [1, 2]
    assert [len(part) for part in parts.values()] == [39, 12, 12]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(codes)))
    rest, test = split_rows(len(codes), codes, seed)
    assert len(test) == 12
    assert 2 in codes[rest]
    assert {3, 2} & set(codes[test]) <= {3}


def test_many_classes_of_one_row_are_split_as_others():
    parts = three_parts(40, np.arange(40), 0)
    assert [len(part) for part in parts.values()] == [24, 8, 8]


def test_a_class_without_a_test_row_is_noted():
    table = pd.DataFrame({"x": range(40), "y": ["no", "yes"] * 19 + ["rare", "no"]})
    notes = bridle.fit(table, "y", hidden=(2,), epochs=1).notes
    assert any("no test row has 'y' = 'rare'" in note for note in notes)


def test_a_class_without_a_training_row_is_noted():
    table = pd.DataFrame({"x": range(40), "y": [f"class {min(i, 33)}" for i in range(40)]})
    notes = bridle.fit(table, "y", hidden=(2,), epochs=1).notes
    assert any("it cannot be learned; give more rows of it" in note for note in notes)
