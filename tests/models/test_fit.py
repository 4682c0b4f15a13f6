"""`bridle.fit`: the split, what is held out, and what the two networks share."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import bridle
from bridle import Recipe, Strengths
from bridle.cli.fit import fit as command
from bridle.models.recipe import DEFAULT_STRENGTHS
from conftest import CREDIT, ROOT

QUICK = Recipe(hidden=(16, 16), epochs=5)
SHARED = ROOT.parent / "shared" / "data"


def _blobs(rows, classes, rng):
    codes = np.arange(rows) % classes
    frame = pd.DataFrame(rng.normal(size=(rows, 4)) + 2 * codes[:, None], columns=list("abcd"))
    return frame.assign(y=[f"class {code}" for code in codes])


def test_parts_are_disjoint_and_stratified(rng):
    result = bridle.fit(_blobs(100, 2, rng), "y", recipe=QUICK)
    assert result.rows == {"training": 60, "held out": 20, "test": 20}


def test_plain_member_is_the_network_without_any_regularizer(rng):
    """The population must not leak strength from the second member into the first."""
    table = _blobs(120, 3, rng)
    strong = Strengths(l1=1e-2, l2=1e-2, keep_prob=0.3, drop_connect_keep_prob=0.5, max_norm=0.5)
    one = bridle.fit(table, "y", recipe=QUICK, strengths=strong)
    two = bridle.fit(table, "y", recipe=QUICK, strengths=Strengths())
    assert np.allclose(one.history.train_loss[:, 0], two.history.train_loss[:, 0], rtol=1e-4)
    assert not np.allclose(one.history.train_loss[:, 1], two.history.train_loss[:, 1], rtol=1e-2)
    assert (one.history.penalty[:, 0] == 0).all()
    assert (two.history.penalty == 0).all()
    assert two.plain == two.regularized or QUICK.patience is not None


def test_strengths_of_zero_change_nothing(rng):
    table = _blobs(100, 2, rng)
    result = bridle.fit(
        table, "y", recipe=Recipe(hidden=(8,), epochs=5, patience=None), strengths=Strengths()
    )
    assert result.plain == result.regularized
    assert result.comparison.difference.value == 0


def test_reported_loss_is_the_sum_of_its_parts(rng):
    history = bridle.fit(_blobs(100, 2, rng), "y", recipe=QUICK).history
    total = history.train_loss + history.noise + history.penalty
    assert np.array_equal(history.reported_loss, total)
    assert (history.penalty[:, 1] > 0).all()
    assert (history.noise[:, 0] == 0).all()
    assert (history.noise[:, 1] != 0).all()


def test_encoder_sees_training_rows_only(rng):
    """A value far out in one part moves the medians of that part only."""
    table = _blobs(100, 2, rng)
    first = bridle.fit(table, "y", recipe=QUICK)
    rows = _test_rows(first, table)
    poisoned = table.copy()
    poisoned.loc[rows, "a"] = 1e6
    second = bridle.fit(poisoned, "y", recipe=QUICK)
    assert np.array_equal(first.history.train_loss, second.history.train_loss)
    assert np.array_equal(first.history.held_out_loss, second.history.held_out_loss)


def _test_rows(result, table):
    """Find the test rows from outside: changing their labels moves nothing but the test score."""
    from bridle.models.split import three_parts
    from bridle.tables import ClassTarget

    codes = ClassTarget.fit(table["y"]).transform(table["y"])
    return three_parts(len(table), codes, 0)["test"]


def test_classes_of_one_row_are_possible(rng):
    table = _blobs(60, 2, rng)
    table.loc[0, "y"] = "alone"
    result = bridle.fit(table, "y", recipe=QUICK)
    assert len(result.model.target.classes) == 3


def test_more_classes_than_the_test_part_has_rows(rng):
    result = bridle.fit(_blobs(40, 20, rng), "y", recipe=QUICK)
    assert result.rows["test"] == 8


def test_class_weights_lift_the_rare_class(rng):
    codes = (rng.random(600) < 0.1).astype(int)
    frame = pd.DataFrame(rng.normal(size=(600, 3)) + codes[:, None], columns=list("abc"))
    frame["y"] = np.where(codes, "rare", "common")
    found = [
        bridle.fit(frame, "y", recipe=Recipe(hidden=(16,), learning_rate=0.01, class_weight=weight))
        .model.predict(frame)["prediction"]
        .eq("rare")
        .sum()
        for weight in (None, "balanced")
    ]
    assert found[1] > 1.5 * max(found[0], 1)


def test_class_weights_by_name(rng):
    table = _blobs(90, 3, rng)
    weighted = Recipe(hidden=(8,), epochs=20, class_weight={"class 1": 50.0})
    model = bridle.fit(table, "y", recipe=weighted).model
    assert model.predict(table)["prediction"].eq("class 1").mean() > 0.4
    assert model.facts["recipe"]["class_weight"] == {"class 1": 50.0}
    with pytest.raises(bridle.DataError, match="the class 'class 9', which is unknown"):
        bridle.fit(table, "y", recipe=Recipe(class_weight={"class 9": 2.0}))
    with pytest.raises(bridle.UsageError, match="-1"):
        Recipe(class_weight={"class 1": -1.0})


def test_class_weights_need_classes(rng):
    frame = pd.DataFrame({"x": rng.normal(size=50), "y": rng.normal(size=50)})
    with pytest.raises(bridle.UsageError, match="regression"):
        bridle.fit(frame, "y", recipe=Recipe(class_weight="balanced"))


def test_regression_predicts_in_the_units_of_the_target(rng):
    x = rng.normal(size=400)
    frame = pd.DataFrame({"x": x, "y": 1000 + 50 * x})
    result = bridle.fit(
        frame, "y", recipe=Recipe(hidden=(32,), epochs=60), strengths=Strengths(l2=1e-5)
    )
    assert result.regularized.test.value > 0.95
    predicted = result.model.predict(frame)["prediction"]
    assert np.abs(predicted - frame["y"]).mean() < 15


def test_a_table_in_memory_is_left_as_it_was(rng):
    table = _blobs(50, 2, rng)
    copy = table.copy(deep=True)
    bridle.fit(table, "y", recipe=QUICK)
    pd.testing.assert_frame_equal(table, copy)


def test_row_order_and_thread_count_of_torch_do_not_matter_for_predictions(rng):
    table = _blobs(80, 2, rng)
    model = bridle.fit(table, "y", recipe=QUICK).model
    shuffled = table.sample(frac=1, random_state=1)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        moved = model.predict(shuffled)["prediction"]
    finally:
        torch.set_num_threads(threads)
    moved.index = shuffled.index
    assert moved.sort_index().equals(model.predict(table)["prediction"])


def test_result_is_json(rng):
    import json

    result = bridle.fit(_blobs(50, 2, rng), "y", recipe=QUICK)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()
    assert result.verdict.endswith(".")


@pytest.mark.parametrize("strength", [{"l1": -1.0}, {"keep_prob": 0.0}, {"max_norm": 0.0}])
def test_bad_strengths_are_named(strength):
    with pytest.raises(bridle.UsageError, match=str(next(iter(strength.values())))):
        Strengths(**strength)


@pytest.mark.parametrize("name", ["car", "arrhythmia", "colon", "concrete"])
def test_development_tables(name):
    path = SHARED / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip("the development data are not here")
    result = bridle.fit(path, "target", recipe=Recipe(epochs=10))
    assert result.regularized.test.value > 0.3
    assert result.model.predict(path).shape[0] == sum(result.rows.values())


def test_example_table_comes_with_the_package():
    from bridle.cli import example_table

    assert Path(example_table()).read_bytes() == CREDIT.read_bytes()


def test_what_is_said_of_the_default_strengths_is_so():
    shared = {"l1": 1e-4, "l2": 1e-3}
    assert DEFAULT_STRENGTHS["classification"] == Strengths(**shared, keep_prob=0.5)
    assert DEFAULT_STRENGTHS["regression"] == Strengths(**shared, keep_prob=0.95)
    library, line = (" ".join(each.__doc__.split()) for each in (bridle.fit, command))
    assert "L1 1e-4, L2 1e-3 and dropout. Dropout keeps half" in library
    assert "95 % for regression" in library
    assert "L1 1e-4, L2 1e-3, and dropout with a keep probability of 0.5 for" in line
    assert "0.95 for regression" in line


def test_a_target_sparsity_is_refused_with_what_to_use():
    with pytest.raises(bridle.UsageError, match=r"use bridle\.MLPClassifier\(sparsity=0\.8\)"):
        bridle.fit(pd.DataFrame({"x": [0, 1], "y": [0, 1]}), "y", sparsity=0.8)
