"""The proximal step of a norm where each weight has a step size of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from bridle.penalties.groupings import Grouping
from bridle.penalties.protocol import Strength, per_member, wide_type

__all__ = ["prox_of_norm"]

_STEPS = 64  # of Newton's method; some 6 are enough unless step sizes differ by many powers of 10


def prox_of_norm(groups: Grouping, weight: Tensor, strength: Strength, step: Tensor) -> Tensor:
    """Return ``argmin_u λ Σ_g |g|₂ + Σ (u - w)² / (2 step)``, with a step size for each weight.

    A group's minimum satisfies ``u = w ν / (ν + λ step)``, where ν is its length, so that ν solves
    the secular equation ``Σ (w / (ν + λ step))² = 1``. The group is zero if the sum is at most 1
    at ν = 0. The inverse root of the sum is concave and rising (a power mean), so Newton's method
    from below does not pass the solution.

    Parameters
    ----------
    groups : Grouping
    weight : Tensor
    strength : float or Tensor
        λ, or one for each member.
    step : Tensor
        Shaped like the weight, 0 or more.

    Returns
    -------
    Tensor
        With the shape and dtype of the weight, and exact zeros.

    Examples
    --------
    >>> import torch
    >>> from bridle.penalties.groupings import Grouping
    >>> w, step = torch.tensor([[3.0, 4.0], [0.3, 0.4]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    >>> prox_of_norm(Grouping.rows(), w, 1.0, step)
    tensor([[2.4740, 4.0000],
            [0.0000, 0.0000]])
    """
    wide = wide_type(weight.dtype)
    view, axes = groups.view(weight.to(wide))
    limit, _ = groups.view((step * per_member(strength, weight)).to(wide).expand(weight.shape))

    def total(terms: Tensor) -> Tensor:
        return terms.sum(axes, keepdim=True)

    moved = view != 0
    at_zero = torch.where(moved, (view / limit).square(), 0.0)
    alive = total(at_zero) > 1
    norms = torch.linalg.vector_norm(view, dim=axes, keepdim=True)
    # each weight alone gives a bound from below, from which no term of the sum exceeds 1
    alone = (view.abs() - limit).amax(axes, keepdim=True)
    length = torch.maximum(norms - limit.amax(axes, keepdim=True), alone).clamp(min=0)
    rounding = 4 * torch.finfo(wide).eps
    for _ in range(_STEPS):
        parts = torch.where(moved, view / (length + limit), 0.0).square()
        sum_of = total(parts)
        slope = total(torch.where(moved, parts / (length + limit), 0.0))
        growth = torch.where(alive, sum_of * (sum_of.sqrt() - 1) / slope, 0.0)
        length = length + growth
        if not bool((growth > rounding * length).any()):
            break
    factor = torch.where(alive, length / (length + limit), 0.0)
    factor = torch.where(limit == 0, 1.0, factor)
    return (view * factor).to(weight.dtype).reshape(weight.shape)
