"""Step hooks of an optimizer that go along when it is copied or saved."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["StepHooks", "hook_into", "unhook", "was_skipped", "with_gradients"]


class StepHooks(Protocol):
    """What acts at an optimizer's steps."""

    def before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> Any:
        """Act before a step; may return other arguments of ``step``."""

    def after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Act after a step."""


def hook_into(optimizer: torch.optim.Optimizer, owner: StepHooks) -> None:
    """Let an owner act at an optimizer's steps, and at those of copies and pickles."""
    optimizer.register_step_pre_hook(owner.before_step)
    optimizer.register_step_post_hook(owner.after_step)
    # copies and pickles of an optimizer have no hooks; this method gives them ours
    vars(optimizer)["__getstate__"] = partial(_state_with_hooks, optimizer)


def unhook(optimizer: torch.optim.Optimizer, owner: StepHooks) -> None:
    """Remove an owner's hooks from an optimizer."""
    for hooks in _hooks_of(optimizer):
        for key in [key for key, hook in hooks.items() if _owner(hook) is owner]:
            del hooks[key]


def was_skipped(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a gradient scaler has skipped the step, because a gradient is not finite."""
    overflow = getattr(optimizer, "found_inf", None)
    return overflow is not None and bool(float(overflow))


def with_gradients(
    optimizer: torch.optim.Optimizer,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    add: Callable[[torch.optim.Optimizer, Tensor | None], None],
    value: Callable[[], Tensor],
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Add gradients before a step, or after each evaluation of its closure.

    Parameters
    ----------
    optimizer, args, kwargs
        What a hook before the step gets.
    add : callable
        Adds the gradients, times a factor if it is not None.
    value : callable
        Returns the value that belongs to them.

    Returns
    -------
    tuple or None
        Other arguments of ``step``, if there is a closure.
    """
    # args begins with the optimizer itself
    closure = args[1] if len(args) > 1 else kwargs.get("closure")
    if closure is None:
        # with a fused optimizer, the gradients are still multiplied by the gradient scale
        add(optimizer, getattr(optimizer, "grad_scale", None))
        return None
    total = isinstance(optimizer, torch.optim.LBFGS)

    def wrapped() -> Any:
        loss = closure()
        add(optimizer, None)
        # a line search needs the value that belongs to the gradient
        return loss + value().detach() if total else loss

    if len(args) > 1:
        return (args[0], wrapped, *args[2:]), kwargs
    return args, kwargs | {"closure": wrapped}


def _owner(hook: Any) -> Any:
    return getattr(hook, "__self__", None)


def _hooks_of(optimizer: torch.optim.Optimizer) -> tuple[dict[int, Any], dict[int, Any]]:
    return optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks


def _state_with_hooks(optimizer: torch.optim.Optimizer) -> Any:
    """Return the state of an optimizer for a copy, which keeps bridle's hooks."""
    state: Any = type(optimizer).__getstate__(optimizer)
    if not isinstance(state, dict):
        return state
    names = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    for name, hooks in zip(names, _hooks_of(optimizer), strict=True):
        ours = [
            hook for hook in hooks.values() if type(_owner(hook)).__module__.startswith("bridle")
        ]
        # torch counts from 0, anew in each process
        state = state | {name: OrderedDict((-key, hook) for key, hook in enumerate(ours, 1))}
    return state | {"__getstate__": partial(_state_with_hooks, optimizer)}
