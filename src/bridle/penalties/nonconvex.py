"""Nonconvex penalties: zeros like those of L1, with less shrinkage of large weights.

A proximal step minimizes ``φ(u) + (u - |w|)² / (2 step)``. For a large step, this has more than one
local minimum, and formulas that assume a small step miss the lowest one. These hold for every step.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.formatting import format_value
from bridle.penalties.protocol import Strength, check_strength, total, weight_like, widened

__all__ = ["MCP", "SCAD", "LogSum", "RootNorm"]


class _OfMagnitudes(ABC):
    """A sum ``Σ φ(|w|)``, by what φ is at magnitudes of 0 or more."""

    separable = True
    constraint = False
    elastic = None
    steps_per_weight = False  # where Adam's steps are long, zero would be the global minimum
    strength: Strength

    @abstractmethod
    def _phi(self, size: Tensor, strength: Tensor) -> Tensor:
        """Return ``φ(size)``."""

    @abstractmethod
    def _slope(self, size: Tensor, strength: Tensor) -> Tensor:
        """Return ``φ'(size)``, for sizes above 0."""

    @abstractmethod
    def _shrink(self, size: Tensor, strength: Tensor, step: Tensor) -> Tensor:
        """Return the minimum over u of ``step φ(u) + ½ (u - size)²``, for steps above 0."""

    def value(self, weight: Tensor) -> Tensor:
        """Return ``Σ φ(|w|)``: a scalar, or ``[members]``."""
        wide = widened(weight)
        terms = self._phi(wide.abs(), weight_like(self.strength, wide))
        return total(terms, self.strength).to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``φ'(|w|) sign(w)``, with 0 at 0."""
        wide = widened(weight)
        slope = self._slope(wide.abs(), weight_like(self.strength, wide))
        return torch.where(wide != 0, slope * wide.sign(), 0.0).to(weight.dtype)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the global minimum of ``R(u) + |u - w|² / (2 step)``, for any step size."""
        wide = widened(weight)
        size, strength = wide.abs(), weight_like(self.strength, wide)
        steps = torch.as_tensor(step, dtype=wide.dtype, device=wide.device)
        found = torch.where(steps * strength > 0, self._shrink(size, strength, steps), size)
        return (found * wide.sign()).to(weight.dtype)


def _above(name: str, value: float, least: float) -> float:
    if not (math.isfinite(value) and value > least):
        raise UsageError(f"{name} is {value}; it must be a finite number above {least:g}")
    return float(value)


@final
class MCP(_OfMagnitudes):
    """The minimax concave penalty (Zhang 2010): λ|w| near 0, constant above γλ.

    ``φ(t) = λt - t² / 2γ`` up to γλ, and ``½ γλ²`` above, so large weights are not shrunk. With a
    step below γ, the proximal step is firm thresholding: 0 up to λ step, and w above γλ. With a
    larger one it keeps or zeroes: 0 up to ``λ √(γ step)``.

    Parameters
    ----------
    strength : float or Tensor
        λ, 0 or more; a Tensor ``[members]`` for a population.
    gamma : float
        γ, above 0. L1 is the limit of large γ, and an L0 penalty that of small γ.

    Raises
    ------
    UsageError
        If λ or γ is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> bridle.MCP(1.0, gamma=3.0).prox(torch.tensor([0.5, 2.0, 5.0]), step=1.0)
    tensor([0.0000, 1.5000, 5.0000])
    """

    def __init__(self, strength: Strength, gamma: float = 3.0) -> None:
        self.strength = check_strength("the strength of MCP", strength)
        self.gamma = _above("gamma of MCP", gamma, 0)

    def __repr__(self) -> str:
        return f"MCP({format_value(self.strength)}, gamma={self.gamma:g})"

    def _phi(self, size: Tensor, strength: Tensor) -> Tensor:
        near = torch.minimum(size, self.gamma * strength)
        return near * (strength - near / (2 * self.gamma))

    def _slope(self, size: Tensor, strength: Tensor) -> Tensor:
        return (strength - size / self.gamma).clamp(min=0)

    def _shrink(self, size: Tensor, strength: Tensor, step: Tensor) -> Tensor:
        small = step < self.gamma
        divisor = torch.where(small, 1 - step / self.gamma, 1.0)
        firm = (size - step * strength).clamp(min=0) / divisor
        highest = strength * torch.where(small, self.gamma, (self.gamma * step).sqrt())
        return torch.where(size > highest, size, torch.where(small, firm, 0.0))


@final
class SCAD(_OfMagnitudes):
    """The smoothly clipped absolute deviation (Fan & Li 2001): its slope is λ, then falls to 0.

    The slope is λ up to λ, ``(aλ - t) / (a - 1)`` up to aλ, and 0 above: weights above aλ are not
    shrunk.

    Parameters
    ----------
    strength : float or Tensor
        λ, 0 or more; a Tensor ``[members]`` for a population.
    a : float
        Above 2; 3.7 in the paper.

    Raises
    ------
    UsageError
        If λ or a is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> bridle.SCAD(1.0).prox(torch.tensor([0.5, 1.5, 3.0, 5.0]), step=1.0)
    tensor([0.0000, 0.5000, 2.5882, 5.0000])
    """

    def __init__(self, strength: Strength, a: float = 3.7) -> None:
        self.strength = check_strength("the strength of SCAD", strength)
        self.a = _above("a of SCAD", a, 2)

    def __repr__(self) -> str:
        return f"SCAD({format_value(self.strength)}, a={self.a:g})"

    def _phi(self, size: Tensor, strength: Tensor) -> Tensor:
        first = torch.minimum(size, strength)
        more = torch.minimum(size, self.a * strength) - first
        return strength * first + more * (strength - more / (2 * (self.a - 1)))

    def _slope(self, size: Tensor, strength: Tensor) -> Tensor:
        return torch.minimum((self.a * strength - size).clamp(min=0) / (self.a - 1), strength)

    def _shrink(self, size: Tensor, strength: Tensor, step: Tensor) -> Tensor:
        a, soft = self.a, (size - step * strength).clamp(min=0)
        small = step < a - 1  # then there is one local minimum
        divisor = torch.where(small, 1 - step / (a - 1), 1.0)
        between = (size - step * strength * a / (a - 1)) / divisor
        between = torch.where(small & (size > strength * (1 + step)), between, soft)
        far = torch.where(step < a + 1, (a + 1 + step) / 2, ((a + 1) * step).sqrt())
        return torch.where(size > strength * torch.where(small, a, far), size, between)


@final
class RootNorm(_OfMagnitudes):
    """``R(w) = λ Σ √|w|``: the L½ penalty (Xu et al. 2012).

    The proximal step is half thresholding: 0 up to ``1.5 (λ step)^(2/3)``, and above that the
    solution of a cubic equation. The gradient grows without bound towards 0, so a coupled penalty
    is for weights that stay away from 0.

    Parameters
    ----------
    strength : float or Tensor
        λ, 0 or more; a Tensor ``[members]`` for a population.

    Raises
    ------
    UsageError
        If λ is negative or not finite.

    Examples
    --------
    >>> import torch, bridle
    >>> bridle.RootNorm(1.0).prox(torch.tensor([1.0, 2.0]), step=1.0)
    tensor([0.0000, 1.6054])
    """

    def __init__(self, strength: Strength) -> None:
        self.strength = check_strength("the strength of RootNorm", strength)

    def __repr__(self) -> str:
        return f"RootNorm({format_value(self.strength)})"

    def _phi(self, size: Tensor, strength: Tensor) -> Tensor:
        return strength * size.sqrt()

    def _slope(self, size: Tensor, strength: Tensor) -> Tensor:
        return 0.5 * strength / size.sqrt()

    def _shrink(self, size: Tensor, strength: Tensor, step: Tensor) -> Tensor:
        # √u is the largest root of x³ - |w| x + ½ step λ
        third = (size / 3).clamp(min=torch.finfo(size.dtype).tiny)
        cosine = (0.25 * step * strength * third**-1.5).clamp(max=1)
        angle = (math.pi - cosine.arccos()) / 3
        highest = 1.5 * (step * strength) ** (2 / 3)
        return torch.where(size > highest, 4 * third * angle.cos().square(), 0.0)


@final
class LogSum(_OfMagnitudes):
    """``R(w) = λ Σ log(1 + |w| / eps)`` (Candès, Wakin & Boyd 2008).

    Its slope is ``λ / (eps + |w|)``: reweighted L1, with the weights at their limit.

    Parameters
    ----------
    strength : float or Tensor
        λ, 0 or more; a Tensor ``[members]`` for a population.
    eps : float
        Above 0. Weights well below it are penalized as by ``L1(λ / eps)``.

    Raises
    ------
    UsageError
        If λ or eps is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> bridle.LogSum(1.0, eps=0.5).prox(torch.tensor([1.0, 3.0]), step=1.0)
    tensor([0.0000, 2.6861])
    """

    def __init__(self, strength: Strength, eps: float = 0.1) -> None:
        self.strength = check_strength("the strength of LogSum", strength)
        self.eps = _above("eps of LogSum", eps, 0)

    def __repr__(self) -> str:
        return f"LogSum({format_value(self.strength)}, eps={self.eps:g})"

    def _phi(self, size: Tensor, strength: Tensor) -> Tensor:
        return strength * (size / self.eps).log1p()

    def _slope(self, size: Tensor, strength: Tensor) -> Tensor:
        return strength / (self.eps + size)

    def _shrink(self, size: Tensor, strength: Tensor, step: Tensor) -> Tensor:
        # the larger root of u² + (eps - |w|) u + step λ - eps |w|, without cancellation
        limit = step * strength
        inside = (size + self.eps).square() - 4 * limit
        root = inside.clamp(min=0).sqrt()
        divisor = torch.where(size < self.eps, self.eps - size + root, 1.0)
        below = 2 * (self.eps * size - limit) / divisor
        found = torch.where(size < self.eps, below, (size - self.eps + root) / 2).clamp(min=0)
        cost = limit * (found / self.eps).log1p() + 0.5 * (found - size).square()
        lowest = (limit <= self.eps**2) | (cost < 0.5 * size.square())
        return torch.where((inside >= 0) & lowest, found, 0.0)
