"""``Replay``: the loss and its gradient of one copy, again and again with the same random state."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from bridle.audit.effects import dense
from bridle.audit.sandbox import Sandbox
from bridle.audit.snapshot import Snapshot

__all__ = ["Gradients", "Replay"]


@dataclass
class Gradients:
    """The loss and its gradient at the replay's weights; ``reason`` says why it is not usable."""

    loss: float = 0.0
    gradients: dict[str, Tensor] = field(default_factory=dict)
    noise: float = 0.0
    """How far two equal passes differ in the loss."""
    reason: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether the gradient can be compared with differences."""
        return not self.reason

    def spread(self, name: str) -> float:
        """Return how far the gradient of a parameter differs between equal passes."""
        return self.spreads.get(name, 0.0)

    spreads: dict[str, float] = field(default_factory=dict)


class Replay:
    """One copy of the model whose passes all begin in the same state.

    The weights are moved a little from the user's, so that none lies at a kink of the loss, such as
    a bias of 0 before a ReLU.

    Parameters
    ----------
    sandbox : Sandbox
    dtype : torch.dtype, optional
        Convert the floating-point weights and the batch.
    change : callable, optional
        Changes the copy first.
    wrap : callable, optional
        Returns what the loss is given instead of the copy, such as a compiled copy.
    mode : context manager, optional
        Entered at each pass.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        dtype: torch.dtype | None = None,
        change: Callable[[nn.Module], Any] = lambda _: None,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
        mode: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.sandbox = sandbox
        self.change, self.wrap, self.mode = change, wrap, mode
        self.compiled = wrap is not None
        sandbox.start.restore()
        self.model, _ = sandbox.copies()
        change(self.model)
        for module in self.model.modules():  # they change gradients on purpose
            module._backward_hooks.clear()
            module._backward_pre_hooks.clear()
        self.batch = sandbox.batch
        if dtype is not None:
            self.model.to(dtype)
            self.batch = tree_map(
                lambda x: x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x,
                sandbox.batch,
            )
        self.parameters = {
            name: value for name, value in self.model.named_parameters() if value.requires_grad
        }
        self._move()
        self.runs = self.model if wrap is None else wrap(self.model)
        kinds = [value.dtype for value in self.parameters.values()]
        self.rounding = max((float(torch.finfo(kind).eps) for kind in kinds), default=1e-7)
        self._find_autocast()
        self._state = Snapshot(self.model, tensors=True, but=sandbox.originals)

    def _find_autocast(self) -> None:
        """Let the rounding be that of a lower precision in which the loss calls a module."""
        if self.rounding < 1e-12:  # autocast leaves double precision as it is
            return
        kinds: set[torch.dtype] = set()

        def look(*_: Any) -> None:
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    kinds.add(torch.get_autocast_dtype(kind))

        probe, _ = self.sandbox.copies()
        for module in probe.modules():
            module.register_forward_pre_hook(look)
        self.sandbox.start.restore()
        self.sandbox.loss_of(probe)
        self.rounding = max([self.rounding, *(float(torch.finfo(kind).eps) for kind in kinds)])

    @torch.no_grad()
    def _move(self) -> None:
        for place, value in enumerate(self.parameters.values()):
            generator = torch.Generator(value.device).manual_seed(place)
            noise = torch.empty_like(value).normal_(generator=generator)
            value.mul_(1 + 0.01 * noise).add_(1e-3 * noise * (value == 0))

    def context(self) -> AbstractContextManager[Any]:
        """Return the context in which passes run."""
        return self.mode if self.mode is not None else nullcontext()

    def reset(self) -> None:
        """Return to the state in which each pass begins."""
        self.sandbox.start.restore()
        self._state.restore()

    def value(self, offsets: dict[str, Tensor] | None = None, step: float = 0.0) -> Tensor:
        """Return the loss, at the weights plus ``step`` times some offsets."""
        self.reset()
        if offsets:
            with torch.no_grad():
                for name, offset in offsets.items():
                    self.parameters[name].add_(offset, alpha=step)
        with self.context():
            return self.sandbox.loss_of(self.runs, self.batch)

    def gradients(self, *, disturbed: bool = False) -> Gradients:
        """Return the loss and its gradient; ``disturbed`` changes the random state in between."""
        first = self._once(disturbed)
        if disturbed or first.reason:
            return first
        second = self._once(False)
        first.noise = abs(first.loss - second.loss)
        first.spreads = {
            name: 2 * float((second.gradients[name] - each).double().norm())
            for name, each in first.gradients.items()
        }
        if first.noise > 100 * self.rounding * abs(first.loss):
            first.reason = (
                "the loss is not the same for the same weights and random state: it draws from a "
                "source that the audit cannot set back"
            )
        return first

    def _once(self, disturbed: bool) -> Gradients:
        loss = self.value()
        if not loss.requires_grad:
            return Gradients(reason="the loss has no gradient")
        if not torch.isfinite(loss.detach()).all():
            return Gradients(reason="the loss is not finite")
        if disturbed:
            self._state.disturb()
            self.sandbox.start.disturb()
        with self.context():
            loss.backward()
        found = {
            name: torch.zeros_like(value)
            if value.grad is None
            else dense(value.grad).detach().clone()
            for name, value in self.parameters.items()
        }
        if not all(bool(torch.isfinite(each).all()) for each in found.values()):
            return Gradients(reason="the gradient is not finite")
        return Gradients(float(loss.detach()), found)

    def is_random(self) -> bool:
        """Whether the loss differs from pass to pass: by random numbers, or by a counter."""
        one = float(self.value().detach())
        self._state.disturb()
        with self.context():
            two = float(self.sandbox.loss_of(self.runs, self.batch).detach())
        return abs(one - two) > 100 * self.rounding * abs(one)
