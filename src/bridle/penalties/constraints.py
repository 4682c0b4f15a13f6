"""Constraints: penalties that are 0 inside a set and infinite outside."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.formatting import format_value
from bridle.penalties.protocol import Strength, check_strength, total, weight_like

__all__ = ["NOfM", "NonNegative", "WithinBound"]


@final
class WithinBound:
    """The constraint ``|w| ≤ bound``; of groups, it is :class:`bridle.MaxNorm`."""

    separable = True
    constraint = True
    elastic = None

    def __init__(self, bound: Strength) -> None:
        self.bound = check_strength("the bound", bound, positive=True)

    def __repr__(self) -> str:
        return f"WithinBound({format_value(self.bound)})"

    def value(self, weight: Tensor) -> Tensor:
        """Return 0 if every weight is within the bound (up to rounding), else infinity."""
        slack = 1 + 8 * torch.finfo(weight.dtype).eps
        outside = weight.abs() > weight_like(self.bound, weight) * slack
        return total(torch.where(outside, torch.inf, 0.0), self.bound).to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return zeros, the gradient inside the set."""
        return torch.zeros_like(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:  # noqa: ARG002
        """Return the nearest weights within the bound."""
        bound = weight_like(self.bound, weight)
        return weight.clamp(-bound, bound)


@final
class NonNegative:
    """The constraint ``w ≥ 0``; ``prox`` is the projection ``max(w, 0)``.

    With it, each output rises with each input of the layer, and L1 is the sum of the weights.

    Examples
    --------
    >>> import torch, bridle
    >>> bridle.NonNegative().prox(torch.tensor([1.0, -2.0]), step=0.1)
    tensor([1., 0.])
    """

    separable = True
    constraint = True
    elastic = None

    def __repr__(self) -> str:
        return "NonNegative()"

    def value(self, weight: Tensor) -> Tensor:
        """Return 0 if no weight is negative, else infinity."""
        return torch.where((weight < 0).any(), torch.inf, 0.0).to(weight)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return zeros, the gradient inside the set."""
        return torch.zeros_like(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:  # noqa: ARG002
        """Return the weights, with 0 in place of negative ones."""
        return weight.clamp(min=0)


@final
class NOfM:
    """The constraint that at most N of each M consecutive weights are not zero, such as 2 of 4.

    GPUs multiply by 2:4 sparse matrices in hardware (Mishra et al. 2021). ``prox`` is the
    projection: it keeps the N largest of each M weights, and the earlier ones of equals. The set
    is not convex, so training may end at different zeros. Weights that are zero return when their
    gradient makes them large; :class:`bridle.Annealed` with ``StepSchedule({0: 0, 1000: 1})``
    begins at step 1000.

    Parameters
    ----------
    n, m : int
        1 ≤ n < m.
    dim : int, optional
        The axis along which weights are consecutive. Default: the inputs of the layer, which is
        the last axis of a ``Linear`` and the second one of a convolution; of a tensor, the last.

    Raises
    ------
    UsageError
        If the numbers are out of range. The methods raise it if the axis is no multiple of M.

    Examples
    --------
    >>> import torch, bridle
    >>> bridle.NOfM(2, 4).prox(torch.tensor([[1.0, -3.0, 0.5, 2.0]]), step=0.1)
    tensor([[ 0., -3.,  0.,  2.]])
    """

    separable = False
    constraint = True
    elastic = None

    def __init__(self, n: int, m: int, *, dim: int | None = None) -> None:
        if not (isinstance(n, int) and isinstance(m, int) and 1 <= n < m):
            raise UsageError(f"NOfM has n={n} and m={m}; give whole numbers with 1 <= n < m: 2, 4")
        self.n, self.m, self.dim = n, m, dim

    def __repr__(self) -> str:
        dim = "" if self.dim is None else f", dim={self.dim}"
        return f"NOfM({self.n}, {self.m}{dim})"

    def value(self, weight: Tensor) -> Tensor:
        """Return 0 if the constraint holds, else infinity."""
        too_many = ((self._runs(weight) != 0).sum(-1) > self.n).any()
        return torch.where(too_many, torch.inf, 0.0).to(weight)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return zeros, the gradient inside the set."""
        return torch.zeros_like(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:  # noqa: ARG002
        """Return the N largest of each M weights, and 0 for the others."""
        runs = self._runs(weight)
        order = runs.abs().argsort(dim=-1, descending=True, stable=True)
        kept = torch.zeros_like(runs, dtype=torch.bool).scatter(-1, order[..., : self.n], True)
        moved = torch.where(kept, runs, 0.0)
        return self._back(moved, weight)

    def _runs(self, weight: Tensor) -> Tensor:
        """Return ``[..., M]``: the weights, with runs of M on the last axis."""
        axis = -1 if self.dim is None else self.dim
        if not -weight.ndim <= axis < weight.ndim or weight.shape[axis] % self.m:
            raise UsageError(
                f"{self} does not fit a weight of shape {list(weight.shape)}: axis {axis} must "
                f"exist and be a multiple of {self.m}; say another one by dim=, or leave it out"
            )
        return weight.movedim(axis, -1).unflatten(-1, (-1, self.m))

    def _back(self, runs: Tensor, weight: Tensor) -> Tensor:
        axis = -1 if self.dim is None else self.dim
        return runs.flatten(-2).movedim(-1, axis).reshape(weight.shape).contiguous()
