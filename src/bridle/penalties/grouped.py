"""Penalties of groups of weights: of their norms, and of what is in them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.formatting import format_value
from bridle.penalties.constraints import NonNegative, WithinBound
from bridle.penalties.groupings import Grouping, as_grouping
from bridle.penalties.l1_l2 import L1, L2
from bridle.penalties.protocol import Penalty, Strength, check_strength, takes_steps
from bridle.penalties.secular import prox_of_norm

__all__ = ["GroupLasso", "Grouped", "MaxNorm", "SparseGroupLasso"]


@final
class Grouped:
    """``R(w) = Σ_g φ(|g|₂)``: a penalty φ of the norms of groups, in place of single weights.

    ``Grouped(L1(λ), "units")`` is the group lasso (Yuan & Lin 2006), ``Grouped(MCP(λ), "units")``
    the group MCP (Breheny & Huang 2015). The proximal step has the closed form
    ``g prox_φ(|g|) / |g|``, because the nearest vector of a given length has the direction of g.

    With a step size for each weight (``metric="adaptive"``), the step of ``Grouped(L1(λ))`` solves
    one equation in the length of each group, so that λ keeps the meaning that it has in the
    objective. ``Grouped(L2(λ))`` is ``L2(λ)``, whatever the groups. Other penalties of groups have
    no such step.

    Parameters
    ----------
    penalty : Penalty
        A sum over single weights that does not depend on their signs: ``L1``, ``L2``, ``MCP``,
        ``SCAD``, ``RootNorm``, ``LogSum``, or one of your own.
    groups : Grouping or str
        See :class:`bridle.Grouping`. All groups of a tensor have one size; the usual factor √size
        is part of λ.

    Raises
    ------
    UsageError
        If the penalty is not such a sum, or there is no grouping of that name.

    Examples
    --------
    >>> import torch, bridle
    >>> w = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    >>> penalty = bridle.Grouped(bridle.L1(1.0), "rows")
    >>> penalty.value(w), penalty.prox(w, step=1.0)
    (tensor(5.5000), tensor([[2.4000, 3.2000],
            [0.0000, 0.0000]]))
    """

    def __init__(self, penalty: Penalty, groups: Grouping | str) -> None:
        if isinstance(penalty, type) or not isinstance(penalty, Penalty) or not penalty.separable:
            raise UsageError(
                f"{penalty!r} is no sum over single weights; give one such as L1(1e-3)"
            )
        if isinstance(penalty, NonNegative):
            raise UsageError(f"{penalty!r} depends on signs, and norms have none: use it by itself")
        self.penalty = penalty
        self.groups = as_grouping(groups)
        single = self.groups == Grouping.elements()
        self.separable = single
        self.constraint = penalty.constraint
        # the squares of all groups are those of all weights, whatever the groups are
        self.elastic = penalty.elastic if single or isinstance(penalty, L2) else None
        self.steps_per_weight = takes_steps(penalty) if single else isinstance(penalty, L1 | L2)

    def __repr__(self) -> str:
        return f"Grouped({self.penalty!r}, {self.groups.shown})"

    def by(self, groups: Grouping) -> Grouped:
        """Return the penalty of other groups."""
        return Grouped(self.penalty, groups)

    def value(self, weight: Tensor) -> Tensor:
        """Return ``Σ φ(|g|)``: a scalar, or ``[members]``."""
        return self.penalty.value(self.groups.norms(weight)).to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``φ'(|g|) g / |g|``, or 0 for a zero group."""
        norms = self.groups.norms(weight)
        slopes = self.penalty.gradient(norms)
        return self.groups.times(weight, torch.where(norms > 0, slopes / norms, 0.0))

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return ``g prox_φ(|g|) / |g|``.

        Parameters
        ----------
        weight : Tensor
        step : float or Tensor
            A Tensor, shaped like the weight, has a step size for each weight.

        Returns
        -------
        Tensor

        Raises
        ------
        UsageError
            If there is a step size for each weight, and φ is neither L1 nor L2.
        """
        if isinstance(step, Tensor) and step.ndim and not self.constraint:
            if self.separable or isinstance(self.penalty, L2):
                return self.penalty.prox(weight, step)
            if not isinstance(self.penalty, L1):
                raise UsageError(
                    f"{self} has no closed-form proximal step with a step size for each weight; "
                    "give one number"
                )
            return prox_of_norm(self.groups, weight, self.penalty.strength, step)
        return self.groups.times(weight, self.factors(self.groups.norms(weight), step))

    def factors(self, norms: Tensor, step: float | Tensor) -> Tensor:
        """Return by which the proximal step multiplies groups of these norms."""
        lengths = self.penalty.prox(norms, step)
        return torch.where(norms > 0, lengths / norms, 0.0)


class _OfRows:
    """A penalty of rows: a :class:`Grouped`, whose rows the module decides unless ``dim`` does."""

    separable = False
    elastic = None

    def __init__(self, inside: Penalty, dim: int | Sequence[int] | None, default: int) -> None:
        axes = [default] if dim is None else [dim] if isinstance(dim, int) else list(dim)
        if not axes or not all(type(axis) is int for axis in axes):
            raise UsageError(f"dim is {dim!r}; give an axis such as -1, or several: (1, 2, 3)")
        self._given = dim is not None
        self._grouped = Grouped(inside, Grouping.along(axes))
        self.constraint = inside.constraint
        self.steps_per_weight = self._grouped.steps_per_weight

    def _shown(self, strength: Strength) -> str:
        dim = f", dim={self.dim}" if self._given else ""
        blocks = "".join(f", blocks={each.sizes[0]}" for each in self.groups.splits)
        return f"{type(self).__name__}({format_value(strength)}{dim}{blocks})"

    @property
    def groups(self) -> Grouping:
        """The rows, as groups."""
        return self._grouped.groups

    @property
    def dim(self) -> int | tuple[int, ...] | None:
        """The axes along which a row runs; None if the module decides."""
        axes = self.groups.axes or ()
        return None if not self._given else axes[0] if len(axes) == 1 else axes

    def by(self, groups: Grouping) -> Any:
        """Return the penalty of other groups."""
        other = copy.copy(self)
        other._given, other._grouped = True, self._grouped.by(groups)
        return other

    def value(self, weight: Tensor) -> Tensor:
        """Return ``R(w)``: a scalar, or ``[members]``."""
        return self._grouped.value(weight)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return the gradient, 0 for a zero row."""
        return self._grouped.gradient(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the proximal step; see :meth:`Grouped.prox`."""
        return self._grouped.prox(weight, step)

    def factors(self, norms: Tensor, step: float | Tensor) -> Tensor:
        """Return by which the proximal step multiplies rows of these norms."""
        return self._grouped.factors(norms, step)


@final
class GroupLasso(_OfRows):
    """``R(w) = λ Σ_rows |row|₂``: sets whole rows to zero (Yuan & Lin 2006).

    In a torch module, a row is by default what enters one unit: the weights of one output of a
    ``Linear``, the whole filter of a convolution, the vector of one entry of an ``Embedding``.
    :func:`bridle.attach` and :func:`bridle.regularize` read this from the module. A row of bridle's
    own weights ``[in, out]``, and of a tensor given to the methods, runs along the last axis: it
    holds the outgoing weights of one input or hidden unit, so a unit with a zero row has no effect.
    All rows have the same length; the usual factor √length is part of λ. For other groups than
    rows, there is :class:`bridle.Grouped`: this is ``Grouped(L1(λ), groups)``.

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

    def __init__(self, strength: Strength, *, dim: int | Sequence[int] | None = None) -> None:
        self.strength = check_strength("the strength of GroupLasso", strength)
        super().__init__(L1(strength), dim, -1)

    def __repr__(self) -> str:
        return self._shown(self.strength)


@final
class MaxNorm(_OfRows):
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

    def __init__(self, bound: Strength, *, dim: int | Sequence[int] | None = None) -> None:
        self.bound = check_strength("the bound of MaxNorm", bound, positive=True)
        super().__init__(WithinBound(bound), dim, -2)

    def __repr__(self) -> str:
        return self._shown(self.bound)


@final
class SparseGroupLasso:
    """``R(w) = l1 Σ|w| + group Σ_g |g|₂``: zero groups, and zeros in others (Simon et al. 2013).

    The proximal step is that of L1, followed by that of the groups, which is exact (Friedman et al.
    2010). It accepts a step size for each weight (``metric="adaptive"``).

    Parameters
    ----------
    l1, group : float or Tensor
        Each 0 or more; a Tensor ``[members]`` for a population.
    groups : Grouping or str
        See :class:`bridle.Grouping`.

    Raises
    ------
    UsageError
        If ``l1`` or ``group`` is negative or not finite.

    Examples
    --------
    >>> import torch, bridle
    >>> w = torch.tensor([[3.0, 4.0, 0.1], [0.3, 0.4, 0.1]])
    >>> bridle.SparseGroupLasso(0.2, 1.0, "rows").prox(w, step=1.0)
    tensor([[2.2068, 2.9949, 0.0000],
            [0.0000, 0.0000, 0.0000]])
    """

    separable = False
    constraint = False
    elastic = None
    steps_per_weight = True

    def __init__(self, l1: Strength, group: Strength, groups: Grouping | str = "units") -> None:
        self.l1 = check_strength("l1 of SparseGroupLasso", l1)
        self.group = check_strength("group of SparseGroupLasso", group)
        self._single, self._grouped = L1(l1), Grouped(L1(group), groups)

    def __repr__(self) -> str:
        strengths = f"{format_value(self.l1)}, {format_value(self.group)}"
        return f"SparseGroupLasso({strengths}, {self.groups.shown})"

    @property
    def groups(self) -> Grouping:
        """What the groups are."""
        return self._grouped.groups

    def by(self, groups: Grouping) -> SparseGroupLasso:
        """Return the penalty of other groups."""
        return SparseGroupLasso(self.l1, self.group, groups)

    def value(self, weight: Tensor) -> Tensor:
        """Return ``l1 Σ|w| + group Σ|g|``: a scalar, or ``[members]``."""
        return self._single.value(weight) + self._grouped.value(weight)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return the sum of the gradients; 0 for a zero group."""
        return self._single.gradient(weight) + self._grouped.gradient(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the step of the groups, after the one of L1."""
        moved = self._single.prox(weight, step)
        if isinstance(step, Tensor) and step.ndim:
            return self._grouped.prox(moved, step)
        self.groups.scale(moved, self._grouped.factors(self.groups.norms(moved), step))
        return moved
