"""Step hooks of an optimizer that go along when it is copied or saved."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any, Protocol

import torch

__all__ = ["StepHooks", "hook_into", "unhook", "was_skipped"]


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
