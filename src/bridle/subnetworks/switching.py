"""Which of a module's dropout acts in a pass, and what else has to be in training mode for it.

A module may apply dropout only ``if self.training``. Such a module alone is put in training mode,
if its outputs are then those of evaluation mode, with dropout computed as the identity.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import RegularizationWarning, UsageError
from bridle.modules.replace_dropout import TorchDropout
from bridle.subnetworks.noise_mode import NoiseCall, NoiseMode
from bridle.subnetworks.placed_noises import HookedAct, PlacedNoises
from bridle.subnetworks.unchanged import buffers_of

__all__ = ["switch_on"]

Run = Callable[[], Tensor]
_NAMES = {"p", "prob", "rate"}


@dataclass(frozen=True)
class _Promise:
    """A rate above 0 that a module has, in an attribute."""

    path: str
    module: nn.Module
    attribute: str
    rate: float

    def __str__(self) -> str:
        kind = type(self.module).__name__
        return f"{self.path or 'the model'} ({kind}, {self.attribute}={self.rate:g})"


@dataclass
class _Trace:
    """What a pass showed: the calls of dropout, the modules that ran, and those without effect."""

    calls: list[NoiseCall] = field(default_factory=list)
    ran: set[nn.Module] = field(default_factory=set)
    identities: set[nn.Module] = field(default_factory=set)

    def direct(self, module: nn.Module, rate: float | None = None) -> bool:
        """Whether a module itself called dropout, with this rate if one is given."""
        return any(
            call.modules and call.modules[-1] is module and rate in (None, call.rate)
            for call in self.calls
        )


def switch_on(model: nn.Module, mode: NoiseMode, placed: PlacedNoises, run: Run) -> None:
    """Put those modules in training mode that need it for their dropout, and check what acts.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    mode : NoiseMode
    placed : PlacedNoises
    run : callable
        Runs the model in the mode, and returns its output.

    Raises
    ------
    UsageError
        If no noise acts.

    Warns
    -----
    RegularizationWarning
        If a dropout cannot be switched on.
    """
    promises = list(_promises(model))
    with _silent(mode, placed), _traced(model, mode) as trace:
        plain = run()
    placed.count_calls()
    noises = [
        module
        for module in trace.identities
        if _is_user_class(module) and _holds_nothing(module) and not trace.direct(module)
    ]
    for module in noises:
        module.training = True
    _try_training(_gates(model, promises, trace), model, mode, placed, run, plain)
    with _traced(model, mode) as trace:
        run()
    for module in noises:
        module.training = trace.direct(module)
    unmet = [str(each) for each in promises if not _is_met(each, model, trace)] + _scripted(model)
    advice = (
        "its masks must come from torch's dropout modules or functions, called with "
        "training=self.training, in a module that only dropout changes in training; or add the "
        "noise with bridle.regularize"
    )
    if not placed.places and not any(call.rate != 0 for call in trace.calls):
        named = f": {', '.join(unmet)} cannot be switched on; {advice}" if unmet else ""
        raise UsageError(
            f"{type(model).__name__} has no dropout that acts{named}"
            if unmet
            else f"{type(model).__name__} has no noise, so it has no subnetworks: add noise with "
            "bridle.regularize(model, {...: bridle.Dropout(keep_prob=0.5)}), or give a model with "
            "dropout above 0"
        )
    if unmet:
        warnings.warn(
            f"this dropout did not act, so it is not in the spread: {', '.join(unmet)}; {advice}",
            RegularizationWarning,
            stacklevel=4,
        )


def _promises(model: nn.Module) -> Iterator[_Promise]:
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule) or _is_replaced(module):
            continue
        for name, value in vars(module).items():
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            # a norm or a dilation has these names, too, but is 1 or more
            named = "drop" in name.lower() or (name.lower() in _NAMES and numeric and value < 1)
            if not (named and numeric and 0 < value <= 1):
                continue
            if not (isinstance(module, nn.RNNBase) and module.num_layers == 1):
                yield _Promise(path, module, name, float(value))


def _is_replaced(module: nn.Module) -> bool:
    """Whether a module's dropout is that of :func:`bridle.replace_dropout`."""
    owners = (getattr(hook, "__self__", None) for hook in module._forward_hooks.values())
    return any(
        isinstance(owner, HookedAct) and isinstance(owner.place.noise, TorchDropout)
        for owner in owners
    )


def _is_user_class(module: nn.Module) -> bool:
    return not type(module).__module__.startswith("torch.nn.")


def _holds_nothing(module: nn.Module) -> bool:
    """Whether a module has no parameters, buffers and modules, as modules of noise have none."""
    return not (module._parameters or module._buffers or module._modules)


def _gates(model: nn.Module, promises: list[_Promise], trace: _Trace) -> list[nn.Module]:
    """Return the modules that may apply dropout only if they are in training mode themselves."""
    found: dict[nn.Module, None] = {}
    for each in promises:
        path, module = each.path, each.module
        if trace.direct(module, each.rate):
            continue
        while module not in trace.ran and path:  # the nearest module around it that ran
            path = path.rpartition(".")[0]
            module = model.get_submodule(path)
        if _is_user_class(module) and module in trace.ran:
            found.setdefault(module)
    return list(found)


def _try_training(
    modules: list[nn.Module],
    model: nn.Module,
    mode: NoiseMode,
    placed: PlacedNoises,
    run: Run,
    plain: Tensor,
) -> None:
    """Put the modules in training mode that then still compute what they do in evaluation."""

    def same() -> bool:
        before = buffers_of(model)
        try:
            with _silent(mode, placed):
                found = run()
            kept = all(
                module._buffers[name] is buffer and torch.equal(buffer, copy)
                for module, name, buffer, copy in before
            )
        except Exception:  # user code can raise anything, such as for missing labels
            return False
        finally:
            for module, name, buffer, copy in before:
                module._buffers[name] = buffer
                if not torch.equal(buffer, copy):
                    buffer.copy_(copy)
        scale = float(plain.abs().max()) if plain.numel() else 0.0
        return (
            kept
            and found.shape == plain.shape
            and torch.allclose(found, plain, rtol=1e-4, atol=1e-5 * scale, equal_nan=True)
        )

    def put(some: list[nn.Module], training: bool) -> None:
        for module in some:
            module.training = training

    if not modules:
        return
    already = [module for module in modules if module.training]
    put(modules, True)
    if same():
        return
    put(modules, False)
    put(already, True)
    for module in modules:
        if module not in already:
            module.training = True
            module.training = same()


def _is_met(promise: _Promise, model: nn.Module, trace: _Trace) -> bool:
    """Whether a call of dropout has a promised rate, in the module or the one around it."""
    around = model.get_submodule(promise.path.rpartition(".")[0])
    for call in trace.calls:
        same, caller = call.rate == promise.rate, call.modules[-1] if call.modules else model
        if promise.module in call.modules and (
            same or (call.rate is None and caller is promise.module)
        ):
            return True
        if promise.module not in trace.ran and same and caller is around:
            return True  # its rate is read, but the module is not called
    return False


def _scripted(model: nn.Module) -> list[str]:
    """Return the outermost TorchScript modules that have dropout."""
    found: list[str] = []
    within: set[nn.Module] = set()
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule) and module not in within:
            within.update(module.modules())
            if "dropout" in str(getattr(module, "inlined_graph", "")):
                found.append(
                    f"{path or 'the model'} (TorchScript; give the module it was made from)"
                )
    return found


@contextmanager
def _silent(mode: NoiseMode, placed: PlacedNoises) -> Iterator[None]:
    """Compute all noise as the identity."""
    mode.act = placed.act = False
    try:
        yield
    finally:
        mode.act = placed.act = True


@contextmanager
def _traced(model: nn.Module, mode: NoiseMode) -> Iterator[_Trace]:
    """Record the calls of dropout in a pass, and the modules that make them."""
    trace, handles = _Trace(), []
    changed: set[nn.Module] = set()

    def enter(module: nn.Module, args: Any) -> None:  # noqa: ARG001
        trace.ran.add(module)
        mode.running.append(module)

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        if mode.running and mode.running[-1] is module:
            mode.running.pop()
        given: Any = args[0] if args else None
        plain = type(given) is Tensor and type(output) is Tensor  # a nested tensor has no equality
        if output is not given and not (plain and torch.equal(output, given)):
            changed.add(module)

    for module in model.modules():
        if not isinstance(module, torch.jit.ScriptModule):
            handles.append(module.register_forward_pre_hook(enter, prepend=True))
            handles.append(module.register_forward_hook(leave, always_call=True))
    mode.calls = trace.calls
    try:
        yield trace
        trace.identities = trace.ran - changed
    finally:
        mode.calls = None
        mode.running.clear()
        for handle in handles:
            handle.remove()
