"""Several rules on one weight: what an earlier one promises holds after the step, or is refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import prune

import bridle
from bridle import (
    L1,
    L2,
    MCP,
    SCAD,
    Annealed,
    Grouped,
    LogSum,
    NOfM,
    NonNegative,
    NuclearNorm,
    RootNorm,
    SparseGroupLasso,
    Sparsity,
    StepSchedule,
    UsageError,
    WeightDecay,
)


def _net():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


X, Y = torch.randn(64, 20, generator=torch.Generator().manual_seed(1)), torch.arange(64) % 3


def _train(model, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()


@pytest.mark.parametrize(
    "later", [WeightDecay(0.1), NuclearNorm(0.1), L1(0.1), Sparsity(0.5, ramp=3)]
)
def test_rules_after_a_target_sparsity_of_an_earlier_call_are_refused(later):
    model, optimizer = _net()
    bridle.attach(optimizer, {"0.weight": Sparsity(0.9, ramp=20)}, model=model)
    with pytest.raises(UsageError, match=r"0\.weight has (a|the) target sparsity"):
        bridle.attach(optimizer, {"*": later}, model=model)


def test_other_weights_and_coupled_penalties_are_free_and_so_is_a_detached_weight():
    model, optimizer = _net()
    first = bridle.attach(optimizer, {"0.weight": Sparsity(0.9, ramp=20)}, model=model)
    bridle.attach(optimizer, {"2.weight": NuclearNorm(0.01)}, model=model)
    bridle.attach(optimizer, {"0.weight": L2(0.1)}, model=model, mode="coupled")
    _train(model, optimizer, 30)
    assert first.sparsity[0].reached == pytest.approx(0.9)
    first.detach()
    bridle.attach(optimizer, {"0.weight": Sparsity(0.5, ramp=20)}, model=model)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("constraint", [NonNegative(), NOfM(2, 4)])
def test_constraints_hold_after_other_penalties_in_any_order(constraint, turn):
    model, optimizer = _net()
    rules = [constraint, NuclearNorm(0.1)][::turn]
    bridle.attach(optimizer, {"0.weight": rules}, model=model)
    _train(model, optimizer, 5)
    assert constraint.value(model[0].weight.detach()) == 0
    assert (model[0].weight == 0).any()
    assert bridle.audit(model, optimizer, (X, Y)).passed


def test_annealed_constraints_hold_last_too():
    model, optimizer = _net()
    schedule = StepSchedule({0: 0.0, 2: 1.0})
    rules = [Annealed(NonNegative(), schedule), NuclearNorm(0.1)]
    bridle.attach(optimizer, {"0.weight": rules}, model=model)
    _train(model, optimizer, 2)
    assert (model[0].weight < 0).any()
    _train(model, optimizer, 1)
    assert (model[0].weight >= 0).all()


def test_a_nuclear_norm_after_a_constraint_of_an_earlier_call_is_refused():
    model, optimizer = _net()
    bridle.attach(optimizer, {"0.weight": NonNegative()}, model=model)
    with pytest.raises(UsageError, match=r"constraint NonNegative\(\) of an earlier attachment"):
        bridle.attach(optimizer, {"0.weight": NuclearNorm(0.1)}, model=model)


class _Shift:
    """A penalty of a user's own, ``Σ w``, which moves weights below zero."""

    separable, constraint, elastic = True, False, None

    def value(self, weight):
        return weight.sum()

    def gradient(self, weight):
        return torch.ones_like(weight)

    def prox(self, weight, step):
        return weight - step


def test_the_audit_fails_if_a_constraint_does_not_hold_after_the_step():
    model, optimizer = _net()
    bridle.attach(optimizer, {"0.weight": NonNegative()}, model=model)
    assert bridle.audit(model, optimizer, (X, Y)).passed
    bridle.attach(optimizer, {"0.weight": _Shift()}, model=model)
    audited = bridle.audit(model, optimizer, (X, Y))
    found = [each for each in audited.findings if each.kind == "broken constraint"]
    assert [(each.subject, each.severity) for each in found] == [("0.weight", "fail")]


NONCONVEX = [MCP(0.01), SCAD(0.01), LogSum(0.01), RootNorm(0.01), Grouped(MCP(0.01), "elements")]


@pytest.mark.parametrize(
    "penalty", [*NONCONVEX, Annealed(MCP(0.01), StepSchedule({0: 1.0}))], ids=str
)
def test_penalties_that_are_not_convex_refuse_the_adaptive_metric(penalty):
    """Where gradients vanish, Adam's steps have no bound, and the global minimum is zero."""
    model, _ = _net()
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(UsageError, match="is not convex: in the adaptive metric"):
        bridle.attach(optimizer, {"0.weight": penalty}, model=model, metric="adaptive")
    bridle.attach(optimizer, {"0.weight": penalty}, model=model)


def test_the_penalty_of_a_ramp_acts_beside_one_of_its_class():
    model, optimizer = _net()
    ramp = Sparsity(0.5, ramp=4, penalty=L1(1e-2))
    for rules in ({"0.weight": [L1(1e-3), ramp]}, {"0.weight": ramp, "*": L1(1e-3)}):
        attached = bridle.attach(optimizer, rules, model=model)
        w = model[0].weight.detach()
        both = sum(each.value(w) for each in attached.penalties["0.weight"])
        assert both == pytest.approx(float(0.011 * w.abs().sum()), rel=1e-5)
        _train(model, optimizer, 5)
        w = model[0].weight.detach()
        own = sum(each.value(w) for each in attached.penalties["0.weight"])
        assert own == pytest.approx(float(1e-3 * w.abs().sum()), rel=1e-5)
        attached.detach()


def test_sparse_groups_of_two_kinds_both_act():
    model, optimizer = _net()
    first, second = SparseGroupLasso(0.0, 0.1, "units"), SparseGroupLasso(0.0, 0.2, "inputs")
    attached = bridle.attach(optimizer, {"0.weight": [first, second]}, model=model, mode="coupled")
    assert len(attached.rules["0.weight"]) == 2
    w = model[0].weight.detach()
    expected = 0.1 * w.norm(dim=1).sum() + 0.2 * w.norm(dim=0).sum()
    assert torch.isclose(attached.value().detach(), expected)


@pytest.mark.parametrize("turn", [1, -1])
def test_penalties_of_a_pruned_weight_make_the_step_of_a_plain_one_in_any_order(turn):
    rules = [L2(0.7), bridle.ElasticNet(0.1, 0.2), L1(0.3), bridle.GroupLasso(0.4)]
    mask, moved = (torch.arange(600).view(30, 20) % 3 > 0).float(), []
    for pruned in (True, False):
        model, optimizer = _net()
        with torch.no_grad():
            model[0].weight *= mask
        w = model[0].weight
        if pruned:
            prune.custom_from_mask(model[0], "weight", mask)
        bridle.attach(optimizer, {"0.weight": rules[::turn] if pruned else rules}, model=model)
        w.grad = torch.zeros_like(w)
        optimizer.step()
        moved.append(w.detach() * mask)
    assert moved[0].any()
    assert torch.allclose(*moved, atol=1e-7)
