"""Which optimizer's step a penalty belongs to: wrappers are opened where that is right."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from bridle.errors import UsageError
from bridle.penalties.application import check_momentum

__all__ = ["check_optimizer", "groups_of", "inside_of", "optimizer_for"]

_TRANSPARENT = (
    "accelerate.optimizer",
    "lightning.fabric.wrappers",
    "lightning.pytorch.core.optimizer",
    "lightning_fabric.wrappers",
    "pytorch_lightning.core.optimizer",
)
_AVERAGING = ("lookahead", "schedulefree", "ema", "swa", "averag", "wsam")
_SCHEDULE_FREE = ("SGDScheduleFree", "AdamWScheduleFree", "RAdamScheduleFree")


def inside_of(optimizer: Any) -> torch.optim.Optimizer | None:
    """Return the optimizer that a wrapper holds; None if it is no wrapper."""
    if type(optimizer).__name__ == "ZeroRedundancyOptimizer":
        return None  # its own step is the last one to change the weights
    held = [each for each in vars(optimizer).values() if isinstance(each, torch.optim.Optimizer)]
    return held[0] if held else None


def optimizer_for(optimizer: Any, mode: str) -> torch.optim.Optimizer:
    """Return the optimizer at whose steps penalties act: itself, or the one that it wraps.

    Raises
    ------
    UsageError
        If it is no optimizer, or if its steps cannot be seen or are not the last change of the
        weights.
    """
    if not isinstance(optimizer, torch.optim.Optimizer) and not hasattr(optimizer, "__dict__"):
        raise UsageError(f"{optimizer!r} is not a torch.optim.Optimizer; give one")
    inner = inside_of(optimizer)
    name = type(optimizer).__name__
    if inner is None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise UsageError(f"{optimizer!r} is not a torch.optim.Optimizer; give one")
        if _in_two_steps(optimizer):
            raise UsageError(
                f"{name} makes its steps in first_step and second_step, where penalties cannot "
                "act: add receipt.value() or attached.value() of a plain optimizer to the loss"
            )
        return optimizer
    if mode == "proximal" and any(each in name.casefold() for each in _AVERAGING):
        raise UsageError(
            f"{name} changes the weights after the step of {type(inner).__name__}, so that the "
            "result of a proximal step does not stay: use mode='coupled'"
        )
    known = not isinstance(optimizer, torch.optim.Optimizer) or _in_two_steps(optimizer)
    known = known or any(each.__module__.endswith(_TRANSPARENT) for each in type(optimizer).__mro__)
    if mode == "proximal" and not known:
        raise UsageError(
            f"{name} wraps {type(inner).__name__}, and may change the weights after its step: use "
            f"mode='coupled', or attach to the {type(inner).__name__} if its step is the last"
        )
    if _in_two_steps(optimizer) and not _second_step_calls_step(optimizer):
        raise UsageError(
            f"second_step of {name} does not call the step of {type(inner).__name__}, where "
            "penalties act: call it there"
        )
    return optimizer_for(inner, mode)


def _in_two_steps(optimizer: Any) -> bool:
    return hasattr(optimizer, "first_step") and hasattr(optimizer, "second_step")


def _second_step_calls_step(optimizer: Any) -> bool:
    try:
        return ".step(" in inspect.getsource(type(optimizer).second_step)
    except (OSError, TypeError):  # no source to look at
        return True


def check_optimizer(optimizer: torch.optim.Optimizer, mode: str, metric: str) -> None:
    """Check that penalties can act at an optimizer's steps, in a mode and a metric.

    Raises
    ------
    UsageError
        If the size of its steps is not known, which a proximal step needs.
    """
    name = type(optimizer).__name__
    for group in optimizer.param_groups:
        if any(hasattr(parameter, "_in_backward_optimizers") for parameter in group["params"]):
            raise UsageError(
                f"the parameters of {name} are updated in the backward pass, and its step does "
                "nothing: attach to each parameter's _in_backward_optimizers"
            )
    if mode != "proximal":
        return
    if isinstance(optimizer, torch.optim.LBFGS):
        raise UsageError("LBFGS has no fixed step size for the prox: use mode='coupled'")
    adaptive = (torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad)
    if metric == "adaptive" and not isinstance(optimizer, adaptive):
        raise UsageError(
            f"{name} has no second moments for the adaptive metric: use metric='euclidean', or "
            "Adam, AdamW, RMSprop or Adagrad"
        )
    averaging = any("train_mode" in group for group in optimizer.param_groups)
    if (averaging or "schedulefree" in name.casefold()) and name not in _SCHEDULE_FREE:
        raise UsageError(
            f"{name} evaluates an average of its iterates, and bridle does not know how it is "
            "made: use mode='coupled', or SGDScheduleFree or AdamWScheduleFree of schedulefree"
        )
    own = not type(optimizer).__module__.startswith("torch.")  # Prodigy's factor on the rate is "d"
    for group in optimizer.param_groups:
        if group.get("lr") is None or (own and "d" in group):
            raise UsageError(
                f"{name} chooses its own step size, which the prox would need: use mode='coupled'"
            )
    check_momentum(optimizer)


def groups_of(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Any]]:
    """Return the parameter group of each of an optimizer's parameters, by the parameter's id."""
    return {id(p): group for group in optimizer.param_groups for p in group["params"]}
