"""Groups of several weights: prox against a search, any optimizer, and what compact removes."""

import copy
from itertools import pairwise

import pytest
import torch
from scipy.optimize import minimize
from torch import nn

import bridle
from bridle import (
    L1,
    MCP,
    SCAD,
    Annealed,
    Grouped,
    Grouping,
    GroupLasso,
    Joint,
    LogSum,
    RootNorm,
    SparseGroupLasso,
    UsageError,
)

UNITS = Joint({"0.weight": "units", "0.bias": "units", "2.weight": "inputs"})
RULES = {
    "group lasso": GroupLasso(0.7),
    "grouped L1": Grouped(L1(0.7), "joint"),
    "sparse group lasso": SparseGroupLasso(0.2, 0.5, "joint"),
    "MCP": Grouped(MCP(0.7, gamma=1.5), "joint"),
    "SCAD": Grouped(SCAD(0.5), "joint"),
    "root": Grouped(RootNorm(0.7), "joint"),
    "log": Grouped(LogSum(0.3), "joint"),
}


def _mlp(*sizes, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    layers = []
    for into, out in pairwise(sizes):
        layers += [nn.Linear(into, out, dtype=dtype), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _no_gradient(model):
    for p in model.parameters():
        p.grad = torch.zeros_like(p)


def _unit(model, at):
    """Return the weights of a hidden unit: incoming, bias, outgoing."""
    first, last = model[0], model[2]
    return torch.cat([first.weight[at], first.bias[at : at + 1], last.weight[:, at]]).detach()


def _phi(rule, g):
    """Return R of one group, by the definition of the penalty."""
    if isinstance(rule, SparseGroupLasso):
        return rule.l1 * g.abs().sum() + rule.group * g.norm()
    inside = L1(rule.strength) if isinstance(rule, GroupLasso) else rule.penalty
    return inside.value(g.norm()[None])


def _lowest(rule, given, rates):
    """Return the minimum of R(u) + Σ (u - w)² / (2 step) of a group, by a search."""

    def cost(u):
        u = torch.as_tensor(u)
        return float(_phi(rule, u) + ((u - given).square() / (2 * rates)).sum())

    tried = [torch.zeros_like(given)]
    for begin in (given, 0.3 * given):
        options = {"xatol": 1e-6, "fatol": 1e-11}
        found = minimize(cost, begin.numpy(), method="Nelder-Mead", options=options)
        tried.append(torch.as_tensor(found.x))
    return min(tried, key=lambda u: cost(u.numpy())), cost


@pytest.mark.parametrize("name", RULES)
def test_the_step_is_the_minimum_that_a_search_finds(name):
    model = _mlp(1, 2, 1)
    before = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.6)
    bridle.attach(optimizer, {UNITS: RULES[name]}, model=model)
    _no_gradient(model)
    optimizer.step()
    rates = torch.full((3,), 0.6, dtype=torch.float64)
    for at in range(2):
        wanted, cost = _lowest(RULES[name], _unit(before, at), rates)
        found = _unit(model, at)
        assert cost(found.numpy()) <= cost(wanted.numpy()) + 1e-9
        assert torch.allclose(found, wanted, atol=1e-4)
        assert found.any() or not wanted.any()
    assert torch.equal(model[2].bias, before[2].bias)


@pytest.mark.parametrize("name", ["group lasso", "sparse group lasso"])
def test_parts_with_learning_rates_of_their_own(name):
    model = _mlp(1, 2, 1)
    before = copy.deepcopy(model)
    groups = [{"params": model[0].parameters(), "lr": 0.2}, {"params": model[2].parameters()}]
    optimizer = torch.optim.SGD(groups, lr=0.6)
    bridle.attach(optimizer, {UNITS: RULES[name]}, model=model)
    _no_gradient(model)
    optimizer.step()
    rates = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)
    for at in range(2):
        wanted, _ = _lowest(RULES[name], _unit(before, at), rates)
        assert torch.allclose(_unit(model, at), wanted, atol=1e-4)
    with pytest.raises(UsageError, match=r"step sizes \(0.2, 0.6\)"):
        bridle.attach(optimizer, {UNITS: RULES["MCP"]}, model=model)


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.5),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.02),
    "fused AdamW": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0, fused=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
}


def _train(model, optimizer, steps=60, inputs=5):
    torch.manual_seed(1)
    X = torch.randn(64, inputs, dtype=next(model.parameters()).dtype)
    y = X[:, :1] * 2 - X[:, 1:2].abs()
    for _ in range(steps):
        optimizer.zero_grad()
        (model(X) - y).square().mean().backward()
        optimizer.step()
    return X


HOW = [(name, "euclidean", 0.3 if name == "SGD" else 2.0) for name in OPTIMIZERS]
HOW += [(name, "adaptive", 0.3) for name in OPTIMIZERS if name != "SGD"]


@pytest.mark.parametrize(("name", "metric", "strength"), HOW)
def test_units_become_zero_as_a_whole_and_compact_removes_them(name, metric, strength):
    model = _mlp(5, 24, 1, dtype=torch.float32)
    optimizer = OPTIMIZERS[name](model.parameters())
    attached = bridle.attach(optimizer, {UNITS: GroupLasso(strength)}, model=model, metric=metric)
    X = _train(model, optimizer)
    zero = [not _unit(model, at).any() for at in range(24)]
    parts = [~model[0].weight.any(1), model[0].bias == 0, ~model[2].weight.any(0)]
    assert 0 < sum(zero) < 24
    assert all(part.tolist() == zero for part in parts)
    compacted = bridle.compact(model, X)
    assert compacted.layers[0].units_after == 24 - sum(zero)
    assert torch.allclose(compacted.model(X), model(X), atol=1e-5)
    norms = torch.stack([_unit(model, at).norm() for at in range(24)])
    assert float(attached.value().detach()) == pytest.approx(
        strength * float(norms.sum()), rel=1e-5
    )
    attached.detach()
    _train(model, optimizer, steps=1)


@pytest.mark.parametrize("rule", [GroupLasso(0.2), Grouped(MCP(0.3), "joint")], ids=str)
def test_coupled_is_the_gradient_of_the_value(rule):
    model = _mlp(3, 6, 2)
    other = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    plain = torch.optim.SGD(other.parameters(), lr=0.1)
    bridle.attach(optimizer, {UNITS: rule}, model=model, mode="coupled")
    X = torch.randn(7, 3, dtype=torch.float64)
    for _ in range(3):
        for each, of in ((model, optimizer), (other, plain)):
            of.zero_grad()
            loss = each(X).square().mean()
            if each is other:
                loss = loss + sum(_phi(rule, g) for g in _units_of(other))
            loss.backward()
            of.step()
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def _units_of(model):
    first, last = model[0], model[2]
    return torch.cat([first.weight, first.bias[:, None], last.weight.T], 1)


def test_the_line_search_of_lbfgs_sees_the_value():
    model = _mlp(3, 6, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    attached = bridle.attach(optimizer, {UNITS: GroupLasso(0.1)}, model=model, mode="coupled")
    X = torch.randn(20, 3, dtype=torch.float64)

    def closure():
        optimizer.zero_grad()
        loss = (model(X) - X[:, :1]).square().mean()
        loss.backward()
        return loss

    values = []
    for _ in range(3):
        optimizer.step(closure)
        values.append(float((closure() + attached.value()).detach()))
    assert values == sorted(values, reverse=True)


def test_annealed_copied_saved_and_resumed():
    rule = Annealed(GroupLasso(0.3), bridle.StepSchedule({0: 0.0, 2: 1.0}))
    model = _mlp(5, 8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    attached = bridle.attach(optimizer, {UNITS: rule}, model=model)
    _train(model, optimizer, steps=2)
    twin, its = copy.deepcopy((model, optimizer))
    other, again = copy.deepcopy(model), None
    again = torch.optim.SGD(other.parameters(), lr=0.05)
    resumed = bridle.attach(again, {UNITS: rule}, model=other)
    resumed.load_state_dict(attached.state_dict())
    for each, of in ((model, optimizer), (twin, its), (other, again)):
        _train(each, of, steps=5)
    for a, b, c in zip(model.parameters(), twin.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
    assert attached.joint[0].step == 7


# ------------------------------------------------------------------ other structures


def test_heads_a_branch_and_columns_of_several_layers():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(8, 4, batch_first=True)
            self.branch = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 8))
            self.towers = nn.ModuleList(nn.Linear(8, 3) for _ in range(2))

    torch.manual_seed(0)
    model = Block()
    heads = Joint(
        {"attn.in_proj_weight": "heads", "attn.in_proj_bias": "heads", "attn.out_proj.*": "heads"}
    )
    branch = Joint({"branch.*": "whole", "branch.*.bias": "whole"})
    columns = Joint({"towers.*": "inputs"})
    with torch.no_grad():
        for each in (model.attn, *model.branch, *model.towers):
            for p in each.parameters():
                p.fill_(1.0)
        w, b, out = model.attn.in_proj_weight, model.attn.in_proj_bias, model.attn.out_proj.weight
        w.view(3, 4, 2, 8)[:, 1] = 1e-3
        b.view(3, 4, 2)[:, 1] = 1e-3
        out[:, 2:4] = 1e-3
        for tower in model.towers:
            tower.weight[:, 5] = 1e-3
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    lasso = GroupLasso(0.1)
    bridle.attach(optimizer, {heads: lasso, branch: GroupLasso(50.0), columns: lasso}, model=model)
    _no_gradient(model)
    optimizer.step()
    head = torch.tensor([False, True, False, False])
    assert torch.equal(~w.view(3, 4, 2, 8).transpose(0, 1).flatten(1).any(1), head)
    assert torch.equal(~b.view(3, 4, 2).transpose(0, 1).flatten(1).any(1), head)
    assert torch.equal(~out.view(8, 4, 2).transpose(0, 1).flatten(1).any(1), head)
    assert not any(p.any() for p in model.branch.parameters())
    for tower in model.towers:
        assert (~tower.weight.any(0)).tolist() == [at == 5 for at in range(8)]


def test_channels_through_a_flatten_and_a_batch_norm():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 3)
    )
    channels = Joint(
        {
            "0.weight": "units",
            "0.bias": "units",
            "1.weight": "units",
            "1.bias": "units",
            "4.weight": Grouping.heads(6, side="inputs"),
        }
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    rule = bridle.Sparsity(0.5, groups="joint", ramp=4)
    (target,) = bridle.attach(optimizer, {channels: rule}, model=model).sparsity
    X = torch.randn(8, 2, 4, 4)
    for _ in range(8):
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()
    assert target.reached == 0.5
    assert set(target.zero_groups.values()) == {3}
    model.eval()
    compacted = bridle.compact(model, X)
    assert compacted.layers[0].units_after == 3
    assert torch.allclose(compacted.model(X), model(X), atol=1e-5)
