"""The audit: passes what acts, catches what was planted, and changes nothing."""

import copy
import json
import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle
from bridle.errors import UsageError

X, Y = torch.randn(32, 6, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 3


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def mlp(*extra):
    layers = [nn.Linear(6, 24), nn.ReLU(), *extra, nn.Linear(24, 3)]
    return nn.Sequential(*layers)


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def kinds(audited, severity="fail"):
    return {(f.kind, f.subject) for f in audited.findings if f.severity == severity}


def cross_entropy(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1])


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


# ------------------------------------------------------------------ planted faults


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
    bridle.regularize(model, {"*": bridle.L1(1e-2)})  # the receipt is thrown away
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


def test_dropout_that_eval_does_not_reach():
    class Stubborn(nn.Dropout):
        def train(self, mode=True):
            return super().train(True)

    model = mlp(Stubborn(0.5))
    assert kinds(bridle.audit(model, sgd(model), (X, Y))) == {("noise active in evaluation", "2")}


def test_functional_dropout_that_ignores_eval():
    class Careless(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(6, 24), nn.Linear(24, 3)

        def forward(self, x):
            return self.two(F.dropout(self.one(x), 0.5))

    model = nn.Sequential(Careless(), nn.Identity())
    found = kinds(bridle.audit(model, sgd(model), (X, Y)))
    # the innermost module that differs reads what the functional call gave
    assert {kind for kind, _ in found} == {"functional noise ignores eval"}
    assert all(subject.startswith("0") for _, subject in found)


@pytest.mark.parametrize("how", ["eval", "uncalled"])
def test_dropout_that_rests_in_training(how):
    model = mlp(nn.Dropout(0.5))
    if how == "eval":
        model[2].eval()
        name = "2"
    else:
        model = mlp()
        model[0].drop = nn.Dropout(0.5)
        name = "0.drop"
    audited = bridle.audit(model, sgd(model), (X, Y))
    assert kinds(audited) == {("noise inactive in training", name)}


def test_masks_that_are_equal_at_every_step():
    def loss(model, batch):
        torch.manual_seed(0)
        return cross_entropy(model, batch)

    model = mlp(nn.Dropout(0.5))
    assert kinds(bridle.audit(model, sgd(model), (X, Y), loss=loss)) == {("equal masks", "2")}
    model = mlp()
    bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    assert bridle.audit(model, sgd(model), (X, Y), loss=loss).passed  # an address, not a seed


RANKS = """
import torch, bridle
from torch import nn, distributed as dist
dist.init_process_group("gloo")
torch.manual_seed(0)
def model(*extra):
    return nn.Sequential(nn.Linear(6, 24), nn.ReLU(), *extra, nn.Linear(24, 3))
X, Y = torch.randn(32, 6), torch.arange(32) % 3
theirs = model(nn.Dropout(0.5))
optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
found = bridle.audit(theirs, optimizer, (X, Y)).findings
assert [f.kind for f in found] == ["equal masks"] and "rank" in found[0].message, found
ours = model()
bridle.regularize(ours, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
net = nn.parallel.DistributedDataParallel(ours)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
assert bridle.audit(net, optimizer, (X, Y)).passed
dist.destroy_process_group()
"""


def test_masks_that_are_equal_on_every_rank(torchrun):
    torchrun(RANKS)


# ------------------------------------------------------------------ manners


def test_nothing_of_the_users_changes():
    model = mlp(nn.BatchNorm1d(24), nn.Dropout(0.5))
    optimizer = torch.optim.Adam(model.parameters())
    bridle.regularize(model, {"0": bridle.DropConnect(keep_prob=0.5)})
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    cross_entropy(model, (X, Y)).backward()
    optimizer.step()
    model.eval()

    def everything():
        return copy.deepcopy(
            (
                list(model.state_dict().values()),
                [p.grad for p in model.parameters()],
                optimizer.state_dict()["state"],
                [torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()],
                model.training,
            )
        )

    before = everything()
    batch = (X.clone(), Y.clone())
    bridle.audit(model, optimizer, batch)
    after = everything()
    flat, spec = torch.utils._pytree.tree_flatten(before)
    other, same = torch.utils._pytree.tree_flatten(after)
    assert spec == same
    for a, b in zip(flat, other, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    assert torch.equal(batch[0], X)


def test_a_loss_that_uses_the_original_model_is_refused():
    model = mlp()
    with pytest.raises(UsageError, match="first argument"):
        bridle.audit(model, sgd(model), (X, Y), loss=lambda _, batch: cross_entropy(model, batch))
    assert all(p.grad is None for p in model.parameters())


def test_a_table_and_json():
    model = mlp(nn.Dropout(0.5))
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    audited = bridle.audit(model, optimizer, (X, Y))
    assert str(audited).rstrip().endswith("passed")
    assert "0.weight" in str(audited)
    document = json.loads(json.dumps(audited.to_dict(), allow_nan=False))
    assert document["passed"] is True
    assert math.isclose(document["noises"][0]["keep_prob"], 0.5)


@pytest.mark.parametrize(
    ("batch", "loss", "message"),
    [
        (X, None, "not \\(X, y\\)"),
        ((X, Y), lambda model, batch: model(batch[0]), "scalar"),
    ],
)
def test_bad_input(batch, loss, message):
    model = mlp()
    with pytest.raises(UsageError, match=message):
        bridle.audit(model, sgd(model), batch, loss=loss)


def test_members_of_other_rates_are_expected_to_keep_what_they_keep():
    """Members' units are not alike often positive: what is kept is not the rates' plain mean."""
    keep = torch.tensor([0.3, 0.9], dtype=torch.float64)
    network = bridle.Network([6, 400, 3], seeds=[0, 1], hidden_noise=bridle.Dropout(keep_prob=keep))
    with torch.no_grad():
        network.biases[0][1] -= 2.0  # the second's units are mostly 0
    X, y = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 3
    penalty = bridle.L2(torch.tensor([1e-3, 1e-2], dtype=torch.float64))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    attachment = bridle.attach(optimizer, {"*": penalty}, model=network)

    def loss(model, batch):
        return sum(F.cross_entropy(scores, batch[1]) for scores in model(batch[0]))

    audited = bridle.audit(network, optimizer, (X, y), loss=loss)
    assert [each for each in audited.findings if "keeps" in each.message] == []
    (seen,) = audited.noises
    assert seen.keep_prob == pytest.approx(seen.kept, abs=0.01)
    assert 0.3 < seen.keep_prob < 0.5
    assert "L2(0.001 to 0.01 for 2 members)" in str(audited)
    attachment.detach()
