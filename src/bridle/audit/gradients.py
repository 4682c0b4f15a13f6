"""The check of gradients: they belong to the forward pass that gave the loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from bridle.audit.compiled import compile_like, is_compiled
from bridle.audit.differences import Difference, compare, refined
from bridle.audit.effects import Part
from bridle.audit.functional import FunctionalDropout
from bridle.audit.records import Check, Finding
from bridle.audit.replay import Replay
from bridle.audit.sandbox import Sandbox
from bridle.modules.noise_hooks import noises_of
from bridle.modules.placed import named_noises
from bridle.ops.sharding import is_sharded

__all__ = ["audit_gradients"]

_CHECK = "gradients"


def audit_gradients(sandbox: Sandbox, no_op: set[str]) -> Part:
    """Compare the gradient with finite differences of the loss, with the same random numbers.

    Two tests find noise whose backward pass uses another mask than its forward pass. The gradient
    may not depend on the random state in which the backward pass begins; and it must give the
    change of the loss in random directions. ``no_op`` has the parameters of penalties that are
    known to have no gradient.
    """
    part = Part()
    parameters = list(sandbox.model.parameters())
    reason = None
    if any(map(is_sharded, parameters)):
        reason = "the parameters are sharded: audit the model before it is sharded"
    elif any(parameter.is_complex() for parameter in parameters):
        reason = "differences of the loss are taken along real weights, and some are complex"
    if reason is not None:
        part.checks.append(Check(f"{_CHECK} of the model", "not checked", reason))
        return part
    if is_compiled(sandbox.given, sandbox.model):
        replay = _compiled(sandbox)
        _examine(sandbox, replay, "the compiled model", part, set())
        _compiled_noises(sandbox, replay, part)
        if part.findings or any(check.outcome == "passed" for check in part.checks):
            return part
    _examine(sandbox, Replay(sandbox), "the model", part, no_op)
    return part


def _compiled(sandbox: Sandbox) -> Replay:
    return Replay(sandbox, wrap=lambda copied: compile_like(sandbox.given, sandbox.model, copied))


def _compiled_noises(sandbox: Sandbox, replay: Replay, part: Part) -> None:
    """Find noise of bridle that compiled code leaves out: its steps are not counted."""
    replay.reset()
    before = {name: placed.counter.step for name, placed in named_noises(replay.model).items()}
    sandbox.loss_of(replay.runs)
    named = named_noises(replay.model)
    still = [name for name, placed in named.items() if placed.counter.step == before[name]]
    if not still:
        return
    eager = Replay(sandbox)
    sandbox.loss_of(eager.model)
    named = named_noises(eager.model)
    moved = {name for name, placed in named.items() if placed.counter.step != before[name]}
    for name in still:
        if name in moved:
            message = (
                "does not run in the compiled model, which was compiled before the noise was "
                "added: call torch.compiler.reset(), or compile after bridle.regularize"
            )
            part.findings.append(Finding("noise inactive in training", "fail", name, message))


def _examine(sandbox: Sandbox, replay: Replay, subject: str, part: Part, no_op: set[str]) -> None:
    """Make both tests on one replay; add what they find."""
    check = f"{_CHECK} of {subject}"
    replay.reset()
    base = replay.gradients()
    if not base.is_usable:
        part.checks.append(Check(check, "not checked", base.reason))
        return
    other = replay.gradients(disturbed=True)
    for name, gradient in base.gradients.items():
        off = float((other.gradients[name] - gradient).double().norm())
        if off > replay.rounding * 1e3 * float(gradient.double().norm()) + base.spread(name):
            message = (
                "its gradient depends on random numbers that the backward pass draws: they are not "
                "those of the forward pass, so the gradient belongs to another mask; a checkpoint "
                "needs preserve_rng_state=True, and a compiled model activation_memory_budget=1"
            )
            part.findings.append(Finding("wrong gradient", "fail", name, message))
            return
    fine: Difference | None = None
    if replay.compiled:  # compiling once more takes long
        found = compare(replay, base)
        if found.reason:
            fine = refined(sandbox, replay)
    else:
        fine = refined(sandbox, replay)
        agrees = fine is not None and not fine.reason and not fine.parameters
        found = compare(replay, base, confirm=agrees)
    wrong = [each for each in (fine, found) if each is not None and each.parameters]
    if not wrong:
        best = fine if fine is not None and not fine.reason else found
        outcome = "not checked" if best.reason else "passed"
        part.checks.append(Check(check, outcome, best.reason or best.evidence))
        return
    names = [name for name in wrong[0].parameters if name not in no_op]
    if not names:
        return
    reason = None if replay.compiled and _eager_is_right(sandbox) else _by_design(sandbox, names)
    if reason is not None:
        part.checks.append(Check(f"{check}: {_listed(names)}", "not checked", reason))
        return
    message = (
        f"its gradient is not the derivative of the loss: {wrong[0].evidence}; the backward pass "
        "uses another mask or factor than the forward pass"
    )
    part.findings.append(Finding("wrong gradient", "fail", names[0], message))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (" …" if len(names) > 4 else "")


def _eager_is_right(sandbox: Sandbox) -> bool:
    eager = Replay(sandbox)
    base = eager.gradients()
    return base.is_usable and not compare(eager, base).parameters


def _by_design(sandbox: Sandbox, names: list[str]) -> str | None:
    """Return why a gradient that is not the derivative has nothing to do with noise, or None.

    A loss may stop gradients on purpose, by ``detach`` or by a straight-through estimator.
    """
    stopped = (
        "the gradient is not the derivative without noise either: the loss stops gradients, or "
        "replaces them"
    )
    quiet = Replay(sandbox, change=_without_noise, mode=FunctionalDropout(off=True))
    if not _is_wrong(sandbox, quiet, names):
        return None
    if not quiet.is_random():
        return stopped
    resting = Replay(
        sandbox,
        change=_at_rest,
        mode=FunctionalDropout(off=True),
    )
    if _is_wrong(sandbox, resting, names):
        return stopped
    quiet.reset()
    with quiet.context():
        loss = sandbox.loss_of(quiet.runs)
    if not _has_own_backward(loss):
        return "the loss stops gradients, or replaces them, and no backward pass of its own draws"
    base = quiet.gradients()
    flat = compare(quiet, base).is_flat
    return "the loss does not change with these parameters: it is a step function" if flat else None


def _is_wrong(sandbox: Sandbox, replay: Replay, names: list[str]) -> bool:
    base = replay.gradients()
    if not base.is_usable:
        return False
    fine = refined(sandbox, replay)
    found = fine if fine is not None and not fine.reason else compare(replay, base)
    return bool(set(found.parameters) & set(names))


def _at_rest(model: nn.Module) -> None:
    _without_noise(model)
    model.eval()


def _without_noise(model: nn.Module) -> None:
    """Turn off the noises of a copy, and leave it in training mode."""
    mine = {id(placed) for placed in noises_of(model)}
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key in [k for k, h in hooks.items() if id(getattr(h, "__self__", None)) in mine]:
                del hooks[key]
        for name in ("input_noise", "hidden_noise", "weight_noise"):
            if hasattr(module, name):
                setattr(module, name, None)
        rate = getattr(module, "dropout", None)
        if isinstance(module, nn.MultiheadAttention | nn.RNNBase) and rate:
            module.dropout = 0.0
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0


def _has_own_backward(loss: Tensor) -> bool:
    """Whether a user-defined ``torch.autograd.Function`` takes part in the loss."""
    own: Any = BackwardCFunction
    seen: set[Any] = set()
    stack = [loss.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if issubclass(type(node), own):
            return True
        stack += [each for each, _ in node.next_functions]
    return False
