"""Checks of an optimizer's own weight decay: two steps of copies, with it and without."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from bridle.audit.effects import ADAMS, Part, effect_of, l2_inside_adam, norm_of
from bridle.audit.records import Check, Effect, Finding
from bridle.audit.sandbox import Sandbox, is_from_step
from bridle.audit.settings import decay_of
from bridle.modules.attach import decayed_biases

__all__ = ["own_decay"]

_CLOSE = 2e-2


def own_decay(sandbox: Sandbox) -> Part:
    """Return the effect of ``weight_decay`` on each parameter, and what is not known of it."""
    part = Part()
    optimizer = sandbox.optimizer
    names = {id(value): name for name, value in sandbox.model.named_parameters()}
    decayed = [
        (names[id(value)], group, sandbox.rate(place))
        for place, group in enumerate(optimizer.param_groups)
        for value in group["params"]
        if float(group.get("weight_decay") or 0) and id(value) in names
    ]
    if not decayed:
        return part
    try:
        with_decay, gradients = sandbox.step()
        without, _ = sandbox.step(decay=False)
    except Exception as error:  # of an optimizer that asks for more than a backward pass
        if not is_from_step(error):
            raise
        reason = (str(error).splitlines() or [""])[0]
        detail = f"a copy of {_kind(sandbox)} cannot make a step ({type(error).__name__}: {reason})"
        part.checks.append(Check("weight_decay", "not checked", detail))
        return part
    before = dict(sandbox.model.named_parameters())
    biases = set(decayed_biases(optimizer, sandbox.model))
    unlike: dict[str, list[str]] = {}
    for name, group, rate in decayed:
        if name not in gradients:
            continue
        start = before[name].detach()
        label, expected = _formula(sandbox, group, rate, start)
        effect = effect_of(name, "weight_decay", label, without[name] - with_decay[name], expected)
        decoupled = label.endswith("(decoupled)")
        part.l2.append((name, "weight_decay"))
        if name in biases:
            message = "is a bias or norm with weight decay: give it a group with weight_decay=0"
            part.findings.append(Finding("decayed bias or norm", "warn", name, message))
        setting = decay_of(optimizer, group)
        rescaled = setting is not None and setting.rescaled
        if rescaled or (not decoupled and isinstance(optimizer, ADAMS)):
            part.findings.append(l2_inside_adam(name, optimizer))
        elif not effect.error <= _CLOSE and effect.expected:
            moved = norm_of(with_decay[name] - start) or norm_of(without[name] - start)
            reason = _unlike(effect, group, rate, moved)
            unlike.setdefault(reason, []).append(name)
        if not math.isnan(rate):
            part.effects.append(effect)
    for reason, each in unlike.items():
        listed = ", ".join(each[:3]) + (" …" if len(each) > 3 else "")
        part.checks.append(
            Check(f"weight_decay of {_kind(sandbox)} on {listed}", "not checked", reason)
        )
    return part


def _kind(sandbox: Sandbox) -> str:
    return type(sandbox.optimizer).__name__


def _formula(
    sandbox: Sandbox, group: dict[str, Any], rate: float, weight: Tensor
) -> tuple[str, Tensor]:
    """Return the decay in words, and what one step takes from the weight as far as is known.

    Of an optimizer without a record and without a flag, the words do not say how it decays.
    """
    strength = float(group["weight_decay"])
    setting = decay_of(sandbox.optimizer, group)
    flag = group.get("decoupled_weight_decay")
    coupling = None if flag is None else "decoupled" if flag else "coupled"
    coupling = coupling if setting is None else setting.coupling
    factor = 1 if setting is None or setting.factor is None else setting.factor
    scale = 1 if setting is not None and setting.times_lr is False else rate
    scale = 1.0 if math.isnan(scale) else scale
    label = f"weight_decay={strength:g}" + (f" ({coupling})" if coupling else "")
    return label, scale * factor * strength * weight


def _unlike(effect: Effect, group: dict[str, Any], rate: float, moved: float) -> str:
    """Return why an effect is not lr·λ·w, as far as one step shows it."""
    formula = f"lr·{float(group['weight_decay']):g}·w"
    if math.isnan(rate):
        return (
            f"the optimizer chooses its own learning rate, so that the size of {formula} is not "
            "known"
        )
    if not moved:
        return "this step moves nothing, as in a first phase without steps: audit a later step"
    if not effect.measured:
        return (
            "it changes nothing in this step: the optimizer may decay at later steps only, or not "
            "at all; audit a later step"
        )
    if effect.penalty.endswith("(coupled)"):
        return (
            "the decay is a part of the gradient, which the optimizer turns into another step than "
            f"{formula}, by its momentum or its scaling"
        )
    return (
        f"the step changes by another amount than {formula}: the optimizer may rescale the decay, "
        "or measure it in its own way"
    )
