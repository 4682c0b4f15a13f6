"""`bridle.fit(X, y)`: arrays, lists, frames and Series of any labels, and settings by words."""

import json
import re
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import bridle
from bridle.errors import DataError, UsageError
from bridle.models.reading import read_for_fit
from bridle.tables.arrays import table_of

QUICK = {"hidden": (4,), "epochs": 1}
ROWS = 40


@pytest.fixture(scope="module", name="X")
def _features():
    return np.random.default_rng(0).normal(size=(ROWS, 3))


LABELS = {
    "strings": ["no", "yes"],
    "digits": ["1", "2"],
    "codes": ["01", "02"],
    "integers": [3, 7],
    "booleans": [False, True],
    "floats": [0.5, 1.5],
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("form", [list, np.array, pd.Series, lambda y: np.array(y, dtype=object)])
def test_labels_come_back_as_they_were_given(X, kind, form):
    y = LABELS[kind] * (ROWS // 2)
    model = bridle.fit(X, form(y), task="classification", **QUICK).model
    assert model.target.classes == tuple(LABELS[kind])
    predicted = model.predict(pd.DataFrame(X))["prediction"]
    assert {type(value) for value in predicted.tolist()} == {type(LABELS[kind][0])}


FORMS = {
    "list": lambda X: X.tolist(),
    "frame": pd.DataFrame,
    "tensor": torch.tensor,
    "sparse": sparse.csr_matrix,
    "polars": lambda X: pytest.importorskip("polars").DataFrame(X, schema=["0", "1", "2"]),
    "rows by name": lambda X: [dict(zip("012", row, strict=True)) for row in X.tolist()],
    "columns by name": lambda X: dict(zip("012", X.T, strict=True)),
    "records": lambda X: np.rec.fromarrays(list(X.T), names=["0", "1", "2"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_features_of_any_form_are_the_same_table(X, form):
    y = ["a", "b"] * (ROWS // 2)
    made, name = table_of(FORMS[form](X), y)
    right, _ = table_of(X, y)
    assert name == "target"
    pd.testing.assert_frame_equal(
        made.set_axis([*"012", "y"], axis=1), right.set_axis([*"012", "y"], axis=1)
    )


def test_each_column_of_a_list_keeps_its_type():
    made, _ = table_of([[1, "a", 0.5], [2, "b", 1.5]], [True, False])
    assert [made[name].dtype.kind for name in (0, 2, "target")] == ["i", "f", "b"]
    assert made[1].tolist() == ["a", "b"]


def _found(*given):
    found = bridle.fit(*given, **QUICK).to_dict()
    found["facts"]["table"].pop("marks")  # a file's separator is known
    return found


def test_both_are_the_table_with_that_target(X, tmp_path):
    y = pd.Series(np.where(X[:, 0] > 0, "yes", "no"), name="label")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    table = frame.assign(label=y)
    path = tmp_path / "features.csv"
    frame.to_csv(path, index=False)
    scores = [
        _found(*given)
        for given in (
            (table, "label"),
            (frame, y),
            (path, y),
        )
    ]
    assert scores[0] == scores[1] == scores[2]
    polars = pytest.importorskip("polars")
    assert _found(frame, polars.Series("label", y.tolist())) == scores[0]


def test_columns_named_by_numbers(X):
    frame = pd.DataFrame(np.c_[X, X[:, 0] > 0])
    model = bridle.fit(frame, 3, **QUICK).model
    assert (model.target_name, model.encoder.columns) == ("3", ("0", "1", "2"))
    assert bridle.fit(frame, frame.columns[3], drop=[1], **QUICK).model.encoder.columns == (
        "0",
        "2",
    )
    by_string = model.predict(frame.rename(columns=str))
    assert model.predict(frame).equals(by_string)
    assert model.predict(frame[[2, 0, 1]]).equals(by_string)


def test_what_follows_takes_both(X):
    y = np.where(X[:, 0] > 0, "yes", "no")
    result = bridle.fit(X, y, **QUICK)
    quick = {"reference": False, "shuffled_labels": False, "masks": 0}
    told = bridle.diagnose(result.model, (X, y), **quick).notes
    assert told == (
        "this is the table that the model was fitted to; it was split into the same parts",
    )
    assert bridle.audit_model(result.model, (X, y)).passed
    assert bridle.ablate(result.model, (X, y), factors=[1], steps=2).rows["training"] == 24


def test_a_search_takes_both_and_a_test_part(X):
    y = pd.Series(np.where(X[:, 0] > 0, "yes", "no"), name="label")
    options = {"configurations": 9, "epochs": 1, "hidden": [(4,)], "folds": 2}
    found = bridle.search(X, y, test=(X[:10], y[:10].to_numpy()), **options)
    assert (found.rows, found.model.target_name) == ({"searched": ROWS, "test": 10}, "label")


def _y():
    return ["a", "b"] * (ROWS // 2)


REFUSED = {
    "lengths": (lambda X: (X, _y()[1:]), "X has 40 rows, but y has 39 values"),
    "one dimension": (lambda X: (X[:, 0], _y()), r"such as X.reshape\(-1, 1\)"),
    "three dimensions": (lambda X: (X[None], _y()), r"it must be \[rows, features\]"),
    "ragged": (lambda _: ([[1, 2], [3]] * 20, _y()), "the rows of X have 1 to 2 values"),
    "several targets": (lambda X: (X, X[:, :2]), r"y has the shape \[40, 2\]"),
    "nested": (lambda X: (X, [[1]] * 40), r"y has \[1\] in a row"),
    "no target": (lambda X: (X,), r"fit\(X, y\)"),
    "y is a bool": (lambda X: (X, True), "the target is True"),
    "mixed labels": (lambda X: (X, ["a", 1] * 20), r"several types \(int, str\)"),
    "strange labels": (lambda X: (X, [object()] * 40), "values of the type object"),
    "complex": (lambda X: (X * 1j, _y()), "the dtype complex128"),
    "target among the features": (
        lambda X: (pd.DataFrame(X), pd.Series(X[:, 1], name=1)),
        "X has a column 1, which is the name of y",
    ),
    "rows in another order": (
        lambda X: (pd.DataFrame(X), pd.Series(_y()).sample(frac=1, random_state=0)),
        "the indexes of X and y differ",
    ),
    "rows of another part": (
        lambda X: (pd.DataFrame(X, index=range(5, 45)), pd.Series(_y(), index=range(2, 42))),
        "the indexes of X and y differ",
    ),
    "no such column": (lambda X: (X, "y"), "no column 'y' for the target; there are: '0'"),
    "names that are equal": (
        lambda X: (pd.DataFrame(X, columns=[1, "1", 2]), _y()),
        "several columns named '1'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_unclear_is_refused(X, case):
    given, message = REFUSED[case]
    with pytest.raises((bridle.UsageError, bridle.DataError), match=message):
        bridle.fit(*given(X), **QUICK)


def test_words_are_the_fields_of_strengths_and_recipe(X):
    y = _y()
    strengths = bridle.Strengths(l1=1e-2, l2=1e-1, keep_prob=0.75, max_norm=1.0)
    recipe = bridle.Recipe(hidden=(4,), epochs=3, patience=None, learning_rate=0.01)
    one = bridle.fit(X, y, strengths=strengths, recipe=recipe)
    words = {"l1": 1e-2, "l2": 1e-1, "drop_prob": 0.25, "max_norm": 1.0}
    words |= {"hidden": (4,), "epochs": 3, "patience": 0, "learning_rate": 0.01}
    assert bridle.fit(X, y, **words).to_dict() == one.to_dict()


WORDS = {
    "both": ({"strengths": bridle.Strengths(), "l1": 1e-4}, "strengths= and l1= are given"),
    "both recipes": ({"recipe": bridle.Recipe(), "epochs": 3}, "recipe= and epochs= are given"),
    "keep and drop": ({"keep_prob": 0.5, "drop_prob": 0.5}, "exactly one"),
    "typing error": ({"keep_porb": 0.5}, "no argument 'keep_porb'; did you mean 'keep_prob'"),
    "another one": ({"epoch": 3}, "did you mean 'epochs'"),
    "of the whole call": ({"sead": 3}, "did you mean 'seed'"),
    "out of range": ({"keep_prob": 1.5}, "keep_prob is 1.5; it must be above 0 and at most 1"),
}


@pytest.mark.parametrize("case", WORDS)
def test_words_that_cannot_be_meant(X, case):
    words, message = WORDS[case]
    with pytest.raises(bridle.UsageError, match=message):
        bridle.fit(X, _y(), **words)


def _alternating(first, second, kind=list):
    return kind([first, second] * (ROWS // 2))


KINDS = {
    "categories of integers": _alternating(0, 1, pd.Categorical),
    "categories of floats": _alternating(0.5, 1.5, pd.Categorical),
    "categories of booleans": _alternating(False, True, pd.Categorical),
    "categories of strings": _alternating("no", "yes", pd.Categorical),
    "words for booleans": _alternating("True", "False"),
    "other words for booleans": _alternating("true", "false"),
    "integers above int64": _alternating(2**63, 1),
    "integers above uint64": _alternating(2**70, -1),
    "integers that floats merge": [None, *_alternating(2**60, 2**60 + 1)[1:]],
    "booleans and None": pd.Series([None, *_alternating(np.False_, np.True_)[1:]], dtype=object),
    "integers and None": pd.Series([None, *_alternating(4, 5)[1:]], dtype=object),
    "digits": _alternating("1", "01"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_column", [False, True])
def test_predictions_are_labels_of_y(X, kind, as_column):
    y = KINDS[kind]
    table, target = table_of(X, y)
    given = (table, target) if as_column else (X, y)
    found = bridle.fit(*given, task="classification", **QUICK).model.target
    predicted = found.inverse(np.array([0, 1])).tolist()
    labels = {label for label in y if label is not None}
    assert set(predicted) == labels
    # NumPy's booleans come back as Python's
    plain = {type(each.item() if isinstance(each, np.generic) else each) for each in labels}
    assert {type(each) for each in predicted} == plain


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (["pos ", "neg"], "such as 'pos ' have blanks around them"),
        (pd.Categorical(["pos ", "neg"]), "such as 'pos ' have blanks around them"),
        (pd.to_datetime(["2020-01-01", "2021-01-01"]), "are of the type Timestamp"),
        (pd.Series([1, "a"], dtype=object), "are of the type int and str"),
    ],
)
def test_labels_that_change_are_noted(labels, note):
    table = pd.DataFrame({"x": range(ROWS), "y": pd.Series(labels)[[0, 1] * (ROWS // 2)].array})
    assert note in str(read_for_fit(table, "y", ()).notes)


def test_what_a_mask_hides_is_missing(X):
    hidden = np.ma.array(np.where(X > 1, -999, X), mask=X > 1)
    y = np.ma.array([3, 7] * (ROWS // 2), mask=np.arange(ROWS) < 2)
    made, _ = table_of(hidden, y)
    right, _ = table_of(np.where(X > 1, np.nan, X), [None, None, *[3, 7] * (ROWS // 2 - 1)])
    pd.testing.assert_frame_equal(made, right)
    by = np.ma.array(np.arange(ROWS) // 4, mask=np.arange(ROWS) < 2)
    with pytest.raises(DataError, match="groups is missing in 2 of 40 rows"):
        read_for_fit(made.fillna(0), "target", (), groups=by)


def test_arrays_of_other_machines_and_precisions(X):
    right, _ = table_of(X, X[:, 0])
    made, _ = table_of(X.astype(">f8"), X[:, 0].astype(">f8"))
    pd.testing.assert_frame_equal(made, right)
    made, _ = table_of(torch.tensor(X, requires_grad=True), torch.tensor(X[:, 0]).bfloat16())
    np.testing.assert_allclose(made, right, rtol=0.01)
    read = read_for_fit(right.astype({"target": ">f8", 0: ">f8", 1: ">f4"}), "target", ())
    assert all(each.isnative for each in [*read.frame.dtypes, read.truth.dtype])


def test_rows_with_names_are_read_by_them():
    row = namedtuple("row", "b a")
    made, _ = table_of([row(1, "x"), row(2, "y")], [0, 1])
    assert made.columns.tolist() == ["b", "a", "target"]
    with pytest.raises(UsageError, match="names for their values"):
        table_of([row(1, "x"), (2, "y")], [0, 1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"seed": None}, "seed is None; it must be a whole number"),
        ({"seed": 1.5}, "seed is 1.5; it must be a whole number"),
        ({"epochs": 1.5}, "epochs is 1.5; it must be a whole number"),
        ({"patience": "1"}, "patience is '1'; it must be a whole number"),
        ({"batch_size": None}, "batch_size is None; it must be a whole number"),
        ({"l1": "1e-3"}, "l1 is '1e-3'; it must be a number"),
        ({"l2": float("nan")}, "l2 is nan; it must be a number"),
        ({"keep_prob": "0.5"}, "keep_prob is '0.5'; it must be a number"),
        ({"drop_prob": "0.5"}, "drop_prob is '0.5'; it must be a number"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; it must be a number"),
        ({"hidden": 4}, "hidden is 4; it must be a sequence"),
        ({"hidden": "44"}, "hidden is '44'; it must be a sequence"),
        ({"hidden": [4.5]}, "hidden is 4.5; it must be a whole number"),
        ({"class_weight": {"a": "1"}}, "class_weight of 'a' is '1'; it must be a number"),
        ({"strengths": {"l1": 1}}, "it must be a bridle.Strengths"),
        ({"recipe": 3}, "recipe is 3; it must be a bridle.Recipe"),
    ],
)
def test_arguments_of_other_types_are_refused_by_name(X, words, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        bridle.fit(X, ["a", "b"] * (ROWS // 2), **words)


def test_numbers_of_numpy_are_numbers(X):
    words = {"hidden": np.array([4]), "epochs": np.int32(1), "l1": np.float32(0.5)}
    found = bridle.fit(X, ["a", "b"] * (ROWS // 2), seed=np.int64(3), **words)
    assert (found.model.facts["seed"], found.strengths.l1) == (3, 0.5)
    json.dumps(found.model.facts)


def test_whole_floats_and_iterators_are_taken_for_what_they_mean(X):
    y = ["a", "b"] * (ROWS // 2)
    want, *others = (
        bridle.fit(X, y, hidden=hidden, epochs=epochs, seed=seed)
        for hidden, epochs, seed in (
            ((4, 3), 1, 3),
            (iter([4, 3]), 1.0, np.float64(3)),
            (map(int, "43"), 1, 3),
        )
    )
    for found in others:
        assert found.model.facts == want.model.facts
        assert found.model.predict(X).equals(want.model.predict(X))
    found = bridle.search(X, y, hidden=iter([iter([4])]), folds=2.0, configurations=9, epochs=1)
    assert found.model.network.members % 2 == 0
    for unordered in ({4, 3}, {4: 3}, np.array(4), iter(["4"]), float("inf")):
        with pytest.raises(UsageError, match="hidden is"):
            bridle.fit(X, y, hidden=unordered)
    for bad in ([], [4], {(4,)}, iter([]), "44"):
        with pytest.raises(UsageError, match=r"hidden is .*hidden layers to choose from"):
            bridle.search(X, y, hidden=bad)
