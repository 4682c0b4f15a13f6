"""Checks of penalties in the loss, found by holding the model's outputs fixed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from bridle.audit.effects import ADAMS, Part, effect_of, l2_inside_adam
from bridle.audit.records import Effect, Finding
from bridle.audit.sandbox import Sandbox
from bridle.modules.select import kind_of

__all__ = ["loss_penalties"]


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


def loss_penalties(sandbox: Sandbox) -> Part:
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
        effects.append(effect_of(name, "loss", label, gradient, fitted))
        if "L2" in label:
            l2.append((name, "loss"))
        if kind_of(name, parameter, module) != "weight":
            message = (
                f"is a bias or normalization parameter that the loss penalizes ({label}): leave it "
                "out of the sum"
            )
            findings.append(Finding("decayed bias or norm", "warn", name, message))
        elif "L2" in label and isinstance(sandbox.optimizer, ADAMS):
            findings.append(l2_inside_adam(name, sandbox.optimizer))
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
