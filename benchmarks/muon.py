"""Muon: steps of momentum whose singular values are made equal (Jordan et al. 2024)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
MOMENTUM, ITERATIONS = 0.95, 5
ADAM_SIZE = 0.2  # the root mean square of a step over the rate, as with Adam (Liu et al. 2025)


def orthogonalized(matrices: Tensor) -> Tensor:
    """Bring all singular values of matrices near 1, by iterations of Newton and Schulz.

    Parameters
    ----------
    matrices : Tensor
        ``[members, in, out]``.
    """
    a, b, c = COEFFICIENTS
    X = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    wide = X.shape[-1] >= X.shape[-2]
    X = X if wide else X.mT
    for _ in range(ITERATIONS):
        A = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(A, A, A, beta=b, alpha=c), X, beta=a)
    return X if wide else X.mT


class Muon:
    """The momentum of a stack of matrices, and the step that follows from it."""

    def __init__(self, matrices: Tensor) -> None:
        self.momentum = torch.zeros_like(matrices)

    def step(self, gradient: Tensor) -> Tensor:
        """Return the step for a rate of 1, with Nesterov's momentum."""
        self.momentum.lerp_(gradient, 1 - MOMENTUM)
        size = ADAM_SIZE * math.sqrt(max(gradient.shape[-2:]))
        return size * orthogonalized(gradient.lerp(self.momentum, MOMENTUM))
