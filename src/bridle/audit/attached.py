"""Checks of attached penalties: each one's effect in one step of a copy, against its formula."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bridle.audit.attached_decays import decay_found, rests
from bridle.audit.effects import ADAMS, Part, effect_of, l2_inside_adam, norm_of, wrong_effect
from bridle.audit.held import broken_constraints
from bridle.audit.records import Check, Effect, Finding
from bridle.audit.sandbox import Sandbox, is_from_step, needs_closure
from bridle.errors import UsageError
from bridle.modules.attach import has_l2
from bridle.modules.attachment import Attachment, PenaltyRule, groups_of
from bridle.modules.decaying import (
    Start,
    decay_among,
    decay_once,
    penalties_among,
    start_of,
)
from bridle.modules.noise_hooks import parameters_of
from bridle.ops.sharding import full_of
from bridle.penalties import Penalty, Scaled, apply_prox, at_step
from bridle.penalties.sharded import gradient_of

__all__ = ["attached_penalties"]


class _Stages:
    """The gradients and the weights of one step, before the first attachment and after each."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, watched: list[Tensor], begun: dict[int, Start]
    ) -> None:
        self.begun = begun
        self.gradients: list[dict[int, Tensor]] = []
        self.weights: list[dict[int, Tensor]] = []
        self.states: list[dict[int, dict[str, Any]]] = []
        self._optimizer = optimizer
        self._watched = watched

    def add(self) -> None:
        """Record what the hooks that are registered so far leave."""
        gradients: dict[int, Tensor] = {}
        weights: dict[int, Tensor] = {}
        states: dict[int, dict[str, Any]] = {}
        self.gradients.append(gradients)
        self.weights.append(weights)
        self.states.append(states)

        def record() -> None:
            if not gradients:  # of the first evaluation, if there are several
                gradients.update(
                    (id(w), w.grad.detach().clone()) for w in self._watched if w.grad is not None
                )

        def before(
            optimizer: torch.optim.Optimizer, args: Any, kwargs: Any
        ) -> tuple[Any, Any] | None:
            if not needs_closure(optimizer):
                record()
                return None

            def wrapped() -> Any:
                value = args[1]()
                record()
                return value

            return (args[0], wrapped, *args[2:]), kwargs

        def after(*_: Any) -> None:
            weights.update((id(w), w.detach().clone()) for w in self._watched)
            # a schedule-free step moves an iterate of the state, too
            states.update((id(w), _copied(self._optimizer.state.get(w, {}))) for w in self._watched)

        self._optimizer.register_step_pre_hook(before)
        self._optimizer.register_step_post_hook(after)


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()
    }


@contextmanager
def _at(start: dict[int, Tensor], optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let an optimizer's parameters have the values with which its step began."""
    parameters = [w for group in optimizer.param_groups for w in group["params"]]
    now = [w.detach().clone() for w in parameters]
    with torch.no_grad():
        for w in parameters:
            w.copy_(start[id(w)])
    try:
        yield
    finally:
        with torch.no_grad():
            for w, value in zip(parameters, now, strict=True):
                w.copy_(value)


def attached_penalties(sandbox: Sandbox) -> Part:
    """Return the effect of each attached penalty on each parameter, and the findings."""
    part = Part()
    if not sandbox.attached:
        return part
    part.checks += _hooks_of_others(sandbox.optimizer)
    names = {id(value): name for name, value in parameters_of(sandbox.model).items()}
    model, optimizer, memo = sandbox.copied()
    watched = [
        memo[id(value)]
        for each in sandbox.attached
        for value in each.parameters.values()
        if id(value) in memo
    ]
    stepped = [w for group in optimizer.param_groups for w in group["params"]]
    start = {id(w): w.detach().clone() for w in (*watched, *stepped)}
    begun = {id(w): start_of(optimizer, w) for w in watched if id(w) in groups_of(optimizer)}
    stages = _Stages(optimizer, watched, begun)
    again = sandbox.attach(optimizer, model, memo, between=stages.add)
    try:
        sandbox.run(model, optimizer, lambda: None)
    except Exception as error:  # of an optimizer that asks for more than a backward pass
        if isinstance(error, UsageError) or not is_from_step(error):
            raise
        part.checks.append(
            Check(
                "attached penalties",
                "not checked",
                f"a copy of {type(optimizer).__name__} cannot make a step "
                f"({type(error).__name__}: {error})",
            )
        )
        return part
    for place, (original, copied) in enumerate(zip(sandbox.attached, again, strict=True)):
        others, elsewhere = 0, list[str]()
        for key, value in original.parameters.items():
            if key not in original.rules:
                continue
            name = names.get(id(value))
            if name is None and id(value) in groups_of(sandbox.optimizer):
                others += 1
                continue
            if any(id(value) in groups_of(other) for other in sandbox.others):
                elsewhere.append(name or key)
                continue
            weight = memo.get(id(value))
            gradient = None if weight is None else stages.gradients[place].get(id(weight))
            if weight is None or gradient is None or id(weight) not in groups_of(optimizer):
                part.findings.append(_without_effect(name or key, weight, optimizer))
                continue
            rules = copied.rules[key], original.step
            _one(sandbox, part, name or key, copied, rules, weight, start, stages, place)
            if copied.mode == "proximal":
                acting = at_step(penalties_among(rules[0]), rules[1])
                group = groups_of(optimizer)[id(weight)]
                part.findings += broken_constraints(name or key, weight, acting, group)
        if elsewhere:
            reason = f"another optimizer has {', '.join(elsewhere)}: audit that one, too"
            part.checks.append(Check("attached penalties", "not checked", reason))
        if others:
            part.checks.append(
                Check(
                    "attached penalties",
                    "not checked",
                    f"{others} penalized parameters of another model that shares the optimizer: "
                    "audit that model",
                )
            )
    return part


def _hooks_of_others(optimizer: torch.optim.Optimizer) -> list[Check]:
    """Say that a copy has no step hooks but bridle's, and no step that an instance was given."""
    hooks = (*optimizer._optimizer_step_pre_hooks.values(),)
    hooks += (*optimizer._optimizer_step_post_hooks.values(),)
    modules = [type(getattr(each, "__self__", each)).__module__ for each in hooks]
    others = sum(not module.startswith("bridle.") for module in modules)
    own = vars(optimizer).get("step")
    given = own is not None and not hasattr(own, "_wrapped_by_lr_sched")
    what = [f"{others} step hooks of others"] * bool(others) + ["a step() of its own"] * given
    if not what:
        return []
    reason = f"the optimizer has {' and '.join(what)}, and the copy that is audited has not"
    return [Check("the optimizer's own hooks", "not checked", reason)]


def _without_effect(name: str, weight: Tensor | None, optimizer: torch.optim.Optimizer) -> Finding:
    reason = "this loss gives it no gradient"
    if weight is not None and not weight.requires_grad:
        reason = "it is frozen (requires_grad is False)"
    elif weight is None or id(weight) not in groups_of(optimizer):
        reason = "it is not in the optimizer"
    message = f"is penalized without effect: {reason}; leave it out of the rules, or train it"
    return Finding("no-op penalty", "fail", name, message)


def _one(
    sandbox: Sandbox,
    part: Part,
    name: str,
    attachment: Attachment,
    rules: tuple[tuple[PenaltyRule, ...], int],
    weight: Tensor,
    start: dict[int, Tensor],
    stages: _Stages,
    place: int,
) -> None:
    """Measure one attachment's effect on one parameter; ``rules`` come with their step."""
    penalties, decay = at_step(penalties_among(rules[0]), rules[1]), decay_among(rules[0])
    acting = [*penalties, *([] if decay is None else [decay])]
    label, key, share = " + ".join(map(str, acting)), id(weight), 0.0
    optimizer = stages._optimizer
    group = groups_of(optimizer)[key]
    if attachment.mode == "coupled":
        before, after = stages.gradients[place][key], stages.gradients[place + 1][key]
        measured = before - after if group.get("maximize") else after - before
        expected = torch.zeros_like(measured)
        with _at(start, optimizer):  # the gradient of a computed weight depends on all its sources
            for penalty in penalties:
                expected = expected + gradient_of(penalty, weight.detach())
        slack = norm_of(before)
    else:
        before, after = stages.weights[place][key], stages.weights[place + 1][key]
        measured = before - after
        with torch.no_grad():
            kept, state = weight.detach().clone(), optimizer.state.get(weight)
            weight.copy_(before)
            if state is not None:
                optimizer.state[weight] = _copied(stages.states[place][key])
            if decay is not None:
                decay_once(optimizer, weight, stages.begun[key], decay, rules[1])
                share = float((full_of(weight) != full_of(before)).double().mean())
            apply_prox(optimizer, [weight], penalties, metric=attachment.metric)
            expected = before - weight.detach()
            weight.copy_(kept)
            if state is not None:
                optimizer.state[weight] = state
        slack = norm_of(before)
    route = "coupled" if attachment.mode == "coupled" else "prox" if penalties else "decay"
    effect = effect_of(name, route, label, measured, expected)
    part.effects.append(effect)
    if all(isinstance(each, Scaled) and not each.factor for each in penalties) and (
        decay is None or rests(decay, rules[1])
    ):
        message = f"{label} has strength 0 at this step: audit a later step of its schedule"
        part.findings.append(Finding("resting penalty", "warn", name, message))
        return
    if name.startswith("rate ") and not start[key].any():
        return  # the entropy's gradient is 0 at a rate of one half
    explained = decay is not None and decay_found(
        part, name, decay, (effect.measured, effect.expected), share, stages.begun[key]
    )
    if explained:
        pass
    elif effect.measured == 0 and not effect.expected and not start[key].any():
        part.checks.append(Check(f"{label} on {name}", "not checked", "the parameter is 0"))
    else:
        part.findings += _check(effect, penalties, start[key], slack=slack)
    if has_l2(penalties) or (decay is not None and decay.strength):
        part.l2.append((name, route))
        if route == "coupled" and isinstance(sandbox.optimizer, ADAMS):
            part.findings.append(l2_inside_adam(name, sandbox.optimizer))


def _check(
    effect: Effect, penalties: tuple[Penalty, ...], weight: Tensor, *, slack: float
) -> list[Finding]:
    """Return findings if an effect is zero, or differs from its formula."""
    if effect.measured == 0 and not effect.expected:
        if penalties and all(penalty.constraint for penalty in penalties):
            return []  # a constraint that holds
        message = f"{effect.penalty} has no effect: its strength or its step size is 0"
        return [Finding("no-op penalty", "fail", effect.parameter, message)]
    wrong = wrong_effect(effect, effect.penalty, slack, weight.dtype)
    return [] if wrong is None else [wrong]
