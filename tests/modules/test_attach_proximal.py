"""The proximal step of an attached penalty, for every optimizer of torch and both metrics."""

import copy
import warnings

import pytest
import torch
from attach_helpers import (
    give_gradients,
    make_model,
    optim,
    same,
    weights_of,
)
from torch import nn

from bridle import L1, L2, ElasticNet, GroupLasso, MaxNorm, RegularizationWarning
from bridle.modules.attach import attach

EVERY = {
    "SGD": (optim.SGD, {"lr": 0.1}, 0.1),
    "SGD momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}, 1.0),
    "SGD dampening": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}, 0.5),
    "SGD nesterov": (optim.SGD, {"lr": 0.1, "momentum": 0.5, "nesterov": True}, 0.2),
    "SGD decay": (optim.SGD, {"lr": 0.1, "weight_decay": 0.1}, 0.1),
    "Adam": (optim.Adam, {"lr": 0.01}, 0.01),
    "Adam amsgrad": (optim.Adam, {"lr": 0.01, "amsgrad": True}, 0.01),
    "AdamW": (optim.AdamW, {"lr": 0.01, "weight_decay": 0.0}, 0.01),
    "NAdam": (optim.NAdam, {"lr": 0.01}, 0.01),
    "RAdam": (optim.RAdam, {"lr": 0.01}, 0.01),
    "Adamax": (optim.Adamax, {"lr": 0.01}, 0.01),
    "Adagrad": (optim.Adagrad, {"lr": 0.01}, 0.01),
    "Adadelta": (optim.Adadelta, {"lr": 0.5}, 0.5),
    "RMSprop": (optim.RMSprop, {"lr": 0.01}, 0.01),
    "RMSprop momentum": (optim.RMSprop, {"lr": 0.01, "momentum": 0.5}, 0.02),
    "ASGD": (optim.ASGD, {"lr": 0.01}, 0.01),
    "Rprop": (optim.Rprop, {"lr": 0.01}, 0.01),
    "Adafactor": (optim.Adafactor, {"lr": 0.01}, 0.01),
    "Muon": (optim.Muon, {"lr": 0.01, "weight_decay": 0.0}, 0.01),
}
FUSED = (optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad)
VARIANTS = [
    (name, variant)
    for name, (kind, _, _) in EVERY.items()
    for variant in ("default", "foreach", "fused")
    if variant == "default"
    or (variant == "foreach" and kind is not optim.Muon)
    or (variant == "fused" and kind in FUSED)
]


def build(name, model, variant="default"):
    kind, options, step = EVERY[name]
    chosen = {} if variant == "default" else {variant: True}
    return kind(model.parameters(), **options, **chosen), step


@pytest.mark.filterwarnings("ignore:.*weight_decay:bridle.RegularizationWarning")
@pytest.mark.parametrize(
    "penalty",
    [L1(0.02), ElasticNet(0.02, 0.3), GroupLasso(0.02, dim=1), MaxNorm(0.8, dim=0)],
    ids=str,
)
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_step_is_the_plain_one_and_the_prox(name, variant, penalty):
    model = make_model(bias=name != "Muon")
    twin = copy.deepcopy(model)
    optimizer, step = build(name, model, variant)
    plain, _ = build(name, twin, variant)
    attach(optimizer, {"*": penalty}, model=model)
    for turn in range(3):
        for each, its in ((model, optimizer), (twin, plain)):
            give_gradients(each, turn)
            its.step()
        with torch.no_grad():
            for w in weights_of(twin):
                w.copy_(penalty.prox(w, step))
        assert same(model, twin)


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_proximal_l1_gives_exact_zeros(name, variant):
    model = make_model(bias=name != "Muon")
    optimizer, _ = build(name, model, variant)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegularizationWarning)
        attach(optimizer, {"*": L1(0.02)}, model=model)
    give_gradients(model)
    optimizer.step()
    for w in weights_of(model):
        assert not w[0].any()
        assert w[1:].any()


def test_a_schedule_sets_the_step():
    model = make_model()
    twin = copy.deepcopy(model)
    ours, theirs = (optim.SGD(m.parameters(), lr=0.1) for m in (model, twin))
    attach(ours, {"*": L1(0.02)}, model=model)
    schedules = [optim.lr_scheduler.ExponentialLR(each, 0.5) for each in (ours, theirs)]
    for turn in range(3):
        for each, its, schedule in zip((model, twin), (ours, theirs), schedules, strict=True):
            give_gradients(each, turn)
            its.step()
            schedule.step()
        with torch.no_grad():
            for w in weights_of(twin):
                w.copy_(L1(0.02).prox(w, 0.1 * 0.5**turn))
    assert same(model, twin)


def test_a_learning_rate_may_be_a_tensor():
    model, twin = make_model(), make_model()
    for each, lr in ((model, torch.tensor(0.01)), (twin, 0.01)):
        optimizer = optim.Adam(each.parameters(), lr=lr, foreach=False)
        attach(optimizer, {"*": L1(0.02)}, model=each, metric="adaptive")
        give_gradients(each)
        optimizer.step()
    assert same(model, twin, rtol=1e-6)


def _adam(g, t, v):
    v["v"] = 0.999 * v.get("v", 0) + 0.001 * g * g
    return 0.01 / ((v["v"] / (1 - 0.999**t)).sqrt() + 1e-8)


def _amsgrad(g, t, v):
    v["v"] = 0.999 * v.get("v", 0) + 0.001 * g * g
    v["max"] = torch.maximum(v.get("max", torch.zeros_like(g)), v["v"])
    return 0.01 / ((v["max"] / (1 - 0.999**t)).sqrt() + 1e-8)


def _rmsprop(g, t, v):
    v["v"] = 0.99 * v.get("v", 0) + 0.01 * g * g
    return 0.01 / (v["v"].sqrt() + 1e-8)


def _centered(g, t, v):
    v["v"] = 0.99 * v.get("v", 0) + 0.01 * g * g
    v["m"] = 0.99 * v.get("m", 0) + 0.01 * g
    return 0.01 / ((v["v"] - v["m"] ** 2).sqrt() + 1e-8)


def _adagrad(g, t, v):
    v["v"] = v.get("v", 0) + g * g
    return 0.01 / (v["v"].sqrt() + 1e-10)


ADAPTIVE = {
    "Adam": (optim.Adam, {}, _adam),
    "Adam fused": (optim.Adam, {"fused": True}, _adam),
    "Adam amsgrad": (optim.Adam, {"amsgrad": True}, _amsgrad),
    "AdamW": (optim.AdamW, {"weight_decay": 0.0}, _adam),
    "AdamW foreach": (optim.AdamW, {"weight_decay": 0.0, "foreach": True}, _adam),
    "RMSprop": (optim.RMSprop, {}, _rmsprop),
    "RMSprop momentum": (optim.RMSprop, {"momentum": 0.5}, lambda *a: 2 * _rmsprop(*a)),
    "RMSprop centered": (optim.RMSprop, {"centered": True}, _centered),
    "Adagrad": (optim.Adagrad, {}, _adagrad),
    "Adagrad lr_decay": (
        optim.Adagrad,
        {"lr_decay": 0.3},
        lambda g, t, v: _adagrad(g, t, v) / (1 + (t - 1) * 0.3),
    ),
}


@pytest.mark.parametrize("name", ADAPTIVE)
def test_each_weight_has_the_step_of_its_second_moment(name):
    kind, options, step_of = ADAPTIVE[name]
    model = make_model()
    twin = copy.deepcopy(model)
    optimizer = kind(model.parameters(), lr=0.01, **options)
    plain = kind(twin.parameters(), lr=0.01, **options)
    penalty = ElasticNet(0.05, 0.3)
    attach(optimizer, {"*": penalty}, model=model, metric="adaptive")
    moments = [{} for _ in weights_of(twin)]
    for turn in range(1, 4):
        torch.manual_seed(turn)
        for mine, its in zip(model.parameters(), twin.parameters(), strict=True):
            mine.grad = torch.randn_like(mine)
            its.grad = mine.grad.clone()
        optimizer.step()
        plain.step()
        with torch.no_grad():
            for w, moment in zip(weights_of(twin), moments, strict=True):
                w.copy_(penalty.prox(w, step_of(w.grad, turn, moment)))
        assert same(model, twin, rtol=1e-9)


# optimizer, options, metric: all but "no" rest where 0 is in the subdifferential of loss plus R
REST = {
    "SGD": (optim.SGD, {"lr": 0.1}, "euclidean"),
    "SGD momentum": (optim.SGD, {"lr": 0.02, "momentum": 0.9}, "euclidean"),
    "SGD dampening": (optim.SGD, {"lr": 0.04, "momentum": 0.9, "dampening": 0.5}, "euclidean"),
    "SGD nesterov": (
        optim.SGD,
        {"lr": 0.02, "momentum": 0.9, "nesterov": True},
        "euclidean",
    ),
    "Adam": (optim.Adam, {"lr": 0.01}, "adaptive"),
    "Adam amsgrad": (optim.Adam, {"lr": 0.01, "amsgrad": True}, "adaptive"),
    "AdamW": (optim.AdamW, {"lr": 0.01, "weight_decay": 0.0}, "adaptive"),
    "RMSprop": (optim.RMSprop, {"lr": 0.01}, "adaptive"),
    "RMSprop momentum": (optim.RMSprop, {"lr": 0.005, "momentum": 0.5}, "adaptive"),
    "RMSprop centered": (optim.RMSprop, {"lr": 0.05, "centered": True, "eps": 0.5}, "adaptive"),
    "Adagrad": (optim.Adagrad, {"lr": 0.5}, "adaptive"),
    "Adagrad lr_decay": (optim.Adagrad, {"lr": 0.5, "lr_decay": 1e-4}, "adaptive"),
}
TARGET = torch.tensor([[2.0, -1.5, 0.3, 0.1, -0.2, 1.0]], dtype=torch.float64)
CURVATURE = torch.tensor([1.0, 0.7, 1.3, 0.5, 0.9, 1.1], dtype=torch.float64)


def distance_from_rest(kind, options, metric):
    """Return how far 0 is from ∂loss + ∂R, for each weight, and the weights."""
    l1, l2 = 0.5, 0.4
    model = nn.Linear(6, 1, bias=False).double()
    with torch.no_grad():
        model.weight.fill_(0.5)
    optimizer = kind(model.parameters(), **options)
    attach(optimizer, {"*": [L1(l1), L2(l2)]}, model=model, metric=metric)
    w = model.weight
    # with more, the centered variance of a gradient at rest rounds below zero, in torch itself
    for _ in range(1500):
        w.grad = CURVATURE * (w.detach() - TARGET)
        optimizer.step()
    gradient = CURVATURE * (w.detach() - TARGET) + l2 * w.detach()
    at_zero = (gradient.abs() - l1).clamp(min=0)
    return torch.where(w == 0, at_zero, (gradient + l1 * w.sign()).abs()).max().item(), w


@pytest.mark.parametrize("name", REST)
def test_it_rests_at_the_minimum_of_the_objective(name):
    far, w = distance_from_rest(*REST[name])
    assert far < 1e-6
    assert 0 < (w == 0).sum() < w.numel()


def test_the_euclidean_metric_does_not_rest_there_with_adam():
    far, _ = distance_from_rest(optim.Adam, {"lr": 0.01}, "euclidean")
    assert far > 0.05
