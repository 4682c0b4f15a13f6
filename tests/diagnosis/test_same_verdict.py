"""A fit, a diagnosis of its result and one of its model file say the same."""

import numpy as np
import pandas as pd
import pytest

import bridle
from bridle import Recipe, Strengths

RECIPE = Recipe(hidden=(16,), epochs=8, patience=3, learning_rate=0.01)
STRENGTHS = Strengths(l2=1e-3, keep_prob=0.9)


def tables():
    random = np.random.default_rng(0)
    X = pd.DataFrame(random.normal(size=(400, 5))).add_prefix("x")
    rare = np.where(X["x0"] + X["x1"] > 3.2, "yes", "no")
    tail = np.exp(X["x0"] + random.normal(size=400)) * 1e6
    return {
        "rare class": X.assign(y=rare),
        "long tail": X.assign(y=tail),
        "noise": X.assign(y=random.integers(0, 2, 400).astype(str)),
        "few rows": X[:20].assign(y=["a", "b"] * 10),
    }


@pytest.mark.parametrize("name", tables())
def test_all_commands_say_the_same(name, tmp_path):
    table = tables()[name]
    result = bridle.fit(table, "y", recipe=RECIPE, strengths=STRENGTHS)
    for member, fitted in ((0, result.plain), (1, result.regularized)):
        found = bridle.diagnose(result, member=member, shuffled_labels=False, masks=0)
        own = fitted.diagnosis
        assert found.verdict == own.verdict
        for end in ("value", "low", "high"):  # a target has other units in the two
            wanted = getattr(own.gap, end)
            assert getattr(found.gap.value, end) == pytest.approx(wanted, rel=1e-5, abs=1e-6)
        assert [each.claim for each in found.claims] == [each.claim for each in own.claims]
    bridle.save_model(result.model, tmp_path / "model.bridle")
    again = bridle.diagnose(
        bridle.load(tmp_path / "model.bridle"), table, shuffled_labels=False, masks=0
    )
    assert again.verdict == result.regularized.diagnosis.verdict
    assert again.gap.value.value == pytest.approx(result.regularized.diagnosis.gap.value)


def test_a_constant_target_in_the_test_set_cannot_tell(tmp_path):
    random = np.random.default_rng(0)
    table = pd.DataFrame({"x": random.normal(size=30), "y": 0.0})
    rows = bridle.fit(
        table.assign(y=random.normal(size=30)), "y", recipe=RECIPE, strengths=STRENGTHS
    ).places
    table.loc[rows["training"], "y"] = random.normal(size=len(rows["training"]))
    table.loc[rows["held out"], "y"] = random.normal(size=len(rows["held out"]))
    result = bridle.fit(table, "y", task="regression", recipe=RECIPE, strengths=STRENGTHS)
    assert result.plain.diagnosis.verdict == "cannot tell"
    assert "R² is undefined" in result.verdict
    assert "nan" not in result.verdict
    bridle.save_model(result.model, tmp_path / "model.bridle")
    found = bridle.diagnose(bridle.load(tmp_path / "model.bridle"), table, shuffled_labels=False)
    assert found.verdict == "cannot tell"
    assert not any("nan" in line for line in (*found.evidence, found.reason))
