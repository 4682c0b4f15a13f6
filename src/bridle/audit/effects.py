"""What the checks of penalties share: an effect against its formula, L2 inside Adam."""

from __future__ import annotations

import torch
from torch import Tensor

from bridle.audit.records import Effect, Finding
from bridle.ops.sharding import full_of

__all__ = ["ADAMS", "Part", "effect_of", "l2_inside_adam"]

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

Part = tuple[list[Effect], list[Finding], list[tuple[str, str]]]
"""Effects, findings, and (parameter, route) of each L2 penalty."""


def effect_of(name: str, route: str, penalty: str, measured: Tensor, expected: Tensor) -> Effect:
    """Return the measured effect of a penalty beside the one that its formula gives."""
    measured, expected = full_of(measured).double(), full_of(expected).double()
    size = float(expected.norm())
    off = float((measured - expected).norm())
    return Effect(
        name, route, penalty, float(measured.norm()), size, off / size if size else float(off > 0)
    )


def l2_inside_adam(name: str, optimizer: torch.optim.Optimizer) -> Finding:
    """Return the warning that an optimizer rescales L2."""
    message = (
        f"{type(optimizer).__name__} rescales the gradient of L2, which weakens L2 where gradients "
        "are large: use AdamW or mode='proximal'"
    )
    return Finding("L2 inside Adam", "warn", name, message)
