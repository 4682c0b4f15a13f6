"""Penalties of groups on modules: which axes a group has, exact zeros, and what λ means."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle
from bridle import L1, MCP, Grouped, Grouping, NOfM, SparseGroupLasso, UsageError
from bridle.modules.layout import groups_in

torch.manual_seed(0)
LAYERS = {
    "Linear": (nn.Linear(6, 4), (5, 6)),
    "Conv2d": (nn.Conv2d(6, 4, 3), (2, 6, 5, 5)),
    "Conv2d in groups": (nn.Conv2d(6, 4, 3, groups=2), (2, 6, 5, 5)),
    "ConvTranspose2d": (nn.ConvTranspose2d(6, 4, 3), (2, 6, 5, 5)),
    "ConvTranspose2d in groups": (nn.ConvTranspose2d(6, 4, 3, groups=2), (2, 6, 5, 5)),
}


def _bound(layer, groups):
    return groups_in(groups, "weight", layer, layer.weight.ndim, nn.Sequential(layer))


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("name", LAYERS)
def test_a_zero_group_of_inputs_is_an_input_without_effect(name, at):
    layer, shape = LAYERS[name]
    groups = _bound(layer, Grouping.inputs())
    weight = layer.weight.detach()
    kept = torch.ones(6)
    kept[at] = 0
    table = groups.table(weight)
    assert len(table) == 6
    zeroed = groups.restore(table * kept[:, None], weight)
    x = torch.randn(*shape)
    other = x.clone()
    other[:, at] = 7.0
    state = {"weight": zeroed, "bias": layer.bias.detach()}
    call = torch.func.functional_call
    assert torch.allclose(call(layer, state, x), call(layer, state, other), atol=1e-6)
    others = torch.ones(6, dtype=torch.bool)
    others[at] = False
    assert (groups.table(zeroed)[others] == table[others]).all()


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("name", LAYERS)
def test_a_zero_group_of_units_is_a_constant_output(name, at):
    layer, shape = LAYERS[name]
    groups = _bound(layer, Grouping.units())
    weight = layer.weight.detach()
    table = groups.table(weight)
    assert len(table) == 4
    kept = torch.ones(4)
    kept[at] = 0
    state = {"weight": groups.restore(table * kept[:, None], weight), "bias": layer.bias.detach()}
    out = torch.func.functional_call(layer, state, torch.randn(*shape))
    assert (out[:, at] == layer.bias[at]).all()
    alive = out.transpose(0, 1).flatten(1).std(1) > 0
    assert alive.sum() == 3


def test_heads_of_an_attention_layer():
    """A zero group of the output projection takes its head out of the output."""
    attention = nn.MultiheadAttention(8, 4, batch_first=True)
    into = groups_in(Grouping.heads(), "a.in_proj_weight", attention, 2, nn.Sequential())
    out = groups_in(Grouping.heads(), "a.out_proj.weight", attention.out_proj, 2, attention)
    with torch.no_grad():
        w = attention.in_proj_weight
        queries, keys, values = w.view(3, 4, 2, 8)
        second = torch.cat([queries[1], keys[1], values[1]]).flatten()
        assert torch.equal(into.table(w)[1], second)
        table = out.table(attention.out_proj.weight)
        table[1] = 0
        attention.out_proj.weight.copy_(out.restore(table, attention.out_proj.weight))
        x = torch.randn(2, 5, 8)
        before = attention(x, x, x)[0]
        w.view(3, 4, 2, 8)[:, 1] += 1.0  # the head changes, the output does not
        assert torch.allclose(attention(x, x, x)[0], before, atol=1e-6)
        w.view(3, 4, 2, 8)[:, 2] += 1.0
        assert not torch.allclose(attention(x, x, x)[0], before, atol=1e-3)


def test_an_entry_of_an_embedding_is_one_group():
    for groups in (Grouping.units(), Grouping.inputs()):
        assert _bound(nn.Embedding(7, 3), groups) == Grouping.along(1)


def test_groups_of_bridles_own_network():
    network = bridle.Network([4, 5, 2], seeds=[0, 1, 2])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    penalty = Grouped(L1(torch.tensor([0.0, 1.0, 50.0])), "units")
    bridle.attach(optimizer, {"weights.0": penalty}, model=network)
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    before = network.weights[0].detach().clone()
    optimizer.step()
    after = network.weights[0].detach()
    assert torch.equal(after[0], before[0])
    norms = before[1].norm(dim=0)
    assert torch.allclose(after[1], before[1] * (1 - 0.1 / norms).clamp(min=0))
    assert not after[2].any()


@pytest.mark.parametrize(
    "rule",
    [
        Grouped(L1(0.3), "units"),
        Grouped(L1(0.3), "inputs"),
        Grouped(L1(0.3), "whole"),
        bridle.Annealed(SparseGroupLasso(0.1, 0.2, "units"), bridle.StepSchedule({0: 1.0})),
        NOfM(1, 2),
        bridle.NuclearNorm(0.3),
    ],
    ids=str,
)
def test_each_member_of_a_network_has_groups_of_its_own(rule):
    """In ``train_step``, attached, and with the weights of each member as a ``Linear``."""
    X, y = torch.randn(16, 4), torch.arange(16) % 2
    together, attached = (bridle.Network([4, 6, 2], seeds=[0, 1]) for _ in range(2))
    alone = [nn.Linear(4, 6), nn.Linear(4, 6)]
    before = together.weights[0].detach().clone()
    optimizers = [torch.optim.SGD(n.parameters(), lr=0.5) for n in (together, attached)]
    bridle.attach(optimizers[1], {"weights.*": rule}, model=attached)
    bridle.train_step(together, (X, y), optimizer=optimizers[0], penalties=[rule])
    bridle.train_step(attached, (X, y), optimizer=optimizers[1])
    for mine, theirs in zip(together.weights, attached.weights, strict=True):
        assert torch.equal(mine, theirs)
    plain = bridle.Network([4, 6, 2], seeds=[0, 1])
    sgd = torch.optim.SGD(plain.parameters(), lr=0.5)
    bridle.train_step(plain, (X, y), optimizer=sgd)
    assert not torch.equal(before, plain.weights[0])
    for member, layer in enumerate(alone):
        layer.weight.data = plain.weights[0][member].detach().t().clone()
        layer.weight.grad = torch.zeros_like(layer.weight)
        optimizer = torch.optim.SGD([layer.weight], lr=0.5)
        bridle.attach(optimizer, {"weight": rule}, model=layer)
        optimizer.step()
        assert torch.allclose(layer.weight.t(), together.weights[0][member], atol=1e-6)


def test_a_target_sparsity_is_no_penalty_of_train():
    network = bridle.Network([4, 6, 2])
    data = bridle.Dataset(torch.randn(16, 4), torch.arange(16) % 2)
    rule = bridle.Sparsity(0.5, ramp=4, groups="units")
    with pytest.raises(UsageError, match="attach it to the optimizer"):
        bridle.train(network, data, data, penalties=[rule])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    bridle.attach(optimizer, {"weights.0": rule}, model=network)
    bridle.train(network, data, data, optimizer=optimizer, epochs=6, batch_size=16)
    assert (network.weights[0] == 0).all(-2).sum() == 3


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Grouped(L1(0.1), "heads"), "number, Grouping.heads"),
        (Grouped(L1(0.1), Grouping.blocks(4, 4)), "multiple of 4"),
        (NOfM(2, 4), "multiple of 4"),
    ],
)
def test_what_does_not_fit_a_weight_is_refused(rule, message):
    model = nn.Sequential(nn.Linear(6, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=message):
        bridle.attach(optimizer, {"*": rule}, model=model)


# ------------------------------------------------------------------ how they act


def _digits():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(64, 8, generator=generator)
    return X, (X[:, 0] + X[:, 1] > 0).long()


def _train(model, optimizer, steps):
    X, y = _digits()
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(X), y).backward()
        optimizer.step()


def _model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 2))


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "NAdam": lambda p: torch.optim.NAdam(p, lr=0.01),
}
GROUPED = {
    "units": lambda s: Grouped(L1(0.05 * s), "units"),
    "inputs": lambda s: Grouped(L1(0.05 * s), "inputs"),
    "blocks": lambda s: Grouped(MCP(0.2 * s), Grouping.blocks(2, 4)),
    "sparse groups": lambda s: SparseGroupLasso(0.01 * s, 0.03 * s, "units"),
    "root": lambda s: Grouped(bridle.RootNorm(0.03 * s), "units"),
    "log": lambda s: Grouped(bridle.LogSum(0.03 * s), "rows"),
    "SCAD": lambda s: bridle.SCAD(0.02 * s),
    "MCP": lambda s: MCP(0.02 * s),
}


@pytest.mark.parametrize("name", GROUPED)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_zeros_are_exact_and_of_whole_groups(optimizer, name):
    rule, model = GROUPED[name](1 if optimizer == "SGD" else 120), _model()
    chosen = OPTIMIZERS[optimizer](model.parameters())
    attached = bridle.attach(chosen, {"0.weight": rule}, model=model)
    _train(model, chosen, 60)
    weight = model[0].weight.detach()
    acting = attached.penalties["0.weight"][0]
    groups = getattr(acting, "groups", Grouping.elements())
    zero = groups.norms(weight) == 0
    assert zero.any()
    assert torch.allclose(attached.value(), acting.value(weight))


@pytest.mark.parametrize("rate", [0.0, 1e-3])
@pytest.mark.parametrize("metric", ["euclidean", "adaptive"])
def test_a_learning_rate_of_zero_changes_nothing(metric, rate):
    model = _model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0)
    rules = {"0.*": Grouped(L1(0.1), "units"), "2.*": SparseGroupLasso(0.1, 0.1, "units")}
    bridle.attach(optimizer, rules, model=model, metric=metric)
    before = [p.detach().clone() for p in model.parameters()]
    _train(model, optimizer, 1)
    for old, new in zip(before, model.parameters(), strict=True):
        assert new.isfinite().all()
        assert torch.equal(old, new) is (rate == 0)


def _kkt(weight, gradient, strength):
    """How far 0 is from the subdifferential of loss + λ Σ |row|."""
    norms = weight.norm(dim=1, keepdim=True)
    units = torch.where(norms > 0, weight / norms, 0.0)
    inside = (gradient.norm(dim=1, keepdim=True) - strength).clamp(min=0)
    active = (gradient + strength * units).norm(dim=1, keepdim=True)
    return float(torch.where(norms > 0, active, inside).max())


def test_with_adam_the_group_lasso_rests_at_the_minimum_of_the_objective():
    """λ is that of loss + λ Σ |row| in the adaptive metric, and not in the Euclidean one."""
    generator = torch.Generator().manual_seed(1)
    X = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    X = X * torch.tensor([3.0, 1.0, 0.3, 1.0], dtype=torch.float64)
    B = torch.tensor([[1.0, -1, 0.5], [0, 0, 0.1], [2, 1, 0], [0.05, 0, 0]], dtype=torch.float64)
    Y = X @ B + 0.1 * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    rest = {}
    for metric in ("adaptive", "euclidean"):
        model = nn.Linear(4, 3, bias=False, dtype=torch.float64)
        nn.init.zeros_(model.weight)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0)
        bridle.attach(optimizer, {"*": Grouped(L1(0.2), "inputs")}, model=model, metric=metric)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.995)
        for _ in range(1500):
            optimizer.zero_grad()
            (0.5 * (model(X) - Y).square().sum(1).mean()).backward()
            optimizer.step()
            schedule.step()
        w = model.weight.detach().t()
        rest[metric] = _kkt(w, model.weight.grad.t(), 0.2)
        assert metric == "euclidean" or 0 < (w == 0).all(1).sum() < 4
    assert rest["adaptive"] < 5e-3 < 0.05 < rest["euclidean"]


def test_two_groupings_act_together_and_a_later_equal_one_replaces():
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rules = {
        "*": [Grouped(L1(0.1), "units"), Grouped(L1(0.2), "inputs"), Grouped(MCP(0.3), "units")],
        "0.weight": Grouped(L1(0.4), "units"),
    }
    attached = bridle.attach(optimizer, rules, model=model, mode="coupled")
    shown = [str(each) for each in attached.rules["0.weight"]]
    assert shown == [
        "Grouped(L1(0.4), Grouping.along((1,)))",
        "Grouped(L1(0.2), Grouping.along((0,)))",
        "Grouped(MCP(0.3, gamma=3), Grouping.along((1,)))",
    ]


def test_two_of_four_holds_at_every_step_and_on_channels():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    rule = bridle.Annealed(NOfM(2, 4), bridle.StepSchedule({0: 0, 2: 1}))
    bridle.attach(optimizer, {"*": rule}, model=model, metric="adaptive")
    for step in range(4):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(6, 8, 4, 4)), torch.arange(6) % 2).backward()
        optimizer.step()
        runs = model[0].weight.unflatten(1, (2, 4)).ne(0).sum(2)
        other = model[2].weight.unflatten(1, (4, 4)).ne(0).sum(2)
        expected = 2 if step >= 2 else 4
        assert (runs == expected).all()
        assert (other == expected).all()


def test_adaptive_l1_penalizes_small_entries_more():
    model = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0, 0.1, 0.0]]))
    rules = bridle.adaptive_l1(model, 0.5, eps=0.1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    bridle.attach(optimizer, rules, model=model)
    model.weight.grad = torch.tensor([[0.0, 0.0, -1.0]])
    optimizer.step()
    expected = torch.tensor([[2.0 - 0.05 / 2.1, 0.0, 0.0]])
    assert torch.allclose(model.weight, expected)
    assert (model.weight[0, 1:] == 0).all()
