"""The audit of penalties: measured effects, and planted faults."""

import pytest
import torch
from audit_helpers import X, Y, cross_entropy, kinds, mlp, sgd, throw_away
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


OPTIMIZERS = {
    "sgd": sgd,
    "momentum": lambda model: sgd(model, momentum=0.9, nesterov=True),
    "adam": lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
    "adamw": lambda model: torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0),
    "rmsprop": lambda model: torch.optim.RMSprop(model.parameters(), lr=0.01),
    "adagrad": lambda model: torch.optim.Adagrad(model.parameters(), lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("mode", ["proximal", "coupled"])
def test_what_acts_passes_and_its_effect_is_its_formula(name, mode):
    model = mlp()
    optimizer = OPTIMIZERS[name](model)
    penalties = {"*": [bridle.L1(1e-2), bridle.ElasticNet(1e-3, 1e-2)], "0.*": bridle.L2(0.1)}
    bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    bridle.attach(optimizer, penalties, model=model, mode=mode)
    audited = bridle.audit(model, optimizer, (X, Y))
    assert audited.passed, str(audited)
    assert [effect.parameter for effect in audited.effects] == ["0.weight", "2.weight"]
    assert all(effect.error < 1e-3 for effect in audited.effects)
    assert 0.3 < audited.noises[0].kept < 0.7


def test_penalties_in_the_loss_are_found_with_their_strengths():
    def loss(model, batch):
        w = model[0].weight
        penalty = 0.5 * 0.02 * w.square().sum() + 0.03 * model[2].weight.abs().sum()
        return cross_entropy(model, batch) + penalty

    model = mlp()
    audited = bridle.audit(model, sgd(model), (X, Y), loss=loss)
    found = {(e.parameter, e.route, e.penalty) for e in audited.effects}
    assert found == {("0.weight", "loss", "L2(0.02)"), ("2.weight", "loss", "L1(0.03)")}
    assert audited.passed


def test_decoupled_and_coupled_decay_are_measured():
    for kind in (torch.optim.AdamW, torch.optim.SGD):
        model = mlp()
        groups = [{"params": [model[0].weight, model[2].weight], "weight_decay": 0.1}]
        groups += [{"params": [model[0].bias, model[2].bias], "weight_decay": 0.0}]
        audited = bridle.audit(model, kind(groups, lr=0.1), (X, Y))
        assert audited.passed
        assert not audited.findings
        assert [e.route for e in audited.effects] == ["weight_decay"] * 2
        assert all(e.error < 1e-3 for e in audited.effects)


def test_a_penalty_of_data_has_no_gradient():
    def loss(model, batch):
        penalty = sum(p.data.square().sum() for p in model.parameters() if p.ndim > 1)
        return cross_entropy(model, batch) + 0.01 * penalty

    model = mlp()
    audited = bridle.audit(model, sgd(model), (X, Y), loss=loss)
    assert kinds(audited) == {("no-op penalty", "0.weight"), ("no-op penalty", "2.weight")}
    assert audited.exit_code == 1


def test_penalties_that_were_never_attached_are_caught():
    model = mlp()
    throw_away(model, {"*": bridle.L1(1e-2)})
    audited = bridle.audit(model, sgd(model), (X, Y))
    assert kinds(audited) == {("no-op penalty", "0.weight"), ("no-op penalty", "2.weight")}
    assert "receipt.attach(optimizer)" in audited.findings[0].message


def test_an_optimizer_made_anew_has_lost_its_penalties():
    model = mlp()
    optimizer = sgd(model)
    receipt = bridle.regularize(model, {"2.*": bridle.L2(0.1)}, optimizer=optimizer)
    assert bridle.audit(model, optimizer, (X, Y)).passed
    assert kinds(bridle.audit(model, sgd(model), (X, Y))) == {("no-op penalty", "2.weight")}
    receipt.undo()
    assert bridle.audit(model, sgd(model), (X, Y)).passed


def test_penalties_in_the_loss_need_no_attachment():
    model = mlp()
    receipt = bridle.regularize(model, {"*": bridle.L2(0.1)})

    def loss(each, batch):
        decay = sum(0.05 * w.square().sum() for w in each.parameters() if w.ndim == 2)
        return cross_entropy(each, batch) + decay

    assert bridle.audit(model, sgd(model), (X, Y), loss=loss).passed
    value = receipt.value()
    assert torch.allclose(value, 0.05 * sum(model[at].weight.square().sum() for at in (0, 2)))


def test_a_penalty_of_strength_zero():
    model = mlp()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"0.*": bridle.L2(0.0)}, model=model)
    assert kinds(bridle.audit(model, optimizer, (X, Y))) == {("no-op penalty", "0.weight")}


def test_a_penalty_on_what_gets_no_gradient():
    class Spare(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.Linear(6, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.used(x)

    model = Spare()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    assert kinds(bridle.audit(model, optimizer, (X, Y))) == {("no-op penalty", "spare.weight")}


def test_a_drop_connect_layer_that_was_initialised_again():
    class DropConnectLinear(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.weight = nn.Parameter(torch.randn_like(layer.weight))  # and not layer.weight
            self.bias = layer.bias

        def forward(self, x):
            keep = torch.rand_like(self.weight) < 0.5 if self.training else 0.5
            return F.linear(x, self.weight * keep, self.bias)

    model = mlp()
    optimizer = sgd(model)
    model[0] = DropConnectLinear(model[0])
    assert kinds(bridle.audit(model, optimizer, (X, Y))) == {
        ("foreign parameters", "the optimizer"),
        ("not optimized", "0.weight"),
    }


def test_two_l2_penalties_for_one_parameter():
    model = mlp()
    optimizer = torch.optim.AdamW([model[0].weight, model[2].weight], lr=0.01, weight_decay=0.1)
    optimizer.add_param_group({"params": [model[0].bias, model[2].bias], "weight_decay": 0})
    with pytest.warns(bridle.RegularizationWarning, match="twice"):
        bridle.attach(optimizer, {"0.*": bridle.L2(0.1)}, model=model)
    assert kinds(bridle.audit(model, optimizer, (X, Y))) == {("double penalty", "0.weight")}


def test_decayed_biases_and_norms_and_l2_inside_adam_are_warned_of():
    model = mlp(nn.BatchNorm1d(24))
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.01)
    audited = bridle.audit(model, optimizer, (X, Y))
    assert audited.passed
    warned = kinds(audited, "warn")
    for name in ("0.bias", "2.weight", "2.bias", "3.bias"):
        assert ("decayed bias or norm", name) in warned
    assert ("L2 inside Adam", "0.weight") in warned
    assert ("decayed bias or norm", "0.weight") not in warned


def test_a_model_with_two_optimizers():
    model = mlp()
    weights = [model[0].weight, model[2].weight]
    first = torch.optim.SGD(weights, lr=0.1)
    second = torch.optim.Adam([model[0].bias, model[2].bias], lr=0.01)
    bridle.attach(first, {"*": bridle.L1(0.1)}, model=model)
    alone = bridle.audit(model, first, (X, Y))
    assert kinds(alone) == {("not optimized", "0.bias"), ("not optimized", "2.bias")}
    assert "others=[...]" in alone.findings[0].message
    audited = bridle.audit(model, first, (X, Y), others=[second])
    assert audited.passed
    assert [each.parameter for each in audited.effects] == ["0.weight", "2.weight"]
    assert bridle.audit(model, second, (X, Y), others=[first]).passed
    second.param_groups[0]["params"].pop()
    left = bridle.audit(model, first, (X, Y), others=[second])
    assert kinds(left) == {("not optimized", "2.bias")}


def test_step_hooks_of_others_are_named_as_not_checked():
    model = mlp()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    torch.optim.lr_scheduler.LinearLR(optimizer)  # which wraps the step
    details = _details_of(model, optimizer)
    assert not any("hooks" in each for each in details)
    optimizer.register_step_post_hook(lambda *_: None)
    optimizer.step = lambda: None
    (detail,) = [each for each in _details_of(model, optimizer) if "hooks" in each]
    assert "1 step hooks of others and a step() of its own" in detail


def _details_of(model, optimizer):
    return [each.detail for each in bridle.audit(model, optimizer, (X, Y)).checks]
