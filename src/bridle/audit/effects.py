"""What the checks of penalties share: an effect against its formula, L2 inside Adam."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from bridle.audit.records import Check, Effect, Finding, SettingSeen
from bridle.ops.sharding import full_of

__all__ = ["ADAMS", "Part", "dense", "effect_of", "l2_inside_adam", "norm_of", "wrong_effect"]

_TOLERANCE = 1e-3  # a small effect is the difference of two large float32 weights

ADAMS = (
    torch.optim.Adam,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.Adagrad,
    torch.optim.RMSprop,
    torch.optim.Adadelta,
)
"""Optimizers that rescale the gradient of a coupled penalty."""


@dataclass
class Part:
    """What one kind of check found; ``l2`` has the parameter and route of each L2 penalty."""

    effects: list[Effect] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    l2: list[tuple[str, str]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    settings: list[SettingSeen] = field(default_factory=list)


def dense(gradient: Tensor) -> Tensor:
    """Return a gradient with all its entries, those of an embedding's sparse one, too."""
    return gradient if gradient.layout == torch.strided else gradient.to_dense()


def norm_of(tensor: Tensor) -> float:
    """Return the Euclidean norm in double precision."""
    return float(full_of(tensor).double().norm())


def effect_of(name: str, route: str, penalty: str, measured: Tensor, expected: Tensor) -> Effect:
    """Return the measured effect of a penalty beside the one that its formula gives."""
    measured, expected = full_of(measured).double(), full_of(expected).double()
    size = float(expected.norm())
    off = float((measured - expected).norm())
    return Effect(
        name, route, penalty, float(measured.norm()), size, off / size if size else float(off > 0)
    )


def wrong_effect(
    effect: Effect, penalty: object, slack: float, dtype: torch.dtype
) -> Finding | None:
    """Return a finding if an effect differs from its formula.

    Parameters
    ----------
    effect : Effect
    penalty : object
        What the message names.
    slack : float
        The norm of what was subtracted to measure the effect, whose rounding is in it.
    dtype : torch.dtype
        Its dtype.
    """
    rounding = 4 * float(torch.finfo(dtype).eps) * slack
    if effect.error * (effect.expected or 1) <= rounding or effect.error <= _TOLERANCE:
        return None
    message = (
        f"the effect of {penalty} is {effect.measured:.3g}, but its formula gives "
        f"{effect.expected:.3g}: something else changes the parameter"
    )
    return Finding("wrong effect", "fail", effect.parameter, message)


def l2_inside_adam(name: str, optimizer: torch.optim.Optimizer) -> Finding:
    """Return the warning that an optimizer rescales L2."""
    way = "use AdamW or mode='proximal'"
    if isinstance(optimizer, torch.optim.AdamW):  # by the flag of a group
        way = "set decoupled_weight_decay=True in its parameter group"
    message = (
        f"{type(optimizer).__name__} rescales the gradient of L2, which weakens L2 where gradients "
        f"are large: {way}"
    )
    return Finding("L2 inside Adam", "warn", name, message)
