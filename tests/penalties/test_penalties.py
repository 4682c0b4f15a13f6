"""One contract suite for every penalty: a new one is tested by one more row in the table.

The mathematics is certified: gradients against finite differences, each prox against a search for
something better, and the two ways of acting against the solutions of scikit-learn.
"""

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet as SklearnElasticNet
from torch.autograd import gradcheck

import reference
from bridle import L1, L2, ElasticNet, GroupLasso, MaxNorm, NuclearNorm, UsageError
from bridle.penalties import Penalty, Scaled, add_gradients, apply_prox, check_application

CASES = {
    "L2": L2(0.7),
    "L1": L1(0.7),
    "ElasticNet": ElasticNet(0.5, 0.3),
    "GroupLasso": GroupLasso(0.7),
    "GroupLasso by column": GroupLasso(0.7, dim=-2),
    "MaxNorm": MaxNorm(1.2),
    "MaxNorm by row": MaxNorm(1.2, dim=-1),
    "Scaled ElasticNet": Scaled(ElasticNet(0.5, 0.3), 0.4),
    "Scaled GroupLasso": Scaled(GroupLasso(0.7), 1.6),
    "Scaled MaxNorm": Scaled(MaxNorm(1.2), 0.4),
}
MEMBERS = {
    "L2": lambda s: L2(s),
    "L1": lambda s: L1(s),
    "ElasticNet": lambda s: ElasticNet(s, s * 0.5),
    "GroupLasso": lambda s: GroupLasso(s),
    "MaxNorm": lambda s: MaxNorm(s),
}
SMOOTH = [name for name, penalty in CASES.items() if not penalty.constraint]


@pytest.fixture
def weight():
    """Weights of every size, none within 0.05 of zero, so that kinks are far."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    return w + 0.05 * w.sign()


# ------------------------------------------------------------------ the contract


@pytest.mark.parametrize("name", CASES)
def test_it_is_a_penalty(name):
    penalty = CASES[name]
    assert isinstance(penalty, Penalty)
    assert repr(eval(repr(penalty))) == repr(penalty)


@pytest.mark.parametrize("name", CASES)
def test_value_is_zero_at_zero_and_never_negative(name, weight):
    assert CASES[name].value(torch.zeros_like(weight)) == 0
    assert CASES[name].value(weight) >= 0
    assert CASES[name].value(weight).ndim == 0


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_is_that_of_the_value(name, weight):
    penalty = CASES[name]
    w = weight.clone().requires_grad_()
    assert gradcheck(penalty.value, (w,))
    penalty.value(w).backward()
    assert torch.allclose(penalty.gradient(weight), w.grad, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradient_at_zero_is_zero(name):
    zero = torch.zeros(3, 2, dtype=torch.float64)
    assert torch.equal(CASES[name].gradient(zero), zero)


def _objective(penalty, candidate, weight, step):
    distance = (candidate - weight).square().sum() / (2 * step)
    return float(penalty.value(candidate) + distance)


@pytest.mark.parametrize("step", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("name", CASES)
def test_prox_beats_every_candidate(name, step, weight):
    """A grid along each coordinate and along each scale, and many random directions."""
    penalty = CASES[name]
    best = penalty.prox(weight, step)
    reached = _objective(penalty, best, weight, step)
    assert np.isfinite(reached)
    candidates = [best * scale for scale in np.linspace(0, 2, 81)]
    candidates += [weight * scale for scale in np.linspace(0, 1, 81)]
    for index in range(weight.numel()):
        for value in np.linspace(-3, 3, 121):
            moved = best.clone()
            moved.view(-1)[index] = value
            candidates.append(moved)
    generator = torch.Generator().manual_seed(1)
    for size in (1e-3, 1e-1, 1.0):
        noise = torch.randn(100, *weight.shape, generator=generator, dtype=weight.dtype)
        candidates += list(best + size * noise)
    assert min(_objective(penalty, c, weight, step) for c in candidates) >= reached - 1e-12


@pytest.mark.parametrize("name", CASES)
def test_prox_is_firmly_nonexpansive(name, weight):
    penalty = CASES[name]
    other = weight.roll(1, 0) * 1.7
    p, q = penalty.prox(weight, 0.8), penalty.prox(other, 0.8)
    assert (p - q).square().sum() <= ((p - q) * (weight - other)).sum() + 1e-12


@pytest.mark.parametrize("name", CASES)
def test_a_step_of_zero_changes_nothing_but_a_constraint(name, weight):
    penalty = CASES[name]
    assert torch.equal(penalty.prox(weight, 0.0), weight) is not penalty.constraint


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", CASES)
def test_dtype_is_kept(name, dtype, weight):
    penalty, w = CASES[name], weight.to(dtype)
    for result in (penalty.value(w), penalty.gradient(w), penalty.prox(w, 0.1)):
        assert result.dtype == dtype
    exact = penalty.prox(weight, 0.1)
    assert torch.allclose(penalty.prox(w, 0.1).double(), exact, atol=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_strength_per_member_is_each_member_alone(name, weight):
    strengths = torch.tensor([0.3, 0.9])
    together = MEMBERS[name](strengths)
    both = torch.stack([weight, weight * 2])
    assert together.value(both).shape == (2,)
    for member, strength in enumerate(strengths.tolist()):
        alone = MEMBERS[name](strength)
        for method in ("value", "gradient"):
            mine = getattr(together, method)(both)[member]
            assert torch.allclose(mine, getattr(alone, method)(both[member]), rtol=1e-6)
        assert torch.allclose(together.prox(both, 0.4)[member], alone.prox(both[member], 0.4))


@pytest.mark.parametrize("name", [name for name, p in CASES.items() if p.separable])
def test_separable_prox_takes_a_step_per_weight(name, weight):
    penalty = CASES[name]
    steps = torch.linspace(0.1, 2, weight.numel(), dtype=torch.float64).view_as(weight)
    together = penalty.prox(weight, steps)
    for index in range(weight.numel()):
        alone = penalty.prox(weight.view(-1)[index], float(steps.view(-1)[index]))
        assert torch.isclose(together.view(-1)[index], alone)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("make", [*MEMBERS.values(), lambda s: ElasticNet(0.1, s)])
def test_bad_strengths_are_named(make, value):
    with pytest.raises(UsageError, match=str(value)):
        make(value)
    with pytest.raises(UsageError, match=str(value)):
        make(torch.tensor([0.5, value]))


def test_members_must_agree(weight):
    with pytest.raises(UsageError, match="3 members"):
        L2(torch.ones(3)).value(weight)


# ------------------------------------------------------------------ the article's formulas


@pytest.mark.parametrize(
    ("penalty", "formula"),
    [
        (L2(0.7), lambda w: reference.l2(w, 0.7)),
        (L1(0.7), lambda w: reference.l1(w, 0.7)),
        (ElasticNet(0.5, 0.3), lambda w: reference.elastic_net(w, 0.5, 0.3)),
    ],
)
def test_formulas(penalty, formula, weight):
    value, gradient = formula(weight.numpy())
    assert float(penalty.value(weight)) == pytest.approx(value, rel=1e-14)
    assert np.allclose(penalty.gradient(weight).numpy(), gradient, rtol=1e-14)


def test_l2_gradient_is_lambda_w(weight):
    assert torch.equal(L2(0.25).gradient(weight), 0.25 * weight)


def test_elastic_net_is_l1_plus_twice_l2(weight):
    net, first, second = ElasticNet(0.5, 0.3), L1(0.5), L2(2 * 0.3)
    assert torch.isclose(net.value(weight), first.value(weight) + second.value(weight))
    assert torch.allclose(net.gradient(weight), first.gradient(weight) + second.gradient(weight))
    assert torch.equal(net.prox(weight, 0.4), second.prox(first.prox(weight, 0.4), 0.4))


def test_l1_gives_exact_zeros_and_l2_none(weight):
    assert (L1(1.0).prox(weight, 0.5) == 0).sum() == (weight.abs() <= 0.5).sum() > 0
    assert (L2(1.0).prox(weight, 0.5) != 0).all()


def test_group_lasso_zeroes_whole_rows():
    w = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    out = GroupLasso(1.0).prox(w, 1.0)
    assert torch.allclose(out, torch.tensor([[2.4, 3.2], [0.0, 0.0], [0.0, 0.0]]))
    assert (out[1:] == 0).all()


def test_max_norm_is_a_projection(weight):
    penalty = MaxNorm(0.8)
    once = penalty.prox(weight, 1.0)
    assert torch.allclose(penalty.prox(once, 1.0), once, rtol=1e-15)
    assert (once.norm(dim=-2) <= 0.8 * (1 + 1e-12)).all()
    inside = weight.norm(dim=-2) <= 0.8
    assert torch.equal(once[:, inside], weight[:, inside])
    assert penalty.value(once) == 0
    assert penalty.value(weight) == torch.inf


def test_half_precision_norms_do_not_overflow():
    w = torch.full((4, 2), 300.0, dtype=torch.float16)
    out = MaxNorm(2.0).prox(w, 1.0)
    assert torch.allclose(out, torch.ones_like(w))


# ------------------------------------------------------------------ how they act


def test_coupled_gradients_are_those_of_the_sum(weight):
    penalties = [L1(0.3), L2(0.2), GroupLasso(0.1)]
    mine, theirs = (torch.nn.Parameter(weight.clone()) for _ in range(2))
    target = torch.ones_like(weight)
    (mine - target).square().sum().backward()
    add_gradients([mine], penalties)
    loss = (theirs - target).square().sum() + sum(p.value(theirs) for p in penalties)
    loss.backward()
    assert torch.allclose(mine.grad, theirs.grad)


def test_coupled_without_a_loss():
    w = torch.nn.Parameter(torch.tensor([2.0]))
    add_gradients([w], [L2(0.5), L2(0.5)])
    assert w.grad.item() == 2.0


LINEAR = {
    "lasso": (0.3, 0.0),
    "elastic net": (0.2, 0.1),
}


def _problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 12))
    y = X[:, :4] @ np.array([3.0, -2.0, 1.0, 0.5]) + 0.1 * rng.normal(size=80)
    return X, y


def _kkt(X, y, w, l1, l2):
    """How far 0 is from the subdifferential of ½ mean (y - Xw)² + l1 |w| + l2 w²."""
    gradient = -X.T @ (y - X @ w) / len(y) + 2 * l2 * w
    at_zero = np.maximum(np.abs(gradient) - l1, 0)
    return np.max(np.where(w == 0, at_zero, np.abs(gradient + l1 * np.sign(w))))


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", LINEAR)
def test_proximal_steps_reach_scikit_learns_solution(name, optimizer):
    """SGD in the Euclidean metric, Adam in its own: both rest where 0 ∈ ∂loss + ∂R."""
    l1, l2 = LINEAR[name]
    X, y = _problem()
    Xt, yt = torch.from_numpy(X), torch.from_numpy(y)
    w = torch.nn.Parameter(torch.zeros(12, dtype=torch.float64))
    steps, rate, metric = (500, 0.3, "euclidean")
    if optimizer == "Adam":
        steps, rate, metric = (4000, 0.01, "adaptive")
    torch_optimizer = getattr(torch.optim, optimizer)([w], lr=rate)
    for step in range(steps):
        if optimizer == "Adam":
            torch_optimizer.param_groups[0]["lr"] = rate * 0.5 ** (step // 800)
        torch_optimizer.zero_grad()
        ((Xt @ w - yt).square().mean() / 2).backward()
        torch_optimizer.step()
        apply_prox(torch_optimizer, [w], [ElasticNet(l1, l2)], metric=metric)
    found = w.detach().numpy()
    alpha = l1 + 2 * l2
    theirs = SklearnElasticNet(
        alpha=alpha, l1_ratio=l1 / alpha, fit_intercept=False, tol=1e-12, max_iter=100_000
    )
    expected = theirs.fit(X, y).coef_
    assert _kkt(X, y, found, l1, l2) < 1e-5
    assert np.allclose(found, expected, atol=1e-4)
    assert np.array_equal(found == 0, expected == 0)
    assert (found == 0).any()


def test_euclidean_l2_is_decoupled_decay():
    w = torch.nn.Parameter(torch.tensor([2.0]))
    adam = torch.optim.Adam([w], lr=0.1)
    w.grad = torch.tensor([0.0])
    adam.step()
    apply_prox(adam, [w], [L2(0.5)])
    assert w.item() == pytest.approx(2.0 / (1 + 0.1 * 0.5))


def test_ways_of_acting_that_cannot_be():
    with pytest.raises(UsageError, match="constraint"):
        check_application([MaxNorm(1.0)], "coupled", "euclidean")
    with pytest.raises(UsageError, match="NuclearNorm"):
        check_application([NuclearNorm(1.0)], "proximal", "adaptive")
    with pytest.raises(UsageError, match="'sideways'"):
        check_application([], "sideways", "euclidean")
    with pytest.raises(UsageError, match="'flat'"):
        check_application([], "proximal", "flat")
    w, other = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    sgd = torch.optim.SGD([w], lr=0.1)
    with pytest.raises(UsageError, match="SGD has no second moments"):
        apply_prox(sgd, [w], [L1(0.1)], metric="adaptive")
    with pytest.raises(UsageError, match="not among the optimizer's"):
        apply_prox(sgd, [other], [L1(0.1)])
