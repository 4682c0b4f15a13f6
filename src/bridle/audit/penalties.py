"""Checks of penalties: the measured effect of each on each parameter, against its formula."""

from __future__ import annotations

import torch

from bridle.audit.effects import ADAMS, Part, effect_of, l2_inside_adam
from bridle.audit.loss_penalties import loss_penalties
from bridle.audit.records import Effect, Finding
from bridle.audit.sandbox import Sandbox
from bridle.modules.attach import decayed_biases, has_l2
from bridle.modules.attachment import attachments_of
from bridle.modules.noise_hooks import parameters_of
from bridle.modules.requests import requested_penalties
from bridle.penalties import Penalty, Scaled, apply_prox, at_step

__all__ = ["audit_penalties"]

_TOLERANCE = 1e-3  # a small effect is the difference of two large float32 weights


def audit_penalties(sandbox: Sandbox) -> tuple[list[Effect], list[Finding]]:
    """Return every penalty's effect on every parameter, and the findings."""
    effects: list[Effect] = []
    findings = _check_parameters(sandbox)
    l2_routes: dict[str, list[str]] = {}
    for part in (_attached_penalties, _weight_decay, loss_penalties):
        found, wrong, l2 = part(sandbox)
        effects += found
        findings += wrong
        for name, route in l2:
            l2_routes.setdefault(name, []).append(route)
    findings += _unattached_penalties(
        sandbox, {effect.parameter for effect in effects if effect.route == "loss"}
    )
    for name, routes in l2_routes.items():
        if len(routes) > 1:
            message = f"has L2 more than once, by {' and by '.join(routes)}: remove all but one"
            findings.append(Finding("double penalty", "fail", name, message))
    order = {name: place for place, (name, _) in enumerate(sandbox.model.named_parameters())}
    effects.sort(key=lambda effect: order.get(effect.parameter, -1))
    return effects, findings


def _check_parameters(sandbox: Sandbox) -> list[Finding]:
    """Compare the model's parameters with the optimizer's."""
    mine = {id(value): name for name, value in parameters_of(sandbox.model).items()}
    held = {id(value) for group in sandbox.optimizer.param_groups for value in group["params"]}
    findings = []
    foreign = held - set(mine)
    if foreign:
        message = (
            f"{len(foreign)} of its parameters are not in the model; a layer may have been "
            "replaced: build the optimizer from the current model"
        )
        findings.append(Finding("foreign parameters", "fail", "the optimizer", message))
    for name, value in parameters_of(sandbox.model).items():
        if value.requires_grad and id(value) not in held:
            message = "is not in the optimizer, so it never changes: build the optimizer anew"
            if name.startswith("rate "):
                message = "is not learned by an optimizer: call receipt.attach(optimizer)"
            findings.append(Finding("not optimized", "fail", name, message))
    return findings


def _unattached_penalties(sandbox: Sandbox, in_loss: set[str]) -> list[Finding]:
    """Find penalties given to ``regularize`` that are neither attached nor in the loss."""
    held = {id(value) for group in sandbox.optimizer.param_groups for value in group["params"]}
    values = dict(sandbox.model.named_parameters())
    acting = {id(p) for each in sandbox.attached for p in each.parameters.values()}
    return [
        Finding(
            "no-op penalty",
            "fail",
            name,
            f"{' + '.join(map(str, penalties))} was given to regularize, but is not attached to "
            "this optimizer: call receipt.attach(optimizer)",
        )
        for name, penalties in requested_penalties(sandbox.model).items()
        if name in values and id(values[name]) in held - acting and name not in in_loss
    ]


def _attached_penalties(sandbox: Sandbox) -> Part:
    effects: list[Effect] = []
    findings: list[Finding] = []
    l2: list[tuple[str, str]] = []
    if not sandbox.attached:
        return effects, findings, l2
    plain, gradients, optimizer = sandbox.step(attached=False)
    acted, pushed, acting = sandbox.step()
    before = parameters_of(sandbox.model)
    held = {id(value) for group in sandbox.optimizer.param_groups for value in group["params"]}
    copies = {
        id(original): copied
        for ours, theirs in zip(sandbox.optimizer.param_groups, optimizer.param_groups, strict=True)
        for original, copied in zip(ours["params"], theirs["params"], strict=True)
    }
    for attachment, copied in zip(sandbox.attached, attachments_of(acting), strict=True):
        for name, rules in attachment.rules.items():
            penalties = at_step(copied.rules.get(name, rules), attachment.step)
            if name not in gradients or id(before[name]) not in held:
                message = (
                    "is penalized without effect: it has no gradient or is not in the optimizer; "
                    "leave it out of the rules, or train it"
                )
                findings.append(Finding("no-op penalty", "fail", name, message))
                continue
            label = " + ".join(map(str, penalties))
            if attachment.mode == "coupled":
                measured = pushed[name] - gradients[name]
                expected = sum(
                    (penalty.gradient(before[name].detach()) for penalty in penalties),
                    start=torch.zeros_like(measured),
                )
            else:
                measured = plain[name] - acted[name]
                weight = copies[id(before[name])]
                apply_prox(optimizer, [weight], penalties, metric=attachment.metric)
                expected = plain[name] - weight.detach()
            route = "coupled" if attachment.mode == "coupled" else "prox"
            effects.append(effect_of(name, route, label, measured, expected))
            if _is_inactive(penalties):
                message = f"{label} has strength 0 at this step: audit a later step of its schedule"
                findings.append(Finding("resting penalty", "warn", name, message))
                continue
            if name.startswith("rate ") and not before[name].any():
                continue  # the entropy's gradient is 0 at a rate of one half
            findings += _check_effect(effects[-1], slack=float(plain[name].norm()))
            if has_l2(penalties):
                l2.append((name, route))
                if route == "coupled" and isinstance(sandbox.optimizer, ADAMS):
                    findings.append(l2_inside_adam(name, sandbox.optimizer))
    return effects, findings, l2


def _is_inactive(penalties: tuple[Penalty, ...]) -> bool:
    """Whether all penalties are annealed and have strength 0 at this step."""
    return all(isinstance(penalty, Scaled) and not penalty.factor for penalty in penalties)


def _check_effect(effect: Effect, *, slack: float) -> list[Finding]:
    """Return findings if an effect is zero, or differs from its formula."""
    rounding = 4 * float(torch.finfo(torch.float32).eps) * slack
    if effect.measured == 0 and not effect.expected:
        message = f"{effect.penalty} has no effect: strength, weight or learning rate is 0"
        return [Finding("no-op penalty", "fail", effect.parameter, message)]
    off = effect.error * effect.expected
    if effect.error > _TOLERANCE and off > rounding:
        message = (
            f"the effect of {effect.penalty} is {effect.measured:.3g}, but its formula gives "
            f"{effect.expected:.3g}: something else changes the parameter"
        )
        return [Finding("wrong effect", "fail", effect.parameter, message)]
    return []


def _weight_decay(sandbox: Sandbox) -> Part:
    effects: list[Effect] = []
    findings: list[Finding] = []
    l2: list[tuple[str, str]] = []
    names = {id(value): name for name, value in sandbox.model.named_parameters()}
    decayed = [
        (names[id(value)], group)
        for group in sandbox.optimizer.param_groups
        for value in group["params"]
        if float(group.get("weight_decay", 0)) and id(value) in names
    ]
    if not decayed:
        return effects, findings, l2
    with_decay, gradients, _ = sandbox.step(attached=False)
    without, _, _ = sandbox.step(attached=False, decay=False)
    before = dict(sandbox.model.named_parameters())
    biases = set(decayed_biases(sandbox.optimizer, sandbox.model))
    for name, group in decayed:
        if name not in gradients:
            continue
        rate, strength = float(group["lr"]), float(group["weight_decay"])
        decoupled = isinstance(sandbox.optimizer, torch.optim.AdamW | torch.optim.Muon)
        decoupled = decoupled or bool(group.get("decoupled_weight_decay"))
        measured = without[name] - with_decay[name]
        expected = rate * strength * before[name].detach()
        label = f"weight_decay={strength:g} ({'decoupled' if decoupled else 'coupled'})"
        effects.append(effect_of(name, "weight_decay", label, measured, expected))
        l2.append((name, "weight_decay"))
        if not decoupled and isinstance(sandbox.optimizer, ADAMS):
            findings.append(l2_inside_adam(name, sandbox.optimizer))
        if name in biases:
            message = "is a bias or norm with weight decay: give it a group with weight_decay=0"
            findings.append(Finding("decayed bias or norm", "warn", name, message))
    return effects, findings, l2
