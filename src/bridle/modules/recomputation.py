"""Recomputed forward passes: which pass they repeat, and so which mask they take.

Activation checkpointing and some ``autograd.Function``s run a forward pass a second time, inside
the backward pass. Such a pass is found on Python's stack, from the inside outwards. What it repeats
is an object that lives as long as its graph: the frame of ``torch.utils.checkpoint``, or the ``ctx``
of the function. The addresses of the first run are kept on that object.
"""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction, FunctionCtx

from bridle.errors import UsageError

__all__ = ["address_of_pass", "address_of_traced_pass"]

_KEPT = "_bridle_addresses"
_COMPILERS = ("torch._functorch.", "torch._dynamo.", "torch._inductor.")


@dataclass
class _Addresses:
    """The addresses that one region took in its forward pass, by counter, and where replays are."""

    taken: dict[int, list[Tensor]] = field(default_factory=dict)
    replayed: dict[tuple[Any, int], int] = field(default_factory=dict)


@dataclass
class _Surroundings:
    """Where a forward pass runs."""

    regions: list[Any] = field(default_factory=list)
    """What may be recomputed: checkpoint frames and contexts, from the inside outwards."""
    repeated: Any = None
    """The region that runs again."""
    run: Any = None
    """Tells one recomputation of it from the next."""
    graphs: list[Any] = field(default_factory=list)
    """The contexts of compiled graphs that run forward, from the inside outwards."""
    compiled_backward: Any = None
    """The context of the compiled graph whose backward pass calls."""


@functools.cache
def _marks() -> dict[CodeType, str]:
    """Return the functions of torch to look for, by their code; empty if one is missing."""
    from torch.autograd import Function
    from torch.autograd.graph import _engine_run_backward
    from torch.utils import checkpoint as module

    hooks = getattr(module, "_checkpoint_hook", None)
    inner = hooks.__init__.__code__.co_consts if hooks is not None else ()
    unpack = [c for c in inner if isinstance(c, CodeType) and c.co_name == "unpack_hook"]
    if len(unpack) != 1 or not {"frame", "gid"} <= {*unpack[0].co_freevars, *unpack[0].co_varnames}:
        return {}
    marks = {
        inspect.unwrap(module.checkpoint).__code__: "checkpoint",
        unpack[0]: "recompute",
        Function.apply.__func__.__code__: "forward",  # type: ignore[attr-defined]
        inspect.unwrap(_engine_run_backward).__code__: "engine",
    }
    for name in ("apply", "apply_boxed"):
        method = getattr(BackwardCFunction, name, None)
        if method is not None:
            marks[method.__code__] = "backward"
    return marks


def _context_of(frame: FrameType | None) -> Any:
    """Return the ``ctx`` that a function's forward was called with, if any."""
    if frame is None or not (frame.f_code.co_argcount or frame.f_code.co_flags & inspect.CO_VARARGS):
        return None
    first = frame.f_locals.get(frame.f_code.co_varnames[0])
    if not frame.f_code.co_argcount:  # a decorator, such as torch.amp.custom_fwd
        first = first[0] if first else None
    return first if isinstance(first, FunctionCtx) else None


def _is_compiled(context: Any) -> bool:
    """Whether a context belongs to a graph of ``torch.compile``."""
    return type(context)._forward_cls.__module__.startswith(_COMPILERS)


def _frame_of_hooks() -> Any:
    """Return the checkpoint frame of the innermost hooks on saved tensors.

    Composable checkpointing sets them in a forward hook, so that no function is on the stack.
    """
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)
    code = getattr(hooks[0], "__code__", None) if hooks else None
    if code is None or "frame" not in code.co_freevars:
        return None
    cell = hooks[0].__closure__[code.co_freevars.index("frame")]
    found = cell.cell_contents
    return found if hasattr(found, "weak_holders") else None


def _surroundings() -> _Surroundings | None:
    """Return where the caller runs; None where nothing is or will be recomputed."""
    task = torch._C._current_graph_task_id()
    if (
        task == -1
        and torch.is_grad_enabled()
        and torch._C._autograd._top_saved_tensors_default_hooks(True) is None
    ):
        return None
    marks = _marks()
    if not marks:
        raise UsageError(
            f"torch {torch.__version__} recomputes forward passes in a way that bridle does not "
            "know: train without activation checkpointing, or use a version that bridle supports"
        )
    around = _Surroundings()
    callee: FrameType | None = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        mark = marks.get(frame.f_code)
        if mark is not None and _look(around, mark, frame, callee, task):
            break
        callee, frame = frame, frame.f_back
    if around.repeated is not None or task == -1:
        innermost = _frame_of_hooks()
        if innermost is not None and all(innermost is not each for each in around.regions):
            around.regions.insert(0, innermost)
    return around


def _look(
    around: _Surroundings, mark: str, frame: FrameType, callee: FrameType | None, task: int
) -> bool:
    """Note one function on the stack; return whether what is outside of it does not matter."""
    if mark == "engine":  # a hook of the backward pass runs a pass of its own
        return True
    if mark == "recompute":
        local = frame.f_locals
        around.repeated, around.run = local["frame"], local["gid"]
        return True
    if mark == "backward":
        context = frame.f_locals["self"]
        if _is_compiled(context):
            around.compiled_backward = context
        else:
            around.repeated, around.run = context, task
        return True
    if mark == "checkpoint":
        generator = frame.f_locals.get("gen")
        inner = None if generator is None else generator.gi_frame
        region = None if inner is None else inner.f_locals.get("new_frame")
        if region is not None:
            around.regions.append(region)
        return False
    context = _context_of(callee)
    if context is not None:
        (around.graphs if _is_compiled(context) else around.regions).append(context)
    return False


def address_of_pass(name: str, key: int, fresh: Tensor) -> Tensor:
    """Return the address of a counter's pass: ``fresh``, or that of the pass it repeats.

    Parameters
    ----------
    name : str
        What the messages call the noise.
    key : int
        The counter.
    fresh : Tensor
        int64 ``[3]``: the counter's next address. It is returned itself if the pass is a new one.

    Raises
    ------
    UsageError
        If the pass is recomputed, and it is unknown which pass it repeats.
    """
    around = _surroundings()
    return fresh if around is None else _address(around, name, key, fresh)


def address_of_traced_pass(names: Any, key: Tensor, fresh: Tensor) -> Tensor:
    """As :func:`address_of_pass`, called by a compiled graph.

    Its backward pass may repeat a call of its forward pass, with the same ``fresh``. The address is
    then that of the first call.
    """
    around = _surroundings()
    if around is None:
        return fresh
    number = int(key)
    if around.compiled_backward is not None:
        changed = getattr(around.compiled_backward, _KEPT, None)
        return changed.get((number, int(fresh[2])), fresh) if changed else fresh
    address = _address(around, names(number), number, fresh)
    if address is not fresh and around.graphs:
        graph = around.graphs[0]
        changed = getattr(graph, _KEPT, {})
        changed[number, int(fresh[2])] = address
        setattr(graph, _KEPT, changed)
    return address


def _address(around: _Surroundings, name: str, key: int, fresh: Tensor) -> Tensor:
    address = fresh if around.repeated is None else _replay(around, name, key)
    for region in around.regions:
        kept = getattr(region, _KEPT, None)
        if kept is None:
            kept = _Addresses()
            setattr(region, _KEPT, kept)
        kept.taken.setdefault(key, []).append(address)
    return address


def _replay(around: _Surroundings, name: str, key: int) -> Tensor:
    """Return the next recorded address of a counter in the region that runs again."""
    kept: _Addresses | None = getattr(around.repeated, _KEPT, None)
    taken = kept.taken.get(key) if kept is not None else None
    by_torch = not isinstance(around.repeated, FunctionCtx)
    what = "a checkpoint" if by_torch else f"{type(around.repeated)._forward_cls.__name__}.backward"
    if kept is None or taken is None:
        way = (
            "checkpoint with torch.utils.checkpoint.checkpoint(..., use_reentrant=False)"
            if by_torch
            else "run it in forward(ctx, ...) too, without torch.enable_grad, or recompute it with "
            "torch.utils.checkpoint.checkpoint"
        )
        raise UsageError(
            f"{name} runs in {what}, but did not run in the forward pass there, so its mask is "
            f"unknown: {way}"
        )
    if by_torch or isinstance(around.repeated, torch.utils.checkpoint.CheckpointFunction._backward_cls):
        place = kept.replayed.get((around.run, key), 0)
        if place == len(taken):
            raise UsageError(
                f"{name} runs more often in the recomputation of a checkpoint than in its forward "
                f"pass ({place} times), so its mask is unknown: checkpoint a function that runs "
                "the same modules both times"
            )
        kept.replayed[around.run, key] = place + 1
        return taken[place]
    if len(taken) > 1:
        raise UsageError(
            f"{name} ran {len(taken)} times in the forward pass of {what.removesuffix('.backward')}"
            ", which may recompute them in any order, so its mask is ambiguous: give each call a "
            "module of its own, or recompute with torch.utils.checkpoint.checkpoint"
        )
    return taken[0]
