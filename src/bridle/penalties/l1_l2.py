"""Penalties that are a sum over the weights: L2, L1, elastic net."""

from __future__ import annotations

from typing import final

from torch import Tensor

from bridle.ops import soft_threshold
from bridle.ops.formatting import format_value
from bridle.penalties.protocol import Strength, check_strength, per_member, total

__all__ = ["L1", "L2", "ElasticNet"]


@final
class L2:
    """``R(w) = ½ λ Σ w²``: shrinks all weights. Its gradient is ``λ w``.

    The proximal step is ``w / (1 + step λ)``: decoupled weight decay (Loshchilov & Hutter 2019),
    in its implicit form.

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
    >>> w = torch.tensor([1.0, -2.0])
    >>> penalty = bridle.L2(0.5)
    >>> penalty.value(w), penalty.gradient(w), penalty.prox(w, step=2.0)
    (tensor(1.2500), tensor([ 0.5000, -1.0000]), tensor([ 0.5000, -1.0000]))
    """

    separable = True
    constraint = False

    def __init__(self, strength: Strength) -> None:
        self.strength = check_strength("the strength of L2", strength)

    def __repr__(self) -> str:
        return f"L2({format_value(self.strength)})"

    @property
    def elastic(self) -> tuple[Strength, Strength]:
        """``(l1, l2)`` of ``l1 Σ|w| + ½ l2 Σw²``."""
        return 0.0, self.strength

    def value(self, weight: Tensor) -> Tensor:
        """Return ``½ λ Σ w²``: a scalar, or ``[members]``."""
        return total(0.5 * per_member(self.strength, weight) * weight.square(), self.strength)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``λ w``."""
        return per_member(self.strength, weight) * weight

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return ``w / (1 + step λ)``."""
        return weight / (1 + step * per_member(self.strength, weight))


@final
class L1:
    """``R(w) = λ Σ |w|``: drives weights to zero; the proximal step gives exact zeros.

    The proximal step is soft thresholding, ``sign(w) max(|w| - step λ, 0)`` (Parikh & Boyd 2014).

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
    >>> w = torch.tensor([1.0, -2.0])
    >>> penalty = bridle.L1(0.5)
    >>> penalty.value(w), penalty.gradient(w), penalty.prox(w, step=2.0)
    (tensor(1.5000), tensor([ 0.5000, -0.5000]), tensor([ 0., -1.]))
    """

    separable = True
    constraint = False

    def __init__(self, strength: Strength) -> None:
        self.strength = check_strength("the strength of L1", strength)

    def __repr__(self) -> str:
        return f"L1({format_value(self.strength)})"

    @property
    def elastic(self) -> tuple[Strength, Strength]:
        """``(l1, l2)`` of ``l1 Σ|w| + ½ l2 Σw²``."""
        return self.strength, 0.0

    def value(self, weight: Tensor) -> Tensor:
        """Return ``λ Σ |w|``: a scalar, or ``[members]``."""
        return total(per_member(self.strength, weight) * weight.abs(), self.strength)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``λ sign(w)``, with 0 at 0."""
        return per_member(self.strength, weight) * weight.sign()

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the soft threshold of ``w`` at ``step λ``."""
        return soft_threshold(weight, step * per_member(self.strength, weight))


@final
class ElasticNet:
    """``R(w) = l1 Σ |w| + l2 Σ w²``: the formula of Zou & Hastie (2005).

    It has no factor ½, so ``ElasticNet(l1, l2)`` equals ``L1(l1)`` plus ``L2(2 l2)``. The proximal
    step is ``soft(w, step l1) / (1 + 2 step l2)``.

    Parameters
    ----------
    l1, l2 : float or Tensor
        Each 0 or more; a Tensor ``[members]`` for a population.

    Raises
    ------
    UsageError
        If ``l1`` or ``l2`` is negative or not finite.

    Examples
    --------
    >>> import torch, bridle
    >>> w = torch.tensor([1.0, -2.0])
    >>> penalty = bridle.ElasticNet(l1=0.5, l2=0.25)
    >>> penalty.value(w), penalty.gradient(w), penalty.prox(w, step=2.0)
    (tensor(2.7500), tensor([ 1.0000, -1.5000]), tensor([ 0.0000, -0.5000]))
    """

    separable = True
    constraint = False

    def __init__(self, l1: Strength, l2: Strength) -> None:
        self.l1 = check_strength("l1 of ElasticNet", l1)
        self.l2 = check_strength("l2 of ElasticNet", l2)
        self._parts = (L1(l1), L2(2 * l2))

    def __repr__(self) -> str:
        return f"ElasticNet(l1={format_value(self.l1)}, l2={format_value(self.l2)})"

    @property
    def elastic(self) -> tuple[Strength, Strength]:
        """``(l1, l2)`` of ``l1 Σ|w| + ½ l2 Σw²``."""
        return self.l1, 2 * self.l2

    def value(self, weight: Tensor) -> Tensor:
        """Return ``l1 Σ |w| + l2 Σ w²``: a scalar, or ``[members]``."""
        return self._parts[0].value(weight) + self._parts[1].value(weight)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``l1 sign(w) + 2 l2 w``."""
        return self._parts[0].gradient(weight) + self._parts[1].gradient(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return ``soft(w, step l1) / (1 + 2 step l2)``."""
        return self._parts[1].prox(self._parts[0].prox(weight, step), step)
