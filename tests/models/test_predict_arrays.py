"""A model predicts arrays, records and masked values as it does the same rows in a frame."""

from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from untrained import untrained_model

from bridle.errors import DataError

ROWS = 60
NUMBERS = pd.DataFrame(np.random.default_rng(1).normal(size=(ROWS, 3)), columns=list("abc"))
Row = namedtuple("Row", "c b a")  # in another order than in training
RECORDS = np.rec.fromarrays([NUMBERS[name] for name in "cba"], names=list("cba"))


@pytest.fixture(scope="module")
def plain_model():
    return untrained_model(NUMBERS.round(1).assign(y=["no", "yes"] * (ROWS // 2)))


FORMS = {
    "named tuples": lambda X: [Row(*row[::-1]) for row in X.to_numpy()],
    "records": lambda X: list(RECORDS),
    "big-endian": lambda X: X.to_numpy(dtype=">f8"),
    "big-endian columns": lambda X: X.astype(">f8"),
    "sparse": lambda X: sparse.csr_matrix(X.to_numpy()),
    "with a gradient": lambda X: torch.tensor(X.to_numpy(), requires_grad=True),
    "rows with gradients": lambda X: list(torch.tensor(X.to_numpy(), requires_grad=True)),
    "nothing hidden": lambda X: np.ma.array(X.to_numpy()),
}


@pytest.mark.parametrize("form", FORMS)
def test_other_arrays_are_the_same_rows(plain_model, form):
    found, right = (plain_model.predict(each) for each in (FORMS[form](NUMBERS), NUMBERS))
    pd.testing.assert_frame_equal(found, right)


@pytest.mark.parametrize("row", [Row(3.0, 2.0, 1.0), RECORDS[0], np.array(RECORDS)[0]])
def test_one_row_with_names_is_read_by_them(plain_model, row):
    right = plain_model.predict({name: getattr(row, name, None) or row[name] for name in "abc"})
    pd.testing.assert_frame_equal(plain_model.predict(row), right)


def test_half_precision_of_another_kind(plain_model):
    X = torch.tensor(NUMBERS.to_numpy()).bfloat16()
    found, right = plain_model.predict(X), plain_model.predict(X.double().numpy())
    pd.testing.assert_frame_equal(found, right)


def test_what_a_mask_hides_is_missing():
    X = NUMBERS.to_numpy()
    hidden = np.ma.array(np.where(X > 1, -999, X), mask=X > 1)
    holes = NUMBERS.mask(X > 1)
    model = untrained_model(holes.assign(y=["no", "yes"] * (ROWS // 2)))
    right = model.predict(holes)
    for form in (hidden, list(hidden), {name: hidden[:, at] for at, name in enumerate("abc")}):
        pd.testing.assert_frame_equal(model.predict(form), right)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "the dict is empty"),
        (None, "there is no table, but None"),
        ({"a": 1j, "b": 0, "c": 0}, "column 'a' has complex numbers"),
        (NUMBERS.assign(b=1j), "column 'b' has complex numbers"),
        ([Row(1, 2, 3), [1, 2, 3]], "names for their values and others have not"),
    ],
)
def test_what_is_no_row_is_refused(plain_model, rows, message):
    with pytest.raises(DataError, match=message):
        plain_model.predict(rows)


def test_nested_values_that_are_not_used_are_left_alone(plain_model):
    row = {"a": 1.0, "b": 2.0, "c": 3.0}
    for extra in ({**row, "tags": [1, 2]}, {**row, "a": "1.0", "tags": [1, 2]}):
        pd.testing.assert_frame_equal(plain_model.predict(extra), plain_model.predict(row))
