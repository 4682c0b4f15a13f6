"""Joint groups in more than one call of attach, in compiled steps and with closures."""

import copy

import pytest
import torch
from torch import nn

import bridle
from bridle import (
    L1,
    L2,
    MCP,
    Annealed,
    Grouped,
    GroupLasso,
    Joint,
    LinearSchedule,
    NuclearNorm,
    Sparsity,
    StepSchedule,
    UsageError,
    WeightDecay,
    WeightedL1,
)

UNITS = Joint({"0.weight": "units", "0.bias": "units", "2.weight": "inputs"})
X = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def _sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


@pytest.mark.filterwarnings("ignore")  # of torch, while it compiles
@pytest.mark.parametrize("metric", ["euclidean", "adaptive"])
@pytest.mark.parametrize("rule", [GroupLasso(0.05), Sparsity(0.5, groups="joint", ramp=2)], ids=str)
def test_a_compiled_step_makes_the_same_step(model, rule, metric):
    torch._dynamo.reset()
    twin = copy.deepcopy(model)
    for each in (model, twin):
        optimizer = torch.optim.Adam(each.parameters(), lr=0.05)
        bridle.attach(optimizer, {UNITS: rule}, model=each, metric=metric)

        def plain(optimizer=optimizer):
            optimizer.step()

        step = torch.compile(plain, backend="eager") if each is model else plain
        for _ in range(3):
            optimizer.zero_grad()
            each(X).square().mean().backward()
            step()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_line_search_gets_each_value_once(model):
    """LBFGS is told the loss plus R, the value that belongs to its gradient."""
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=1, line_search_fn="strong_wolfe")
    rules = {UNITS: GroupLasso(0.01), "2.weight": L2(0.1)}
    attached = bridle.attach(optimizer, rules, model=model, mode="coupled")

    def closure():
        optimizer.zero_grad()
        loss = model(X).square().mean()
        loss.backward()
        return loss

    wanted = model(X).square().mean() + attached.value()
    assert optimizer.step(closure).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_a_decay_after_a_joint_penalty_would_move_its_zeros(model):
    optimizer = _sgd(model)
    bridle.attach(optimizer, {UNITS: GroupLasso(100.0)}, model=model)
    with pytest.raises(UsageError, match=r"0\.weight has proximal penalties of an earlier"):
        bridle.attach(optimizer, {"*": WeightDecay(0.1)}, model=model)


@pytest.mark.parametrize("mode", ["proximal", "coupled"])
def test_a_joint_l2_and_a_decay_would_decay_twice(model, mode):
    joint = {UNITS: Grouped(L2(0.1), "joint")}
    optimizer = _sgd(model)
    bridle.attach(optimizer, joint, model=model, mode=mode)
    with pytest.raises(UsageError, match="would decay twice"):
        bridle.attach(optimizer, {"*": WeightDecay(0.1)}, model=model)
    with pytest.raises(UsageError, match="would decay twice"):
        bridle.attach(_sgd(model), joint | {"*": WeightDecay(0.1)}, model=model)


OTHER = Joint({"2.weight": "units", "2.bias": "units"})
TWO_CALLS = [
    ({UNITS: GroupLasso(0.1)}, {OTHER: GroupLasso(0.1)}, "overlapping norms"),
    ({UNITS: GroupLasso(0.1)}, {"0.*": L1(0.1)}, "give both in one call"),
    ({UNITS: GroupLasso(0.1)}, {"0.*": GroupLasso(0.1, dim=0)}, "groups that overlap"),
    ({"0.*": GroupLasso(0.1, dim=0)}, {UNITS: GroupLasso(0.1)}, "groups that overlap"),
    ({"0.*": GroupLasso(0.1, dim=0)}, {"0.*": GroupLasso(0.1, dim=1)}, "groups that overlap"),
    ({"0.*": GroupLasso(0.1)}, {"0.*": L1(0.1)}, "give both in one call"),
    ({"0.*": MCP(0.1)}, {"0.*": GroupLasso(0.1)}, "are not both norms"),
    ({"0.*": NuclearNorm(0.1)}, {"0.*": L1(0.1)}, "act on singular values"),
    ({"0.*": Sparsity(0.5, ramp=3)}, {UNITS: GroupLasso(0.1)}, "has the target sparsity"),
]


@pytest.mark.parametrize(("first", "then", "message"), TWO_CALLS)
def test_two_calls_are_refused_as_one_is(model, first, then, message):
    optimizer = _sgd(model)
    bridle.attach(optimizer, first, model=model)
    with pytest.raises(UsageError, match=message):
        bridle.attach(optimizer, then, model=model)


def test_two_calls_whose_steps_are_those_of_the_sum(model):
    optimizer = _sgd(model)
    bridle.attach(optimizer, {"*": L1(0.1)}, model=model)
    bridle.attach(optimizer, {"0.*": GroupLasso(0.1)}, model=model)
    bridle.attach(optimizer, {UNITS: GroupLasso(0.1)}, model=model)
    bridle.attach(optimizer, {"0.*": L2(0.1)}, model=model)
    bridle.attach(optimizer, {"0.*": GroupLasso(0.1, dim=0)}, model=model, mode="coupled")


def test_penalties_that_never_act_together(model):
    turns = StepSchedule({0: 1.0, 10: 0.0}), StepSchedule({0: 0.0, 10: 1.0})
    rules = [Annealed(GroupLasso(0.1), turns[0]), Annealed(MCP(0.1), turns[1])]
    bridle.attach(_sgd(model), {"0.*": rules}, model=model)
    later = Annealed(GroupLasso(0.1), LinearSchedule(0.0, 1.0, steps=5))
    with pytest.raises(UsageError, match="are not both norms"):
        bridle.attach(_sgd(model), {"0.*": [MCP(0.1), later]}, model=model)


def test_of_two_joint_rules_of_one_kind_the_later_one_acts(model):
    attached = bridle.attach(_sgd(model), {UNITS: [GroupLasso(0.1), GroupLasso(0.2)]}, model=model)
    assert [rule.strength for rule in attached.joint[0].rules] == [0.2]


def test_l2_of_joint_groups_beside_a_norm_of_them(model):
    """0 is in the subdifferential of the sum plus the distance, at the new weights."""
    optimizer = _sgd(model)
    rules = {UNITS: [Grouped(L2(2.0), "joint"), GroupLasso(1.0)]}
    bridle.attach(optimizer, rules, model=model)

    def units():
        parts = model[0].weight, model[0].bias[:, None], model[2].weight.T
        return torch.cat(parts, 1).detach().clone()

    before = units()
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    u = units()
    assert u.any(1).all()
    assert torch.allclose((before - u) / 0.1, 2 * u + u / u.norm(dim=1, keepdim=True), atol=1e-4)


def test_a_number_is_a_part_of_joint_groups():
    model = nn.Linear(4, 3)
    model.gate = nn.Parameter(torch.tensor(1.0))
    joint = Joint({"gate": "whole", "weight": "whole"})
    optimizer = _sgd(model)
    attached = bridle.attach(optimizer, {joint: GroupLasso(1.0)}, model=model)
    norm = (model.weight.square().sum() + 1).sqrt().detach()
    assert torch.allclose(attached.value(), norm)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert torch.allclose(model.gate, 1 - 0.1 / norm)


def test_weights_that_do_not_fit_the_groups_are_refused_at_once(model):
    rule = Grouped(WeightedL1(0.1, torch.ones(7)), "joint")
    with pytest.raises(UsageError, match="Joint"):
        bridle.attach(_sgd(model), {UNITS: rule}, model=model)


@pytest.mark.parametrize(
    ("rule", "kinds"),
    [
        (Sparsity(0.5, groups="joint", ramp=3, penalty=GroupLasso(0.1)), {"resting penalty"}),
        (Annealed(GroupLasso(0.1), StepSchedule({0: 0.0, 99: 1.0})), {"resting penalty"}),
        (Grouped(MCP(0.01, gamma=1.5), "joint"), set()),
    ],
    ids=str,
)
def test_the_audit_passes_joint_penalties_that_rest_now(model, rule, kinds):
    optimizer = _sgd(model)
    bridle.attach(optimizer, {UNITS: rule}, model=model)
    for _ in range(5):
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()
    audited = bridle.audit(model, optimizer, X, loss=lambda net, batch: net(batch).square().mean())
    assert audited.passed, audited
    assert {each.kind for each in audited.findings} == kinds


def test_a_receipt_has_a_value_after_a_weight_was_frozen(model):
    receipt = bridle.regularize(model, {UNITS: GroupLasso(0.1)})
    before = receipt.value().detach()
    model[0].bias.requires_grad_(False)
    assert torch.equal(receipt.value(), before)
    receipt.undo()
    assert receipt.value() == 0


def test_an_average_of_the_iterates_is_refused(model):
    """What the steps of joint groups would do to the iterate z is not known."""
    schedulefree = pytest.importorskip("schedulefree")
    optimizer = schedulefree.SGDScheduleFree(model.parameters(), lr=0.1)
    rules = {UNITS: Grouped(L2(0.1), "joint")}
    with pytest.raises(UsageError, match="evaluates an average of its iterates"):
        bridle.attach(optimizer, rules, model=model)
    bridle.attach(optimizer, rules, model=model, mode="coupled")


def test_a_coupled_penalty_of_a_sparse_gradient_is_refused():
    model = nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Linear(3, 5))
    joint = Joint({"0.weight": "units", "1.weight": "units"})
    with pytest.raises(UsageError, match=r"0\.weight has a sparse gradient"):
        bridle.attach(_sgd(model), {joint: GroupLasso(0.1)}, model=model, mode="coupled")
