"""Penalties on what PyTorch programs do: compared with a computation of their own, or refused.

The name of each case is ``<feature>-<column>`` of the conformance matrix.
"""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm

import bridle
from bridle import L1, L2, ElasticNet, GroupLasso, MaxNorm, UsageError

F = nn.functional
X = torch.randn(8, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
Y = torch.arange(8) % 3


def case(name):
    """Name a test for its cell of the conformance matrix."""
    return pytest.param(name, id=name)


def cell(*names):
    return pytest.mark.parametrize("cell", [case(name) for name in names])


def network(kind=lambda layer: layer, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(kind(nn.Linear(6, 16)), nn.ReLU(), nn.Linear(16, 3)).double()


def loss_of(model):
    return F.cross_entropy(model(X), Y)


def step(model, optimizer):
    optimizer.zero_grad()
    loss_of(model).backward()
    optimizer.step()


def without_gradients(module, optimizer):
    """Make a step that the penalties alone decide."""
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()


# ------------------------------------------------------------------ the axes of rows


class Conv1D(nn.Module):
    """A layer with the weight ``[in, out]``, of the name that transformers gives it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3))


def per_unit(module):
    """Return the weights that enter each unit, one list of numbers each, by loops."""
    for name, weight in module.named_parameters():
        if weight.ndim < 2:
            continue
        if isinstance(module, nn.ConvTranspose2d):
            inside, outside = module.in_channels, module.out_channels
            block_in, block_out = inside // module.groups, outside // module.groups
            for unit in range(outside):
                block = unit // block_out
                rows = weight[block * block_in : (block + 1) * block_in, unit % block_out]
                yield name, rows.flatten()
        elif isinstance(module, Conv1D):
            yield from ((name, column) for column in weight.unbind(1))
        else:
            yield from ((name, row.flatten()) for row in weight.unbind(0))


LAYERS = {
    "linear": lambda: nn.Linear(6, 4),
    "bilinear": lambda: nn.Bilinear(3, 4, 5),
    "conv": lambda: nn.Conv2d(3, 4, 5),
    "conv-grouped": lambda: nn.Conv1d(4, 6, 3, groups=2),
    "conv-transposed": lambda: nn.ConvTranspose2d(4, 6, 3),
    "conv-transposed-grouped": lambda: nn.ConvTranspose2d(4, 6, 3, groups=2),
    "embedding": lambda: nn.Embedding(7, 4),
    "rnn": lambda: nn.LSTM(3, 4, num_layers=2),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "transformers-conv1d": Conv1D,
    "convention": lambda: nn.ParameterList([nn.Parameter(torch.randn(4, 3))]),
}


@pytest.mark.parametrize("layer", [case(f"maxnorm-axes-{name}-penalty") for name in LAYERS])
def test_a_unit_is_bounded_by_the_weights_that_enter_it(layer):
    module = LAYERS[layer.removeprefix("maxnorm-axes-").removesuffix("-penalty")]()
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_().mul_(torch.linspace(0.05, 3, weight.numel()).view_as(weight))
    before = [(name, row.detach().clone()) for name, row in per_unit(module)]
    bound = sorted(float(row.norm()) for _, row in before)[len(before) // 2]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    attached = bridle.attach(optimizer, {"*": MaxNorm(bound)}, model=module)
    without_gradients(module, optimizer)
    for (_, old), (_, row) in zip(before, per_unit(module), strict=True):
        torch.testing.assert_close(row, old * min(1.0, bound / float(old.norm())))
    assert attached.value() == 0


@pytest.mark.parametrize("layer", [case(f"grouplasso-axes-{name}-penalty") for name in LAYERS])
def test_a_group_is_what_enters_a_unit(layer):
    module = LAYERS[layer.removeprefix("grouplasso-axes-").removesuffix("-penalty")]()
    before = [row.detach().clone() for _, row in per_unit(module)]
    largest = max(float(row.norm()) for row in before)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    attached = bridle.attach(optimizer, {"*": GroupLasso(largest)}, model=module)
    expected = largest * sum(row.norm() for row in before)
    torch.testing.assert_close(attached.value(), expected)
    without_gradients(module, optimizer)
    for old, (_, row) in zip(before, per_unit(module), strict=True):
        shrunk = old * max(0.0, 1 - 0.5 * largest / float(old.norm()))
        torch.testing.assert_close(row, shrunk)
    coupled = LAYERS[layer.removeprefix("grouplasso-axes-").removesuffix("-penalty")]()
    expected = sum(row.norm() for _, row in per_unit(coupled))
    weights = [weight for weight in coupled.parameters() if weight.ndim > 1]
    gradients = torch.autograd.grad(expected, weights)
    optimizer = torch.optim.SGD(coupled.parameters(), lr=1.0)
    bridle.attach(optimizer, {"*": GroupLasso(1.0)}, model=coupled, mode="coupled")
    old = [weight.detach().clone() for weight in weights]
    without_gradients(coupled, optimizer)
    for was, weight, gradient in zip(old, weights, gradients, strict=True):
        torch.testing.assert_close(was - weight, gradient)


@cell("maxnorm-axes-dim-penalty")
def test_dim_overrules_the_layer(cell):
    for dim in (0, -1, (0, 1)):
        layer = nn.Linear(6, 4)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        bridle.attach(optimizer, {"*": MaxNorm(0.1, dim=dim)}, model=layer)
        without_gradients(layer, optimizer)
        norms = torch.linalg.vector_norm(layer.weight, dim=dim)
        torch.testing.assert_close(norms, torch.full_like(norms, 0.1))


@cell("maxnorm-axes-unknown-penalty")
def test_unknown_axes_are_asked_for(cell):
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Parameter(torch.ones(2, 3, 4))

    model = Experts()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for rule in (MaxNorm(1.0), bridle.Annealed(GroupLasso(1.0), bridle.StepSchedule({0: 1.0}))):
        with pytest.raises(UsageError, match="which axes of weights, 3 of a Experts, belong to"):
            bridle.attach(optimizer, {"*": rule}, model=model)
    with pytest.raises(UsageError, match=r"MaxNorm\(1\.0, dim=3\) does not fit weights, which has"):
        bridle.attach(optimizer, {"*": MaxNorm(1.0, dim=3)}, model=model)
    bridle.attach(optimizer, {"*": MaxNorm(1.0, dim=-1)}, model=model)
    without_gradients(model, optimizer)
    torch.testing.assert_close(model.weights.norm(dim=-1), torch.ones(2, 3))


@cell("maxnorm-axes-network-penalty")
def test_bridles_own_network_keeps_its_axes(cell):
    net = bridle.Network([3, 4, 2])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    bridle.attach(optimizer, {"weights.*": MaxNorm(0.1)}, model=net)
    without_gradients(net, optimizer)
    for weight in net.weights:
        norms = weight.norm(dim=-2)
        torch.testing.assert_close(norms, torch.full_like(norms, 0.1))


# ------------------------------------------------------------------ computed weights


def old_weight_norm(layer):
    with pytest.warns(FutureWarning):
        return weight_norm(layer)


KINDS = {
    "weight-norm": parametrizations.weight_norm,
    "weight-norm-of-all": lambda layer: parametrizations.weight_norm(layer, dim=None),
    "weight-norm-old": old_weight_norm,
    "spectral-norm": parametrizations.spectral_norm,
    "spectral-norm-old": nn.utils.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}
PENALTIES = {
    L1(0.05): lambda w: 0.05 * w.abs().sum(),
    L2(0.3): lambda w: 0.15 * w.square().sum(),
    GroupLasso(0.1): lambda w: 0.1 * w.norm(dim=1).sum(),
    ElasticNet(0.02, 0.1): lambda w: 0.02 * w.abs().sum() + 0.1 * w.square().sum(),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("kind", [case(f"{name}-penalty") for name in KINDS])
def test_a_coupled_penalty_is_of_the_effective_weight(kind, penalty):
    model, twin = (network(KINDS[kind.removesuffix("-penalty")]) for _ in range(2))
    optimizer, plain = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin))
    attached = bridle.attach(optimizer, {"0.*": penalty}, model=model, mode="coupled")
    for _ in range(60):
        step(model, optimizer)
        plain.zero_grad()
        loss = loss_of(twin)
        twin.eval()  # the weight of this pass, without another power iteration
        (loss + PENALTIES[penalty](twin[0].weight)).backward()
        twin.train()
        plain.step()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)
    model.eval()(X)
    expected = PENALTIES[penalty](model[0].weight)
    torch.testing.assert_close(attached.value(), expected)


REFUSED = {
    "weight-norm": r"use mode='coupled' or penalize the lengths of its rows, '0\.parametrizations",
    "weight-norm-old": r"from 0\.weight_g and 0\.weight_v, .* lengths of its rows, '0\.weight_g'",
    "spectral-norm": "0.weight is computed by SpectralNorm from .*: use mode='coupled'$",
    "spectral-norm-old": "0.weight is computed by spectral_norm from 0.weight_orig",
    "orthogonal": "0.weight is computed by Orthogonal from .*: use mode='coupled'$",
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("selector", ["*", "0.weight", nn.Linear], ids=str)
@pytest.mark.parametrize("kind", [case(f"{name}-penalty") for name in REFUSED])
def test_a_proximal_penalty_of_a_computed_weight_is_refused(kind, selector):
    name = kind.removesuffix("-penalty")
    model = network(KINDS[name])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for penalty in (L1(0.1), bridle.Annealed(L2(0.1), bridle.StepSchedule({0: 1.0}))):
        with pytest.raises(UsageError, match=REFUSED[name]):
            bridle.attach(optimizer, {selector: penalty}, model=model)
    with pytest.raises(UsageError, match=r"leave it out of the rules|penalize the lengths"):
        bridle.attach(optimizer, {selector: MaxNorm(1.0)}, model=model)
    assert not optimizer._optimizer_step_post_hooks


@cell("weight-norm-penalty")
def test_the_lengths_of_weight_norm_may_be_penalized_alone(cell):
    model = network(parametrizations.weight_norm)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lengths = "0.parametrizations.weight.original0"
    bridle.attach(optimizer, {lengths: MaxNorm(0.2)}, model=model)
    step(model, optimizer)
    norms = model[0].weight.norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, 0.2))
    with pytest.raises(UsageError, match=r"original1 is the direction of 0\.weight, whose length"):
        bridle.attach(optimizer, {"0.parametrizations.weight.original1": L1(0.1)}, model=model)


@cell("pruned-penalty")
@pytest.mark.parametrize(
    "penalties",
    [[L1(0.5)], [L2(0.5)], [GroupLasso(0.5)], [MaxNorm(0.3)], [L2(0.4), L1(0.3)]],
    ids=str,
)
def test_a_penalty_of_a_pruned_weight_is_of_what_is_left(cell, penalties):
    model, twin = network(), network()
    for each in (model, twin):
        prune.l1_unstructured(each[0], "weight", 0.5)
    optimizer, plain = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin))
    attached = bridle.attach(optimizer, {"0.weight": penalties}, model=model)
    for _ in range(3):
        step(model, optimizer)
        step(twin, plain)
        orig, mask = twin[0].weight_orig.detach(), twin[0].weight_mask
        weight = orig * mask
        sizes = {type(each): each for each in penalties}
        if L1 in sizes:
            weight = weight.sign() * (weight.abs() - 0.1 * sizes[L1].strength).clamp(min=0)
        if L2 in sizes:
            weight = weight / (1 + 0.1 * sizes[L2].strength)
        if GroupLasso in sizes:
            weight = weight * (1 - 0.05 / weight.norm(dim=1, keepdim=True)).clamp(min=0)
        if MaxNorm in sizes:
            weight = weight * (0.3 / weight.norm(dim=1, keepdim=True)).clamp(max=1)
        twin[0].weight_orig.data = torch.where(mask.bool(), weight, orig)
        torch.testing.assert_close(model[0].weight_orig, twin[0].weight_orig)
    model(X)
    value = sum(
        each.by(bridle.Grouping.along(1)).value(model[0].weight)
        if hasattr(each, "by")
        else each.value(model[0].weight)
        for each in penalties
    )
    torch.testing.assert_close(attached.value(), value)


@cell("pruned-penalty")
def test_a_coupled_penalty_of_a_pruned_weight_is_of_what_is_left(cell):
    model, twin = network(), network()
    for each in (model, twin):
        prune.l1_unstructured(each[0], "weight", 0.5)
    optimizer, plain = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin))
    bridle.attach(optimizer, {"0.*": GroupLasso(0.2)}, model=model, mode="coupled")
    for _ in range(3):
        step(model, optimizer)
        plain.zero_grad()
        (loss_of(twin) + 0.2 * twin[0].weight.norm(dim=1).sum()).backward()
        plain.step()
        torch.testing.assert_close(model[0].weight_orig, twin[0].weight_orig)


@cell("lazy-linear-penalty")
def test_a_lazy_layer_is_refused_until_it_has_a_shape(cell):
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=r"0 is a LazyLinear whose weight has no shape yet: pass"):
        bridle.attach(optimizer, {"*": L1(0.1)}, model=model)
    model(torch.ones(2, 3))
    bridle.attach(optimizer, {"*": L2(1.0)}, model=model)
    before = model[0].weight.detach().clone()
    without_gradients(model, optimizer)
    torch.testing.assert_close(model[0].weight.detach(), before / 1.1)
