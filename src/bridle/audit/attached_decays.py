"""What the audit says of an attached weight decay: where it acts, and why it does not."""

from __future__ import annotations

import torch
from torch import Tensor

from bridle.audit.effects import Part
from bridle.audit.records import Check, Finding
from bridle.modules.decaying import Start
from bridle.ops.sharding import full_of
from bridle.penalties import WeightDecay

__all__ = ["decay_found", "rests"]


def rests(decay: WeightDecay, step: int) -> bool:
    """Whether the schedule of a decay is 0 at a step."""
    return decay.schedule is not None and not decay.schedule(step)


def decay_found(
    part: Part, name: str, decay: WeightDecay, effect: tuple[float, float], share: float, at: Start
) -> bool:
    """Add what was found of a decay to the part; return whether that explains a missing effect.

    Parameters
    ----------
    part : Part
    name : str
        The parameter.
    decay : WeightDecay
    effect : tuple of float
        The measured and the expected norm of its effect.
    share : float
        The part of the weights on which a cautious decay acts, from 0 to 1.
    at : tuple
        The weight before the step.
    """
    weight: Tensor = at[0]
    if decay.cautious:
        detail = f"acts on {share:.1%} of the weights, which the step does not move away from 0"
        part.checks.append(Check(f"{decay} on {name}", "passed", detail))
    if any(effect) or not full_of(weight).any() or not decay.strength:
        return False
    if decay.cautious and not share:
        part.checks[-1] = Check(
            f"{decay} on {name}", "not checked", "this step moves every weight away from 0"
        )
        return True
    kind = str(weight.dtype).removeprefix("torch.")
    if weight.dtype in (torch.bfloat16, torch.float16):
        message = f"{decay} is lost in the rounding of {kind} weights: keep float32 weights"
        part.findings.append(Finding("no-op penalty", "fail", name, message))
        return True
    return False
