"""Checks of penalties: the measured effect of each on each parameter, against its formula."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from bridle.audit.records import Effect, Finding
from bridle.audit.sandbox import Sandbox
from bridle.modules.attach import decayed_biases, has_l2
from bridle.modules.attachment import attachments_of
from bridle.modules.noise_hooks import parameters_of
from bridle.modules.regularize import requested_penalties
from bridle.modules.select import kind_of
from bridle.penalties import Penalty, Scaled, apply_prox, at_step

__all__ = ["audit_penalties"]

_TOLERANCE = 1e-3  # a small effect is the difference of two large float32 weights
_ADAMS = (
    torch.optim.Adam,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.Adagrad,
    torch.optim.RMSprop,
    torch.optim.Adadelta,
)


def audit_penalties(sandbox: Sandbox) -> tuple[list[Effect], list[Finding]]:
    """Return every penalty's effect on every parameter, and the findings."""
    effects: list[Effect] = []
    findings = _check_parameters(sandbox)
    l2_routes: dict[str, list[str]] = {}
    for part in (_attached_penalties, _weight_decay, _loss_penalties):
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


Part = tuple[list[Effect], list[Finding], list[tuple[str, str]]]


def _effect(name: str, route: str, penalty: str, measured: Tensor, expected: Tensor) -> Effect:
    measured, expected = measured.double(), expected.double()
    size = float(expected.norm())
    off = float((measured - expected).norm())
    return Effect(
        name, route, penalty, float(measured.norm()), size, off / size if size else float(off > 0)
    )


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
                message = (
                    "is not learned, since no optimizer has it: call receipt.attach(optimizer)"
                )
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
            effects.append(_effect(name, route, label, measured, expected))
            if _is_inactive(penalties):
                message = f"{label} has strength 0 at this step: audit a later step of its schedule"
                findings.append(Finding("resting penalty", "warn", name, message))
                continue
            if name.startswith("rate ") and not before[name].any():
                continue  # the entropy's gradient is 0 at a rate of one half
            findings += _check_effect(effects[-1], slack=float(plain[name].norm()))
            if has_l2(penalties):
                l2.append((name, route))
                if route == "coupled" and isinstance(sandbox.optimizer, _ADAMS):
                    findings.append(_l2_inside_adam(name, sandbox.optimizer))
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


def _l2_inside_adam(name: str, optimizer: torch.optim.Optimizer) -> Finding:
    message = (
        f"{type(optimizer).__name__} rescales the gradient of L2, which weakens L2 where gradients "
        "are large: use AdamW or mode='proximal'"
    )
    return Finding("L2 inside Adam", "warn", name, message)


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
        effects.append(_effect(name, "weight_decay", label, measured, expected))
        l2.append((name, "weight_decay"))
        if not decoupled and isinstance(sandbox.optimizer, _ADAMS):
            findings.append(_l2_inside_adam(name, sandbox.optimizer))
        if name in biases:
            message = "is a bias or norm with weight decay: give it a group with weight_decay=0"
            findings.append(Finding("decayed bias or norm", "warn", name, message))
    return effects, findings, l2


class _FixedOutputs:
    """Makes a model's outputs constant, so that only penalties depend on the weights."""

    def __init__(self, model: nn.Module) -> None:
        self._kept: list[Any] = []
        self._place: int | None = None
        model.register_forward_hook(self._hook)

    def _hook(self, module: nn.Module, args: Any, output: Any) -> Any:  # noqa: ARG002
        if self._place is None:
            self._kept.append(_detached(output))
            return self._kept[-1]
        self._place += 1
        return self._kept[self._place - 1]

    def replay(self) -> None:
        """Return the outputs of the first run again, in the same order."""
        self._place = 0


def _detached(value: Any) -> Any:
    return tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, value)


def _loss_penalties(sandbox: Sandbox) -> Part:
    """Find penalties in the loss: its dependence on the weights when the outputs are fixed."""
    effects: list[Effect] = []
    findings: list[Finding] = []
    l2: list[tuple[str, str]] = []
    model, _ = sandbox.copies(attached=False)
    outputs = _FixedOutputs(model)

    def value() -> Tensor:
        outputs.replay()
        with torch.random.fork_rng():
            return sandbox.loss_of(model)

    with torch.random.fork_rng():
        loss = sandbox.loss_of(model)
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    gradients: dict[str, Tensor | None] = dict.fromkeys(parameters)
    if loss.requires_grad:
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        gradients = dict(zip(parameters, found, strict=True))
    base = abs(float(loss.detach()))
    for module, name, parameter in _parameters_with_modules(model):
        if name not in parameters or not parameter.numel():
            continue
        moved = _slope(value, parameter)
        gradient = gradients[name]
        slope = (
            0.0
            if gradient is None
            else float((gradient.double() * parameter.detach().double()).sum())
        )
        if abs(moved - slope) > 1e-2 * max(abs(moved), abs(slope)) and abs(moved) > 1e-5 * base:
            message = (
                f"the loss depends on it (slope {moved:.3g}), but its gradient gives {slope:.3g}: "
                "a penalty computed from .data, .detach() or .item() has no gradient"
            )
            findings.append(Finding("no-op penalty", "fail", name, message))
            continue
        if gradient is None or not gradient.any():
            continue
        label, fitted = _formula(parameter.detach(), gradient)
        effects.append(_effect(name, "loss", label, gradient, fitted))
        if "L2" in label:
            l2.append((name, "loss"))
        if kind_of(name, parameter, module) != "weight":
            message = (
                f"is a bias or normalization parameter that the loss penalizes ({label}): leave it "
                "out of the sum"
            )
            findings.append(Finding("decayed bias or norm", "warn", name, message))
        elif "L2" in label and isinstance(sandbox.optimizer, _ADAMS):
            findings.append(_l2_inside_adam(name, sandbox.optimizer))
    return effects, findings, l2


def _parameters_with_modules(model: nn.Module) -> list[tuple[nn.Module, str, nn.Parameter]]:
    first = {id(value): name for name, value in model.named_parameters()}
    places: dict[int, tuple[nn.Module, str, nn.Parameter]] = {}
    for module in model.modules():
        for value in module.parameters(recurse=False):
            places.setdefault(id(value), (module, first[id(value)], value))
    return list(places.values())


@torch.no_grad()
def _slope(value: Any, parameter: nn.Parameter) -> float:
    """Return the derivative of the loss in a parameter's scale: a central difference."""
    kept = parameter.detach().clone()
    parameter.mul_(1.01)
    above = float(value())
    parameter.copy_(kept).mul_(0.99)
    below = float(value())
    parameter.copy_(kept)
    return (above - below) / 0.02


def _formula(weight: Tensor, gradient: Tensor) -> tuple[str, Tensor]:
    """Fit a gradient as ``l1 sign(w) + l2 w``; return the penalty and the fitted gradient."""
    flat, target = weight.double().flatten(), gradient.double().flatten()
    basis = torch.stack([flat.sign(), flat], dim=1)
    l1, l2 = torch.linalg.lstsq(basis.cpu(), target.cpu()[:, None]).solution.flatten().tolist()
    fitted = (l1 * flat.sign() + l2 * flat).view(weight.shape)
    if float((fitted - gradient).norm()) > 0.01 * float(gradient.norm()):
        return "another penalty", gradient
    parts = []
    if abs(l1) * flat.numel() ** 0.5 > 1e-3 * float(target.norm()):
        parts.append(f"L1({l1:.4g})")
    if abs(l2) * float(flat.norm()) > 1e-3 * float(target.norm()):
        parts.append(f"L2({l2:.4g})")
    return " + ".join(parts), fitted
