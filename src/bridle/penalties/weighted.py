"""L1 with a weight for each entry, given or adapted to an earlier fit."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops import soft_threshold
from bridle.penalties.protocol import check_strength, wide_type

__all__ = ["WeightedL1"]


@final
class WeightedL1:
    """``R(w) = λ Σ c |w|``, with a weight c for each entry.

    :meth:`adaptive` makes the adaptive lasso (Zou 2006): entries that were large in an earlier fit
    are penalized less. :func:`bridle.adaptive_l1` makes the rules for a whole model.

    Parameters
    ----------
    strength : float
        λ, 0 or more.
    weights : Tensor
        c, 0 or more, in a shape that broadcasts to the penalized tensor. Of a grouping, one for
        each group, shaped like its norms.

    Raises
    ------
    UsageError
        If λ or a weight is negative or not finite. The methods raise it if the shapes differ.

    Examples
    --------
    >>> import torch, bridle
    >>> penalty = bridle.WeightedL1(0.5, torch.tensor([1.0, 0.0, 4.0]))
    >>> penalty.prox(torch.tensor([1.0, 1.0, 1.0]), step=1.0)
    tensor([0.5000, 1.0000, 0.0000])
    """

    separable = True
    constraint = False
    elastic = None

    def __init__(self, strength: float, weights: Tensor) -> None:
        check_strength("the strength of WeightedL1", strength)
        if not isinstance(strength, int | float):
            raise UsageError(f"the strength of WeightedL1 is {strength}; give one number")
        self.strength = float(strength)
        weights = torch.as_tensor(weights).detach()
        if not bool((weights.isfinite() & (weights >= 0)).all()):
            raise UsageError("a weight of WeightedL1 is negative or not finite; give 0 or more")
        self.weights = weights

    @classmethod
    def adaptive(
        cls, strength: float, reference: Tensor, *, power: float = 1.0, eps: float = 1e-3
    ) -> WeightedL1:
        """Return the penalty with the weights ``1 / (|reference| + eps) ** power``.

        Parameters
        ----------
        strength : float
        reference : Tensor
            The entries of an earlier fit.
        power : float
            0 or more.
        eps : float
            Above 0; it bounds the weight of an entry that was 0.

        Returns
        -------
        WeightedL1

        Raises
        ------
        UsageError
            If ``power`` or ``eps`` is out of range.
        """
        check_strength("power", power)
        check_strength("eps", eps, positive=True)
        return cls(strength, (reference.detach().abs() + eps) ** -power)

    def __repr__(self) -> str:
        low, high = float(self.weights.min()), float(self.weights.max())
        return f"WeightedL1({self.strength}, weights {list(self.weights.shape)}: {low:g}–{high:g})"

    def _limits(self, weight: Tensor) -> Tensor:
        """Return λ c, in single precision at least: in half precision, c may be infinite."""
        try:
            fits = torch.broadcast_shapes(self.weights.shape, weight.shape) == weight.shape
        except RuntimeError:
            fits = False
        if not fits:
            raise UsageError(
                f"the weights of WeightedL1 have the shape {list(self.weights.shape)}, and the "
                f"penalized tensor {list(weight.shape)}; give one penalty for each tensor"
            )
        return self.strength * self.weights.to(weight.device, wide_type(weight.dtype))

    def value(self, weight: Tensor) -> Tensor:
        """Return ``λ Σ c |w|``, a scalar."""
        return (self._limits(weight) * weight.abs()).sum().to(weight.dtype)

    def gradient(self, weight: Tensor) -> Tensor:
        """Return ``λ c sign(w)``, with 0 at 0."""
        return (self._limits(weight) * weight.sign()).to(weight.dtype)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the soft threshold of ``w`` at ``step λ c``."""
        limits = self._limits(weight)
        moved = soft_threshold(weight.to(limits.dtype), step * limits)
        return moved.to(weight.dtype)
