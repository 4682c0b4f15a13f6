"""Checks of penalties of joint groups: their effect in one step of a copy, against the formula."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bridle.audit.effects import Part, effect_of, norm_of, wrong_effect
from bridle.audit.records import Check, Effect, Finding
from bridle.audit.sandbox import Sandbox, needs_closure
from bridle.modules.attachment import attachments_of
from bridle.modules.joint_penalty import JointPenalty
from bridle.modules.optimizers import groups_of
from bridle.modules.step_hooks import hook_into, unhook
from bridle.penalties import MCP, SCAD, Grouped, Penalty, Scaled
from bridle.penalties.overlaps import rests

__all__ = ["joint_penalties"]


class _Recorded:
    """The weights after a step and the gradients before it, around one owner of its hooks."""

    def __init__(self, joint: JointPenalty) -> None:
        self.joint = joint
        self.values: list[list[Tensor]] = []

    def before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:  # noqa: ARG002
        """Record the gradients, if the penalties act on them."""
        if self.joint.mode == "coupled":
            self._record([w.grad for w in self.joint.parameters.values()])

    def after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:  # noqa: ARG002
        """Record the weights, if the penalties act on them."""
        if self.joint.mode == "proximal":
            self._record(list(self.joint.parameters.values()))

    def _record(self, tensors: list[Any]) -> None:
        if all(each is not None for each in tensors):
            self.values.append([each.detach().clone() for each in tensors])


def joint_penalties(sandbox: Sandbox) -> Part:
    """Return the effect of each joint penalty on each parameter, and the findings."""
    part = Part()
    originals = [joint for each in sandbox.attached for joint in each.joint]
    if not originals:
        return part
    model, optimizer, memo = sandbox.copied()
    attached = attachments_of(optimizer)
    copied = [joint for each in attached for joint in each.joint]
    if len(copied) < len(originals) or needs_closure(optimizer):
        reason = f"a copy of {type(optimizer).__name__} does not have the hooks of the original"
        if needs_closure(optimizer):
            reason = f"{type(optimizer).__name__} evaluates its closure several times in a step"
        part.checks.append(Check("penalties of joint groups", "not checked", reason))
        return part
    for each in attached:  # targets have checks of their own
        for owner in each.several:
            unhook(optimizer, owner)
    records = []
    for joint in copied:
        before, after = _Recorded(joint), _Recorded(joint)
        for hooked in (before, joint, after):
            hook_into(optimizer, hooked)
        records.append((before, after))
    steps = [joint.step for joint in copied]
    sandbox.run(model, optimizer, lambda: None)
    for original, joint, step, (before, after) in zip(
        originals, copied, steps, records, strict=True
    ):
        if any(w is not memo.get(id(p)) for w, p in _pairs(joint, original)):
            reason = "it acts on another model that shares the optimizer: audit that model"
            part.checks.append(Check(f"{original}", "not checked", reason))
            continue
        joint.step = step
        _compare(original, joint, (before, after), optimizer, part)
    return part


def _pairs(joint: JointPenalty, original: JointPenalty) -> list[tuple[Tensor, Tensor]]:
    return list(zip(joint.parameters.values(), original.parameters.values(), strict=True))


@torch.no_grad()
def _compare(
    original: JointPenalty,
    joint: JointPenalty,
    records: tuple[_Recorded, _Recorded],
    optimizer: torch.optim.Optimizer,
    part: Part,
) -> None:
    subject = ", ".join(joint.parameters)
    if not (records[0].values and records[1].values):
        message = f"{original} is without effect: this loss gives its weights no gradient"
        part.findings.append(Finding("no-op penalty", "fail", subject, message))
        return
    before, after = records[0].values[0], records[1].values[0]
    kept = [w.detach().clone() for w in joint.parameters.values()]
    weights = [p.detach() for p in original.parameters.values()]
    proximal, held = joint.mode == "proximal", groups_of(optimizer)
    _set(joint, before if proximal else weights)
    step = joint.step_size(optimizer, held) if proximal else 0.0
    wanted = joint.moved(step) if proximal else joint.gradients()
    _set(joint, kept)
    effects = []
    for at, (name, w) in enumerate(joint.parameters.items()):
        measured, expected = before[at] - after[at], wanted[at]
        if proximal:
            expected = before[at] - wanted[at]
        elif not held[id(w)].get("maximize"):
            measured = -measured
        route = "prox" if proximal else "coupled"
        label = " + ".join(map(str, original.rules))
        effects.append(effect_of(name, route, label, measured, expected))
    part.effects += effects
    if all(isinstance(each, Scaled) and not each.factor for each in joint.acting):
        message = f"{original} has strength 0 at this step: audit a later step of its schedule"
        part.findings.append(Finding("resting penalty", "warn", subject, message))
        return
    still = not any(effect.measured or effect.expected for effect in effects)
    steps = not proximal or bool(torch.as_tensor(step).any())
    if still and steps and any(map(_is_flat, joint.acting)):
        reason = "it is flat at weights of this size"
        part.checks.append(Check(f"{original}", "not checked", reason))
        return
    slack = sum(map(norm_of, before))
    part.findings += _check(effects, original, subject, slack, weights)


def _is_flat(penalty: Penalty) -> bool:
    """Whether a penalty of groups, with a strength above 0, does not move large ones."""
    plain = penalty.penalty if isinstance(penalty, Scaled) else penalty
    inside = plain.penalty if isinstance(plain, Grouped) else None
    return isinstance(inside, MCP | SCAD) and not rests(penalty)


def _set(joint: JointPenalty, values: list[Tensor]) -> None:
    for w, value in zip(joint.parameters.values(), values, strict=True):
        w.copy_(value)


def _check(
    effects: list[Effect], joint: JointPenalty, subject: str, slack: float, weights: list[Tensor]
) -> list[Finding]:
    """Return findings if nothing moved, or if an effect differs from its formula."""
    if not any(effect.measured or effect.expected for effect in effects):
        if not any(bool(w.any()) for w in weights):
            return []
        message = f"{joint} has no effect: its strength or its step size is 0"
        return [Finding("no-op penalty", "fail", subject, message)]
    coarsest = max((w.dtype for w in weights), key=lambda dtype: torch.finfo(dtype).eps)
    found = [wrong_effect(effect, joint, slack, coarsest) for effect in effects]
    return [finding for finding in found if finding is not None]
