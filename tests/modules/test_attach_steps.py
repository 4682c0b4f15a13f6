"""Attached penalties with each way to make a step: closures, scalers, compilation, processes."""

import copy
import os
import shutil
import textwrap

import pytest
import torch
from attach_helpers import (
    MODES,
    RULES,
    batch,
    formula,
    give_gradients,
    loss_of,
    make_model,
    optim,
    same,
    take,
    weights_of,
)

from bridle import L1, L2, ElasticNet
from bridle.modules.attach import attach

COUPLED = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "SGD fused": (optim.SGD, {"lr": 0.1, "fused": True}),
    "Adam": (optim.Adam, {"lr": 0.01}),
    "Adam fused": (optim.Adam, {"lr": 0.01, "fused": True}),
    "AdamW": (optim.AdamW, {"lr": 0.01, "weight_decay": 0.0}),
    "AdamW foreach": (optim.AdamW, {"lr": 0.01, "weight_decay": 0.0, "foreach": True}),
}


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
def test_ranks_of_a_parallel_model_stay_equal(mode, two_processes, tmp_path):
    two_processes(textwrap.dedent(RANK), mode, tmp_path / "weights")
    first, second = (torch.load(tmp_path / f"weights{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    assert bool((first == 0).any()) is (mode == "proximal")
    assert first.any()
