"""The audit with optimizers of other libraries: it claims what it knows, and never fails itself."""

import pytest
import torch
from audit_helpers import X, Y, kinds
from torch import nn

import bridle

FORMULA = "lr·0.1·w"


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 24), nn.LayerNorm(24), nn.ReLU(), nn.Linear(24, 3))


def audited(make, model=None):
    model = net() if model is None else model
    found = bridle.audit(model, make(model), (X, Y))
    assert found.to_dict()["effects"] == found.to_dict()["effects"]  # no NaN
    effects = [each for each in found.effects if each.route == "weight_decay" and each.expected]
    return found, effects, [each for each in found.checks if each.check.startswith("weight_decay")]


class Own(torch.optim.Optimizer):
    """An optimizer that no record knows."""

    def __init__(self, parameters, **options):
        super().__init__(parameters, {"lr": 0.01, "weight_decay": 0.1} | options)

    def decay(self, w, group):
        w.mul_(1 - group["lr"] * group["weight_decay"])

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                self.decay(w, group)
                w.sub_(w.grad, alpha=group["lr"] or 0.0)


class Twice(Own):
    def decay(self, w, group):
        w.mul_(1 - 2 * group["lr"] * group["weight_decay"])


class Never(Own):
    def decay(self, w, group):
        pass


class OwnRate(Own):
    def decay(self, w, group):
        w.mul_(1 - 0.01 * group["weight_decay"])


class Rests(Own):
    @torch.no_grad()
    def step(self):
        pass


class Hessian(Own):
    def step(self):
        first = self.param_groups[0]["params"][0]
        torch.autograd.grad(first.grad.sum(), first)


class Asks(Own):
    def step(self, closure=None):
        raise RuntimeError("give a closure")


class Calls(Own):
    def __init__(self, parameters, bound=lambda strength: strength):
        super().__init__(parameters)
        self.bound = bound

    def decay(self, w, group):
        w.mul_(1 - self.bound(group["weight_decay"]) * group["lr"])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda m: Own(m.parameters()), None),
        (lambda m: Calls(m.parameters()), None),
        (lambda m: Twice(m.parameters()), f"another amount than {FORMULA}"),
        (lambda m: Never(m.parameters()), "changes nothing in this step"),
        (lambda m: Rests(m.parameters()), "this step moves nothing"),
        (lambda m: OwnRate(m.parameters(), lr=None), "chooses its own learning rate"),
        (lambda m: Hessian(m.parameters()), "a copy of Hessian cannot make a step (RuntimeError:"),
        (lambda m: Asks(m.parameters()), "cannot make a step (RuntimeError: give a closure)"),
        (
            lambda m: torch.optim.SGD(m.parameters(), 0.1, 0.9, weight_decay=0.1, nesterov=True),
            "the decay is a part of the gradient",
        ),
    ],
)
def test_unknown_decay_is_measured_and_not_named(make, reason):
    _, effects, checks = audited(make)
    if reason is None:
        assert not checks
        assert {each.penalty for each in effects} == {"weight_decay=0.1"}
        assert all(each.error < 1e-3 for each in effects)
        return
    assert checks
    assert all(each.outcome == "not checked" and reason in each.detail for each in checks)


def test_errors_of_the_loss_are_the_users():
    model = net()

    def loss(model, batch):
        if torch.is_grad_enabled():
            model(batch[0]).sum().backward()
            raise RuntimeError("mine")
        return model(batch[0]).sum()

    with pytest.raises(RuntimeError, match="mine"):
        bridle.audit(model, Own(model.parameters()), (X, Y), loss=loss)


@pytest.mark.parametrize("kind", ["SGDScheduleFree", "AdamWScheduleFree", "RAdamScheduleFree"])
def test_schedulefree(kind):
    schedulefree = pytest.importorskip("schedulefree")

    def make(model):
        optimizer = getattr(schedulefree, kind)(model.parameters(), lr=0.01, weight_decay=0.1)
        optimizer.train()
        return optimizer

    _, effects, checks = audited(make)
    if kind == "RAdamScheduleFree":  # no steps before its variance is known
        assert "this step moves nothing" in checks[0].detail
        return
    assert not checks
    assert {each.penalty for each in effects} == {"weight_decay=0.1 (decoupled)"}
    assert all(each.error < 1e-3 for each in effects)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "chooses its own learning rate"),
        ({"lr": 0.01, "relative_step": False, "scale_parameter": False}, None),
        ({"lr": 0.01, "relative_step": False}, f"another amount than {FORMULA}"),
    ],
)
def test_adafactor_of_transformers(options, reason):
    kind = pytest.importorskip("transformers.optimization").Adafactor
    _, _, checks = audited(lambda m: kind(m.parameters(), weight_decay=0.1, **options))
    assert [reason in each.detail for each in checks] == [True] * len(checks)
    assert bool(checks) is (reason is not None)


def test_trainer_excludes_by_name_and_type():
    utils = pytest.importorskip("transformers.trainer_pt_utils")
    model = nn.Sequential(nn.Linear(6, 24), nn.BatchNorm1d(24), nn.LayerNorm(24), nn.Linear(24, 3))
    names = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    decayed = utils.get_parameter_names(model, [nn.LayerNorm], names)
    everything = dict(model.named_parameters())
    groups = [
        {"params": [everything[name] for name in decayed], "weight_decay": 0.1},
        {"params": [p for n, p in everything.items() if n not in decayed], "weight_decay": 0.0},
    ]
    found, _, checks = audited(lambda m: torch.optim.AdamW(groups, lr=0.01), model)
    assert kinds(found, "warn") == {("decayed bias or norm", "1.weight")}
    assert not checks


@pytest.mark.parametrize(
    ("kind", "penalty", "reason"),
    [
        ("AdaBelief", "weight_decay=0.1 (decoupled)", None),
        ("Lion", "weight_decay=0.1 (decoupled)", None),
        ("AdamC", "weight_decay=0.1", None),
        ("AdEMAMix", "weight_decay=0.1 (coupled)", None),
        ("ADOPT", "weight_decay=0.1", "this step moves nothing"),
        ("Adan", "weight_decay=0.1 (decoupled)", f"another amount than {FORMULA}"),
        ("AdaHessian", None, "cannot make a step"),
    ],
)
def test_pytorch_optimizer(kind, penalty, reason):
    library = pytest.importorskip("pytorch_optimizer")
    make = getattr(library, kind)
    found, effects, checks = audited(lambda m: make(m.parameters(), lr=0.01, weight_decay=0.1))
    assert {each.penalty for each in effects} == ({penalty} if penalty else set())
    rescales = any(each.kind == "L2 inside Adam" for each in found.findings)
    assert rescales is (kind == "AdEMAMix")
    assert all(reason in each.detail for each in checks)
    assert bool(checks) is (reason is not None)


@pytest.mark.parametrize(("name", "known"), [("adamw", True), ("lamb", False), ("lion", True)])
def test_timm(name, known):
    factory = pytest.importorskip("timm.optim").create_optimizer_v2
    found, effects, checks = audited(lambda m: factory(m, opt=name, lr=0.01, weight_decay=0.1))
    assert [each.parameter for each in effects] == ["0.weight", "3.weight"]
    assert not kinds(found, "warn")
    assert bool(checks) is not known


@pytest.mark.parametrize("kind", ["AdamW", "Adam8bit", "AdamW8bit"])
def test_bitsandbytes(kind):
    optim = pytest.importorskip("bitsandbytes").optim
    make = getattr(optim, kind)
    try:
        _, effects, checks = audited(lambda m: make(m.parameters(), lr=0.01, weight_decay=0.1))
    except AttributeError as error:  # builds without kernels for this machine
        pytest.skip(str(error))
    assert not checks
    assert all(each.error < 1e-3 for each in effects)
