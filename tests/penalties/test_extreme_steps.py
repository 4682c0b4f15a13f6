"""Proximal steps at the limits: step sizes of 0 or nearly, and weights beyond half precision."""

import pytest
import torch

import bridle
from bridle import Grouping, WeightedL1
from bridle.penalties import apply_prox
from bridle.penalties.secular import prox_of_norm


def _lowest(weight, step):
    """The length that solves the secular equation, by bisection."""
    low, high = 0.0, float(weight.norm())
    for _ in range(200):
        middle = (low + high) / 2
        total = (weight / (middle + step)).square().sum()
        low, high = (middle, high) if total > 1 else (low, middle)
    return weight * low / (low + step)


@pytest.mark.parametrize("steps", [[1.0, 0.0], [0.5, 1e-30], [1e-30, 1e-30], [5.0, 1e-6]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weight_with_a_step_of_zero_stays_and_the_others_of_its_group_shrink(steps, dtype):
    w, step = torch.tensor([[0.3, 0.4]], dtype=dtype), torch.tensor([steps], dtype=dtype)
    found = prox_of_norm(Grouping.rows(), w, 1.0, step)
    expected = _lowest(w[0].double(), step[0].double())
    assert torch.allclose(found[0].double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("strength", [0.0, 1e-2])
def test_weighted_l1_in_half_precision_has_no_nan(strength):
    w = torch.nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float16))
    adam = torch.optim.Adam([w], lr=1e-3)
    w.grad = torch.tensor([[1.0, 0.5]], dtype=torch.float16)
    adam.step()
    before = w.detach().clone()
    penalty = WeightedL1(strength, torch.tensor(1e6))
    apply_prox(adam, [w], [penalty], metric="adaptive")
    assert torch.equal(w.detach(), before if strength == 0 else torch.zeros_like(w))
    assert penalty.gradient(before).dtype == penalty.value(before).dtype == torch.float16
    assert bridle.WeightedL1(0.0, torch.tensor(1e6)).value(before) == 0
