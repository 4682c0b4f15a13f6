"""Recomputed forward passes: which pass they repeat, and so which mask they take.

Activation checkpointing and some ``autograd.Function``s run a forward pass a second time, inside
the backward pass. Such a pass is found on Python's stack, from the inside outwards. What it repeats
is an object that lives as long as its graph: the frame of ``torch.utils.checkpoint``, or the
``ctx`` of the function. The addresses of the first run are kept on that object.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction, FunctionCtx
from torch.utils.checkpoint import CheckpointFunction

from bridle.errors import UsageError

__all__ = ["repeated_address", "repeated_traced_address"]

_KEPT = "_bridle_addresses"
_COMPILERS = ("torch._functorch.", "torch._dynamo.", "torch._inductor.")


@dataclass
class _Addresses:
    """The addresses that one region took in its forward pass, by counter, and where replays are."""

    taken: dict[int, list[Tensor]] = field(default_factory=dict)
    replayed: dict[tuple[Any, int], int] = field(default_factory=dict)
    traced: dict[tuple[int, int, int], Tensor] = field(default_factory=dict)
    """What compiled graphs took when they ran again, by counter, its replays and its next step."""


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
def _marks() -> dict[int, str]:
    """Return torch's functions to look for, by the id of their code; empty if one is missing."""
    from torch.autograd.graph import _engine_run_backward
    from torch.utils import checkpoint as module

    hooks = getattr(module, "_checkpoint_hook", None)
    inner = hooks.__init__.__code__.co_consts if hooks is not None else ()
    unpack = [c for c in inner if isinstance(c, CodeType) and c.co_name == "unpack_hook"]
    if len(unpack) != 1 or not {"frame", "gid"} <= {*unpack[0].co_freevars, *unpack[0].co_varnames}:
        return {}
    calls = getattr(module, "_checkpoint_impl", module.checkpoint)  # torch 2.15 and before
    # by identity: code that a compiler has made may have constants without a hash
    marks = {
        id(inspect.unwrap(calls).__code__): "checkpoint",
        id(unpack[0]): "recompute",
        id(inspect.unwrap(_engine_run_backward).__code__): "engine",
    }
    for name in ("apply", "apply_boxed"):
        method = getattr(BackwardCFunction, name, None)
        if method is not None:
            marks[id(method.__code__)] = "backward"
    return marks


def _context_of(frame: FrameType) -> Any:
    """Return the ``ctx`` of an ``autograd.Function`` if this is its forward."""
    code = frame.f_code
    if code.co_name != "forward" or not code.co_argcount or code.co_varnames[0] == "self":
        return None
    first = frame.f_locals.get(code.co_varnames[0])
    return first if isinstance(first, FunctionCtx) else None


def _is_compiled(context: Any) -> bool:
    """Whether a context belongs to a graph of ``torch.compile``."""
    return type(context)._forward_cls.__module__.startswith(_COMPILERS)


def _frame_of_hooks() -> Any:
    """Return the checkpoint frame of the innermost hooks on saved tensors.

    Composable checkpointing sets them in a forward hook, so that no function is on the stack.
    """
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)
    pack: Any = hooks[0] if hooks else None
    names = getattr(getattr(pack, "__code__", None), "co_freevars", ())
    if "frame" not in names:
        return None
    found = pack.__closure__[names.index("frame")].cell_contents
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
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        mark = marks.get(id(frame.f_code))
        if mark is not None:
            if _look(around, mark, frame, task):
                break
        elif (context := _context_of(frame)) is not None:
            (around.graphs if _is_compiled(context) else around.regions).append(context)
        frame = frame.f_back
    if around.repeated is not None or task == -1:
        innermost = _frame_of_hooks()
        if innermost is not None and all(innermost is not each for each in around.regions):
            around.regions.insert(0, innermost)
    return around


def _look(around: _Surroundings, mark: str, frame: FrameType, task: int) -> bool:
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
    generator = frame.f_locals.get("gen")
    inner = None if generator is None else generator.gi_frame
    region = None if inner is None else inner.f_locals.get("new_frame")
    if region is not None:
        around.regions.append(region)
    return False


def repeated_address(name: str, key: int, fresh: Tensor) -> Tensor | None:
    """Return the address of the pass that this pass of a counter repeats; None for a new pass.

    Parameters
    ----------
    name : str
        What the messages call the noise.
    key : int
        The counter.
    fresh : Tensor
        int64 ``[3]``: the counter's next address, which a new pass takes.

    Raises
    ------
    UsageError
        If the pass is recomputed, and it is unknown which pass it repeats.
    """
    around = _surroundings()
    return None if around is None else _address(around, name, key, fresh)


def repeated_traced_address(
    name_of: Callable[[int], str], serial: Tensor, fresh: Tensor
) -> Tensor | None:
    """As :func:`repeated_address`, called by a compiled graph.

    The graph's backward pass may repeat a call of its forward pass with the same arguments. The
    address is then that of the first call. In a region that runs again, the arguments are those of
    its last run, and not of the forward pass.

    Parameters
    ----------
    name_of : callable
        Returns the name of a counter.
    serial : Tensor
        int64 ``[2]``, on the CPU: the counter, and how often it was replayed in compiled graphs.
    fresh : Tensor
        int64 ``[3]``.
    """
    around = _surroundings()
    if around is None:
        return None
    if around.compiled_backward is not None:
        regions = getattr(around.compiled_backward, _KEPT, ())
        again = [kept for region in regions if (kept := getattr(region, _KEPT, None)) is not None]
        if not any(kept.traced for kept in again):
            return None
        call = (*serial.tolist(), int(fresh[2]))
        return next((kept.traced[call] for kept in again if call in kept.traced), None)
    key = int(serial[0])
    fresh = fresh.clone()  # the graph may use its memory again
    address = _address(around, name_of(key), key, fresh)
    if address is not None:
        getattr(around.repeated, _KEPT).traced[*serial.tolist(), int(fresh[2])] = address
    if around.graphs:
        repeated = [] if address is None else [around.repeated]
        setattr(around.graphs[0], _KEPT, around.regions + repeated)
    return address


def _address(around: _Surroundings, name: str, key: int, fresh: Tensor) -> Tensor | None:
    """Return the address of the pass that is repeated, if any; keep the pass's address."""
    repeated = None if around.repeated is None else _replay(around, name, key)
    for region in around.regions:
        kept = getattr(region, _KEPT, None)
        if kept is None:
            kept = _Addresses()
            setattr(region, _KEPT, kept)
        kept.taken.setdefault(key, []).append(fresh if repeated is None else repeated)
    return repeated


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
    if by_torch or isinstance(around.repeated, CheckpointFunction._backward_cls):
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
