"""Checks of noises: on in training, off in evaluation, new masks at every step and rank."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, distributed as dist, nn

from bridle.audit.effects import Part
from bridle.audit.evaluation import check_evaluation
from bridle.audit.functional import DropoutCall, FunctionalDropout
from bridle.audit.noise_records import NoiseRecord, record_noises
from bridle.audit.records import Finding, NoiseSeen
from bridle.audit.resting import Idle, modes, why_idle
from bridle.audit.sandbox import Sandbox
from bridle.audit.settings import function_calls
from bridle.audit.undone_noises import check_undone_noises
from bridle.audit.weight_noises import check_weight_noises
from bridle.modules.placed import layout_of
from bridle.modules.requests import requested_noises
from bridle.modules.streams import noises_in

__all__ = ["audit_noises"]

_MIN_ELEMENTS = 32  # masks with fewer elements can be equal by chance
_MOST_PASSES = 8  # a module may be left out of a pass at random


def audit_noises(sandbox: Sandbox, *, training: bool) -> tuple[list[NoiseSeen], Part]:
    """Return the observed behavior of each noise, and the findings.

    ``training`` says whether the user's model is in training mode; the copies always are.
    """
    sandbox.start.restore()
    model, optimizer = sandbox.copies()
    watched = record_noises(model)
    optimizer.zero_grad()
    calls, drawn = _pass(sandbox, model, watched)
    first = {name: (record.keep, record.runs) for name, record in watched.items()}
    more, second = _pass(sandbox, model, watched)
    for _ in range(_MOST_PASSES - 2):
        if all(record.runs for record in watched.values()):
            break
        more += _pass(sandbox, model, watched)[0]
    seen: list[NoiseSeen] = []
    part = Part(findings=modes(model, training=training))
    idle = Idle(model, calls + more)
    for name, record in watched.items():
        (keep, runs), mask, other = first[name], drawn[name], second[name]
        kept = _kept(mask)
        seen.append(NoiseSeen(name, record.kind, keep, kept))
        if not record.runs:
            found = why_idle(name, record, idle)
            (part.findings if isinstance(found, Finding) else part.checks).append(found)  # type: ignore[arg-type]
            continue
        part.findings += _check_rate(name, keep, kept, mask) if runs else []
        enough = mask.numel() >= _MIN_ELEMENTS and 0 < kept < 1
        if enough and torch.equal(mask, other):
            message = "has the same mask at every step: do not set a seed inside the training step"
            part.findings.append(Finding("equal masks", "fail", name, message))
        if enough and _equal_on_every_rank(mask, model):
            message = "has the same mask on every rank: give each rank its own seed"
            part.findings.append(Finding("equal masks", "fail", name, message))
    there = {id(noise) for _, noise in noises_in(model)}
    for noise in requested_noises(model):
        if id(noise) not in there:
            message = (
                "acts on nothing: the module that it was put on is not in the model any more; call "
                "receipt.undo(), and regularize again"
            )
            name = f"{noise.where} {noise.name}"
            part.findings.append(Finding("noise inactive in training", "fail", name, message))
    part.findings += check_weight_noises(sandbox)
    part.findings += check_undone_noises(sandbox)
    part.settings += function_calls(model, calls)
    findings, checks = check_evaluation(sandbox)
    part.findings += findings
    part.checks += checks
    return seen, part


def _pass(
    sandbox: Sandbox, model: nn.Module, watched: dict[str, NoiseRecord]
) -> tuple[list[DropoutCall], dict[str, Tensor]]:
    """Run a training pass; return the calls of torch's dropout functions, and the masks."""
    functional = FunctionalDropout(model)
    with functional:
        value = sandbox.loss_of(model)
    masks = {name: record.take_masks() for name, record in watched.items()}
    if value.requires_grad:
        value.backward()
    for record in watched.values():  # a checkpoint has run them again
        record.take_masks()
    return functional.calls, masks


def _kept(mask: Tensor) -> float:
    """Return the kept share; for multipliers, the keep probability with their variance."""
    if not mask.numel():
        return float("nan")
    if mask.dtype == torch.bool:
        return float(mask.double().mean())
    return 1 / (1 + float(mask.double().var(correction=0)))


def _check_rate(name: str, keep: float, kept: float, mask: Tensor) -> list[Finding]:
    count = mask.numel()
    if not count:
        return []
    masked = mask.dtype == torch.bool
    if kept == 1 and keep < 1 and (not masked or keep**count < 1e-6):
        message = f"drops nothing in training: it kept all {count} entries at keep_prob {keep:g}"
        return [Finding("noise inactive in training", "fail", name, message)]
    # for multipliers: the standard error of the variance of normal variables
    spread = (keep * (1 - keep)) ** 0.5 if masked else keep * (1 - keep) * 2**0.5
    if abs(kept - keep) > 6 * spread / count**0.5 + 1 / count:
        message = f"keeps a share of {kept:.3f} of {count} entries, but keep_prob is {keep:g}"
        return [Finding("wrong rate", "warn", name, message)]
    return []


def _equal_on_every_rank(mask: Tensor, model: nn.Module) -> bool:
    """Whether processes with different data have the same mask; all processes call it."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return False
    index = layout_of(model).index
    mine = hashlib.sha256(mask.numpy().tobytes()).hexdigest()
    everyone: list[tuple[int, str] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, (index, mine))
    indices, masks = (set(each) for each in zip(*everyone, strict=True))
    return len(indices) > 1 and len(masks) == 1
