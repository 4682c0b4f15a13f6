"""The ``Penalty`` protocol: a function R(w) with its gradient and its proximal operator."""

from __future__ import annotations

import math
from numbers import Real
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from bridle.errors import UsageError

__all__ = [
    "Penalty",
    "Strength",
    "check_strength",
    "is_number",
    "per_member",
    "takes_steps",
    "total",
    "wide_type",
    "widened",
]

Strength = float | Tensor
"""λ: one number, or a tensor ``[members]`` for a population's weights ``[members, ...]``."""


@runtime_checkable
class Penalty(Protocol):
    """A function ``R(w)`` of a weight tensor.

    If the strength is a number, the value is one scalar for the whole tensor. If it is a tensor
    ``[members]``, the weights are ``[members, ...]`` and there is one value per member.
    """

    separable: bool
    """Whether R is a sum over the weights; then ``prox`` accepts a step size per weight."""

    constraint: bool
    """Whether R is 0 inside a set and infinite outside; then ``prox`` is the projection."""

    @property
    def elastic(self) -> tuple[Strength, Strength] | None:
        """``(l1, l2)`` if R is ``l1 Σ|w| + ½ l2 Σw²``, so that such penalties add up; else None."""

    def value(self, weight: Tensor) -> Tensor:
        """Return ``R(w)``: a scalar, or ``[members]``."""

    def gradient(self, weight: Tensor) -> Tensor:
        """Return the gradient of ``R``, or its smallest subgradient, with the shape of ``w``."""

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return ``argmin_u R(u) + |u - w|² / (2 step)``, with the shape of ``w``."""


def takes_steps(penalty: Penalty) -> bool:
    """Whether a penalty acts with the step sizes that Adam has for each weight.

    A penalty says it by ``steps_per_weight``: penalties of groups with such a step, and not those
    that are not convex. Without it, sums over single weights do.
    """
    return bool(getattr(penalty, "steps_per_weight", penalty.separable))


def is_number(value: object) -> bool:
    """Whether a value is a real number, of Python or of NumPy."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_strength(name: str, value: Strength, *, positive: bool = False) -> Strength:
    """Return a strength, or raise a UsageError with its name if it is out of range."""
    bound = "above 0" if positive else "0 or more"
    numbers = value.detach().flatten().tolist() if isinstance(value, Tensor) else [value]
    if isinstance(value, Tensor) and value.ndim != 1:
        raise UsageError(f"{name} has the shape {list(value.shape)}; give a number, or [members]")
    for number in numbers:
        if not math.isfinite(number) or number < 0 or (positive and number == 0):
            raise UsageError(f"{name} is {number}; it must be a finite number, {bound}")
    return value


def per_member(strength: Strength, weight: Tensor) -> Strength:
    """Return the strength in a shape that broadcasts with ``weight``."""
    if not isinstance(strength, Tensor):
        return strength
    if weight.ndim < 1 or weight.shape[0] != strength.shape[0]:
        raise UsageError(
            f"the strength has {strength.shape[0]} members, but the weight has the shape "
            f"{list(weight.shape)}; give a weight whose first axis is the members"
        )
    return strength.to(weight).view(-1, *[1] * (weight.ndim - 1))


def total(terms: Tensor, strength: Strength) -> Tensor:
    """Sum the terms of a value over all axes, or over all axes but the members."""
    if isinstance(strength, Tensor):
        return terms.flatten(1).sum(1)
    return terms.sum()


def wide_type(dtype: torch.dtype) -> torch.dtype:
    """Return single precision at least: in half precision, squares overflow at 256."""
    return torch.promote_types(dtype, torch.float32)


def widened(tensor: Tensor) -> Tensor:
    """Return a tensor in single precision at least."""
    return tensor.to(wide_type(tensor.dtype))


def weight_like(strength: Strength, weight: Tensor) -> Tensor:
    """Return the strength as a tensor that broadcasts with ``weight``, in its dtype."""
    shaped = per_member(strength, weight)
    if isinstance(shaped, Tensor):
        return shaped
    return torch.tensor(shaped, dtype=weight.dtype, device=weight.device)
