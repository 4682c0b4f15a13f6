"""Models, rules and rows for the tests of the integrations."""

import torch
from torch import nn

import bridle

RULES = {nn.ReLU: bridle.Dropout(keep_prob=0.5), "*": bridle.L1(0.5)}
X = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def body():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))


def is_clean(model):
    return not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def has_zeros(model):
    return any(bool((p == 0).any()) for p in model.parameters() if p.ndim == 2)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


class Watch(nn.Module):
    """Passes its input on, and notes the share of zeros in training and in evaluation."""

    def __init__(self):
        super().__init__()
        self.seen = {True: [], False: []}

    def forward(self, x):
        self.seen[self.training].append(float((x == 0).float().mean()))
        return x


class Plain(nn.Module):
    """A module of which dropout on ones shows all."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 40)
        self.drop = nn.Identity()
        self.watch = Watch()
        self.last = nn.Linear(40, 2)

    def forward(self, x):
        return self.last(self.watch(self.drop(self.first(x))))


DROP = {"*drop": bridle.Dropout(keep_prob=0.5)}
