"""Where a ``WeightDecay`` would be wrong, it is refused with a sentence that says what to do."""

import re

import pytest
import torch
from attach_helpers import give_gradients, make_model, optim
from torch import nn
from torch.nn.utils import parametrizations, prune

import bridle
from bridle import L1, L2, ElasticNet, UsageError, WeightDecay
from bridle.modules.attach import attach

RULES = {"*": WeightDecay(0.1)}


def refuses(text):
    return pytest.raises(UsageError, match=re.escape(text))


@pytest.mark.parametrize(
    ("make", "own"),
    [
        (lambda p: optim.AdamW(p), "weight_decay=0.01 of AdamW"),
        (lambda p: optim.SGD(p, weight_decay=0.2), "weight_decay=0.2 of SGD"),
        (lambda p: optim.ASGD(p), "lambd=0.0001 of ASGD"),
        (lambda p: optim.Muon([w for w in p if w.ndim == 2]), "weight_decay=0.1 of Muon"),
    ],
)
def test_optimizers_own_decay(make, own):
    model = make_model()
    optimizer = make(model.parameters())
    way = f"build the optimizer with {own.partition('=')[0]}=0"
    with refuses(f"0.weight would decay twice, by WeightDecay(0.1) and by the {own}: {way}"):
        attach(optimizer, RULES, model=model)
    assert not optimizer._optimizer_step_post_hooks


def test_own_decay_of_other_parameters_is_no_double_one():
    model = make_model()
    groups = [{"params": [model[0].weight], "weight_decay": 0.0}, {"params": [model[2].weight]}]
    optimizer = optim.SGD(groups, lr=0.1, weight_decay=0.2)
    attach(optimizer, {"0.*": WeightDecay(0.1)}, model=model)
    with refuses("2.weight would decay twice"):
        attach(optimizer, {"2.*": WeightDecay(0.1)}, model=model)


def test_own_decay_that_a_checkpoint_brings():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, RULES, model=model)
    saved = optim.SGD(make_model().parameters(), lr=0.1, weight_decay=0.3)
    optimizer.load_state_dict(saved.state_dict())
    give_gradients(model)
    before = model[0].weight.detach().clone()
    with refuses("by the weight_decay=0.3 of SGD"):
        optimizer.step()
    assert torch.equal(model[0].weight, before)


@pytest.mark.parametrize("other", [L2(0.1), ElasticNet(0.0, 0.1)])
def test_l2_of_the_same_weight(other):
    model = make_model()
    with refuses(f"0.weight would decay twice, by WeightDecay(0.1) and by {other}"):
        attach(optim.SGD(model.parameters(), lr=0.1), {"*": [other, *RULES.values()]}, model=model)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, {"*": other}, model=model)
    with refuses("and by an earlier attachment: leave one of them out"):
        attach(optimizer, RULES, model=model)


def test_second_decay_and_later_l2():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, RULES, model=model)
    with refuses("and by an earlier attachment"):
        attach(optimizer, RULES, model=model)
    with pytest.warns(bridle.RegularizationWarning, match="penalized twice"):
        attach(optimizer, {"*": L2(0.1)}, model=model)


def test_earlier_proximal_penalty_would_hide_the_optimizers_update():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, {"*": L1(0.1)}, model=model)
    with refuses("proximal penalties of an earlier attachment"):
        attach(optimizer, RULES, model=model)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: optim.LBFGS(p), "LBFGS searches its step along a line"),
        (lambda p: _without_rate(p), "Relative chooses its own learning rate"),
    ],
)
def test_optimizers_without_a_step_of_their_own(make, text):
    model = make_model()
    with refuses(text):
        attach(make(model.parameters()), RULES, model=model)


class Relative(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {"lr": None})


def _without_rate(parameters):
    return Relative(parameters)


def test_coupled_form_does_not_exist():
    model = make_model()
    with refuses("WeightDecay(0.1) acts beside the gradient, and has no coupled form"):
        attach(optim.SGD(model.parameters(), lr=0.1), RULES, model=model, mode="coupled")


def test_learning_rate_above_the_peak():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, {"*": WeightDecay(0.1, scale="corrected", peak_lr=0.05)}, model=model)
    give_gradients(model)
    with refuses("the learning rate is 0.1, above its peak 0.05"):
        optimizer.step()


def test_share_above_one():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    attach(optimizer, {"*": WeightDecay(3.0)}, model=model)
    give_gradients(model)
    with refuses("WeightDecay(3) would take 3 times each weight away in one step"):
        optimizer.step()


def test_computed_weights():
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    with refuses("weight is computed by WeightNorm"):
        attach(optimizer, {"*": WeightDecay(0.1)}, model=layer)
    pruned = nn.Linear(3, 2)
    prune.random_unstructured(pruned, "weight", amount=3)
    optimizer = optim.SGD(pruned.parameters(), lr=0.1)
    attach(optimizer, {"*": WeightDecay(0.1)}, model=pruned)
    before = pruned.weight.detach().clone()
    pruned.weight_orig.grad = torch.zeros(2, 3)
    optimizer.step()
    assert torch.allclose(pruned(torch.eye(3)) - pruned.bias, before.T * 0.99)


def test_where_no_optimizer_step_is_known():
    network = bridle.Network([3, 4, 2])
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    batch = torch.eye(3), torch.tensor([0, 1, 0])
    with refuses("WeightDecay(0.1) is no penalty, and acts at the steps of a torch optimizer"):
        bridle.train_step(network, batch, optimizer=optimizer, penalties=[WeightDecay(0.1)])
