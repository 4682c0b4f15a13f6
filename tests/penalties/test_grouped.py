"""Groupings and the penalties of groups: round trips, and each prox against a search."""

import pytest
import torch
from torch.autograd import gradcheck

from bridle import (
    L1,
    L2,
    MCP,
    SCAD,
    Grouped,
    Grouping,
    GroupLasso,
    LogSum,
    MaxNorm,
    NOfM,
    NonNegative,
    NuclearNorm,
    RootNorm,
    SortedL1,
    SparseGroupLasso,
    UsageError,
    WeightedL1,
)
from bridle.penalties import Penalty, Scaled, check_application
from bridle.penalties.constraints import WithinBound
from bridle.penalties.groupings import Split

GROUPINGS = {
    "elements": (Grouping.elements(), (4, 6), 1),
    "rows": (Grouping.rows(), (4, 6), 6),
    "columns": (Grouping.columns(), (3, 4, 6), 4),
    "along": (Grouping.along((0, 2)), (4, 6, 3), 12),
    "blocks": (Grouping.blocks(2, 3), (4, 6), 6),
    "runs": (Grouping.blocks(2), (4, 6), 2),
    "units": (Grouping.units(), (4, 3, 2, 2), 12),
    "inputs": (Grouping.inputs(), (4, 3, 2, 2), 16),
    "heads": (Grouping.heads(2), (6, 5), 15),
    "heads of queries, keys and values": (Grouping.heads(2, parts=3), (12, 5), 30),
    "heads of the output": (Grouping.heads(2, side="inputs"), (5, 6), 15),
    "whole": (Grouping.whole(), (4, 6), 24),
    "of a grouped convolution": (Grouping("axes", (2,), (Split(0, (2, -1), (1,)),)), (6, 3, 2), 6),
}
WEIGHTS = torch.linspace(0.1, 2, 12, dtype=torch.float64).view(4, 3)
CONVEX = {
    "Grouped L1": Grouped(L1(0.7), "rows"),
    "Grouped L1 by blocks": Grouped(L1(0.7), Grouping.blocks(2, 3)),
    "Grouped L2": Grouped(L2(0.7), "columns"),
    "Grouped WeightedL1": Grouped(WeightedL1(0.7, WEIGHTS[:, :1]), "rows"),
    "Grouped bound": Grouped(WithinBound(0.9), "whole"),
    "SparseGroupLasso": SparseGroupLasso(0.2, 0.5, "units"),
    "WeightedL1": WeightedL1(0.7, WEIGHTS),
    "NuclearNorm": NuclearNorm(0.7),
    "SortedL1": SortedL1(0.3),
    "OSCAR": SortedL1.oscar(0.1, 0.05),
    "NonNegative": NonNegative(),
}
CASES = CONVEX | {
    "MCP": MCP(0.7),
    "SCAD": SCAD(0.5),
    "RootNorm": RootNorm(0.7),
    "LogSum": LogSum(0.3, eps=0.2),
    "LogSum of a large eps": LogSum(0.7, eps=2.0),
    "Grouped MCP": Grouped(MCP(0.7, gamma=1.5), "rows"),
    "Grouped SCAD": Grouped(SCAD(0.5), "inputs"),
    "Grouped RootNorm": Grouped(RootNorm(0.7), Grouping.blocks(2, 1)),
    "Grouped LogSum": Grouped(LogSum(0.3), "whole"),
    "NOfM": NOfM(1, 3),
    "NOfM of columns": NOfM(2, 4, dim=0),
    "Scaled MCP": Scaled(MCP(0.7), 0.4),
    "Scaled Grouped MCP": Scaled(Grouped(MCP(0.7), "rows"), 1.6),
}
SMOOTH = [name for name, penalty in CASES.items() if not penalty.constraint]


def _random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return w + 0.05 * w.sign()  # kinks are far


@pytest.fixture
def weight():
    return _random(4, 3)


# ------------------------------------------------------------------ groupings


@pytest.mark.parametrize("name", GROUPINGS)
def test_a_grouping_makes_a_round_trip(name):
    groups, shape, size = GROUPINGS[name]
    w = _random(*shape)
    table = groups.table(w)
    assert table.shape == (w.numel() // size, size)
    assert groups.size(w) == size
    assert torch.equal(groups.restore(table, w), w)
    assert torch.allclose(groups.norms(w).flatten(), table.norm(dim=1))
    kept = (torch.arange(len(table)) % 2).double()
    expected = groups.restore(table * kept[:, None], w)
    assert torch.equal(groups.times(w, kept.view_as(groups.norms(w))), expected)


def test_the_members_of_groups():
    w = torch.arange(24.0).view(4, 6)
    assert Grouping.blocks(2, 3).table(w)[1].tolist() == [3, 4, 5, 9, 10, 11]
    assert Grouping.inputs().table(w)[2].tolist() == [2, 8, 14, 20]
    both = Grouping.heads(2, parts=2).table(torch.arange(8.0)[:, None])
    assert both.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: Grouped(L1(1.0), "unit"), "did you mean 'units'"),
        (lambda w: Grouping.blocks(3, 3).norms(w), "multiple of 3"),
        (lambda w: Grouping.along(2).norms(w), "2 axes"),
        (lambda w: Grouping.along(()), "give an axis"),
        (lambda w: Grouping.blocks(0), "sizes"),
        (lambda w: Grouping.heads(0), "0 heads"),
        (lambda w: Grouping.heads(2, side="left"), "'left'"),
        (lambda w: Grouping.heads().norms(w), "number of heads"),
        (lambda w: Grouped(MaxNorm(1.0), "rows"), "sum over single weights"),
        (lambda w: Grouped(L1, "rows"), "sum over single weights"),
        (lambda w: Grouped(NonNegative(), "rows"), "signs"),
        (lambda w: NOfM(4, 4), "n=4"),
        (lambda w: NOfM(2, 4).prox(w, 1.0), "multiple of 4"),
        (lambda w: NuclearNorm(1.0).value(w[0]), "matrices"),
        (lambda w: WeightedL1(1.0, -WEIGHTS), "negative"),
        (lambda w: WeightedL1(torch.ones(2), WEIGHTS), "one number"),
        (lambda w: WeightedL1(1.0, WEIGHTS).value(w.t()), "one penalty for each tensor"),
        (lambda w: WeightedL1.adaptive(1.0, WEIGHTS, eps=0.0), "eps is 0"),
        (lambda w: MCP(1.0, gamma=0.0), "gamma"),
        (lambda w: SCAD(1.0, a=2.0), "above 2"),
        (lambda w: LogSum(1.0, eps=float("nan")), "eps"),
        (lambda w: Grouped(MCP(1.0), "rows").prox(w, torch.ones_like(w)), "give one number"),
    ],
)
def test_what_cannot_be_is_said(make, message, weight):
    with pytest.raises(UsageError, match=message):
        make(weight)


# ------------------------------------------------------------------ the contract


@pytest.mark.parametrize("name", CASES)
def test_it_is_a_penalty(name, weight):
    penalty = CASES[name]
    assert isinstance(penalty, Penalty)
    if "Weighted" not in name and "bound" not in name:  # these have tensors
        assert repr(eval(repr(penalty))) == repr(penalty)
    zero = torch.zeros_like(weight)
    assert penalty.value(zero) == 0
    assert torch.equal(penalty.gradient(zero), zero)
    assert penalty.value(weight).ndim == 0
    assert penalty.value(weight) >= 0


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_is_that_of_the_value(name, weight):
    penalty = CASES[name]
    w = weight.clone().requires_grad_()
    assert gradcheck(penalty.value, (w,))
    penalty.value(w).backward()
    assert torch.allclose(penalty.gradient(weight), w.grad, rtol=1e-9)


def _cost(penalty, candidates, weight, step):
    """The objective of a proximal step for each candidate."""
    distances = (candidates - weight).square() / (2 * step)
    return torch.vmap(penalty.value)(candidates) + distances.flatten(1).sum(1)


def _candidates(best, weight):
    """The multiples, a grid along each coordinate and each row, and random neighbours."""
    scales = torch.linspace(0, 2, 161, dtype=weight.dtype).view(-1, 1, 1)
    found = [best * scales, weight * scales, torch.zeros_like(best)[None]]
    grid = torch.linspace(-3, 3, 121, dtype=weight.dtype)
    for index in range(weight.numel()):
        moved = best.repeat(len(grid), 1, 1)
        moved.flatten(1)[:, index] = grid
        found.append(moved)
    for row in range(len(weight)):
        for source in (best, weight):
            moved = best.repeat(len(scales), 1, 1)
            moved[:, row] = scales[:, 0] * source[row]
            found.append(moved)
    generator = torch.Generator().manual_seed(1)
    for size in (1e-3, 1e-1, 1.0):
        noise = torch.randn(200, *weight.shape, generator=generator, dtype=weight.dtype)
        found.append(best + size * noise)
    return torch.cat(found)


@pytest.mark.parametrize("step", [0.05, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("name", CASES)
def test_prox_beats_every_candidate(name, step, weight):
    penalty = CASES[name]
    for w in (weight, 3 * weight):
        best = penalty.prox(w, step)
        reached = _cost(penalty, best[None], w, step)
        assert reached.isfinite()
        assert _cost(penalty, _candidates(best, w), w, step).min() >= reached - 1e-12


NONCONVEX = {
    "MCP": MCP(0.7),
    "MCP of a small gamma": MCP(0.7, gamma=0.3),
    "SCAD": SCAD(0.5),
    "RootNorm": RootNorm(0.7),
    "LogSum": LogSum(0.3, eps=0.2),
    "LogSum of a large eps": LogSum(0.7, eps=2.0),
}


@pytest.mark.parametrize("step", [1e-3, 0.1, 0.9, 2.9, 3.1, 8.0, 50.0])
@pytest.mark.parametrize("name", NONCONVEX)
def test_prox_of_a_weight_is_the_lowest_point_of_a_grid(name, step):
    """Steps on both sides of those from which on the objective has two minima."""
    penalty = NONCONVEX[name]
    grid = torch.linspace(0, 8, 8001, dtype=torch.float64)
    values = torch.vmap(penalty.value)(grid[:, None])
    for size in torch.linspace(0, 8, 161, dtype=torch.float64):
        costs = values + (grid - size).square() / (2 * step)
        found = penalty.prox(size[None], step)
        reached = penalty.value(found) + (found - size).square().sum() / (2 * step)
        assert reached <= costs.min() + 1e-12


PER_WEIGHT = {
    "Grouped L1": Grouped(L1(0.7), "rows"),
    "GroupLasso": GroupLasso(0.7, dim=0),
    "SparseGroupLasso": SparseGroupLasso(0.2, 0.5, "rows"),
    "Scaled GroupLasso": Scaled(GroupLasso(0.7), 1.6),
    **NONCONVEX,
}


@pytest.mark.parametrize("name", PER_WEIGHT)
def test_prox_with_a_step_for_each_weight(name, weight):
    """In Adam's metric, the distance of each weight has its own factor."""
    penalty = PER_WEIGHT[name]
    if name not in NONCONVEX:
        check_application([penalty], "proximal", "adaptive")
    generator = torch.Generator().manual_seed(2)
    step = 10 ** (2 * torch.rand(4, 3, generator=generator, dtype=torch.float64) - 1.3)
    for w in (0.3 * weight, weight, 3 * weight):
        best = penalty.prox(w, step)
        reached = _cost(penalty, best[None], w, step)
        assert _cost(penalty, _candidates(best, w), w, step).min() >= reached - 1e-12
        same = torch.full_like(step, 0.4)
        assert torch.allclose(penalty.prox(w, same), penalty.prox(w, 0.4), atol=1e-12)
        assert torch.equal(penalty.prox(w, 0 * step), w)


def test_step_sizes_may_differ_by_many_powers_of_ten():
    """As those of Adam do; each group then satisfies the condition of its minimum."""
    generator = torch.Generator().manual_seed(3)
    w = 10 ** (4 * torch.rand(200, 6, generator=generator, dtype=torch.float64) - 2)
    step = 10 ** (9 * torch.rand(200, 6, generator=generator, dtype=torch.float64) - 7)
    found = Grouped(L1(1e3), "rows").prox(w, step)
    zero = (found == 0).all(1)
    assert 0 < zero.sum() < 200
    assert ((w / step)[zero].norm(dim=1) <= 1e3).all()
    lengths = found.norm(dim=1, keepdim=True)
    residual = found - w + 1e3 * step * found / lengths
    assert (residual.abs() <= 1e-9 * w)[~zero].all()


def test_steps_for_each_weight_are_refused_without_a_solution():
    for penalty in (Grouped(MCP(1.0), "rows"), NuclearNorm(1.0)):
        with pytest.raises(UsageError, match="no closed-form"):
            check_application([penalty], "proximal", "adaptive")


@pytest.mark.parametrize("name", CONVEX)
def test_prox_is_firmly_nonexpansive(name, weight):
    penalty = CONVEX[name]
    other = weight.roll(1, 0) * 1.7
    p, q = penalty.prox(weight, 0.8), penalty.prox(other, 0.8)
    assert (p - q).square().sum() <= ((p - q) * (weight - other)).sum() + 1e-12


@pytest.mark.parametrize("name", CASES)
def test_a_step_of_zero_changes_nothing_but_a_constraint(name, weight):
    penalty = CASES[name]
    assert torch.equal(penalty.prox(weight, 0.0), weight) is not penalty.constraint


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", CASES)
def test_dtype_is_kept(name, dtype, weight):
    penalty, w = CASES[name], weight.to(dtype)
    for result in (penalty.value(w), penalty.gradient(w), penalty.prox(w, 0.1)):
        assert result.dtype == dtype
    exact = penalty.prox(w.double(), 0.1)
    assert torch.allclose(penalty.prox(w, 0.1).double(), exact, atol=8 * torch.finfo(dtype).eps)


MEMBERS = {
    "Grouped L1": lambda s: Grouped(L1(s), "columns"),
    "Grouped MCP": lambda s: Grouped(MCP(s), Grouping.blocks(2, 3)),
    "SparseGroupLasso": lambda s: SparseGroupLasso(s, s * 0.5, "rows"),
    "MCP": lambda s: MCP(s),
    "SCAD": lambda s: SCAD(s),
    "RootNorm": lambda s: RootNorm(s),
    "LogSum": lambda s: LogSum(s),
    "NuclearNorm": lambda s: NuclearNorm(s),
}


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
        mine = together.prox(both, 0.4)[member]
        assert torch.allclose(mine, alone.prox(both[member], 0.4), rtol=1e-6)
