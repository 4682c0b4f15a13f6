"""Penalties attached to every optimizer of torch: each way of stepping that torch has."""

import copy
import os
import shutil
import textwrap
import warnings

import pytest
import torch
from torch import nn

from bridle import L1, L2, ElasticNet, GroupLasso, MaxNorm, RegularizationWarning, UsageError
from bridle.modules.attach import attach, attachments_of

optim = torch.optim


def make_model(seed=0, *, bias=True):
    """Weights 4-5-2; the first row of each is tiny, so that L1 makes it zero."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 5, bias=bias), nn.Tanh(), nn.Linear(5, 2, bias=bias))
    model.double()
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight[0] = 1e-7
    return model


def batch(rows=8, seed=1):
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(rows, n, generator=generator, dtype=torch.float64) for n in (4, 2)]
    return tuple(draw)


def loss_of(model, data=None):
    X, y = (side.to(model[0].weight.dtype) for side in data or batch())
    return (model(X) - y).square().mean()


def give_gradients(model, turn=0):
    """Known gradients, none for the first rows: L1 alone moves these."""
    generator = torch.Generator().manual_seed(turn)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        if p.ndim == 2:
            p.grad[0] = 0


def weights_of(model):
    return [p for p in model.parameters() if p.ndim == 2]


def same(one, other, *, rtol=1e-12, atol=1e-15):
    """Whether two models have the same parameters."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.allclose(a, b, rtol=rtol, atol=atol) for a, b in pairs)


# ------------------------------------------------------------------ every optimizer of torch

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
    "penalty", [L1(0.02), ElasticNet(0.02, 0.3), GroupLasso(0.02), MaxNorm(0.8)], ids=str
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


# ------------------------------------------------------------------ coupled

COUPLED = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "SGD fused": (optim.SGD, {"lr": 0.1, "fused": True}),
    "Adam": (optim.Adam, {"lr": 0.01}),
    "Adam fused": (optim.Adam, {"lr": 0.01, "fused": True}),
    "AdamW": (optim.AdamW, {"lr": 0.01, "weight_decay": 0.0}),
    "AdamW foreach": (optim.AdamW, {"lr": 0.01, "weight_decay": 0.0, "foreach": True}),
}
RULES = {"*": [L1(0.01), L2(0.2)], "2.*": GroupLasso(0.05)}


def formula(model):
    """Return R of RULES, written out."""
    first, last = weights_of(model)
    both = sum(0.01 * w.abs().sum() + 0.1 * w.square().sum() for w in (first, last))
    return both + 0.05 * last.norm(dim=1).sum()


def take(optimizer, model, objective, how):
    def closure():
        optimizer.zero_grad()
        loss = objective(model)
        loss.backward()
        return loss

    if how == "step":
        closure()
        return optimizer.step()
    return optimizer.step(closure) if how == "closure" else optimizer.step(closure=closure)


@pytest.mark.parametrize("how", ["step", "closure", "closure by name"])
@pytest.mark.parametrize("name", COUPLED)
def test_coupled_is_the_penalty_in_the_loss(name, how):
    kind, options = COUPLED[name]
    model, twin = make_model(), make_model()
    optimizer = kind(model.parameters(), **options)
    attached = attach(optimizer, RULES, model=model, mode="coupled")
    assert torch.allclose(attached.value(), formula(model))
    plain = kind(twin.parameters(), **options)
    for _ in range(3):
        take(optimizer, model, loss_of, how)
        take(plain, twin, lambda m: loss_of(m) + formula(m), how)
        assert same(model, twin)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_sees_gradient_and_value_of_the_whole(search):
    model, twin = make_model(), make_model()
    options = {"lr": 0.5, "line_search_fn": search, "max_iter": 10}
    optimizer = optim.LBFGS(model.parameters(), **options)
    attach(optimizer, {"*": L2(0.2)}, model=model, mode="coupled")
    plain = optim.LBFGS(twin.parameters(), **options)
    for _ in range(3):
        ours = take(optimizer, model, loss_of, "closure")
        theirs = take(
            plain,
            twin,
            lambda m: loss_of(m) + sum(0.1 * w.square().sum() for w in weights_of(m)),
            "closure",
        )
        assert torch.allclose(ours, theirs)
        assert same(model, twin, rtol=1e-8, atol=1e-10)


def test_a_closure_returns_its_own_loss():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, {"*": L2(0.2)}, model=model, mode="coupled")
    before = loss_of(model).item()
    assert take(optimizer, model, loss_of, "closure").item() == before


def test_proximal_acts_once_in_a_step_with_a_closure():
    model, twin = make_model(), make_model()
    for each, how in ((model, "closure"), (twin, "step")):
        optimizer = optim.SGD(each.parameters(), lr=0.1)
        attach(optimizer, {"*": L1(0.02)}, model=each)
        take(optimizer, each, loss_of, how)
    assert same(model, twin)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("mode", ["proximal", "coupled"])
def test_an_optimizer_that_maximizes_is_penalized_too(mode, kind):
    model, twin = make_model(), make_model()
    for each, sign in ((model, -1), (twin, 1)):
        optimizer = kind(each.parameters(), lr=0.01, maximize=sign < 0)
        attach(optimizer, {"*": L2(0.5)}, model=each, mode=mode)
        for _ in range(3):
            optimizer.zero_grad()
            (sign * loss_of(each)).backward()
            optimizer.step()
    assert same(model, twin)


# ------------------------------------------------------------------ the adaptive metric


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
    # later, the centered variance of a gradient at rest rounds below zero, in torch itself
    for _ in range(1500 if options.get("centered") else 4000):
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


# ------------------------------------------------------------------ ways to make a step

MODES = pytest.mark.parametrize("mode", ["proximal", "coupled"])


@MODES
def test_accumulated_gradients_are_one_big_batch(mode):
    X, y = batch(12)
    model, twin = make_model(), make_model()
    for each, parts in ((model, 3), (twin, 1)):
        optimizer = optim.Adam(each.parameters(), lr=0.01)
        attach(optimizer, {"*": ElasticNet(0.02, 0.1)}, model=each, mode=mode)
        for _ in range(3):
            optimizer.zero_grad()
            for part in zip(X.chunk(parts), y.chunk(parts), strict=True):
                (loss_of(each, part) / parts).backward()
            optimizer.step()
    assert same(model, twin, rtol=1e-8)


SCALED = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD fused": (optim.SGD, {"lr": 0.1, "fused": True}),
    "Adam": (optim.Adam, {"lr": 0.01}),
    "Adam fused": (optim.Adam, {"lr": 0.01, "fused": True}),
    "Adagrad fused": (optim.Adagrad, {"lr": 0.01, "fused": True}),
}


def scaled_step(scaler, optimizer, model, *, overflow=False, unscale=False):
    optimizer.zero_grad()
    scaler.scale(loss_of(model)).backward()
    if overflow:
        model[0].weight.grad[0, 0] = torch.inf
    if unscale:
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()


@MODES
@pytest.mark.parametrize("unscale", [False, True])
@pytest.mark.parametrize("name", SCALED)
def test_an_overflow_skips_the_penalty_too(name, mode, unscale):
    kind, options = SCALED[name]
    model = make_model().float()
    optimizer = kind(model.parameters(), **options)
    attach(optimizer, {"*": ElasticNet(0.5, 0.5)}, model=model, mode=mode)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    before = copy.deepcopy(model)
    scaled_step(scaler, optimizer, model, overflow=True, unscale=unscale)
    assert scaler.get_scale() == 2.0**9
    assert same(model, before, rtol=0, atol=0)
    scaled_step(scaler, optimizer, model, unscale=unscale)
    assert not same(model, before)


@MODES
@pytest.mark.parametrize("unscale", [False, True])
@pytest.mark.parametrize("name", SCALED)
def test_scaled_gradients_act_as_unscaled_ones(name, mode, unscale):
    kind, options = SCALED[name]
    model, twin = make_model().float(), make_model().float()
    for each, enabled in ((model, True), (twin, False)):
        optimizer = kind(each.parameters(), **options)
        attach(optimizer, {"*": ElasticNet(0.02, 0.5)}, model=each, mode=mode)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=enabled)
        for _ in range(3):
            scaled_step(scaler, optimizer, each, unscale=unscale)
    assert same(model, twin, rtol=1e-5, atol=1e-7)


COMPILER = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="no compiler here"
)


@pytest.mark.filterwarnings("ignore")  # of torch, while it compiles
@pytest.mark.parametrize(
    ("mode", "metric", "what", "backend"),
    [
        ("proximal", "euclidean", "optimizer.step", "eager"),
        ("proximal", "adaptive", "optimizer.step", "eager"),
        ("coupled", "euclidean", "optimizer.step", "eager"),
        ("proximal", "euclidean", "the whole turn", "eager"),
        ("proximal", "adaptive", "the whole turn", "eager"),
        ("coupled", "euclidean", "the whole turn", "eager"),
        pytest.param("proximal", "adaptive", "the whole turn", "inductor", marks=COMPILER),
        pytest.param("coupled", "euclidean", "optimizer.step", "inductor", marks=COMPILER),
    ],
)
def test_a_compiled_step_is_penalized(mode, metric, what, backend):
    torch._dynamo.reset()
    model, twin = make_model(), make_model()
    for each, compiled in ((model, True), (twin, False)):
        optimizer = optim.Adam(each.parameters(), lr=0.01)
        attach(optimizer, {"*": L1(0.02)}, model=each, mode=mode, metric=metric)
        step = optimizer.step

        def turn(each=each, optimizer=optimizer):
            optimizer.zero_grad()
            loss_of(each).backward()
            optimizer.step()

        if compiled and what == "optimizer.step":
            step = torch.compile(step, backend=backend)
        elif compiled:
            turn = torch.compile(turn, backend=backend)
        for number in range(3):
            if what == "optimizer.step":
                give_gradients(each, number)
                step()
            else:
                turn()
    # torch counts a compiled Adam's steps in float32, attached or not
    assert same(model, twin, rtol=0, atol=1e-6)
    if mode == "proximal" and what == "optimizer.step":
        assert not model[0].weight[0].any()


RANK = """
    import sys, torch, torch.distributed as dist
    from torch import nn
    from bridle import L1
    from bridle.modules.attach import attach

    mode, out = sys.argv[1:]
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(0)
    model = nn.Linear(6, 3).double()
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.05, momentum=0.5)
    attach(optimizer, {"*": L1(0.3)}, model=model, mode=mode)
    torch.manual_seed(1)
    X = torch.randn(8, 6, dtype=torch.float64)[rank::2]  # each rank has rows of its own
    for _ in range(30):
        optimizer.zero_grad()
        (parallel(X) - X[:, :1]).square().mean().backward()
        optimizer.step()
    torch.save(model.weight.detach(), f"{out}{rank}.pt")
    dist.destroy_process_group()
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
@MODES
def test_ranks_of_a_parallel_model_stay_equal(mode, torchrun, tmp_path):
    torchrun(textwrap.dedent(RANK), mode, tmp_path / "weights")
    first, second = (torch.load(tmp_path / f"weights{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    assert bool((first == 0).any()) is (mode == "proximal")
    assert first.any()


# ------------------------------------------------------------------ which parameters


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
        "2.weight  L1(0.1), L2(0.5), MaxNorm(3.0, dim=-2)  (proximal, euclidean)",
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
    with pytest.warns(RegularizationWarning, match=r"2\.weight: selected, but not among"):
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
        "the optimizer's weight_decay acts on biases and norms too "
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
    assert message == "0.weight: selected, but not among the optimizer's parameters"


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
        r"none of '0\.weight', '2\.weight' is among the optimizer's",
    ),
    "no optimizer": (lambda m: "SGD", {"*": L2(0.1)}, {}, r"'SGD' is no torch\.optim\.Optimizer"),
    "LBFGS proximal": (
        lambda m: optim.LBFGS(m.parameters()),
        {"*": L2(0.1)},
        {},
        "LBFGS makes no steps of a known size: use mode='coupled'",
    ),
    "SGD adaptive": (sgd, {"*": L2(0.1)}, {"metric": "adaptive"}, "SGD has no second moments"),
    "NAdam adaptive": (
        lambda m: optim.NAdam(m.parameters()),
        {"*": L2(0.1)},
        {"metric": "adaptive"},
        "NAdam has no second moments",
    ),
    "GroupLasso adaptive": (
        lambda m: optim.Adam(m.parameters()),
        {"*": GroupLasso(0.1)},
        {"metric": "adaptive"},
        "no closed-form proximal step in the adaptive metric",
    ),
    "MaxNorm coupled": (sgd, {"*": MaxNorm(1.0)}, {"mode": "coupled"}, "has no gradient"),
    "an unknown mode": (sgd, {"*": L2(0.1)}, {"mode": "proximall"}, "mode is 'proximall'"),
    "an unknown metric": (sgd, {"*": L2(0.1)}, {"metric": "l2"}, "metric is 'l2'"),
    "an empty mapping": (sgd, {}, {}, "there are no penalties; give a mapping"),
    "no mapping": (sgd, L2(0.1), {}, "there are no penalties; give a mapping"),
    "a number": (sgd, {"*": 0.1}, {}, r"0\.1 for '\*' is no penalty"),
    "nothing": (sgd, {"*": None}, {}, r"None for '\*' is no penalty"),
    "an empty list": (sgd, {"*": []}, {}, r"\[\] for '\*' is no penalty"),
    "a class": (sgd, {"*": L1}, {}, r"L1'> for '\*' is no penalty"),
    "a class in a list": (sgd, {"*": [L2(0.1), L1]}, {}, r"L1'> for '\*' is no penalty"),
    "a module": (sgd, {"*": nn.ReLU()}, {}, r"ReLU\(\) for '\*' is no penalty"),
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


def test_a_sparse_gradient_cannot_be_coupled():
    model = nn.Embedding(5, 3, sparse=True)
    optimizer = sgd(model)
    attach(optimizer, {"*": L2(0.1)}, model=model, mode="coupled")
    model(torch.tensor([1])).sum().backward()
    with pytest.raises(UsageError, match="weight has a sparse gradient"):
        optimizer.step()
