"""Concrete dropout: the relaxed mask, its gradient, the entropy term, and what is learned."""

import math

import pytest
import torch
from scipy.stats import binom
from torch import nn

import bridle
from bridle.errors import UsageError


def _concrete(**given):
    noise = bridle.ConcreteDropout(**given)
    noise.learned = nn.Parameter(noise.learned.detach().double())
    return noise


@pytest.mark.parametrize("drop", [0.05, 0.4])
@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_the_gradient_of_the_rate_is_a_difference_quotient(drop, temperature):
    noise = _concrete(drop_prob=drop, temperature=temperature)
    x = torch.randn(30, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss():
        return (noise.train(x, bridle.address_of(1)) ** 3 + x).sum()

    loss().backward()
    step = 1e-6
    with torch.no_grad():
        noise.learned += step
        above = loss()
        noise.learned -= 2 * step
        below = loss()
    assert float(noise.learned.grad) == pytest.approx(float(above - below) / (2 * step), rel=1e-5)


def test_the_relaxed_mask_follows_the_papers_formula():
    noise = _concrete(drop_prob=0.3, temperature=0.4)
    x = torch.randn(6, 9, dtype=torch.float64)
    u = bridle.ops.uniform_like(x, bridle.address_of(5, stream=1))
    p = torch.tensor(0.3, dtype=torch.float64)
    z = torch.sigmoid((p.log() - (1 - p).log() + u.log() - (1 - u).log()) / 0.4)
    expected = x * (1 - z) / (1 - p)
    assert torch.allclose(noise.train(x, bridle.address_of(5, stream=1)), expected, rtol=1e-6)


def test_a_cold_relaxed_mask_is_a_mask_at_the_rate():
    noise = _concrete(drop_prob=0.3, temperature=1e-4)
    y = noise.train(torch.ones(300, 300, dtype=torch.float64), bridle.address_of(1)) * 0.7
    assert float(((y < 1e-3) | (y > 1 - 1e-3)).double().mean()) > 0.999
    low, high = binom.ppf([1e-6, 1 - 1e-6], y.numel(), 0.7)
    assert low <= int((y > 0.5).sum()) <= high
    ones = torch.ones(300, 300, dtype=torch.float64)
    assert torch.equal(noise.seen(ones, y / 0.7), (y > 0.5).flatten())


@pytest.mark.parametrize("drop", [0.02, 0.5, 0.8])
def test_the_entropy_term_and_its_gradient(drop):
    noise = _concrete(drop_prob=drop, entropy=0.01)
    noise.train(torch.ones(3, 4, 5, dtype=torch.float64), bridle.address_of(1))
    penalty = noise.regularizer()
    entropy = -drop * math.log(drop) - (1 - drop) * math.log(1 - drop)
    logit = noise.learned.detach().requires_grad_()
    value = penalty.value(logit)
    assert value.item() == pytest.approx(-0.01 * 20 * entropy, rel=1e-6)
    (by_hand,) = torch.autograd.grad(value, logit)
    assert torch.allclose(penalty.gradient(logit.detach()), by_hand, atol=1e-12)
    with pytest.raises(UsageError, match="coupled"):
        penalty.prox(logit, 0.1)


def _learn(noise, loss, steps=100):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.04)
    receipt = bridle.regularize(model, {"1": noise}, optimizer=optimizer)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()
    return receipt.noises[0].noise.keep_prob


def test_the_learned_rate_goes_where_the_loss_wants_it():
    """Down where a noiseless function is to be learned, and to ½ where only the entropy speaks."""
    X = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    y = X.sum(1, keepdim=True)

    def fits(model):
        return nn.functional.mse_loss(model(X), y)

    def nothing(model):
        return 0.0 * model(X).sum()

    noise = bridle.ConcreteDropout(drop_prob=0.3, entropy=0.0)
    assert _learn(noise, fits) > 0.8
    for start in (0.1, 0.9):
        strong = bridle.ConcreteDropout(drop_prob=start, entropy=1.0)
        assert abs(_learn(strong, nothing, steps=200) - 0.5) < 0.05
    weak = bridle.ConcreteDropout(drop_prob=0.3, entropy=1e-4)
    pulled = bridle.ConcreteDropout(drop_prob=0.3, entropy=1e-1)
    assert _learn(pulled, fits) < _learn(weak, fits) - 0.05


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"drop_prob": 0.0}, "keep_prob is 1, from which"),
        ({"keep_prob": torch.tensor([0.5, 0.5])}, "one probability"),
        ({"keep_prob": 0.5, "entropy": -1.0}, "entropy is -1.0"),
        ({"keep_prob": 0.5, "temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_concrete_dropout_that_cannot_be(given, message):
    with pytest.raises(UsageError, match=message):
        bridle.ConcreteDropout(**given)
