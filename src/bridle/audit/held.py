"""Whether constraints hold after a step, also where something has moved the weight since."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.audit.effects import norm_of
from bridle.audit.records import Finding
from bridle.penalties import Penalty
from bridle.penalties.sharded import prox_of, value_of

__all__ = ["broken_constraints"]


@torch.no_grad()
def broken_constraints(
    name: str, weight: Tensor, penalties: Sequence[Penalty], group: dict[str, object]
) -> list[Finding]:
    """Return a finding for each constraint that a weight does not meet, beyond rounding."""
    if "train_mode" in group:
        return []  # it holds at the iterate z, and at the averages in the end
    return [
        Finding(
            "broken constraint",
            "fail",
            name,
            f"{penalty} does not hold after the step, as something moves the weight after its "
            "projection: give all penalties of the weight in one call of bridle.attach",
        )
        for penalty in penalties
        if penalty.constraint and _is_broken(weight.detach(), penalty)
    ]


def _is_broken(weight: Tensor, penalty: Penalty) -> bool:
    if not bool(value_of(penalty, weight).any()):
        return False
    nearest = prox_of(penalty, weight, 1.0)
    rounding = 4 * float(torch.finfo(weight.dtype).eps) * norm_of(weight)
    return bool(((nearest == 0) != (weight == 0)).any()) or norm_of(nearest - weight) > rounding
