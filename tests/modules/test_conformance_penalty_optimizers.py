"""Penalties with every kind of optimizer: against steps written out, or refused.

The name of each case is ``<feature>-<column>`` of the conformance matrix.
"""

import pytest
import torch
from torch import nn

import bridle
from bridle import L1, L2, GroupLasso, MaxNorm, UsageError

F = nn.functional
X = torch.randn(8, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
Y = torch.arange(8) % 3


def cell(name):
    return pytest.mark.parametrize("cell", [pytest.param(name, id=name)])


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).double()


def loss_of(model):
    return F.cross_entropy(model(X), Y)


def soft(weight, limit):
    return weight.sign() * (weight.abs() - limit).clamp(min=0)


def sgd(model, lr=0.1, **options):
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def proximal_sgd(steps, l1=0.2, lr=0.1, gradients=loss_of):
    """Return a model after steps of SGD and soft thresholding, written out."""
    model = network()
    for _ in range(steps):
        found = torch.autograd.grad(gradients(model), list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), found, strict=True):
                moved = parameter - lr * gradient
                parameter.copy_(soft(moved, lr * l1) if parameter.ndim == 2 else moved)
    return model


def assert_same(model, other):
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two)


# ------------------------------------------------------------------ schedule-free


@cell("schedule-free-penalty")
@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("penalty", [L2(0.3), MaxNorm(0.5)], ids=str)
def test_the_schedule_free_step_is_a_proximal_step_of_z(cell, penalty, warmup, foreach):
    schedulefree = pytest.importorskip("schedulefree")
    model, twin = network(), network()
    options = {"lr": 0.5, "momentum": 0.8, "warmup_steps": warmup, "foreach": foreach}
    optimizer = schedulefree.SGDScheduleFree(model.parameters(), **options)
    bridle.attach(optimizer, {"*": penalty}, model=model)
    optimizer.train()
    z = [p.detach().clone() for p in twin.parameters()]
    x = [p.detach().clone() for p in twin.parameters()]
    total = 0.0
    for turn in range(12):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
        lr = 0.5 * (min(1.0, (turn + 1) / warmup) if warmup else 1.0)
        y = [0.2 * each + 0.8 * average for each, average in zip(z, x, strict=True)]
        with torch.no_grad():
            for p, value in zip(twin.parameters(), y, strict=True):
                p.copy_(value)
        gradients = torch.autograd.grad(loss_of(twin), list(twin.parameters()))
        total += lr**2
        for place, gradient in enumerate(gradients):
            z[place] = z[place] - lr * gradient
            if z[place].ndim == 2 and isinstance(penalty, L2):
                z[place] = z[place] / (1 + 0.3 * lr)
            elif z[place].ndim == 2:
                z[place] = z[place] * (0.5 / z[place].norm(dim=1, keepdim=True)).clamp(max=1)
            x[place] = x[place] + lr**2 / total * (z[place] - x[place])
    optimizer.eval()
    for parameter, expected in zip(model.parameters(), x, strict=True):
        torch.testing.assert_close(parameter.detach(), expected)
    optimizer.train()
    expected = [0.2 * each + 0.8 * average for each, average in zip(z, x, strict=True)]
    for parameter, value in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), value)


@cell("schedule-free-penalty")
@pytest.mark.parametrize("kind", ["SGDScheduleFree", "AdamWScheduleFree", "RAdamScheduleFree"])
def test_the_proximal_step_of_schedule_free_minimizes_the_objective(cell, kind):
    schedulefree = pytest.importorskip("schedulefree")
    norms = []
    for penalized in (True, False):
        torch.manual_seed(0)
        model = nn.Linear(6, 3, bias=False).double()
        optimizer = getattr(schedulefree, kind)(model.parameters(), lr=0.5)
        if penalized:
            bridle.attach(optimizer, {"*": L2(0.1)}, model=model)
        optimizer.train()
        for _ in range(600):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()
        optimizer.eval()
        norms.append(model.weight.norm())
        if penalized and kind == "SGDScheduleFree":  # the others' step is decoupled decay
            (gradient,) = torch.autograd.grad(loss_of(model), model.weight)
            assert (gradient + 0.1 * model.weight).abs().max() < 0.02
    assert norms[0] < 0.9 * norms[1]


@cell("schedule-free-penalty")
@pytest.mark.parametrize("penalty", [L1(0.1), GroupLasso(0.1)], ids=str)
def test_zeros_in_an_average_are_refused_and_the_coupled_form_is_not(cell, penalty):
    schedulefree = pytest.importorskip("schedulefree")
    model = network()
    optimizer = schedulefree.SGDScheduleFree(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=r"average of its iterates, in which the zeros of .* do"):
        bridle.attach(optimizer, {"*": penalty}, model=model)
    bridle.attach(optimizer, {"*": penalty}, model=model, mode="coupled")
    wrapped = schedulefree.ScheduleFreeWrapper(sgd(model))
    with pytest.raises(UsageError, match="ScheduleFreeWrapper changes the weights after the step"):
        bridle.attach(wrapped, {"*": L2(0.1)}, model=model)
    closure = schedulefree.SGDScheduleFreeClosure(model.parameters())
    with pytest.raises(UsageError, match="bridle does not know how it is made: use mode='coupled'"):
        bridle.attach(closure, {"*": L2(0.1)}, model=model)


@cell("schedule-free-audit")
def test_the_audit_measures_the_schedule_free_step(cell):
    schedulefree = pytest.importorskip("schedulefree")
    model = network()
    optimizer = schedulefree.SGDScheduleFree(model.parameters(), lr=0.5)
    optimizer.train()
    bridle.attach(optimizer, {"*": L2(0.1)}, model=model)
    audited = bridle.audit(model, optimizer, (X, Y))
    assert audited.passed
    assert [effect.route for effect in audited.effects] == ["prox", "prox"]


# ------------------------------------------------------------------ wrappers


class SAM(torch.optim.Optimizer):
    """Sharpness-aware minimization in two steps, of which neither is called ``step``."""

    def __init__(self, params, base, rho=0.05, **options):
        super().__init__(params, {"rho": rho, **options})
        self.base_optimizer = base(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self):
        for p in self.param_groups[0]["params"]:
            self.state[p]["old"] = p.clone()
            p.add_(p.grad, alpha=0.05)
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for p in self.param_groups[0]["params"]:
            p.copy_(self.state[p]["old"])
        self.base_optimizer.step()
        self.zero_grad()


@cell("sam-two-steps-penalty")
def test_sam_is_penalized_once_at_the_weights_that_it_leaves(cell):
    model = network()
    optimizer = SAM(model.parameters(), torch.optim.SGD, lr=0.1)
    attached = bridle.attach(optimizer, {"*": L1(0.2)}, model=model)
    for _ in range(4):
        loss_of(model).backward()
        optimizer.first_step()
        loss_of(model).backward()
        optimizer.second_step()
    assert attached.step == 4

    def perturbed(twin):
        parameters = list(twin.parameters())
        found = torch.autograd.grad(loss_of(twin), parameters)
        moved = {
            name: p + 0.05 * gradient
            for (name, p), gradient in zip(twin.named_parameters(), found, strict=True)
        }
        return F.cross_entropy(torch.func.functional_call(twin, moved, X), Y)

    assert_same(model, proximal_sgd(4, gradients=perturbed))


@cell("sam-two-steps-penalty")
def test_two_steps_that_call_no_step_are_refused(cell):
    class Alone(SAM):
        def second_step(self):
            """Change the weights."""

    class Bare(torch.optim.SGD):
        def first_step(self):
            """Perturb the weights."""

        second_step = first_step

    model = network()
    alone = Alone(model.parameters(), torch.optim.SGD, lr=0.1)
    with pytest.raises(UsageError, match="second_step of Alone does not call the step of SGD"):
        bridle.attach(alone, {"*": L1(0.1)}, model=model)
    with pytest.raises(UsageError, match="Bare makes its steps in first_step and second_step"):
        bridle.attach(Bare(model.parameters()), {"*": L1(0.1)}, model=model)


class Lookahead(torch.optim.Optimizer):
    """Every second step goes half-way back to the weights of the last one."""

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.param_groups, self.state, self.defaults = optimizer.param_groups, {}, {}
        self.slow = [p.detach().clone() for p in optimizer.param_groups[0]["params"]]
        self.turn = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.optimizer.step()
        self.turn += 1
        if self.turn % 2 == 0:
            for slow, p in zip(self.slow, self.param_groups[0]["params"], strict=True):
                slow.lerp_(p, 0.5)
                p.copy_(slow)


@cell("lookahead-penalty")
def test_lookahead_takes_coupled_penalties_only(cell):
    model, twin = network(), network()
    optimizer, plain = Lookahead(sgd(model)), Lookahead(sgd(twin))
    with pytest.raises(UsageError, match="Lookahead changes the weights after the step of SGD"):
        bridle.attach(optimizer, {"*": L1(0.2)}, model=model)
    bridle.attach(optimizer, {"*": L1(0.2)}, model=model, mode="coupled")
    for _ in range(5):
        for its, each in ((optimizer, model), (plain, twin)):
            each.zero_grad()
            penalty = 0.2 * sum(w.abs().sum() for w in twin.parameters() if w.ndim == 2)
            (loss_of(each) + (penalty if each is twin else 0)).backward()
            its.step()
    assert_same(model, twin)


@cell("wrapped-optimizer-penalty")
def test_an_unknown_wrapper_takes_coupled_penalties_only(cell):
    class Clipped(Lookahead):
        pass

    model = network()
    with pytest.raises(UsageError, match="Clipped wraps SGD, and may change the weights after"):
        bridle.attach(Clipped(sgd(model)), {"*": L1(0.2)}, model=model)
    bridle.attach(Clipped(sgd(model)), {"*": L1(0.2)}, model=model, mode="coupled")


@cell("wrapped-optimizer-penalty")
def test_a_wrapper_that_is_no_optimizer_is_opened(cell):
    class Warmup:
        def __init__(self, optimizer):
            self.optimizer = optimizer

        def step(self):
            self.optimizer.step()

    model = network()
    optimizer = Warmup(sgd(model))
    receipt = bridle.regularize(model, {"*": L1(0.2)}, optimizer=optimizer)
    assert str(receipt).splitlines()[0] == "0.weight: L1(0.2), attached to SGD"
    for _ in range(3):
        model.zero_grad()
        loss_of(model).backward()
        optimizer.step()
    assert_same(model, proximal_sgd(3))
    assert bridle.audit(model, optimizer, (X, Y)).passed
    for wrong in (7, "SGD", object(), nn.ReLU()):
        with pytest.raises(UsageError, match=r"is not a torch\.optim\.Optimizer; give one"):
            bridle.attach(wrong, {"*": L1(0.2)}, model=model)


@cell("accelerate-penalty")
@pytest.mark.parametrize("which", ["wrapped", "inner"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_accelerate_steps_are_penalized_and_skipped_ones_are_not(cell, accumulate, which):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    model = network()
    inner = sgd(model)
    prepared, optimizer = accelerator.prepare(model, inner)
    attached = bridle.attach(
        optimizer if which == "wrapped" else inner, {"*": L1(0.2)}, model=prepared
    )
    for _ in range(4):
        with accelerator.accumulate(prepared):
            accelerator.backward(loss_of(prepared))
            optimizer.step()
            optimizer.zero_grad()
    assert attached.step == 4 // accumulate
    assert_same(model, proximal_sgd(4 // accumulate))


@cell("accelerate-audit")
def test_the_audit_opens_accelerates_optimizer(cell):
    accelerate = pytest.importorskip("accelerate")
    model = network()
    prepared, optimizer = accelerate.Accelerator(cpu=True).prepare(model, sgd(model))
    bridle.attach(optimizer, {"*": L1(0.2)}, model=prepared)
    assert bridle.audit(prepared, optimizer, (X, Y)).passed


@cell("fabric-penalty")
def test_fabric_steps_are_penalized(cell):
    fabric = pytest.importorskip("lightning.fabric")
    model = network()
    prepared, optimizer = fabric.Fabric(accelerator="cpu", devices=1).setup(model, sgd(model))
    attached = bridle.attach(optimizer, {"*": L1(0.2)}, model=model)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(prepared).backward()
        optimizer.step()
    assert attached.step == 3
    assert_same(model, proximal_sgd(3))
