"""SLOPE and OSCAR: λ by rank, the pooled step, clusters, members, and what is refused."""

import pytest
import torch
from scipy.stats import norm
from torch import nn

import bridle
from bridle import L1, SortedL1, UsageError


def test_the_strengths_are_those_of_benjamini_and_hochberg():
    wanted = [0.3 * norm.ppf(1 - i * 0.2 / 16) for i in range(1, 9)]
    assert torch.allclose(SortedL1(0.3, q=0.2).lambdas(8).double(), torch.tensor(wanted).double())


def test_oscar_is_its_formula():
    w = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pairs = torch.maximum(w.abs()[:, None], w.abs()[None]).triu(1).sum()
    assert torch.allclose(
        SortedL1.oscar(0.2, 0.3).value(w), 0.2 * w.abs().sum() + 0.3 * pairs, rtol=1e-6
    )
    plain = SortedL1.oscar(0.2, 0.0).prox(w, 0.5)
    assert torch.allclose(plain, L1(0.2).prox(w, 0.5), atol=1e-7)


def test_a_step_meets_the_condition_of_its_minimum():
    """The residual is in the subdifferential: the dual ball's constraints, tight at R(u)."""
    w = torch.randn(40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    penalty = SortedL1(0.5, q=0.3)
    u = penalty.prox(w, 0.7)
    residual = (w - u) / 0.7
    room = (penalty.lambdas(40).double() - residual.abs().sort(descending=True).values).cumsum(0)
    assert room.min() >= -1e-6
    assert torch.allclose((residual * u).sum(), penalty.value(u), rtol=1e-6)
    assert 0 < (u == 0).sum() < 40


def test_weights_become_equal_in_size_in_training():
    torch.manual_seed(0)
    X = torch.randn(200, 1) + 0.1 * torch.randn(200, 4)
    X = torch.cat([X, torch.randn(200, 4)], 1)
    y = X[:, :4].sum(1, keepdim=True)
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    bridle.attach(optimizer, {"weight": SortedL1.oscar(0.02, 0.02)}, model=model)
    for _ in range(600):
        optimizer.zero_grad()
        (model(X) - y).square().mean().backward()
        optimizer.step()
    sizes = model.weight.detach().abs().flatten()
    assert not sizes[4:].any()
    assert len(sizes[:4].unique()) < 4
    audited = bridle.audit(
        model, optimizer, (X, y), loss=lambda m, b: (m(b[0]) - b[1]).pow(2).mean()
    )
    assert audited.passed, audited


def test_each_member_of_a_network_has_ranks_of_its_own():
    network = bridle.Network([4, 5, 2], seeds=[0, 1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    penalty = SortedL1(0.5)
    bridle.attach(optimizer, {"weights.0": penalty}, model=network)
    before = network.weights[0].detach().clone()
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for member in range(2):
        wanted = penalty.prox(before[member], 0.1)
        assert torch.allclose(network.weights[0][member], wanted, atol=1e-7)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SortedL1(-1.0),
        lambda: SortedL1(torch.ones(2)),
        lambda: SortedL1(1.0, q=1.0),
        lambda: SortedL1.oscar(0.1, float("inf")),
        lambda: SortedL1(1.0).prox(torch.ones(3), torch.ones(3)),
        lambda: bridle.Grouped(SortedL1(1.0), "rows"),
    ],
)
def test_what_is_out_of_range_is_refused(make):
    with pytest.raises(UsageError):
        make()


def test_adams_metric_is_refused():
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(UsageError, match="no closed-form"):
        bridle.attach(optimizer, {"weight": SortedL1(0.1)}, model=model, metric="adaptive")


def test_strengths_have_the_precision_of_the_weight():
    w, ranks = torch.tensor([3.0, -2.0, 1.0]).double(), torch.tensor([2.0, 1.0, 0.0]).double()
    wanted = ((0.1 + 0.7 * ranks) * w.abs()).sum()
    assert float(SortedL1.oscar(0.1, 0.7).value(w)) == pytest.approx(float(wanted), rel=1e-14)
