"""The audit of groups and target sparsities: measured shares, and planted faults."""

import pytest
import torch
from audit_helpers import X, Y, cross_entropy, kinds, mlp, sgd, throw_away

import bridle


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def _steps(model, optimizer, count):
    for _ in range(count):
        optimizer.zero_grad()
        cross_entropy(model, (X, Y)).backward()
        optimizer.step()


PENALTIES = {
    "groups": bridle.Grouped(bridle.L1(0.05), "units"),
    "MCP of inputs": bridle.Grouped(bridle.MCP(0.05), "inputs"),
    "sparse groups": bridle.SparseGroupLasso(0.01, 0.05, "units"),
    "SCAD": bridle.SCAD(0.05),
    "log-sum": bridle.LogSum(0.05),
    "root": bridle.RootNorm(0.05),
    "nuclear": bridle.NuclearNorm(0.05),
    "non-negative": bridle.NonNegative(),
    "2 of 4": bridle.NOfM(2, 4),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_of_groups_act_by_their_formula(name):
    model = mlp()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0)
    bridle.attach(optimizer, {"2.*": PENALTIES[name]}, model=model)
    audited = bridle.audit(model, optimizer, (X, Y))
    assert audited.passed, str(audited)
    effect = audited.effects[0]
    assert (effect.parameter, effect.route) == ("2.weight", "prox")
    assert effect.measured > 0
    assert effect.error < 1e-3


@pytest.mark.parametrize("step", [0, 3, 7])
@pytest.mark.parametrize("global_", [True, False])
def test_the_share_that_is_due_is_reached(global_, step):
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    rule = bridle.Sparsity(0.75, ramp=5, global_=global_, penalty=bridle.L1(1e-3))
    bridle.regularize(model, {"*": rule}, optimizer=optimizer)
    _steps(model, optimizer, step)
    before = [p.detach().clone() for p in model.parameters()]
    audited = bridle.audit(model, optimizer, (X, Y))
    assert audited.passed, str(audited)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    (check,) = [each for each in audited.checks if "Sparsity" in each.check]
    assert check.outcome == "passed"
    assert ("healing" if step > 5 else "ramp") in check.detail
    if step > 5:
        assert check.detail.startswith("75.")


def test_a_hook_that_brings_weights_back_is_found():
    model = mlp()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.Sparsity(0.5, ramp=2)}, model=model)
    _steps(model, optimizer, 2)

    def restore(optimizer, *_):
        with torch.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    p[p == 0] = 1e-3

    class Restoring(type(optimizer)):
        def step(self, closure=None):
            super().step(closure)
            restore(self)

    optimizer.__class__ = Restoring
    audited = bridle.audit(model, optimizer, (X, Y))
    assert "missed sparsity" in dict(kinds(audited))


def test_weights_that_were_exchanged_after_the_ramp_are_found():
    model = mlp()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.Sparsity(0.5, ramp=2)}, model=model)
    _steps(model, optimizer, 3)
    model.load_state_dict(mlp().state_dict())
    audited = bridle.audit(model, optimizer, (X, Y))
    assert "missed sparsity" in dict(kinds(audited))
    assert "attach the target again" in str(audited)


def test_a_target_that_is_not_attached_is_found():
    model = mlp()
    throw_away(model, {"*": bridle.Sparsity(0.5, ramp=2)})
    audited = bridle.audit(model, sgd(model), (X, Y))
    assert "no-op penalty" in dict(kinds(audited))
