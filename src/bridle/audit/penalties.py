"""Checks of penalties: the measured effect of each on each parameter, against its formula."""

from __future__ import annotations

from bridle.audit.attached import attached_penalties
from bridle.audit.effects import Part
from bridle.audit.joint_penalties import joint_penalties
from bridle.audit.loss_penalties import loss_penalties
from bridle.audit.own_decay import own_decay
from bridle.audit.records import Check, Finding
from bridle.audit.sandbox import Sandbox
from bridle.audit.sparsity_targets import sparsity_targets
from bridle.modules.noise_hooks import parameters_of
from bridle.modules.optimizers import groups_of
from bridle.modules.requests import requested_penalties

__all__ = ["audit_penalties"]


def audit_penalties(sandbox: Sandbox) -> Part:
    """Return every penalty's effect on every parameter, and the findings."""
    whole = _check_parameters(sandbox)
    in_loss: set[str] = set()
    for check in (attached_penalties, joint_penalties, sparsity_targets, own_decay, loss_penalties):
        part = check(sandbox)
        whole.effects += part.effects
        whole.findings += part.findings
        whole.checks += part.checks
        whole.l2 += part.l2
        in_loss |= {effect.parameter for effect in part.effects if effect.route == "loss"}
    whole.findings += _unattached_penalties(sandbox, in_loss)
    routes: dict[str, list[str]] = {}
    for name, route in whole.l2:
        routes.setdefault(name, []).append(route)
    for name, each in routes.items():
        if len(each) > 1:
            message = f"has L2 more than once, by {' and by '.join(each)}: remove all but one"
            whole.findings.append(Finding("double penalty", "fail", name, message))
    if any(sandbox.resting):
        whole.checks += _resting(sandbox)
    order = {name: place for place, (name, _) in enumerate(sandbox.model.named_parameters())}
    whole.effects.sort(key=lambda effect: order.get(effect.parameter, -1))
    return whole


def _resting(sandbox: Sandbox) -> list[Check]:
    groups = [str(place) for place, rests in enumerate(sandbox.resting) if rests]
    return [
        Check(
            f"the step size of parameter group {', '.join(groups)}",
            "not checked",
            "the learning rate is 0 at this step, so nothing moves these parameters; their effects "
            "are measured at the rate after the warm-up",
        )
    ]


def _check_parameters(sandbox: Sandbox) -> Part:
    """Compare the model's parameters with the optimizer's."""
    mine = parameters_of(sandbox.model)
    held = {id(value) for group in sandbox.optimizer.param_groups for value in group["params"]}
    elsewhere = {key for other in sandbox.others for key in groups_of(other)}
    part = Part()
    for name, value in mine.items():
        if value.requires_grad and id(value) not in held | elsewhere:
            message = (
                "is not in the optimizer, so it never changes: build the optimizer anew, or, if "
                "another optimizer has it, name that one by others=[...]"
            )
            if name.startswith("rate "):
                message = "is not learned by an optimizer: call receipt.attach(optimizer)"
            part.findings.append(Finding("not optimized", "fail", name, message))
    foreign = held - {id(value) for value in mine.values()}
    if foreign and part.findings:
        message = (
            f"{len(foreign)} of its parameters are not in the model; a layer may have been "
            "replaced: build the optimizer from the current model"
        )
        part.findings.insert(0, Finding("foreign parameters", "fail", "the optimizer", message))
    elif foreign:  # all of this model's parameters are there, so it is not out of date
        reason = f"{len(foreign)} parameters of the optimizer are not in this model"
        part.checks.append(Check("the optimizer's other parameters", "not checked", reason))
    return part


def _unattached_penalties(sandbox: Sandbox, in_loss: set[str]) -> list[Finding]:
    """Find penalties given to ``regularize`` that are neither attached nor in the loss."""
    held = {id(value) for group in sandbox.optimizer.param_groups for value in group["params"]}
    acting = {id(p) for each in sandbox.attached for p in each.parameters.values()}
    several = [rule for each in sandbox.attached for rule in each.several]
    acting |= {id(p) for rule in several for p in rule.parameters.values()}
    requests = {  # by identity: a wrapper of the model may have been given to regularize
        id(now[name]): penalties
        for root in sandbox.roots
        for now in (dict(root.named_parameters()),)
        for name, penalties in requested_penalties(root).items()
        if name in now  # a layer may have been wrapped since
    }
    return [
        Finding(
            "no-op penalty",
            "fail",
            name,
            f"{' + '.join(map(str, requests[id(value)]))} was given to regularize, but is not "
            "attached to this optimizer: call receipt.attach(optimizer)",
        )
        for name, value in sandbox.model.named_parameters()
        if id(value) in requests and id(value) in held - acting and name not in in_loss
    ]
