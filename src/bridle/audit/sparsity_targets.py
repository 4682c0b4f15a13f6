"""Checks of target sparsities: the share of zeros after a step of a copy, beside what is due."""

from __future__ import annotations

import torch

from bridle.audit.effects import Part
from bridle.audit.records import Check, Finding
from bridle.audit.sandbox import Sandbox
from bridle.modules.attachment import attachments_of
from bridle.modules.sparsity_target import SparsityTarget

__all__ = ["sparsity_targets"]


def sparsity_targets(sandbox: Sandbox) -> Part:
    """Return whether each target sparsity reaches the share that is due, and keeps its zeros."""
    part = Part()
    originals = [target for each in sandbox.attached for target in each.sparsity]
    if not originals:
        return part
    model, optimizer, memo = sandbox.copied()
    copied = [target for each in attachments_of(optimizer) for target in each.sparsity]
    if len(copied) < len(originals):
        reason = f"a copy of {type(optimizer).__name__} does not have the hooks of the original"
        part.checks.append(Check("target sparsity", "not checked", reason))
        return part
    sandbox.run(model, optimizer, lambda: None)
    for target, after in zip(originals, copied, strict=True):
        mine = {name: memo.get(id(w)) for name, w in target.parameters.items()}
        if any(w is not after.parameters[name] for name, w in mine.items()):
            reason = "it acts on another model that shares the optimizer: audit that model"
            part.checks.append(Check(f"{target}", "not checked", reason))
        else:
            _compare(target, after, part)
    return part


@torch.no_grad()
def _compare(target: SparsityTarget, after: SparsityTarget, part: Part) -> None:
    subject = ", ".join(target.parameters)
    if after.step == target.step:
        message = f"{target} did not act in a step: something replaced or removed its hooks"
        part.findings.append(Finding("no-op sparsity", "fail", subject, message))
        return
    total = sum(w.numel() for w in after.parameters.values())
    share = f"{after.reached:.2%} of {total} weights are zero, and {after.due:.2%} are due"
    if after.reached < after.due - after.tolerance - 1e-9:
        message = f"{share} ({after.phase}): something else changes the weights after {target}"
        if after.phase == "healing":
            message = (
                f"{share} (healing), and zeros are only kept now: the weights were changed since "
                "the ramp; attach the target again"
            )
        part.findings.append(Finding("missed sparsity", "fail", subject, message))
        return
    names = [subject] if target.joint else [*target.parameters]
    masks = zip(names, target.zero_masks, after.zero_masks, strict=True)
    revived = [name for name, before, now in masks if bool((before & ~now).any())]
    if revived and after.phase == "healing" and target.rule.freeze:
        message = f"{target} freezes zeros, but some are not zero after a step"
        part.findings.append(Finding("thawed zeros", "fail", ", ".join(revived), message))
        return
    part.checks.append(Check(f"{target} on {subject}", "passed", f"{share} ({after.phase})"))
