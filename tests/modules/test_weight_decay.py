"""``WeightDecay`` at the steps of each optimizer, against the papers' formulas, step by step."""

import copy

import pytest
import torch
from attach_helpers import batch, give_gradients, loss_of, make_model, optim, same, weights_of
from decay_references import Adam, Momentum, ScheduleFreeSGD, decayed

import bridle
from bridle import L1, CosineSchedule, WeightDecay
from bridle.modules.attach import attach

CAUTIOUS = pytest.mark.parametrize("cautious", [False, True])
OPTIMIZERS = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "SGD maximize": (optim.SGD, {"lr": 0.1, "maximize": True}),
    "SGD fused": (optim.SGD, {"lr": 0.1, "fused": True}),
    "Adam": (optim.Adam, {"lr": 0.01}),
    "Adam fused": (optim.Adam, {"lr": 0.01, "fused": True}),
    "Adam tensor lr": (optim.Adam, {"lr": torch.tensor(0.01)}),
    "AdamW foreach": (optim.AdamW, {"lr": 0.01, "weight_decay": 0.0, "foreach": True}),
    "NAdam": (optim.NAdam, {"lr": 0.01}),
    "RAdam": (optim.RAdam, {"lr": 0.01}),
    "Adafactor": (optim.Adafactor, {"lr": 0.01}),
    "Muon": (optim.Muon, {"lr": 0.02, "weight_decay": 0.0}),
    "RMSprop": (optim.RMSprop, {"lr": 0.01}),
}


def built(name, model, **more):
    kind, options = OPTIMIZERS[name]
    parameters = weights_of(model) if kind is optim.Muon else list(model.parameters())
    return kind(parameters, **options | more)


@CAUTIOUS
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_step_is_the_formula_beside_the_optimizers_own_update(name, cautious):
    model, twin = make_model(), make_model()
    optimizer, plain = built(name, model), built(name, twin)
    attach(optimizer, {"*": WeightDecay(0.5, cautious=cautious)}, model=model)
    acted = set()
    for turn in range(4):
        give_gradients(model, turn)
        give_gradients(twin, turn)
        before = [w.detach().clone() for w in weights_of(twin)]
        optimizer.step()
        plain.step()
        with torch.no_grad():
            for w, old in zip(weights_of(twin), before, strict=True):
                share = 0.5 * float(plain.param_groups[0]["lr"])
                update = old - w
                acted |= set((update * old >= 0).flatten().tolist())
                w.copy_(decayed(old, update, share, cautious))
        assert same(model, twin)
    assert acted == {True, False}


@CAUTIOUS
@pytest.mark.parametrize(
    ("reference", "make"),
    [
        (Momentum, lambda p: optim.SGD(p, lr=0.1, momentum=0.9)),
        (Adam, lambda p: optim.Adam(p, lr=0.1)),
        (Adam, lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.0)),
    ],
)
def test_whole_trajectory_is_that_of_the_papers_algorithm(reference, make, cautious):
    model = make_model()
    optimizer = make(model.parameters())
    attach(optimizer, {"*": WeightDecay(0.3, cautious=cautious)}, model=model)
    w, algorithm = model[0].weight.detach().clone(), reference(0.1)
    for turn in range(6):
        give_gradients(model, turn)
        w = decayed(w, algorithm.update(model[0].weight.grad), 0.1 * 0.3, cautious)
        optimizer.step()
        assert torch.allclose(model[0].weight, w, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("AdamW foreach", {}),
        ("NAdam", {"decoupled_weight_decay": True}),
        ("RAdam", {"decoupled_weight_decay": True}),
        ("Adam", {"decoupled_weight_decay": True}),
        ("Adafactor", {}),
        ("Muon", {}),
    ],
)
def test_plain_decay_is_torchs_own_decoupled_one(name, flag):
    model, twin = make_model(bias=False), make_model(bias=False)
    optimizer = built(name, model)
    attach(optimizer, {"*": WeightDecay(0.2)}, model=model)
    theirs = built(name, twin, weight_decay=0.2, **flag)
    for turn in range(4):
        for each, stepped in ((model, optimizer), (twin, theirs)):
            give_gradients(each, turn)
            stepped.step()
        assert same(model, twin, rtol=1e-10)


@pytest.mark.parametrize("kind", ["SGDScheduleFree", "AdamWScheduleFree", "RAdamScheduleFree"])
def test_schedule_free_decays_y_as_its_own_weight_decay_does(kind):
    schedulefree = pytest.importorskip("schedulefree")
    model, twin = make_model(bias=False), make_model(bias=False)
    steps = {"warmup_steps": 2} if kind != "RAdamScheduleFree" else {}
    make = getattr(schedulefree, kind)
    optimizer = make(model.parameters(), lr=0.05, **steps)
    theirs = make(twin.parameters(), lr=0.05, weight_decay=0.2, **steps)
    attach(optimizer, {"*": WeightDecay(0.2)}, model=model)
    for turn in range(8):
        for each, stepped in ((model, optimizer), (twin, theirs)):
            stepped.train()
            give_gradients(each, turn)
            stepped.step()
            stepped.eval()
        assert same(model, twin, rtol=1e-9)


@CAUTIOUS
def test_schedule_free_trajectory(cautious):
    schedulefree = pytest.importorskip("schedulefree")
    model = make_model()
    optimizer = schedulefree.SGDScheduleFree(model.parameters(), lr=0.1, momentum=0.8)
    attach(optimizer, {"*": WeightDecay(0.3, cautious=cautious)}, model=model)
    optimizer.train()
    y = model[0].weight.detach().clone()
    algorithm = ScheduleFreeSGD(y, 0.1, 0.8)
    for turn in range(6):
        give_gradients(model, turn)
        y = algorithm.step(y, model[0].weight.grad.clone(), 0.03, cautious)
        optimizer.step()
        assert torch.allclose(model[0].weight, y, rtol=1e-9, atol=1e-13)
    optimizer.eval()
    assert torch.allclose(model[0].weight, algorithm.x, rtol=1e-9, atol=1e-13)


def test_scales_follow_the_learning_rate_of_each_group():
    model = make_model(bias=False)
    groups = [{"params": [model[0].weight]}, {"params": [model[2].weight], "lr": 0.4}]
    rates = {0: (0.2, 0.4), 1: (0.1, 0.2), 2: (0.05, 0.1)}
    shares = {
        "lr": lambda lr, peak: 0.3 * lr,
        "schedule": lambda lr, peak: 0.3 * lr / peak,
        "corrected": lambda lr, peak: 0.3 * lr**2 / peak,
        "constant": lambda lr, peak: 0.3,
    }
    for scale, share in shares.items():
        each = copy.deepcopy(model)
        optimizer = optim.SGD(
            [g | {"params": [p]} for g, p in zip(groups, each.parameters(), strict=True)], lr=0.2
        )
        attach(optimizer, {"*": WeightDecay(0.3, scale=scale)}, model=each)
        scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        for turn in range(3):
            before = [w.detach().clone() for w in each.parameters()]
            for w in each.parameters():
                w.grad = torch.zeros_like(w)
            optimizer.step()
            scheduler.step()
            for w, old, lr, peak in zip(
                each.parameters(), before, rates[turn], rates[0], strict=True
            ):
                assert torch.allclose(w, old * (1 - share(lr, peak)), rtol=1e-12)


def test_peak_is_that_of_the_schedule_also_after_warm_up_and_resume():
    model = make_model(bias=False)
    optimizer = optim.SGD(model.parameters(), lr=0.2)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.4, total_steps=8, cycle_momentum=False
    )
    attach(optimizer, {"*": WeightDecay(0.1, scale="schedule")}, model=model)
    other = make_model(bias=False)
    resumed = optim.SGD(other.parameters(), lr=0.001)
    for turn in range(6):
        give_gradients(model, turn)
        before = [w.detach().clone() for w in weights_of(model)]
        lr = optimizer.param_groups[0]["lr"]
        optimizer.step()
        share = 0.1 * lr / 0.4
        for w, old in zip(weights_of(model), before, strict=True):
            assert torch.allclose(w, old - lr * w.grad - share * old, rtol=1e-12)
        scheduler.step()
    resumed.load_state_dict(optimizer.state_dict())
    other.load_state_dict(model.state_dict())
    attach(resumed, {"*": WeightDecay(0.1, scale="schedule")}, model=other)
    for each, stepped in ((model, optimizer), (other, resumed)):
        give_gradients(each, 9)
        stepped.step()
    assert same(model, other, rtol=0, atol=0)


def test_schedule_resumes_with_the_step_count():
    rule = WeightDecay(0.5, schedule=CosineSchedule(1.0, 0.0, steps=6), cautious=True)
    whole, first = make_model(), make_model()
    attached = {}
    optimizers = {id(each): optim.Adam(each.parameters(), lr=0.1) for each in (whole, first)}
    for each in (whole, first):
        attached[id(each)] = attach(optimizers[id(each)], {"*": rule}, model=each)
        for turn in range(3):
            give_gradients(each, turn)
            optimizers[id(each)].step()
    second = make_model(1)
    second.load_state_dict(first.state_dict())
    optimizer = optim.Adam(second.parameters(), lr=0.1)
    receipt = bridle.regularize(second, {"*": rule}, optimizer=optimizer)
    assert receipt.state_dict() == {"step of attachment 0": 0}
    optimizer.load_state_dict(optimizers[id(first)].state_dict())
    receipt.attachments[0].load_state_dict(attached[id(first)].state_dict())
    for each, stepped in ((whole, optimizers[id(whole)]), (second, optimizer)):
        for turn in range(3, 7):
            give_gradients(each, turn)
            stepped.step()
    assert same(whole, second, rtol=0, atol=0)


def test_penalties_of_one_call_act_after_the_decay():
    model, twin = make_model(), make_model()
    optimizer, plain = (optim.SGD(each.parameters(), lr=0.1) for each in (model, twin))
    rules = {"*": [L1(0.2), WeightDecay(0.5, cautious=True)]}
    attached = attach(optimizer, rules, model=model)
    assert str(attached).splitlines()[0].endswith("(proximal, euclidean)")
    assert attached.value() == 0.2 * sum(w.abs().sum() for w in weights_of(model))
    for turn in range(3):
        before = [w.detach().clone() for w in weights_of(twin)]
        for each, stepped in ((model, optimizer), (twin, plain)):
            give_gradients(each, turn)
            stepped.step()
        with torch.no_grad():
            for w, old in zip(weights_of(twin), before, strict=True):
                moved = decayed(old, old - w, 0.05, cautious=True)
                w.copy_(moved.sign() * (moved.abs() - 0.02).clamp(min=0))
        assert same(model, twin)
    attached.detach()
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("fused", [False, True])
def test_skipped_steps_do_not_decay(fused):
    model = make_model().float()
    optimizer = optim.Adam(model.parameters(), lr=0.1, fused=fused)
    attached = attach(optimizer, {"*": WeightDecay(0.5)}, model=model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    before = copy.deepcopy(model)
    for overflow in (True, False):
        optimizer.zero_grad()
        scaler.scale(loss_of(model)).backward()
        if overflow:
            model[0].weight.grad[0, 0] = torch.inf
        scaler.step(optimizer)
        scaler.update()
        assert same(model, before, rtol=0, atol=0) is overflow
        assert attached.step == 1 - overflow


def test_accumulated_gradients_decay_once_a_step():
    model, twin = make_model(), make_model()
    X, y = batch(8)
    for each, parts in ((model, [slice(0, 4), slice(4, 8)]), (twin, [slice(0, 8)])):
        optimizer = optim.SGD(each.parameters(), lr=0.1)
        attach(optimizer, {"*": WeightDecay(0.5, cautious=True)}, model=each)
        for part in parts:
            (loss_of(each, (X[part], y[part])) / len(parts)).backward()
        optimizer.step()
    assert same(model, twin, rtol=1e-10)


def test_weights_without_gradient_rest():
    model = make_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    attach(optimizer, {"*": WeightDecay(0.5)}, model=model)
    before = copy.deepcopy(model)
    model[2].weight.grad = torch.zeros_like(model[2].weight)
    optimizer.step(lambda: loss_of(model))
    assert torch.equal(model[0].weight, before[0].weight)
    assert torch.allclose(model[2].weight, before[2].weight * 0.95)


@pytest.mark.filterwarnings("ignore")  # of torch, while it compiles
@pytest.mark.parametrize(("what", "backend"), [("step", "eager"), ("model", "aot_eager")])
def test_compiled_models_and_steps_decay(what, backend):
    torch._dynamo.reset()
    model, twin = make_model(), make_model()
    for each, compiled in ((model, True), (twin, False)):
        optimizer = optim.Adam(each.parameters(), lr=0.01)
        attach(optimizer, {"*": WeightDecay(0.5, cautious=True)}, model=each)
        forward = torch.compile(each, backend=backend) if compiled and what == "model" else each
        step = optimizer.step
        if compiled and what == "step":
            step = torch.compile(step, backend=backend)
        for _ in range(3):
            optimizer.zero_grad()
            X, y = batch()
            (forward(X) - y).square().mean().backward()
            step()
    assert same(model, twin, rtol=1e-4)  # compiled Adam corrects its bias in single precision


def test_copies_of_model_and_optimizer_decay_on():
    model = make_model()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    attach(optimizer, {"*": WeightDecay(0.5, cautious=True)}, model=model)
    other, copied = copy.deepcopy((model, optimizer))
    for each, stepped in ((model, optimizer), (other, copied)):
        for turn in range(2):
            give_gradients(each, turn)
            stepped.step()
    assert same(model, other, rtol=0, atol=0)
