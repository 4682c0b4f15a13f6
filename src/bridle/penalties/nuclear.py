"""The nuclear norm: a penalty of singular values, for weights of low rank."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import soft_threshold
from bridle.ops.formatting import format_value
from bridle.penalties.protocol import (
    Strength,
    check_strength,
    per_member,
    total,
    weight_like,
    widened,
)

__all__ = ["NuclearNorm"]


@final
class NuclearNorm:
    """``R(w) = λ Σ σ(w)``: drives singular values to zero, so that a weight has a low rank.

    The proximal step is soft thresholding of the singular values (Cai, Candès & Shen 2010). It
    makes a singular value decomposition of the weight at each step.

    A weight of more than two axes is a matrix of its first axis by all others. With a strength for
    each member, the first axis is the members, and each of them has a matrix of its last two axes.

    Parameters
    ----------
    strength : float or Tensor
        λ, 0 or more; a Tensor ``[members]`` for a population.
    batched : bool
        Whether the first axis is a batch of matrices; always so with a strength for each member.

    Raises
    ------
    UsageError
        If λ is negative or not finite. The methods raise it if a weight is no matrix.

    Examples
    --------
    >>> import torch, bridle
    >>> w = torch.diag(torch.tensor([3.0, 1.0]))
    >>> bridle.NuclearNorm(1.5).value(w), bridle.NuclearNorm(1.5).prox(w, step=1.0).abs()
    (tensor(6.), tensor([[1.5000, 0.0000],
            [0.0000, 0.0000]]))
    """

    separable = False
    constraint = False
    elastic = None

    def __init__(self, strength: Strength, *, batched: bool = False) -> None:
        self.strength = check_strength("the strength of NuclearNorm", strength)
        self.batched = batched or isinstance(strength, Tensor)

    def __repr__(self) -> str:
        return f"NuclearNorm({format_value(self.strength)})"

    def _matrix(self, weight: Tensor) -> Tensor:
        least = 3 if self.batched else 2
        if weight.ndim < least:
            raise UsageError(
                f"{self} needs matrices, and a weight has the shape {list(weight.shape)}: leave it "
                "out of the rules"
            )
        wide = widened(weight)
        return wide.flatten(2) if self.batched else wide.flatten(1)

    def value(self, weight: Tensor) -> Tensor:
        """Return ``λ Σ σ``: a scalar, or ``[members]``."""
        sizes = torch.linalg.svdvals(self._matrix(weight))
        return total(weight_like(self.strength, sizes) * sizes, self.strength).to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``λ U Vᵀ`` of the singular values above 0 (up to rounding)."""
        matrix = self._matrix(weight)
        u, sizes, v = torch.linalg.svd(matrix, full_matrices=False)
        rounding = torch.finfo(matrix.dtype).eps * max(matrix.shape[-2:]) * sizes[..., :1]
        slopes = per_member(self.strength, sizes) * (sizes > rounding)
        return _composed(u, slopes, v, weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the weight with its singular values soft-thresholded at ``step λ``."""
        u, sizes, v = torch.linalg.svd(self._matrix(weight), full_matrices=False)
        limit = step * per_member(self.strength, sizes)
        if isinstance(limit, float | int) and not limit:
            return weight.clone()
        return _composed(u, soft_threshold(sizes, limit), v, weight)


def _composed(u: Tensor, sizes: Tensor, v: Tensor, weight: Tensor) -> Tensor:
    return ((u * sizes[..., None, :]) @ v).to(weight.dtype).reshape(weight.shape)
