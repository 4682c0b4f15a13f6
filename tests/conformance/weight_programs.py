"""Rows of the matrix: layers as torch lays them out, and weights that are recomputed."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from training_program import (
    CLASSES,
    HIDDEN,
    INPUTS,
    KEEP,
    RATE,
    STRENGTH,
    Net,
    Program,
    WrittenOut,
)

import bridle

LIMIT, SHRINKAGE = 0.4, 2.0

# ------------------------------------------------------------------ groups of weights


class MaxNormOfUnits(Program):
    """``MaxNorm`` on linear layers: the weights that enter each unit."""

    penalty: ClassVar[dict] = {"*": bridle.MaxNorm(LIMIT)}
    exact_zeros = False
    activation: tuple[int, ...] = (HIDDEN,)

    def written_out(self, rules):
        return _Projected(rules, self)


class _Projected(WrittenOut):
    """Each group of a weight is projected on the ball of radius LIMIT."""

    def __init__(self, rules, program):
        self.program = program
        super().__init__(rules)

    def build(self):
        return self.program.build()

    def factor(self, rows, *args, **kwargs):
        return super().factor(rows, *args, **kwargs).view(rows, *self.program.activation)

    def prox(self, rate=0.1):
        for p in self.net.parameters():
            if self.penalized and p.ndim > 1:
                norm = p.flatten(1).norm(dim=1).view(-1, *[1] * (p.ndim - 1))
                p.copy_(p * (LIMIT / norm).clamp(max=1))


class _Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Unflatten(1, (1, INPUTS)), nn.ReLU(), nn.Conv1d(1, 6, 3), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(HIDDEN, CLASSES))

    def forward(self, x):
        return self.head(self.body(x))


class MaxNormOfFilters(MaxNormOfUnits):
    """``MaxNorm`` on a convolution: each whole filter."""

    noise: ClassVar[dict] = {"body.3": bridle.Dropout(keep_prob=KEEP)}
    activation = (6, 4)

    def build(self):
        return _Convolution()


class _Lookup(nn.Module):
    """The sign of each input as a vector."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(2 * INPUTS, HIDDEN // INPUTS)

    def forward(self, x):
        return self.table((x > 0).long() + 2 * torch.arange(INPUTS)).flatten(1)


class _Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(_Lookup(), nn.Identity())
        self.head = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        return self.head(self.body(x))


class MaxNormOfEmbeddings(MaxNormOfUnits):
    """``MaxNorm`` on an embedding: each row of the table."""

    def build(self):
        return _Embedding()


class GroupLassoOfFilters(MaxNormOfFilters):
    """``GroupLasso`` on a convolution and a linear layer: whole filters and units become zero."""

    penalty: ClassVar[dict] = {"*": bridle.GroupLasso(SHRINKAGE)}
    exact_zeros = True

    def written_out(self, rules):
        return _Shrunk(rules, self)


class _Shrunk(_Projected):
    def prox(self, rate=0.1):
        for p in self.net.parameters():
            if self.penalized and p.ndim > 1:
                norm = p.flatten(1).norm(dim=1).view(-1, *[1] * (p.ndim - 1))
                p.copy_(p * (1 - rate * SHRINKAGE / norm).clamp(min=0))


# ------------------------------------------------------------------ weights that are recomputed


class WeightNorm(Program):
    """``parametrizations.weight_norm`` on the output layer."""

    penalized = False

    def build(self):
        net = Net()
        self.parametrize(net.head)
        return net

    def parametrize(self, layer):
        parametrizations.weight_norm(layer)

    def written_out(self, rules):
        return _SameBuild(rules, self)


class _SameBuild(WrittenOut):
    def __init__(self, rules, program):
        self.program = program
        super().__init__(rules)

    def build(self):
        return self.program.build()


class SpectralNorm(WeightNorm):
    """``parametrizations.spectral_norm`` on the output layer."""

    def parametrize(self, layer):
        parametrizations.spectral_norm(layer)


class Orthogonal(WeightNorm):
    """``parametrizations.orthogonal`` on the output layer."""

    def parametrize(self, layer):
        parametrizations.orthogonal(layer)


class Pruned(WeightNorm):
    """``prune.l1_unstructured`` on the output layer: the weights that are left are penalized."""

    penalized = True

    def parametrize(self, layer):
        prune.l1_unstructured(layer, "weight", amount=0.5)

    def written_out(self, rules):
        return _LeftOver(rules, self)


class _LeftOver(_SameBuild):
    def prox(self, rate=0.1):
        pruned = self.net.head.weight_mask == 0
        before = self.net.head.weight_orig[pruned].clone()
        super().prox(rate)
        self.net.head.weight_orig[pruned] = before


class Lazy(WeightNorm):
    """``nn.LazyLinear`` before its first pass."""

    def build(self):
        net = Net()
        net.head = nn.LazyLinear(CLASSES)
        return net

    def make_optimizer(self):
        return torch.optim.SGD(self.net.parameters(), lr=RATE)

    def prepare(self):
        self.regularize()
        torch.manual_seed(1)
        self.net.eval()(torch.zeros(1, INPUTS))
        self.net.train()

    def written_out(self, rules):
        return _LazyWritten(rules, self)


class _LazyWritten(_SameBuild):
    def build(self):
        net = super().build()
        torch.manual_seed(1)
        net(torch.zeros(1, INPUTS))
        return net


class Complex(WeightNorm):
    """A complex weight, whose real part is used."""

    def build(self):
        return _ComplexNet()

    def written_out(self, rules):
        return _WrittenComplex(rules, self)


class _ComplexNet(Net):
    def __init__(self):
        super().__init__()
        self.gain = nn.Linear(CLASSES, CLASSES, bias=False, dtype=torch.complex64)

    def forward(self, x):
        return self.gain(super().forward(x).to(torch.complex64)).real


class _WrittenComplex(_SameBuild):
    def forward(self, x):
        hidden = self.net.body(x) * self.factor(len(x))
        return self.net.gain(self.net.head(hidden).to(torch.complex64)).real


class SparseGradient(MaxNormOfUnits):
    """``nn.Embedding(sparse=True)``: the gradient is a sparse tensor."""

    penalty: ClassVar[dict] = {"head.*": bridle.L1(STRENGTH)}
    exact_zeros = True

    def build(self):
        net = _Embedding()
        net.body[0].table.sparse = True
        return net

    def step(self, number):
        step = super().step(number)
        step.gradients = {n: g.to_dense() for n, g in step.gradients.items()}
        return step

    def written_out(self, rules):
        return _SparseWritten(rules, self)


class _SparseWritten(_SameBuild):
    def prox(self, rate=0.1):
        if self.penalized:
            w = self.net.head.weight
            w.copy_(w.sign() * (w.abs() - rate * STRENGTH).clamp(min=0))

    def step(self, number, rows):
        step = super().step(number, rows)
        step.gradients = {n: g.to_dense() for n, g in step.gradients.items()}
        return step


LAYERS = {
    "MaxNorm, linear layers": MaxNormOfUnits,
    "MaxNorm, convolution": MaxNormOfFilters,
    "MaxNorm, embedding": MaxNormOfEmbeddings,
    "GroupLasso, convolution": GroupLassoOfFilters,
    "sparse gradient": SparseGradient,
    "complex weights": Complex,
    "LazyLinear": Lazy,
}
RECOMPUTED = {
    "weight_norm": WeightNorm,
    "spectral_norm": SpectralNorm,
    "orthogonal": Orthogonal,
    "pruned layer": Pruned,
}
