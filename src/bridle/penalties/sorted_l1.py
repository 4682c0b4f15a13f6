"""``SortedL1``: an L1 penalty whose strength falls with the rank of a weight: SLOPE and OSCAR."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.formatting import format_value
from bridle.penalties.protocol import check_strength, is_number, widened

__all__ = ["SortedL1"]


@final
class SortedL1:
    """``R(w) = Σ λ_i |w|₍ᵢ₎``, where ``|w|₍₁₎ ≥ |w|₍₂₎ ≥ …`` and ``λ₁ ≥ λ₂ ≥ … ≥ 0``.

    Large weights are penalized most, which sets small ones to zero and makes others equal in size,
    so that weights of correlated inputs form clusters. With the constructor, this is SLOPE (Bogdan
    et al. 2015): ``λ_i = strength · Φ⁻¹(1 - i q / 2n)`` for n weights, the critical values of the
    Benjamini-Hochberg procedure. :meth:`oscar` has the λ of OSCAR (Bondell & Reich 2008).

    The proximal step sorts the magnitudes, subtracts ``step λ``, and makes the result falling by
    pooling adjacent violators, which is exact. It is computed on the CPU.

    Parameters
    ----------
    strength : float
        0 or more.
    q : float
        Above 0 and below 1: of a linear model with orthogonal inputs, about the share of false
        discoveries.

    Raises
    ------
    UsageError
        If an argument is out of range, or is a tensor.

    Examples
    --------
    >>> import torch, bridle
    >>> w = torch.tensor([3.0, -2.9, 0.5])
    >>> bridle.SortedL1.oscar(0.2, 0.5).prox(w, step=1.0)
    tensor([ 2.0000, -2.0000,  0.3000])
    >>> bridle.SortedL1(1.0, q=0.5).lambdas(3)
    tensor([1.3830, 0.9674, 0.6745])
    """

    separable = False
    constraint = False
    elastic = None

    def __init__(self, strength: float, *, q: float = 0.1) -> None:
        self.strength = _number("the strength of SortedL1", strength)
        if not is_number(q) or not 0 < q < 1:
            raise UsageError(f"q of SortedL1 is {q!r}; it must be above 0 and below 1")
        self.q = float(q)
        self.pairwise: float | None = None
        self.batched = False

    @classmethod
    def oscar(cls, l1: float, pairwise: float) -> SortedL1:
        """Return OSCAR: ``R(w) = l1 Σ|w| + pairwise Σ_{i<j} max(|w_i|, |w_j|)``.

        Parameters
        ----------
        l1, pairwise : float
            Each 0 or more. The second sum has n (n - 1) / 2 terms.

        Returns
        -------
        SortedL1

        Raises
        ------
        UsageError
            If a strength is out of range.
        """
        made = cls(_number("l1 of OSCAR", l1))
        made.pairwise = _number("pairwise of OSCAR", pairwise)
        return made

    def of_members(self) -> SortedL1:
        """Return the penalty of ``[members, ...]``, in which each member has its own ranks."""
        made = SortedL1(self.strength, q=self.q)
        made.pairwise, made.batched = self.pairwise, True
        return made

    def __repr__(self) -> str:
        strength = format_value(self.strength)
        if self.pairwise is not None:
            return f"SortedL1.oscar({strength}, {format_value(self.pairwise)})"
        return f"SortedL1({strength}, q={self.q:g})"

    def lambdas(self, count: int) -> Tensor:
        """Return the strengths of the ranks of so many weights, the largest first."""
        return self._lambdas(count).float()

    def _lambdas(self, count: int) -> Tensor:
        """Return the strengths of the ranks in float64."""
        rank = torch.arange(1, count + 1, dtype=torch.float64)
        if self.pairwise is not None:
            return self.strength + self.pairwise * (count - rank)
        # Φ⁻¹(1 - p) = √2 erfinv(1 - 2p)
        return self.strength * math.sqrt(2) * torch.erfinv(1 - rank * self.q / count)

    def _rows(self, weight: Tensor) -> Tensor:
        """Return ``[members or 1, weights]``, in single precision at least."""
        wide = widened(weight)
        return wide.flatten(1) if self.batched else wide.reshape(1, -1)

    def value(self, weight: Tensor) -> Tensor:
        """Return ``Σ λ_i |w|₍ᵢ₎``, a scalar."""
        rows = self._rows(weight)
        sizes = rows.abs().sort(dim=1, descending=True).values
        return (sizes * self._lambdas(rows.shape[1]).to(sizes)).sum().to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``λ sign(w)``, with the mean λ of the ranks of equal magnitudes, and 0 at 0."""
        rows = self._rows(weight)
        lambdas = self._lambdas(rows.shape[1]).to(rows)
        slopes = []
        for row in rows:
            sizes, order = row.abs().sort(descending=True)
            _, place, counts = sizes.unique_consecutive(return_inverse=True, return_counts=True)
            sums = torch.zeros_like(counts, dtype=row.dtype).scatter_add_(0, place, lambdas)
            slopes.append(torch.empty_like(row).scatter_(0, order, (sums / counts)[place]))
        gradient = torch.stack(slopes) * rows.sign()
        return gradient.reshape(weight.shape).to(weight.dtype)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the proximal step, for one step size.

        Raises
        ------
        UsageError
            If there is a step size for each weight.
        """
        if isinstance(step, Tensor) and step.numel() != 1:
            raise UsageError(
                f"{self} has no closed-form proximal step with a step size for each weight; give "
                "one number"
            )
        from scipy.optimize import isotonic_regression  # takes a quarter of a second to import

        if not float(step):
            return weight.clone()
        rows = self._rows(weight.detach())
        sizes, order = rows.abs().sort(dim=1, descending=True)
        lowered = (sizes - float(step) * self._lambdas(rows.shape[1]).to(sizes)).cpu().numpy()
        fitted = np.stack([isotonic_regression(row, increasing=False).x for row in lowered])
        found = torch.from_numpy(fitted).to(rows).clamp(min=0)
        moved = torch.empty_like(rows).scatter_(1, order, found) * rows.sign()
        return moved.reshape(weight.shape).to(weight.dtype)


def _number(name: str, value: float) -> float:
    """Return a strength, or raise a UsageError if it is no number or out of range."""
    if not is_number(value):
        raise UsageError(f"{name} is {value!r}; give one number")
    return float(check_strength(name, value))
