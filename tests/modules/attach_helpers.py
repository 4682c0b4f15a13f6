"""A small model, a batch and known gradients for the tests of ``attach``."""

import pytest
import torch
from torch import nn

from bridle import L1, L2, GroupLasso

optim = torch.optim


def make_model(seed=0, *, bias=True):
    """Weights 4-5-2; the first row of each is tiny, so that L1 makes it zero."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 5, bias=bias), nn.Tanh(), nn.Linear(5, 2, bias=bias))
    model.double()
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight[0] = 1e-7
    return model


def batch(rows=8, seed=1):
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(rows, n, generator=generator, dtype=torch.float64) for n in (4, 2)]
    return tuple(draw)


def loss_of(model, data=None):
    X, y = (side.to(model[0].weight.dtype) for side in data or batch())
    return (model(X) - y).square().mean()


def give_gradients(model, turn=0):
    """Known gradients, none for the first rows: L1 alone moves these."""
    generator = torch.Generator().manual_seed(turn)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        if p.ndim == 2:
            p.grad[0] = 0


def weights_of(model):
    return [p for p in model.parameters() if p.ndim == 2]


def same(one, other, *, rtol=1e-12, atol=1e-15):
    """Whether two models have the same parameters."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.allclose(a, b, rtol=rtol, atol=atol) for a, b in pairs)


MODES = pytest.mark.parametrize("mode", ["proximal", "coupled"])


RULES = {"*": [L1(0.01), L2(0.2)], "2.*": GroupLasso(0.05)}


def formula(model):
    """Return R of RULES, written out."""
    first, last = weights_of(model)
    both = sum(0.01 * w.abs().sum() + 0.1 * w.square().sum() for w in (first, last))
    return both + 0.05 * last.norm(dim=1).sum()


def take(optimizer, model, objective, how):
    def closure():
        optimizer.zero_grad()
        loss = objective(model)
        loss.backward()
        return loss

    if how == "step":
        closure()
        return optimizer.step()
    return optimizer.step(closure) if how == "closure" else optimizer.step(closure=closure)
