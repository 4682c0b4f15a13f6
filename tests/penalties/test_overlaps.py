"""Several penalties of one weight: the step of their sum, or a refusal."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import bridle
from bridle import (
    L1,
    L2,
    MCP,
    Grouped,
    Grouping,
    GroupLasso,
    MaxNorm,
    NOfM,
    NonNegative,
    NuclearNorm,
    SortedL1,
    SparseGroupLasso,
    UsageError,
    WeightedL1,
)
from bridle.penalties import Scaled, apply_prox
from bridle.penalties.overlaps import in_order

torch.manual_seed(0)
NESTED = {
    "rows in the whole": [Grouped(L1(0.6), "whole"), GroupLasso(0.4)],
    "runs in rows": [GroupLasso(0.3), Grouped(L1(0.2), Grouping.blocks(2))],
    "single weights in columns": [GroupLasso(0.3, dim=0), WeightedL1(0.2, torch.ones(3, 4))],
    "three of them": [Grouped(L1(0.5), "whole"), L1(0.1), Grouped(L1(0.3), "columns")],
    "the same rows": [GroupLasso(0.3), Grouped(L1(0.2), "rows")],
    "annealed": [Scaled(Grouped(L1(1.2), "whole"), 0.5), GroupLasso(0.4)],
    "MCP around": [Grouped(MCP(0.4, gamma=3.0), "whole"), GroupLasso(0.3)],
    "MCP of the same rows": [Grouped(MCP(0.4, gamma=3.0), "rows"), GroupLasso(0.3)],
    "L2 and rows": [L2(1.0), GroupLasso(0.6)],
    "L2 and MCP": [L2(1.0), MCP(1.0, gamma=3.0)],
    "L2, L1, rows and whole": [L2(1.0), L1(0.1), GroupLasso(0.3), Grouped(L1(0.2), "whole")],
    "L2 and ranks": [L2(1.0), SortedL1.oscar(0.1, 0.02)],
    "L2 and singular values": [L2(1.0), NuclearNorm(0.3)],
    "L2 of groups": [Grouped(L2(1.0), "rows"), GroupLasso(0.3, dim=0)],
    "in a sparse group lasso": [SparseGroupLasso(0.1, 0.3, "rows"), Grouped(L1(0.4), "whole")],
}


def _step(penalties, w, lr=0.5):
    parameter = nn.Parameter(w.clone())
    apply_prox(torch.optim.SGD([parameter], lr=lr), [parameter], penalties)
    return parameter.detach()


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("size", [0.3, 1.0])
def test_the_steps_of_nested_norms_are_the_step_of_their_sum(name, size):
    """No direction, and no coordinate, leads to a lower sum plus distance."""
    w = size * torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    given = NESTED[name]
    for penalties in (given, given[::-1]):
        found = _step(penalties, w)

        def cost(u, penalties=penalties):
            return float(sum(each.value(u) for each in penalties) + (u - w).square().sum())

        lowest = cost(found)
        moves = torch.randn(150, 3, 4, generator=torch.Generator().manual_seed(2)).double()
        moves[:50] *= torch.rand(50, 3, 4) < 0.2
        for scale in (1e-1, 1e-2, 1e-3):
            assert min(cost(found + scale * move) for move in moves) >= lowest - 1e-9
        for factor in (0.0, 0.5, 0.9, 1.1):
            assert cost(found * factor) >= lowest - 1e-12
        assert cost(w) >= lowest
        for row in range(3):
            other = found.clone()
            other[row] = 0
            assert cost(other) >= lowest - 1e-12


OVERLAPS = {
    "rows and columns": ([GroupLasso(0.1, dim=0), GroupLasso(0.1, dim=1)], "groups that overlap"),
    "tiles and rows": ([Grouped(L1(0.1), Grouping.blocks(2, 2)), GroupLasso(0.1)], "overlap"),
    "MCP inside": ([MCP(0.1), GroupLasso(0.1)], "are not both norms"),
    "ranks and rows": ([SortedL1(0.1), GroupLasso(0.1)], "act on ranks"),
    "two nonconvex": ([MCP(0.1), bridle.SCAD(0.1)], "are not both norms"),
    "singular values and rows": ([NuclearNorm(0.1), GroupLasso(0.1)], "act on singular values"),
    "singular values and L1": ([NuclearNorm(0.1), L1(0.1)], "act on singular values"),
    "singular values and ranks": ([NuclearNorm(0.1), SortedL1(0.1)], "act on singular values"),
    "L1 after rows": (
        [SparseGroupLasso(0.1, 0.1, "whole"), GroupLasso(0.1)],
        "single weights after whole groups",
    ),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_a_sum_without_a_step_is_refused(name):
    penalties, message = OVERLAPS[name]
    with pytest.raises(UsageError, match=message):
        _step(penalties, torch.randn(4, 6))


def test_norms_in_norms_have_no_step_in_adams_metric():
    penalties, w = NESTED["rows in the whole"], torch.randn(3, 4)
    in_order(penalties, w, per_weight=False)
    with pytest.raises(UsageError, match="metric='euclidean'"):
        in_order(penalties, w, per_weight=True)


def test_constraints_may_overlap():
    w = _step([MaxNorm(0.5, dim=0), MaxNorm(0.5, dim=1), NOfM(1, 2)], torch.randn(4, 6))
    assert w.norm(dim=0).max() <= 0.5 + 1e-6
    assert w.norm(dim=1).max() <= 0.5 + 1e-6
    assert (w != 0).unflatten(1, (3, 2)).sum(2).max() == 1


@pytest.mark.parametrize("other", [GroupLasso(0.6), SortedL1.oscar(0.3, 0.4)], ids=str)
def test_the_sign_constraint_comes_before_groups(other):
    """Without it, groups would be shrunk less, by weights that the constraint removes."""
    w = torch.tensor([[3.0, -2.0], [0.4, 1.5]]).double()
    found = _step([other, NonNegative()], w)

    def cost(u):
        return float(other.value(u) + (u - w).square().sum())

    moves = 0.1 * torch.randn(2000, 2, 2, generator=torch.Generator().manual_seed(2)).double()
    assert (found >= 0).all()
    assert min(cost((found + move).clamp(min=0)) for move in moves) >= cost(found) - 1e-9


def test_two_of_four_come_before_rows():
    w = torch.randn(5, 8, generator=torch.Generator().manual_seed(2))
    kept = NOfM(2, 4).prox(w, 0.5)
    assert torch.allclose(_step([GroupLasso(0.6), NOfM(2, 4)], w), GroupLasso(0.6).prox(kept, 0.5))


def test_members_with_an_l2_of_their_own():
    """Each member makes the step that it makes alone, also with MCP of groups."""
    w = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(3))
    rule, l2 = Grouped(MCP(0.8), "rows"), torch.tensor([0.0, 1.0, 4.0])
    together = _step([L2(l2), rule], w)
    for member in range(3):
        alone = _step([L2(float(l2[member])), rule], w[member])
        assert torch.allclose(together[member], alone, atol=1e-6)


@pytest.mark.parametrize(
    "penalties",
    [
        [MCP(0.0), GroupLasso(0.1)],
        [Scaled(MCP(0.1), 0.0), GroupLasso(0.1)],
        [GroupLasso(0.0, dim=0), GroupLasso(0.1)],
    ],
    ids=str,
)
def test_what_has_the_strength_0_is_beside_anything(penalties):
    w = torch.randn(4, 6)
    assert torch.allclose(_step(penalties, w), GroupLasso(0.1).prox(w, 0.5))


def test_only_the_shape_of_a_weight_matters():
    """Of a distributed weight, parts of different sizes cannot be viewed as tiles."""
    tiles, bound = Grouped(L1(0.1), Grouping.blocks(2, 2)), MaxNorm(1.0)
    given = SimpleNamespace(shape=torch.Size([6, 8]))
    assert in_order([bound, tiles], given, per_weight=False) == [tiles, bound]


# ------------------------------------------------------------------ in a model


@pytest.mark.parametrize(
    "penalties", [[MCP(0.1), GroupLasso(0.1)], [GroupLasso(0.1), GroupLasso(0.1, dim=-2)]], ids=str
)
def test_a_training_step_refuses_before_it_changes_anything(penalties):
    network = bridle.Network([4, 3, 2], seeds=[0])
    before = [w.detach().clone() for w in network.parameters()]
    batch = torch.randn(5, 4), torch.tensor([0, 1, 0, 1, 1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with pytest.raises(UsageError):
        bridle.train_step(network, batch, optimizer=optimizer, penalties=penalties)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


BOTH = [GroupLasso(0.1, dim=0), GroupLasso(0.2, dim=1)]


def test_two_group_lassos_of_other_axes_both_act():
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attached = bridle.attach(optimizer, {"weight": BOTH}, model=model, mode="coupled")
    assert len(attached.penalties["weight"]) == 2
    w = model.weight.detach()
    wanted = 0.1 * w.norm(dim=0).sum() + 0.2 * w.norm(dim=1).sum()
    assert torch.allclose(attached.value(), wanted)


def test_two_group_lassos_of_other_axes_have_no_proximal_step():
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=r"weight: GroupLasso\(0.1, dim=0\) and .* overlap"):
        bridle.attach(optimizer, {"weight": BOTH}, model=model)
    network = bridle.Network([4, 3, 2], seeds=[0])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    batch = torch.randn(5, 4), torch.tensor([0, 1, 0, 1, 1])
    with pytest.raises(UsageError, match="overlap"):
        bridle.train_step(
            network,
            batch,
            optimizer=optimizer,
            penalties=[GroupLasso(0.1), GroupLasso(0.1, dim=-2)],
        )


def test_a_later_group_lasso_of_the_same_rows_replaces_the_earlier():
    model = nn.Sequential(nn.Linear(4, 3))
    for later in (GroupLasso(0.2), GroupLasso(0.2, dim=1), GroupLasso(0.2, dim=-1)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        attached = bridle.attach(optimizer, {"*": GroupLasso(0.1), "0.*": later}, model=model)
        (acting,) = attached.penalties["0.weight"]
        assert acting.strength == 0.2
