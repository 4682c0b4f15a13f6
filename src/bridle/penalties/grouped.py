"""Penalties on the norms of rows: group lasso and the max-norm constraint."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from bridle.ops.formatting import format_value
from bridle.penalties.protocol import Strength, check_strength, per_member, total, weight_like

__all__ = ["GroupLasso", "MaxNorm"]


def _norm(weight: Tensor, dim: int) -> Tensor:
    # in single precision at least: in half precision, squares overflow at 256
    wide = weight.to(torch.promote_types(weight.dtype, torch.float32))
    return torch.linalg.vector_norm(wide, dim=dim, keepdim=True)


@final
class GroupLasso:
    """``R(w) = λ Σ_rows |row|₂``: sets whole rows to zero (Yuan & Lin 2006).

    A row of bridle's weights ``[in, out]`` holds the outgoing weights of one input or hidden unit,
    so a unit with a zero row has no effect. All rows have the same length; the usual factor
    √length is part of λ.

    Parameters
    ----------
    strength : float or Tensor
        λ, 0 or more; a Tensor ``[members]`` for a population.
    dim : int
        The axis along which a row runs. Use ``-1`` for ``[in, out]``. For the ``[out, in]`` of
        ``torch.nn.Linear``, ``-2`` groups by input and ``-1`` by output unit.

    Raises
    ------
    UsageError
        If λ is negative or not finite.

    Examples
    --------
    >>> import torch, bridle
    >>> w = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    >>> penalty = bridle.GroupLasso(1.0)
    >>> penalty.value(w), penalty.prox(w, step=1.0)
    (tensor(5.5000), tensor([[2.4000, 3.2000],
            [0.0000, 0.0000]]))
    """

    separable = False
    elastic = None
    constraint = False

    def __init__(self, strength: Strength, *, dim: int = -1) -> None:
        self.strength = check_strength("the strength of GroupLasso", strength)
        self.dim = dim

    def __repr__(self) -> str:
        return f"GroupLasso({format_value(self.strength)}, dim={self.dim})"

    def value(self, weight: Tensor) -> Tensor:
        """Return ``λ Σ |row|₂``: a scalar, or ``[members]``."""
        terms = weight_like(self.strength, weight) * _norm(weight, self.dim)
        return total(terms, self.strength).to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``λ row / |row|₂``, or 0 for a zero row."""
        norm = _norm(weight, self.dim)
        unit = torch.where(norm > 0, weight / norm, torch.zeros_like(weight))
        return (per_member(self.strength, weight) * unit).to(weight.dtype)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return ``row · max(1 - step λ / |row|₂, 0)``."""
        norm = _norm(weight, self.dim)
        limit = step * per_member(self.strength, weight)
        factor = torch.where(norm > limit, 1 - limit / norm, torch.zeros_like(norm))
        return (weight * factor).to(weight.dtype)


@final
class MaxNorm:
    """The constraint ``|column|₂ ≤ bound`` on the incoming weights of each unit.

    Srivastava et al. (2014) combine it with dropout. ``value`` is 0 inside and infinite outside;
    ``prox`` is the projection, for any step size.

    Parameters
    ----------
    bound : float or Tensor
        Above 0; a Tensor ``[members]`` for a population. The paper uses 3 to 4.
    dim : int
        The axis along which a unit's incoming weights run: ``-2`` for bridle's ``[in, out]``,
        ``-1`` for the ``[out, in]`` of ``torch.nn.Linear``.

    Raises
    ------
    UsageError
        If the bound is not above 0 or not finite.

    Examples
    --------
    >>> import torch, bridle
    >>> w = torch.tensor([[3.0, 0.3], [4.0, 0.4]])
    >>> penalty = bridle.MaxNorm(1.0)
    >>> penalty.value(w), penalty.prox(w, step=0.1)
    (tensor(inf), tensor([[0.6000, 0.3000],
            [0.8000, 0.4000]]))
    """

    separable = False
    elastic = None
    constraint = True

    def __init__(self, bound: Strength, *, dim: int = -2) -> None:
        self.bound = check_strength("the bound of MaxNorm", bound, positive=True)
        self.dim = dim

    def __repr__(self) -> str:
        return f"MaxNorm({format_value(self.bound)}, dim={self.dim})"

    def value(self, weight: Tensor) -> Tensor:
        """Return 0 if every norm is within the bound (up to rounding), else infinity."""
        slack = 1 + 8 * torch.finfo(weight.dtype).eps
        outside = _norm(weight, self.dim) > weight_like(self.bound, weight) * slack
        return total(torch.where(outside, torch.inf, 0.0), self.bound).to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return zeros, the gradient inside the set."""
        return torch.zeros_like(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:  # noqa: ARG002
        """Return the nearest weights with norms within the bound."""
        norm = _norm(weight, self.dim)
        bound = per_member(self.bound, weight)
        factor = torch.where(norm > bound, bound / norm, torch.ones_like(norm))
        return (weight * factor).to(weight.dtype)
