"""Penalties on weights and steps of every kind: right, or refused before the first step.

The name of each case is ``<feature>-<column>`` of the conformance matrix.
"""

import copy

import pytest
import torch
from torch import nn

import bridle
from bridle import L1, L2, Annealed, ElasticNet, GroupLasso, LinearSchedule, MaxNorm, UsageError

F = nn.functional
X = torch.randn(8, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
Y = torch.arange(8) % 3
MODES = pytest.mark.parametrize("mode", ["proximal", "coupled"])
PENALTIES = pytest.mark.parametrize(
    "penalty", [L1(0.1), L2(0.1), ElasticNet(0.1, 0.2), GroupLasso(0.1), MaxNorm(0.5)], ids=str
)


def cell(name):
    return pytest.mark.parametrize("cell", [pytest.param(name, id=name)])


class Holder(nn.Module):
    """A module of one parameter."""

    def __init__(self, value, *, learns=True):
        super().__init__()
        self.weight = nn.Parameter(value, requires_grad=learns)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).double()


def sgd(model, lr=0.1, **options):
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def soft(weight, limit):
    return weight.sign() * (weight.abs() - limit).clamp(min=0)


# ------------------------------------------------------------------ kinds of tensors


@MODES
@cell("complex-penalty")
@PENALTIES
def test_complex_weights_are_refused(cell, penalty, mode):
    model = Holder(torch.ones(3, 2, dtype=torch.complex64))
    with pytest.raises(UsageError, match=r"weight is complex64, and penalties .* real and imag"):
        bridle.attach(sgd(model), {"*": penalty}, model=model, mode=mode)


@MODES
@cell("quantized-penalty")
def test_integers_are_refused(cell, mode):
    model = Holder(torch.ones(3, 2, dtype=torch.int8), learns=False)
    model.other = nn.Parameter(torch.ones(3, 2))
    with pytest.raises(UsageError, match="weight is int8, and penalties are functions of real"):
        bridle.attach(sgd(model), {"*": L1(0.1)}, model=model, mode=mode)


@cell("sparse-tensor-penalty")
def test_sparse_tensors_are_refused(cell):
    model = Holder(torch.eye(3).to_sparse())
    with pytest.raises(UsageError, match="weight is a sparse_coo tensor: store it dense"):
        bridle.attach(sgd(model), {"*": L1(0.1)}, model=model)


@MODES
@cell("zero-dim-penalty")
def test_a_weight_of_no_axes_takes_penalties_of_entries(cell, mode):
    expected = {
        "proximal": {"L1": 0.8 - 0.1 * 0.5, "L2": 0.8 / (1 + 0.1 * 0.5)},
        "coupled": {"L1": 0.8 - 0.1 * 0.5, "L2": 0.8 - 0.1 * 0.5 * 0.8},
    }
    for penalty in (L1(0.5), L2(0.5)):
        model = Holder(torch.tensor(0.8))
        optimizer = sgd(model)
        attached = bridle.attach(optimizer, {"weight": penalty}, model=model, mode=mode)
        assert attached.value().ndim == 0
        model.weight.grad = torch.zeros(())
        optimizer.step()
        assert float(model.weight.detach()) == pytest.approx(expected[mode][type(penalty).__name__])
    for penalty in (GroupLasso(0.5), MaxNorm(0.5), GroupLasso(0.5, dim=-1)):
        model = Holder(torch.tensor(0.8))
        with pytest.raises(UsageError, match=r"which axes of weight, 0 of a Holder|does not fit"):
            bridle.attach(sgd(model), {"weight": penalty}, model=model)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # torch's
@cell("sparse-gradient-penalty")
@pytest.mark.parametrize("kind", ["SGD", "SparseAdam", "Adagrad"])
def test_sparse_gradients_take_the_proximal_step_of_the_whole_table(cell, kind):
    torch.manual_seed(0)
    model = nn.Embedding(7, 4, sparse=True).double()
    twin = copy.deepcopy(model)
    optimizer, plain = (
        getattr(torch.optim, kind)(list(each.parameters()), lr=0.1) for each in (model, twin)
    )
    bridle.attach(optimizer, {"*": [L1(0.3), MaxNorm(1.0)]}, model=model)
    for _ in range(3):
        for each, its in ((model, optimizer), (twin, plain)):
            each.zero_grad()
            each(torch.tensor([1, 3, 3])).square().sum().backward()
            its.step()
        with torch.no_grad():
            weight = soft(twin.weight, 0.1 * 0.3)
            twin.weight.copy_(weight * (1 / weight.norm(dim=1, keepdim=True)).clamp(max=1))
        torch.testing.assert_close(model.weight, twin.weight)
    with pytest.raises(UsageError, match="weight has a sparse gradient, and a coupled penalty"):
        bridle.attach(sgd(model), {"*": L2(0.1)}, model=model, mode="coupled")


@MODES
@PENALTIES
@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16], ids=["float16-penalty", "bfloat16-penalty"]
)
def test_half_precision_is_single_precision_rounded(dtype, penalty, mode):
    if mode == "coupled" and penalty.constraint:
        return
    torch.manual_seed(0)
    start = torch.randn(5, 4).to(dtype)
    after = []
    for kind in (dtype, torch.float32):
        model = nn.Linear(4, 5, bias=False).to(kind)
        with torch.no_grad():
            model.weight.copy_(start)
        optimizer = sgd(model)
        bridle.attach(optimizer, {"*": penalty}, model=model, mode=mode)
        model.weight.grad = torch.zeros_like(model.weight)
        optimizer.step()
        after.append(model.weight.detach().float())
    torch.testing.assert_close(*after, rtol=1e-2, atol=1e-3)


# ------------------------------------------------------------------ kinds of steps


@cell("momentum-one-penalty")
def test_a_momentum_of_one_has_no_proximal_step(cell):
    model = network()
    for optimizer in (
        sgd(model, momentum=1.0),
        torch.optim.RMSprop(model.parameters(), momentum=1.0),
    ):
        with pytest.raises(UsageError, match=r"with a momentum of 1, .* has no bounded step"):
            bridle.attach(optimizer, {"*": L2(0.1)}, model=model)
        bridle.attach(optimizer, {"*": L2(0.1)}, model=model, mode="coupled").detach()
    optimizer = sgd(model, momentum=0.9)
    bridle.attach(optimizer, {"*": L2(0.1)}, model=model)
    optimizer.param_groups[0]["momentum"] = 1.0
    F.cross_entropy(model(X), Y).backward()
    with pytest.raises(UsageError, match="use a momentum below 1, or mode='coupled'"):
        optimizer.step()


@cell("learning-rate-zero-penalty")
@pytest.mark.parametrize("rate", [0.0, torch.tensor(0.0)], ids=["number", "tensor"])
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"])
@PENALTIES
def test_a_step_of_no_length_moves_nothing_but_into_a_bound(cell, penalty, kind, rate):
    if kind == "SGD" and isinstance(rate, torch.Tensor):
        rate = float(rate)
    options = {"weight_decay": 0.0, **({"foreach": False} if torch.is_tensor(rate) else {})}
    for rule in (penalty, Annealed(penalty, LinearSchedule(0.0, 1.0, steps=4))):
        for metric in ("euclidean", "adaptive"):
            fits = kind in ("Adam", "AdamW", "RMSprop", "Adagrad")
            if metric == "adaptive" and not fits:
                continue
            model = network()
            with torch.no_grad():
                model[0].weight[0] = 0
            before = [w.detach().clone() for w in (model[0].weight, model[2].weight)]
            optimizer = getattr(torch.optim, kind)(model.parameters(), lr=rate, **options)
            bridle.attach(optimizer, {"*": rule}, model=model, metric=metric)
            for _ in range(2):
                optimizer.zero_grad()
                F.cross_entropy(model(X), Y).backward()
                optimizer.step()
            for old, weight in zip(before, (model[0].weight, model[2].weight), strict=True):
                expected = old
                if isinstance(penalty, MaxNorm):
                    expected = old * (0.5 / old.norm(dim=1, keepdim=True)).clamp(max=1)
                torch.testing.assert_close(weight.detach(), expected)


@cell("learning-rate-zero-penalty")
def test_a_warmup_from_zero(cell):
    model, twin = network(), network()
    optimizer, plain = sgd(model), sgd(twin)
    bridle.attach(optimizer, {"*": L1(0.2)}, model=model)
    warmups = [
        torch.optim.lr_scheduler.LambdaLR(each, lambda turn: turn / 3)
        for each in (optimizer, plain)
    ]
    for turn in range(4):
        for each, its, warmup in zip((model, twin), (optimizer, plain), warmups, strict=True):
            its.zero_grad()
            F.cross_entropy(each(X), Y).backward()
            its.step()
            warmup.step()
        with torch.no_grad():
            for weight in (twin[0].weight, twin[2].weight):
                weight.copy_(soft(weight, 0.1 * turn / 3 * 0.2))
        for one, two in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(one, two)


@cell("own-step-size-penalty")
def test_an_optimizer_that_chooses_its_step_takes_coupled_penalties_only(cell):
    class Prodigy(torch.optim.SGD):
        """An optimizer with a factor of its own on the learning rate."""

        def __init__(self, params):
            super().__init__(params, lr=1.0)
            self.param_groups[0]["d"] = 1e-6

    model = network()
    with pytest.raises(UsageError, match="Prodigy chooses its own step size"):
        bridle.attach(Prodigy(model.parameters()), {"*": L2(0.1)}, model=model)
    bridle.attach(Prodigy(model.parameters()), {"*": L2(0.1)}, model=model, mode="coupled")


@MODES
@cell("grad-scaler-penalty")
def test_a_step_that_the_scaler_skips_is_not_penalized(cell, mode):
    model, twin = network().float(), network().float()
    optimizer, plain = sgd(model), sgd(twin)
    attached = bridle.attach(optimizer, {"*": L2(0.5)}, model=model, mode=mode)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    for turn in range(3):
        optimizer.zero_grad()
        plain.zero_grad()
        loss = F.cross_entropy(model(X.float()), Y) * (float("inf") if turn == 1 else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if turn == 1:
            continue
        penalty = sum(0.25 * w.square().sum() for w in (twin[0].weight, twin[2].weight))
        loss = F.cross_entropy(twin(X.float()), Y)
        (loss + (penalty if mode == "coupled" else 0)).backward()
        plain.step()
        if mode == "proximal":
            with torch.no_grad():
                for weight in (twin[0].weight, twin[2].weight):
                    weight.div_(1 + 0.1 * 0.5)
    assert attached.step == 2
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, two)


@cell("lbfgs-penalty")
def test_lbfgs_minimizes_the_penalized_loss(cell):
    model = nn.Linear(6, 3).double()
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", max_iter=100)
    with pytest.raises(UsageError, match="LBFGS has no fixed step size for the prox"):
        bridle.attach(optimizer, {"*": L2(0.1)}, model=model)
    bridle.attach(optimizer, {"*": L2(0.1)}, model=model, mode="coupled")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        return loss

    optimizer.step(closure)
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(X), Y), model.weight)
    torch.testing.assert_close(gradient, -0.1 * model.weight, atol=1e-5, rtol=0)


@cell("optimizer-in-backward-penalty")
def test_an_optimizer_for_each_parameter_that_steps_in_the_backward_pass(cell):
    model, twin = network(), network()
    plain = sgd(twin)
    optimizers = {name: torch.optim.SGD([p], lr=0.1) for name, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            bridle.attach(optimizers[name], {name: L1(0.2)}, model=model)

        def advance(parameter, name=name):
            optimizers[name].step()
            optimizers[name].zero_grad()

        parameter.register_post_accumulate_grad_hook(advance)
    for _ in range(3):
        F.cross_entropy(model(X), Y).backward()
        plain.zero_grad()
        F.cross_entropy(twin(X), Y).backward()
        plain.step()
        with torch.no_grad():
            for weight in (twin[0].weight, twin[2].weight):
                weight.copy_(soft(weight, 0.1 * 0.2))
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, two)
    model[0].weight._in_backward_optimizers = [optimizers["0.weight"]]
    with pytest.raises(UsageError, match="are updated in the backward pass, and its step does"):
        bridle.attach(sgd(model), {"*": L1(0.1)}, model=model)
