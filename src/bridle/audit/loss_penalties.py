"""Checks of penalties in the loss, found by holding the outputs of the model's modules fixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from bridle.audit.effects import ADAMS, Part, dense, effect_of, l2_inside_adam, norm_of
from bridle.audit.records import Check, Finding
from bridle.audit.sandbox import Sandbox
from bridle.audit.snapshot import Snapshot
from bridle.modules.select import kind_of
from bridle.ops.sharding import full_of

__all__ = ["loss_penalties"]


class _FixedOutputs:
    """Makes the outputs of a model constant, so that only penalties depend on the weights.

    The outermost calls count: of the model itself, or of its parts if the loss calls them one by
    one.
    """

    def __init__(self, model: nn.Module) -> None:
        self._kept: list[Any] = []
        self._place: int | None = None
        self._depth = 0
        for module in model.modules():
            module.register_forward_pre_hook(self._enter, prepend=True)
            module.register_forward_hook(self._leave, always_call=True)

    def _enter(self, module: nn.Module, args: Any) -> None:  # noqa: ARG002
        self._depth += 1

    def _leave(self, module: nn.Module, args: Any, output: Any) -> Any:  # noqa: ARG002
        self._depth -= 1
        if self._depth:
            return None
        if self._place is None or self._place >= len(self._kept):
            self._kept.append(_detached(output))
            return self._kept[-1]
        self._place += 1
        return self._kept[self._place - 1]

    def record(self) -> None:
        """Keep the outputs of the next run."""
        self._kept.clear()
        self._place, self._depth = None, 0

    def replay(self) -> None:
        """Return the outputs of the recorded run again, in the same order."""
        self._place, self._depth = 0, 0


def _detached(value: Any) -> Any:
    """Return new leaves; they need a gradient, since a checkpoint asks for one in its outputs."""

    def leaf(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        return x.detach().requires_grad_(x.is_floating_point() or x.is_complex())

    return tree_map(leaf, value)


class _Fixed:
    """The loss of a copy as a function of its weights, with the outputs of its modules fixed."""

    def __init__(self, sandbox: Sandbox, batch: Any) -> None:
        self._sandbox = sandbox
        self._batch = batch
        self.model, _ = sandbox.copies()
        for module in self.model.modules():
            module._backward_hooks.clear()
            module._backward_pre_hooks.clear()
        self._outputs = _FixedOutputs(self.model)
        self._state = Snapshot(self.model)
        self.parameters = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self._outputs.record()
        loss = self._loss()
        self.base = abs(float(loss.detach()))
        for parameter in self.parameters.values():
            parameter.grad = None
        if loss.requires_grad:
            loss.backward()
        self.gradients = {
            name: None if p.grad is None else dense(p.grad.detach())
            for name, p in self.parameters.items()
        }

    def _loss(self) -> Tensor:
        self._sandbox.start.restore()
        self._state.restore()
        return self._sandbox.loss_of(self.model, self._batch)

    @torch.no_grad()
    def slope(self, name: str, by: float) -> float:
        """Return the derivative of the loss in a parameter's scale: a central difference."""
        parameter = self.parameters[name]
        kept = parameter.detach().clone()
        values = []
        for factor in (1 + by, 1 - by):
            parameter.copy_(kept * factor)
            self._outputs.replay()
            values.append(float(self._loss()))
        parameter.copy_(kept)
        return (values[0] - values[1]) / (2 * by)


def loss_penalties(sandbox: Sandbox) -> Part:
    """Find penalties in the loss: its dependence on the weights when the outputs are fixed.

    A penalty does not depend on the batch. What does is a part of the data fit that does not pass
    through a module's call.
    """
    part = Part()
    fixed = _Fixed(sandbox, sandbox.batch)
    others: list[_Fixed] = []

    def other() -> _Fixed | None:
        """Return the same on another batch, made when it is first needed."""
        if not others:
            try:
                others.append(_Fixed(sandbox, _other_batch(sandbox.batch)))
            except Exception:  # the loss may refuse a batch that is not its own
                return None
        return others[0]

    signs = _signs(sandbox)
    unclear = []
    for module, name, parameter in _parameters_with_modules(fixed.model):
        if name not in fixed.parameters or not parameter.numel():
            continue
        gradient = fixed.gradients[name]
        if _is_without_gradient(fixed, name, other):
            message = (
                f"the loss depends on it (slope {fixed.slope(name, 0.01):.3g}) without a gradient "
                "for it: a penalty computed from .data, .detach() or .item() has no gradient"
            )
            part.findings.append(Finding("no-op penalty", "fail", name, message))
            continue
        if gradient is None or not gradient.any():
            continue
        label, fitted = _formula(parameter.detach(), gradient, signs.get(name, 1))
        if not _is_of_any_batch(gradient, other, name):
            unclear.append(name)
            continue
        part.effects.append(effect_of(name, "loss", label, gradient, fitted))
        if "L2" in label:
            part.l2.append((name, "loss"))
        if kind_of(name, parameter, module) != "weight":
            message = (
                f"is a bias or normalization parameter that the loss penalizes ({label}): leave it "
                "out of the sum"
            )
            part.findings.append(Finding("decayed bias or norm", "warn", name, message))
        elif "L2" in label and isinstance(sandbox.optimizer, ADAMS):
            part.findings.append(l2_inside_adam(name, sandbox.optimizer))
    if unclear:
        listed = ", ".join(unclear[:4]) + (" …" if len(unclear) > 4 else "")
        reason = (
            f"the loss uses {listed} outside of a module's call, so penalties on them cannot be "
            "told from the data fit"
        )
        part.checks.append(Check("penalties in the loss", "not checked", reason))
    return part


def _signs(sandbox: Sandbox) -> dict[str, int]:
    """Return -1 for each parameter whose optimizer maximizes, where a penalty is subtracted."""
    up = {
        id(value)
        for group in sandbox.optimizer.param_groups
        if group.get("maximize")
        for value in group["params"]
    }
    return {n: -1 if id(value) in up else 1 for n, value in sandbox.model.named_parameters()}


def _is_without_gradient(fixed: _Fixed, name: str, other: Callable[[], _Fixed | None]) -> bool:
    """Whether the loss depends on a parameter's scale, on any batch, and its gradient does not."""

    def gap(of: _Fixed) -> tuple[float, float]:
        gradient = of.gradients[name]
        moved = of.slope(name, 0.01)
        slope = 0.0
        if gradient is not None:
            weight = of.parameters[name].detach()
            slope = float((full_of(gradient).double() * full_of(weight).double()).sum())
        return moved - slope, max(abs(moved), abs(slope))

    off, size = gap(fixed)
    if abs(off) <= 2e-2 * size or abs(off) <= 1e-5 * fixed.base:
        return False
    finer = fixed.slope(name, 0.005) - fixed.slope(name, 0.01)
    if abs(finer) > 2e-2 * size:  # a kink, or rounding
        return False
    again = other()
    return again is None or abs(gap(again)[0] - off) <= 5e-2 * abs(off)


def _is_of_any_batch(gradient: Tensor, other: Callable[[], _Fixed | None], name: str) -> bool:
    again = other()
    if again is None:
        return True
    found = again.gradients[name]
    return found is not None and norm_of(found - gradient) <= 1e-2 * norm_of(gradient)


def _other_batch(batch: Any) -> Any:
    """Return a batch of the same form with other numbers, or with half of the rows."""
    changed = False

    def other(value: Any) -> Any:
        nonlocal changed
        if isinstance(value, Tensor) and value.is_floating_point() and value.numel():
            changed = True
            return value * 0.5 + 0.25 * value.flip(0) if value.ndim else value * 0.5
        return value

    moved = tree_map(other, batch)
    if changed:
        return moved
    return tree_map(
        lambda x: x[: max(1, len(x) // 2)] if isinstance(x, Tensor) and x.ndim else x, batch
    )


def _parameters_with_modules(model: nn.Module) -> list[tuple[nn.Module, str, nn.Parameter]]:
    first = {id(value): name for name, value in model.named_parameters()}
    places: dict[int, tuple[nn.Module, str, nn.Parameter]] = {}
    for module in model.modules():
        for value in module.parameters(recurse=False):
            places.setdefault(id(value), (module, first[id(value)], value))
    return list(places.values())


def _formula(weight: Tensor, gradient: Tensor, sign: int) -> tuple[str, Tensor]:
    """Fit a gradient as ``l1 sign(w) + l2 w``; return the penalty and the fitted gradient."""
    weight, gradient = full_of(weight), full_of(gradient)
    flat, target = weight.double().flatten(), gradient.double().flatten()
    basis = torch.stack([flat.sign(), flat], dim=1)
    l1, l2 = torch.linalg.lstsq(basis.cpu(), target.cpu()[:, None]).solution.flatten().tolist()
    fitted = (l1 * flat.sign() + l2 * flat).view(weight.shape)
    if float((fitted - gradient).norm()) > 0.01 * float(gradient.norm()):
        return "another penalty", gradient
    parts = []
    if abs(l1) * flat.numel() ** 0.5 > 1e-3 * float(target.norm()):
        parts.append(f"L1({sign * l1:.4g})")
    if abs(l2) * float(flat.norm()) > 1e-3 * float(target.norm()):
        parts.append(f"L2({sign * l2:.4g})")
    return " + ".join(parts), fitted
