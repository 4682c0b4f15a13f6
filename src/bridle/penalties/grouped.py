"""Penalties on the norms of rows: group lasso and the max-norm constraint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.formatting import format_value
from bridle.penalties.protocol import Strength, check_strength, per_member, total, weight_like

__all__ = ["GroupLasso", "MaxNorm"]


@final
class _Rows:
    """How the rows of a weight run: along which axes, and in how many blocks of the first axis.

    A transposed convolution with groups has the weight ``[in, out / groups, ...]``. The weights
    that enter a unit are in one block of the first axis alone.
    """

    def __init__(self, dim: int | Sequence[int] | None, default: int, blocks: int = 1) -> None:
        axes = [dim] if isinstance(dim, int) else list([default] if dim is None else dim)
        if not axes or not all(type(axis) is int for axis in axes):
            raise UsageError(f"dim is {dim!r}; give an axis such as -1, or several: (1, 2, 3)")
        self.given = dim is not None
        self.shown = axes[0] if len(axes) == 1 else tuple(axes)
        self._axes = axes
        self._blocks = blocks

    def __str__(self) -> str:
        if not self.given:
            return ""
        return f", dim={self.shown}" + (f", blocks={self._blocks}" if self._blocks > 1 else "")

    def of(self, weight: Tensor) -> Tensor:
        """Return the weight with its blocks on an axis of their own."""
        return weight.unflatten(0, (self._blocks, -1)) if self._blocks > 1 else weight

    def norms(self, rows: Tensor) -> Tensor:
        """Return the norms of the rows; the axes that they run along have length 1."""
        before = rows.ndim - (self._blocks > 1)
        if not all(-before <= axis < before for axis in self._axes):
            raise UsageError(
                f"dim={self.shown} does not fit a weight of {before} axes; give the axes along "
                "which a row runs"
            )
        axes = [axis % before + (self._blocks > 1) for axis in self._axes]
        # in single precision at least: in half precision, squares overflow at 256
        wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
        return torch.linalg.vector_norm(wide, dim=axes, keepdim=True)


@final
class GroupLasso:
    """``R(w) = λ Σ_rows |row|₂``: sets whole rows to zero (Yuan & Lin 2006).

    In a torch module, a row is by default what enters one unit: the weights of one output of a
    ``Linear``, the whole filter of a convolution, the vector of one entry of an ``Embedding``.
    :func:`bridle.attach` and :func:`bridle.regularize` read this from the module. A row of bridle's
    own weights ``[in, out]``, and of a tensor given to the methods, runs along the last axis: it
    holds the outgoing weights of one input or hidden unit, so a unit with a zero row has no effect.
    All rows have the same length; the usual factor √length is part of λ.

    Parameters
    ----------
    strength : float or Tensor
        λ, 0 or more; a Tensor ``[members]`` for a population.
    dim : int or sequence of int, optional
        The axis or axes along which a row runs. It overrules the default: for the ``[out, in]`` of
        ``torch.nn.Linear``, ``0`` groups by input and ``1`` by output unit.

    Raises
    ------
    UsageError
        If λ is negative or not finite, or if ``dim`` is not an axis of the weight.

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

    def __init__(self, strength: Strength, *, dim: int | Sequence[int] | None = None) -> None:
        self.strength = check_strength("the strength of GroupLasso", strength)
        self._rows = _Rows(dim, -1)

    def __repr__(self) -> str:
        return f"GroupLasso({format_value(self.strength)}{self._rows})"

    @property
    def dim(self) -> int | tuple[int, ...] | None:
        """The axes along which a row runs; None if the module decides."""
        return self._rows.shown if self._rows.given else None

    def along(self, dim: Sequence[int], *, blocks: int = 1) -> GroupLasso:
        """Return the penalty with rows along these axes, within blocks of the first axis."""
        placed = GroupLasso(self.strength)
        placed._rows = _Rows(dim, -1, blocks)
        return placed

    def value(self, weight: Tensor) -> Tensor:
        """Return ``λ Σ |row|₂``: a scalar, or ``[members]``."""
        rows = self._rows.of(weight)
        terms = weight_like(self.strength, rows) * self._rows.norms(rows)
        return total(terms, self.strength).to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``λ row / |row|₂``, or 0 for a zero row."""
        rows = self._rows.of(weight)
        norm = self._rows.norms(rows)
        unit = torch.where(norm > 0, rows / norm, torch.zeros_like(rows))
        return (per_member(self.strength, rows) * unit).to(weight.dtype).reshape(weight.shape)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return ``row · max(1 - step λ / |row|₂, 0)``."""
        rows = self._rows.of(weight)
        norm = self._rows.norms(rows)
        limit = step * per_member(self.strength, rows)
        factor = torch.where(norm > limit, 1 - limit / norm, torch.zeros_like(norm))
        return (rows * factor).to(weight.dtype).reshape(weight.shape)


@final
class MaxNorm:
    """The constraint ``|row|₂ ≤ bound`` on the incoming weights of each unit.

    Srivastava et al. (2014) combine it with dropout. ``value`` is 0 inside and infinite outside;
    ``prox`` is the projection, for any step size.

    In a torch module, :func:`bridle.attach` and :func:`bridle.regularize` read from the module
    which weights enter a unit: those of one output of a ``Linear``, the whole filter of a
    convolution, the vector of one entry of an ``Embedding``. For bridle's own weights
    ``[in, out]``, and for a tensor given to the methods, they are a column.

    Parameters
    ----------
    bound : float or Tensor
        Above 0; a Tensor ``[members]`` for a population. The paper uses 3 to 4.
    dim : int or sequence of int, optional
        The axis or axes along which a unit's incoming weights run. It overrules the default.

    Raises
    ------
    UsageError
        If the bound is not above 0 or not finite, or if ``dim`` is not an axis of the weight.

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

    def __init__(self, bound: Strength, *, dim: int | Sequence[int] | None = None) -> None:
        self.bound = check_strength("the bound of MaxNorm", bound, positive=True)
        self._rows = _Rows(dim, -2)

    def __repr__(self) -> str:
        return f"MaxNorm({format_value(self.bound)}{self._rows})"

    @property
    def dim(self) -> int | tuple[int, ...] | None:
        """The axes along which incoming weights run; None if the module decides."""
        return self._rows.shown if self._rows.given else None

    def along(self, dim: Sequence[int], *, blocks: int = 1) -> MaxNorm:
        """Return the constraint with rows along these axes, within blocks of the first axis."""
        placed = MaxNorm(self.bound)
        placed._rows = _Rows(dim, -2, blocks)
        return placed

    def value(self, weight: Tensor) -> Tensor:
        """Return 0 if every norm is within the bound (up to rounding), else infinity."""
        slack = 1 + 8 * torch.finfo(weight.dtype).eps
        rows = self._rows.of(weight)
        outside = self._rows.norms(rows) > weight_like(self.bound, rows) * slack
        return total(torch.where(outside, torch.inf, 0.0), self.bound).to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return zeros, the gradient inside the set."""
        return torch.zeros_like(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:  # noqa: ARG002
        """Return the nearest weights with norms within the bound."""
        rows = self._rows.of(weight)
        norm = self._rows.norms(rows)
        bound = per_member(self.bound, rows)
        factor = torch.where(norm > bound, bound / norm, torch.ones_like(norm))
        return (rows * factor).to(weight.dtype).reshape(weight.shape)
