"""Joint groups with other rules: targets, nested and overlapping norms, the audit, refusals."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import bridle
from bridle import L1, MCP, Grouped, GroupLasso, Joint, SparseGroupLasso, Sparsity, UsageError

FIRST = Joint({"0.weight": "units", "0.bias": "units", "2.weight": "inputs"})
SECOND = Joint({"2.weight": "units", "2.bias": "units", "4.weight": "inputs"})


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 2))


def _sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


def _loss(model, batch):
    return model(batch).square().mean()


def _steps(model, optimizer, count, X):
    for _ in range(count):
        optimizer.zero_grad()
        _loss(model, X).backward()
        optimizer.step()


def test_targets_of_two_layers_that_share_a_weight(model):
    """Half of the units of the first hidden layer, and a quarter of the second one's."""
    optimizer, X = torch.optim.Adam(model.parameters(), lr=0.01), torch.randn(20, 4)
    rules = {
        FIRST: Sparsity(0.5, groups="joint", ramp=5),
        SECOND: Sparsity(0.25, groups="joint", ramp=8),
    }
    attached = bridle.attach(optimizer, rules, model=model)
    _steps(model, optimizer, 12, X)
    assert [target.reached for target in attached.sparsity] == [0.5, 0.25]
    compacted = bridle.compact(model, X)
    assert [layer.units_after for layer in compacted.layers] == [5, 6, 2]
    assert torch.allclose(compacted.model(X), model(X), atol=1e-6)
    audited = bridle.audit(model, optimizer, X, loss=_loss)
    assert audited.passed, audited
    with torch.no_grad():
        model[0].weight[:] = 1.0  # the groups are no zeros any more
    assert not bridle.audit(model, optimizer, X, loss=_loss).passed


def test_the_ramp_has_a_penalty_of_its_own(model):
    rule = Sparsity(0.5, groups="joint", ramp=3, penalty=GroupLasso(0.1))
    optimizer, X = _sgd(model), torch.randn(20, 4)
    attached = bridle.attach(optimizer, {FIRST: rule}, model=model)
    values = []
    for _ in range(4):
        values.append(float(attached.value().detach()))
        _steps(model, optimizer, 1, X)
    assert all(values[:3])
    assert values[3] == 0


@pytest.mark.parametrize("mode", ["proximal", "coupled"])
def test_the_audit_measures_the_effect(model, mode):
    optimizer, X = _sgd(model), torch.randn(20, 4)
    bridle.attach(optimizer, {FIRST: GroupLasso(0.1), "4.*": L1(0.01)}, model=model, mode=mode)
    _steps(model, optimizer, 2, X)
    audited = bridle.audit(model, optimizer, X, loss=_loss)
    assert audited.passed, audited
    mine = {e.parameter: e for e in audited.effects if "GroupLasso" in e.penalty}
    assert set(mine) == {"0.weight", "0.bias", "2.weight"}
    assert all(e.measured > 0 and e.error < 1e-3 for e in mine.values())


def test_the_audit_finds_joint_penalties_without_effect(model):
    optimizer, X = _sgd(model), torch.randn(20, 4)
    bridle.attach(optimizer, {FIRST: GroupLasso(0.0)}, model=model)
    receipt = bridle.regularize(model, {SECOND: GroupLasso(0.1)})
    findings = bridle.audit(model, optimizer, X, loss=_loss).findings
    subjects = {each.subject for each in findings if each.kind == "no-op penalty"}
    assert subjects == {"0.weight, 0.bias, 2.weight", "2.bias", "4.weight"}
    receipt.undo()


def test_regularize_takes_joint_rules_and_undoes_them(model):
    optimizer = _sgd(model)
    receipt = bridle.regularize(model, {FIRST: GroupLasso(0.1)}, optimizer=optimizer)
    assert "2.weight: GroupLasso(0.1), attached to SGD" in str(receipt)
    groups = torch.cat([model[0].weight, model[0].bias[:, None], model[2].weight.T], 1)
    assert torch.allclose(receipt.value(), 0.1 * groups.norm(dim=1).sum())
    receipt.undo()
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_norm_of_one_weight_inside_the_joint_one(model):
    """Rows inside joint groups: the steps one by one are the step of the sum."""
    optimizer = _sgd(model)
    rules = {FIRST: GroupLasso(1.0), "0.weight": Grouped(L1(0.5), "units")}
    bridle.attach(optimizer, rules, model=model)
    first, bias, last = (
        w.detach().clone() for w in (model[0].weight, model[0].bias, model[2].weight)
    )
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    # 0 is in the subdifferential of the sum at the new weights
    units = torch.cat([model[0].weight, model[0].bias[:, None], model[2].weight.T], 1).detach()
    moved = (torch.cat([first, bias[:, None], last.T], 1) - units) / 0.1
    for at in range(10):
        u, row = units[at], units[at, :4]
        if not u.any() or not row.any():
            continue
        wanted = u / u.norm()
        wanted[:4] += 0.5 * row / row.norm()
        assert torch.allclose(moved[at], wanted, atol=1e-4)


REFUSED = [
    ({FIRST: L1(0.1)}, {}, "no penalty of its groups"),
    ({FIRST: bridle.MaxNorm(1.0)}, {}, "no penalty of its groups"),
    ({FIRST: Grouped(L1(0.1), "units")}, {}, "no penalty of its groups"),
    ({FIRST: Sparsity(0.5, ramp=3)}, {}, "belong to a bridle.Joint"),
    ({"0.*": Sparsity(0.5, groups="joint", ramp=3)}, {}, "belong to a bridle.Joint"),
    ({"0.*": Grouped(L1(0.1), "joint")}, {}, "give a bridle.Joint as the selector"),
    ({FIRST: GroupLasso(0.1), SECOND: GroupLasso(0.1)}, {}, "sum of overlapping norms"),
    ({FIRST: GroupLasso(0.1), "0.*": GroupLasso(0.1, dim=0)}, {}, "have groups that overlap"),
    ({FIRST: GroupLasso(0.1), "0.*": MCP(0.1)}, {}, "are not both norms"),
    ({FIRST: SparseGroupLasso(0.1, 0.1, "joint"), "0.*": GroupLasso(0.1)}, {}, "after whole"),
    ({Joint({"0.weight": "units", "2.weight": "units"}): GroupLasso(0.1)}, {}, "10 of 0.weight, 8"),
    ({Joint({"0.*": "units", "0.weight": "units"}): GroupLasso(0.1)}, {}, "in two parts"),
    ({Joint({"0.bias": "inputs"}): GroupLasso(0.1)}, {}, "has no inputs"),
    ({Joint({"0.bias": "heads"}): GroupLasso(0.1)}, {}, "does not know the heads"),
    ({FIRST: GroupLasso(torch.ones(2))}, {}, "strength for each member"),
    ({FIRST: Grouped(MCP(0.1), "joint")}, {"metric": "adaptive"}, "closed-form"),
]


@pytest.mark.parametrize(("rules", "how", "message"), REFUSED, ids=[each[2] for each in REFUSED])
def test_what_cannot_be_right_is_refused(model, rules, how, message):
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(UsageError, match=message):
        bridle.attach(optimizer, rules, model=model, **how)
    assert not optimizer._optimizer_step_post_hooks


def test_weights_that_cannot_be_joined(model):
    lasso = {FIRST: GroupLasso(0.1)}
    with pytest.raises(UsageError, match="the optimizer has none of"):
        bridle.attach(torch.optim.SGD(model[0].parameters(), lr=0.1), lasso, model=model)
    model[0].bias.requires_grad_(False)
    with pytest.raises(UsageError, match=r"0\.bias is frozen"):
        bridle.attach(_sgd(model), lasso, model=model)
    model[0].bias.requires_grad_(True)
    optimizer = _sgd(model)
    bridle.attach(optimizer, lasso, model=model)
    model[0].weight.sum().backward()
    with pytest.raises(UsageError, match=r"0\.bias, 2\.weight has no gradient in this step"):
        optimizer.step()
    prune.identity(model[0], "weight")
    with pytest.raises(UsageError, match="has been replaced, pruned or parametrized"):
        optimizer.step()
    with pytest.raises(UsageError, match="pruned or parametrized weight is computed from"):
        bridle.attach(_sgd(model), {Joint({"0.*": "units"}): GroupLasso(0.1)}, model=model)


@pytest.mark.parametrize("parts", [{}, None, {"0.weight": "joint"}, {"0.weight": "unit"}], ids=str)
def test_parts_of_no_meaning(parts):
    with pytest.raises(UsageError):
        Joint(parts)


def test_a_parametrized_weight_is_refused(model):
    parametrize.register_parametrization(model[0], "weight", nn.Identity())
    with pytest.raises(UsageError, match="leave it out"):
        bridle.attach(_sgd(model), {FIRST: GroupLasso(0.1)}, model=model)
