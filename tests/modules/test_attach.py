"""Which parameters ``attach`` penalizes, ``value`` and ``detach``, warnings and errors."""

import warnings

import pytest
import torch
from attach_helpers import (
    MODES,
    RULES,
    formula,
    give_gradients,
    loss_of,
    make_model,
    optim,
    same,
    take,
    weights_of,
)
from torch import nn

from bridle import (
    L1,
    L2,
    ElasticNet,
    MaxNorm,
    NuclearNorm,
    RegularizationWarning,
    UsageError,
)
from bridle.modules.attach import attach
from bridle.modules.attachment import attachments_of


def test_each_parameter_has_its_own_strength():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, {"0.weight": L2(1.0), "2.weight": L2(3.0)}, model=model)
    before = [w.detach().clone() for w in weights_of(model)]
    optimizer.zero_grad(set_to_none=False)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for w, old, strength in zip(weights_of(model), before, (1.0, 3.0), strict=True):
        assert torch.allclose(w, old / (1 + 0.1 * strength))


def test_a_later_rule_replaces_a_penalty_of_the_same_class():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    rules = {"*": [L1(0.1), L2(0.2)], "2.*": L2(0.5), model[2]: MaxNorm(3.0)}
    attached = attach(optimizer, rules, model=model)
    assert str(attached).splitlines() == [
        "0.weight  L1(0.1), L2(0.2)  (proximal, euclidean)",
        "2.weight  L1(0.1), L2(0.5), MaxNorm(3.0, dim=1)  (proximal, euclidean)",
    ]
    assert repr(attached) == "<Attachment on 2 parameters, proximal>"


@MODES
def test_tied_weights_are_penalized_once(mode):
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)).double()
    model[1].weight = model[0].weight
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attached = attach(optimizer, {"0.*": L2(1.0), "1.*": L2(1.0)}, model=model, mode=mode)
    before = model[0].weight.detach().clone()
    model[0].weight.grad = torch.zeros_like(before)
    assert attached.value() == 0.5 * before.square().sum()
    optimizer.step()
    factor = 1 / 1.1 if mode == "proximal" else 0.9
    assert torch.allclose(model[0].weight, factor * before)


@MODES
@pytest.mark.parametrize("how", ["no gradient", "frozen"])
def test_a_parameter_that_makes_no_step_is_left_alone(how, mode):
    model = make_model()
    if how == "frozen":
        model[0].weight.requires_grad_(requires_grad=False)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, {"*": L1(0.02)}, model=model, mode=mode)
    before = model[0].weight.detach().clone()
    give = model[2](torch.ones(5, dtype=torch.float64)).sum()
    give.backward()
    old = model[2].weight.detach().clone()
    optimizer.step()
    assert torch.equal(model[0].weight, before)
    assert model[0].weight.grad is None
    assert not torch.equal(model[2].weight, old)


@MODES
def test_a_group_that_is_added_later_is_penalized_then(mode):
    model = make_model()
    optimizer = optim.SGD(model[0].parameters(), lr=0.1)
    with pytest.warns(RegularizationWarning, match=r"2\.weight: penalized, but not among"):
        attach(optimizer, {"*": L2(1.0)}, model=model, mode=mode)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    before = model[2].weight.detach().clone()
    optimizer.step()
    assert torch.equal(model[2].weight, before)
    assert not model[2].weight.grad.any()
    optimizer.add_param_group({"params": [model[2].weight], "lr": 0.5})
    optimizer.step()
    factor = 1 / 1.5 if mode == "proximal" else 0.5
    assert torch.allclose(model[2].weight, factor * before)


def test_a_frozen_parameter_outside_the_optimizer_is_no_warning():
    model = make_model()
    model[0].weight.requires_grad_(requires_grad=False)
    optimizer = optim.SGD(model[2].parameters(), lr=0.1)
    attach(optimizer, {"*": L2(1.0)}, model=model)


def test_a_sparse_gradient_takes_the_proximal_step():
    model = nn.Embedding(5, 3, sparse=True)
    with torch.no_grad():
        model.weight[:4] = 1e-6
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, {"*": L1(0.1)}, model=model)
    model(torch.tensor([4])).sum().backward()
    optimizer.step()
    assert not model.weight[:4].any()
    assert model.weight[4].any()


# ------------------------------------------------------------------ attach, value, detach


@MODES
def test_detach_restores_the_plain_step_and_may_be_repeated(mode):
    model, twin = make_model(), make_model()
    optimizer, plain = (optim.Adam(m.parameters(), lr=0.01) for m in (model, twin))
    attached = attach(optimizer, {"*": L1(0.5)}, model=model, mode=mode)
    assert attachments_of(optimizer) == [attached]
    attached.detach()
    attached.detach()
    assert attachments_of(optimizer) == []
    for its, each in ((optimizer, model), (plain, twin)):
        for turn in range(3):
            give_gradients(each, turn)
            its.step()
    assert same(model, twin, rtol=0, atol=0)


def test_the_value_is_the_formula_and_has_its_gradient():
    model, twin = make_model(), make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    value = attach(optimizer, RULES, model=model).value()
    expected = formula(twin)
    assert torch.allclose(value, expected, rtol=1e-12)
    value.backward()
    expected.backward()
    for w, other in zip(weights_of(model), weights_of(twin), strict=True):
        assert torch.allclose(w.grad, other.grad, rtol=1e-12)


def test_a_value_may_be_of_weights_of_several_precisions():
    model = nn.Sequential(nn.Linear(3, 3).double(), nn.Linear(3, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    value = attach(optimizer, {"*": L2(1.0)}, model=model).value()
    assert value.item() == pytest.approx(
        sum(0.5 * w.double().square().sum().item() for w in weights_of(model))
    )


def test_two_attachments_act_both():
    model, twin = make_model(), make_model()
    one, other = (optim.SGD(m.parameters(), lr=0.1) for m in (model, twin))
    first = attach(one, {"*": L2(0.5)}, model=model, mode="coupled")
    second = attach(one, {"*": L1(0.02)}, model=model)
    assert attachments_of(one) == [first, second]
    attach(other, {"*": L1(0.02)}, model=twin)
    for _ in range(3):
        take(one, model, loss_of, "closure")
        take(
            other,
            twin,
            lambda m: loss_of(m) + sum(0.25 * w.square().sum() for w in weights_of(m)),
            "closure",
        )
    assert same(model, twin)
    first.detach()
    assert attachments_of(one) == [second]


# ------------------------------------------------------------------ warnings


def told(model, optimizer, rules=None):
    """Return the warnings of an attachment, and check that they point here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        attach(optimizer, rules or {"*": L2(0.1)}, model=model)
    assert all(w.category is RegularizationWarning and w.filename == __file__ for w in caught)
    return [str(w.message) for w in caught]


def test_l2_beside_weight_decay_is_told():
    model = make_model(bias=False)
    optimizer = optim.SGD(model.parameters(), lr=0.1, weight_decay=0.01)
    (message,) = told(model, optimizer)
    assert message == (
        "0.weight is penalized twice, by L2 and by the optimizer's weight_decay=0.01: "
        "turn one of them off"
    )


@pytest.mark.parametrize("penalty", [L1(0.1), ElasticNet(0.1, 0.0), MaxNorm(1.0)], ids=str)
def test_other_penalties_beside_weight_decay_are_not(penalty):
    model = make_model(bias=False)
    assert told(model, optim.AdamW(model.parameters(), weight_decay=0.01), {"*": penalty}) == []


@pytest.mark.parametrize("penalty", [L2(0.1), ElasticNet(0.0, 0.1)], ids=str)
def test_l2_beside_an_earlier_l2_is_told_until_that_is_detached(penalty):
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    first = attach(optimizer, {"*": penalty}, model=model)
    assert told(model, optimizer, {"*": L1(0.1)}) == []
    (message,) = told(model, optimizer)
    assert "by L2 and by an earlier attachment" in message
    for each in attachments_of(optimizer):
        each.detach()
    assert first not in attachments_of(optimizer)
    assert told(model, optimizer) == []


def test_decayed_biases_and_norms_are_told():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    (message,) = told(model, optim.AdamW(model.parameters()), {"*": L1(0.1)})
    assert message == (
        "the optimizer's weight_decay also acts on biases and normalization layers "
        "(0.bias, 1.weight, 1.bias …): give them a parameter group with weight_decay=0"
    )


def test_biases_in_a_group_without_decay_are_not():
    model = make_model()
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": weights_of(model)}, {"params": biases, "weight_decay": 0.0}]
    assert told(model, optim.AdamW(groups), {"*": L1(0.1)}) == []


def test_a_weight_outside_the_optimizer_is_told():
    model = make_model()
    (message,) = told(model, optim.SGD(model[2].parameters(), lr=0.1))
    assert message == "0.weight: penalized, but not among the optimizer's parameters"


# ------------------------------------------------------------------ errors


def sgd(model):
    return optim.SGD(model.parameters(), lr=0.1)


WRONG = {
    "a near name": (sgd, {"0.wieght": L2(0.1)}, {}, "did you mean '0.weight'"),
    "a later near name": (sgd, {"*": L2(0.1), "2.weigt": L2(1)}, {}, "did you mean '2.weight'"),
    "a type that is not there": (sgd, {nn.Conv2d: L2(0.1)}, {}, "no parameter matches Conv2d"),
    "another model's": (
        lambda m: sgd(make_model()),
        {"*": L2(0.1)},
        {},
        r"the optimizer has none of the parameters '0\.weight', '2\.weight'; build",
    ),
    "no optimizer": (
        lambda m: "SGD",
        {"*": L2(0.1)},
        {},
        r"'SGD' is not a torch\.optim\.Optimizer",
    ),
    "LBFGS proximal": (
        lambda m: optim.LBFGS(m.parameters()),
        {"*": L2(0.1)},
        {},
        "LBFGS has no fixed step size for the prox: use mode='coupled'",
    ),
    "SGD adaptive": (sgd, {"*": L2(0.1)}, {"metric": "adaptive"}, "SGD has no second moments"),
    "NAdam adaptive": (
        lambda m: optim.NAdam(m.parameters()),
        {"*": L2(0.1)},
        {"metric": "adaptive"},
        "NAdam has no second moments",
    ),
    "NuclearNorm adaptive": (
        lambda m: optim.Adam(m.parameters()),
        {"*": NuclearNorm(0.1)},
        {"metric": "adaptive"},
        "no closed-form proximal step in the adaptive metric",
    ),
    "MaxNorm coupled": (sgd, {"*": MaxNorm(1.0)}, {"mode": "coupled"}, "has no gradient"),
    "an unknown mode": (sgd, {"*": L2(0.1)}, {"mode": "proximall"}, "mode is 'proximall'"),
    "an unknown metric": (sgd, {"*": L2(0.1)}, {"metric": "l2"}, "metric is 'l2'"),
    "an empty mapping": (sgd, {}, {}, "there are no penalties; give a mapping"),
    "no mapping": (sgd, L2(0.1), {}, "there are no penalties; give a mapping"),
    "a number": (sgd, {"*": 0.1}, {}, r"0\.1 for '\*' is not a penalty"),
    "nothing": (sgd, {"*": None}, {}, r"None for '\*' is not a penalty"),
    "an empty list": (sgd, {"*": []}, {}, r"\[\] for '\*' is not a penalty"),
    "a class": (sgd, {"*": L1}, {}, r"L1'> for '\*' is not a penalty"),
    "a class in a list": (sgd, {"*": [L2(0.1), L1]}, {}, r"L1'> for '\*' is not a penalty"),
    "a module": (sgd, {"*": nn.ReLU()}, {}, r"ReLU\(\) for '\*' is not a penalty"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_an_error_of_one_line(name):
    make, rules, options, message = WRONG[name]
    model = make_model()
    optimizer = make(model)
    with pytest.raises(UsageError, match=message) as caught:
        attach(optimizer, rules, model=model, **options)
    assert "\n" not in str(caught.value)
    if isinstance(optimizer, optim.Optimizer):
        assert not optimizer._optimizer_step_pre_hooks
        assert not optimizer._optimizer_step_post_hooks


class Lookup(nn.Module):
    """A table of which the gradient is sparse, and which does not say so."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5, 3))

    def forward(self, x):
        return nn.functional.embedding(x, self.weight, sparse=True)


def test_a_sparse_gradient_cannot_be_coupled():
    model = Lookup()
    optimizer = sgd(model)
    attach(optimizer, {"*": L2(0.1)}, model=model, mode="coupled")
    model(torch.tensor([1])).sum().backward()
    with pytest.raises(UsageError, match="weight has a sparse gradient"):
        optimizer.step()


def test_a_sparse_gradient_that_a_module_announces_cannot_be_coupled():
    model = nn.Sequential(nn.Embedding(5, 3, sparse=True))
    with pytest.raises(UsageError, match=r"0\.weight has a sparse gradient"):
        attach(sgd(model), {"*": L2(0.1)}, model=model, mode="coupled")
