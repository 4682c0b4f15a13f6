"""The audit measures attached weight decays in a real step, and names what stands in their way."""

import pytest
import torch
from audit_helpers import X, Y, kinds, mlp, sgd, throw_away

import bridle
from bridle import L1, L2, StepSchedule, WeightDecay


def audited(rules, make=sgd, *, model=None):
    model = model or mlp()
    optimizer = make(model)
    bridle.attach(optimizer, rules, model=model)
    return bridle.audit(model, optimizer, (X.to(model[0].weight.dtype), Y))


@pytest.mark.parametrize(
    "make",
    [
        sgd,
        lambda m: torch.optim.AdamW(m.parameters(), lr=0.01, weight_decay=0),
        lambda m: torch.optim.Adafactor(m.parameters()),
        lambda m: torch.optim.Muon([w for w in m.parameters() if w.ndim == 2], weight_decay=0),
    ],
)
def test_effect_is_measured(make):
    found = audited({"*": WeightDecay(0.1, cautious=True)}, make)
    effects = [each for each in found.effects if each.route == "decay"]
    assert [each.parameter for each in effects] == ["0.weight", "2.weight"]
    assert all(each.measured > 0 and each.error < 1e-3 for each in effects)
    said = [each.detail for each in found.checks if each.check.startswith("WeightDecay")]
    assert len(said) == 2
    assert all("of the weights, which the step does not move away from 0" in each for each in said)
    assert not {kind for kind, _ in kinds(found)} & {"no-op penalty", "wrong effect"}


def test_schedule_free():
    schedulefree = pytest.importorskip("schedulefree")

    def make(model):
        optimizer = schedulefree.AdamWScheduleFree(model.parameters(), lr=0.1)
        optimizer.train()
        return optimizer

    found = audited({"*": WeightDecay(0.1, cautious=True)}, make)
    assert found.passed
    assert all(each.measured > 0 and each.error < 1e-3 for each in found.effects)


def test_together_with_a_penalty():
    found = audited({"*": [WeightDecay(0.1), L1(1e-3)]})
    assert found.passed
    assert {each.route for each in found.effects} == {"prox"}
    assert found.effects[0].penalty == "L1(0.001) + WeightDecay(0.1)"


def test_decay_without_strength():
    found = audited({"*": WeightDecay(0.0)})
    assert kinds(found) == {("no-op penalty", "0.weight"), ("no-op penalty", "2.weight")}


def test_decay_below_the_rounding():
    model = mlp().bfloat16()
    found = audited({"*": WeightDecay(0.001)}, model=model)
    messages = {each.message for each in found.findings if each.kind == "no-op penalty"}
    assert messages == {
        "WeightDecay(0.001) is lost in the rounding of bfloat16 weights: keep float32 weights"
    }


def test_schedule_at_rest():
    found = audited({"0.*": WeightDecay(0.1, schedule=StepSchedule({0: 0.0, 5: 1.0}))})
    assert kinds(found, "warn") == {("resting penalty", "0.weight")}


def test_l2_beside_it_is_double():
    model = mlp()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": WeightDecay(0.1)}, model=model)
    with pytest.warns(bridle.RegularizationWarning, match="penalized twice"):
        bridle.attach(optimizer, {"0.*": L2(0.1)}, model=model)
    found = bridle.audit(model, optimizer, (X, Y))
    assert kinds(found) == {("double penalty", "0.weight")}


def test_rule_that_was_not_attached():
    model = mlp()
    throw_away(model, {"*": WeightDecay(0.1)})
    found = bridle.audit(model, sgd(model), (X, Y))
    assert kinds(found) == {("no-op penalty", "0.weight"), ("no-op penalty", "2.weight")}
