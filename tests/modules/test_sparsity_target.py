"""Target sparsity: the share at every step, exact to one group, frozen and healed."""

import copy
import io
import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle
from bridle import Grouping, Sparsity, UsageError

OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "Muon": lambda p: torch.optim.Muon([w for w in p if w.ndim == 2], lr=0.01),
}


def _model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4))


def _step(model, optimizer):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(64, 8, generator=generator)
    optimizer.zero_grad()
    loss = F.cross_entropy(model(X), X[:, :4].argmax(1))
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@pytest.mark.filterwarnings("ignore:.*weight_decay:bridle.RegularizationWarning")
@pytest.mark.parametrize("shrink", [False, True])
@pytest.mark.parametrize("groups", ["elements", "units", Grouping.blocks(2, 2), "inputs"], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_share_follows_the_cubic_ramp_and_the_target_is_exact_to_one_group(
    name, groups, shrink
):
    model = _model()
    optimizer = OPTIMIZERS[name](model.parameters())
    rule = Sparsity(0.7, groups=groups, ramp=10, begin=2, shrink=shrink)
    target = bridle.attach(optimizer, {"*": rule}, model=model).sparsity[0]
    sizes = [target.groupings[each].size(w) for each, w in target.parameters.items()]
    total = 8 * 12 + 12 * 4
    for step in range(1, 20):
        _step(model, optimizer)
        t = min(max((step - 2) / 10, 0), 1)
        due = 0.7 * (1 - (1 - t) ** 3)
        assert math.isclose(target.due, due, abs_tol=1e-12)
        assert abs(target.reached - due) <= max(sizes) / total
        if groups == "elements":
            assert abs(target.reached - due) <= 0.5 / total + 1e-12
    assert target.phase == "healing"
    for name, w in target.parameters.items():
        norms = target.groupings[name].norms(w.detach())
        assert target.zero_groups[name] == int((norms == 0).sum())
        zeros = int((w == 0).sum())
        assert zeros == target.zero_groups[name] * target.groupings[name].size(w)
        assert norms.any()  # a layer is not zero as a whole


def test_global_ranks_all_weights_and_local_each_tensor():
    for global_ in (True, False):
        model = _model()
        with torch.no_grad():
            model[0].weight *= 0.01
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
        before = [m.weight.detach().clone() for m in (model[0], model[2])]
        rule = Sparsity(0.5, ramp=1, global_=global_)
        target = bridle.attach(optimizer, {"*": rule}, model=model).sparsity[0]
        _step(model, optimizer)
        if not global_:
            assert target.zeros == {"0.weight": 0.5, "2.weight": 0.5}
        assert target.reached == 0.5
        limit = torch.cat([w.flatten() for w in before]).abs().sort().values[71]
        for old, module in zip(before, (model[0], model[2]), strict=True):
            if not global_:
                limit = old.abs().flatten().sort().values[old.numel() // 2 - 1]
            assert torch.equal(module.weight == 0, old.abs() <= limit)


def test_groups_of_different_sizes_compare_by_their_root_mean_square():
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 1], [3, 3], [5, 5]]))
        model[1].weight.copy_(torch.tensor([[2.0, 2, 2], [4, 4, 4]]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    rule = Sparsity(5 / 12, groups="units", ramp=1)
    target = bridle.attach(optimizer, {"*": rule}, model=model).sparsity[0]
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert target.zero_groups == {"0.weight": 1, "1.weight": 1}
    assert math.isclose(target.threshold, 2.0)


def test_whole_branches_are_groups_of_their_own():
    torch.manual_seed(0)
    branches = nn.ModuleList(nn.Linear(4, 4) for _ in range(5))
    with torch.no_grad():
        for size, branch in zip((3, 1, 5, 2, 4), branches, strict=True):
            branch.weight.fill_(float(size))
            branch.weight.grad = torch.zeros_like(branch.weight)
    optimizer = torch.optim.SGD(branches.parameters(), lr=0.1)
    rule = Sparsity(0.4, groups="whole", ramp=1)
    bridle.attach(optimizer, {"*": rule}, model=branches)
    optimizer.step()
    assert [not branch.weight.any() for branch in branches] == [False, True, False, True, False]


def test_zeros_return_in_the_ramp_and_are_frozen_after_it():
    for freeze in (True, False):
        model = nn.Linear(4, 1, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[0.1, 0.2, 3.0, 4.0]]))
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        bridle.attach(optimizer, {"weight": Sparsity(0.5, ramp=2, freeze=freeze)}, model=model)
        swap = torch.tensor([[-9.0, 0.0, 3.0, 0.0]])  # the first grows, the third shrinks
        back = torch.tensor([[8.5, 0.0, -3.0, 0.0]])
        for gradient in (torch.zeros(1, 4), swap, back):
            model.weight.grad = gradient
            optimizer.step()
            if gradient is swap:
                assert (model.weight == 0).tolist() == [[False, True, True, False]]
        expected = [[False, True, True, False]] if freeze else [[True, True, False, False]]
        assert (model.weight == 0).tolist() == expected


def test_every_few_steps_zeros_stay_in_between():
    model = _model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    rule = Sparsity(0.6, ramp=6, every=4)
    bridle.attach(optimizer, {"*": rule}, model=model)
    zeros = []
    for _ in range(14):
        _step(model, optimizer)
        zeros.append(model[0].weight == 0)
    same = [torch.equal(a, b) for a, b in pairwise(zeros)]
    changed = [step + 2 for step, each in enumerate(same) if not each]
    assert changed == [4, 6]


def test_the_penalty_of_the_ramp_ends_with_it():
    """In the healing phase a step is the plain step, on the weights that are left."""
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rule = Sparsity(0.5, ramp=3, penalty=bridle.L1(0.05))
    attached = bridle.attach(optimizer, {"0.*": rule}, model=model)
    for _ in range(3):
        assert attached.penalties["0.weight"][0].factor == 1
        _step(model, optimizer)
    twin = _model()
    twin.load_state_dict(model.state_dict())
    plain = torch.optim.SGD(twin.parameters(), lr=0.1)
    kept = model[0].weight != 0
    for _ in range(3):
        assert float(attached.value().detach()) == 0
        _step(model, optimizer)
        _step(twin, plain)
        with torch.no_grad():
            twin[0].weight *= kept
        assert torch.allclose(model[0].weight, twin[0].weight, atol=1e-6)
    assert torch.equal(model[0].weight != 0, kept)


def test_shrink_is_the_proximal_step_of_the_lambda_that_makes_the_zeros():
    model = _model()
    twin = copy.deepcopy(model)
    optimizer, plain = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin))
    rules = {"0.*": Sparsity(0.5, groups="units", ramp=1, shrink=True)}
    target = bridle.attach(optimizer, rules, model=model).sparsity[0]
    _step(model, optimizer)
    _step(twin, plain)
    strength = target.threshold / 0.1 * math.sqrt(8)
    expected = bridle.Grouped(bridle.L1(strength), "units").prox(twin[0].weight.detach(), 0.1)
    assert torch.allclose(model[0].weight, expected, atol=1e-6)
    assert target.zero_groups == {"0.weight": 6}


def test_healing_lowers_the_loss():
    model = _model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0)
    rule = Sparsity(0.8, ramp=40, shrink=True)
    target = bridle.attach(optimizer, {"*": rule}, model=model).sparsity[0]
    losses = [_step(model, optimizer) for _ in range(140)]
    assert losses[-1] < 0.8 * losses[41]
    assert abs(target.reached - 0.8) <= 0.5 / (8 * 12 + 12 * 4)


# ------------------------------------------------------------------ in programs


def test_a_resumed_run_is_the_uninterrupted_one():
    def build():
        model = _model()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        rules = {"*": [Sparsity(0.7, ramp=6, penalty=bridle.L1(1e-3))]}
        return model, optimizer, bridle.regularize(model, rules, optimizer=optimizer)

    model, optimizer, receipt = build()
    for at in (4, 8):  # in the ramp, and with frozen zeros
        other, again, second = build()
        while receipt.attachments[0].step < at:
            _step(model, optimizer)
        saved = io.BytesIO()
        torch.save([model.state_dict(), optimizer.state_dict(), receipt.state_dict()], saved)
        saved.seek(0)
        states = torch.load(saved)
        for each, state in zip((other, again, second), states, strict=True):
            each.load_state_dict(state)
        for _ in range(4):
            _step(model, optimizer)
            _step(other, again)
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b)
    receipt.undo()
    _step(model, optimizer)
    assert (model[0].weight != 0).all()


def test_a_copy_keeps_its_target():
    model = _model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    bridle.attach(optimizer, {"*": Sparsity(0.5, ramp=3)}, model=model)
    _step(model, optimizer)
    other, again = copy.deepcopy((model, optimizer))
    for _ in range(3):
        _step(model, optimizer)
        _step(other, again)
    assert torch.equal(model[0].weight, other[0].weight)
    assert (other[0].weight == 0).any()


def test_it_prints_and_detaches():
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rules = {"0.*": [bridle.L1(0.1), Sparsity(0.5, ramp=3, groups="units")]}
    attached = bridle.attach(optimizer, rules, model=model)
    assert str(attached).splitlines() == [
        "0.weight  L1(0.1)  (proximal, euclidean)",
        "0.weight  Sparsity(0.5, ramp=3, groups='units')",
    ]
    attached.detach()
    before = model[0].weight.detach().clone()
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert torch.equal(model[0].weight, before)


def _frozen(model):
    model[0].weight.requires_grad_(False)


def _pruned(model):
    nn.utils.prune.l1_unstructured(model[0], "weight", 0.5)


@pytest.mark.parametrize(
    ("change", "rules", "message"),
    [
        (_frozen, {"0.*": Sparsity(0.5, ramp=1)}, "frozen"),
        (_pruned, {"0.weight": Sparsity(0.5, ramp=1)}, "pruned"),
        (None, {"*": Sparsity(0.5, ramp=1), "0.*": Sparsity(0.2, ramp=1)}, "another selector"),
        (None, {"*": [Sparsity(0.5, ramp=1)] * 2}, "two target sparsities"),
        (None, {"*": Sparsity(0.5, groups="heads", ramp=1)}, "heads"),
        (None, {"*": Sparsity(0.5, groups=Grouping.blocks(5), ramp=1)}, "multiple of 5"),
        (None, {"2.*": Sparsity(0.99, groups=Grouping.along((0,)), ramp=1)}, None),
        (None, {"*": Sparsity(0.97, groups=Grouping.blocks(4, 4), ramp=1)}, "out of reach"),
    ],
)
def test_what_cannot_be_is_refused(change, rules, message):
    model = _model()
    if change:
        change(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if message is None:  # within one group of the target
        bridle.attach(optimizer, rules, model=model)
        return
    with pytest.raises(UsageError, match=message):
        bridle.attach(optimizer, rules, model=model)


def test_lbfgs_is_refused():
    model = _model()
    optimizer = torch.optim.LBFGS(model.parameters())
    for mode in ("proximal", "coupled"):
        with pytest.raises(UsageError, match="LBFGS"):
            bridle.attach(optimizer, {"*": Sparsity(0.5, ramp=2)}, model=model, mode=mode)


def test_equal_weights_become_zero_one_by_one():
    model = nn.Linear(5, 4)
    nn.init.ones_(model.weight)
    model.weight.grad = torch.zeros_like(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    bridle.attach(optimizer, {"weight": Sparsity(0.35, ramp=1)}, model=model)
    optimizer.step()
    assert int((model.weight == 0).sum()) == 7


def test_a_target_out_of_reach_is_refused():
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(6)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=r"at most 0\.5 of 24 weights"):
        bridle.attach(optimizer, {"*": Sparsity(0.9, groups="units", ramp=1)}, model=model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 1.0, "ramp": 3}, "target is 1.0"),
        ({"target": 0.5, "ramp": 0}, "ramp is 0"),
        ({"target": 0.5, "ramp": 3.0}, "ramp is 3.0"),
        ({"target": 0.5, "ramp": 3, "every": 0}, "every is 0"),
        ({"target": 0.5, "ramp": 3, "penalty": bridle.L1}, "penalty is"),
        ({"target": 0.5, "ramp": 3, "groups": "units?"}, "did you mean"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        Sparsity(**options)
