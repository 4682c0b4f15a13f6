"""Noise that a traced or scripted model would lose: refused at once, or when its graph trains.

``torch.fx`` calls no hooks of the module that it traces. In the modules inside, it records what
their hooks do at that time: in evaluation mode, no noise. ``torch.jit.script`` compiles hooks, and
cannot compile these.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import PythonKeyTracer
from torch.fx.graph_module import _CodeOnlyModule  # what is traced when a file is loaded

from bridle.errors import RegularizationWarning, UsageError
from bridle.modules.placed import Placed
from bridle.modules.streams import noises_in

__all__ = ["let_tracers_see_hooks"]

Lines = list[str]

_LOST = (
    ": the graph was traced in evaluation mode, and has no noise there: use it for prediction only "
    "(call its eval()), train the model itself, or trace it before it is regularized"
)


def let_tracers_see_hooks() -> None:
    """Let ``torch.fx`` and ``torch.jit.script`` look for noise that they would lose."""
    trace = torch.fx.Tracer.trace
    if getattr(trace, "_looks_for_noise", False):
        return

    @functools.wraps(trace)
    def looking(self: torch.fx.Tracer, root: Any, *args: Any, **kwargs: Any) -> torch.fx.Graph:
        # make_fx runs the hooks of the root, too
        if not isinstance(root, nn.Module) or isinstance(self, PythonKeyTracer):
            return trace(self, root, *args, **kwargs)
        told = _refusal_of(root)
        if not isinstance(root, _CodeOnlyModule) and any(True for _ in noises_in(root)):
            _refuse_hooks_of_root(root)
            graph = trace(self, root, *args, **kwargs)
            lost = _lost(self, root, graph)
            if lost:
                told = f"{', '.join(map(str, lost[:4]))}{_LOST}"
                warnings.warn(told, RegularizationWarning, stacklevel=2)
        else:
            graph = trace(self, root, *args, **kwargs)
        if told is not None:
            graph.on_generate_code(functools.partial(_Refusal, told))
        return graph

    looking._looks_for_noise = True  # type: ignore[attr-defined]
    torch.fx.Tracer.trace = looking  # type: ignore[method-assign]
    stubs = getattr(torch.jit._recursive, "get_hook_stubs", None)
    if stubs is not None:
        torch.jit._recursive.get_hook_stubs = functools.partial(_no_script, stubs)


def _no_script(stubs: Callable[[nn.Module], Any], module: nn.Module) -> Any:
    """Refuse to script a module with noise; torch's own message is about types."""
    for hooked, noise in noises_in(module):
        if hooked is module:
            raise UsageError(
                f"{noise}: torch.jit.script cannot compile it: call receipt.undo() first, or use "
                "torch.jit.trace or torch.export in evaluation mode"
            )
    return stubs(module)


def _refuse_hooks_of_root(root: nn.Module) -> None:
    for module, noise in noises_in(root):
        if module is not root or not isinstance(noise, Placed):
            continue
        probe = torch.ones(1, 1)
        way = "trace nn.Sequential(model).eval(), or use scaling='inverted'"
        if noise.is_training(module):
            way = (
                "call model.eval() first, or trace the model before it is regularized, and put the "
                "noise on an nn.Sequential around the traced one"
            )
        elif torch.equal(noise.noise.predict(probe), probe):
            continue
        raise UsageError(
            f"{noise}: torch.fx calls no hooks of the module that it traces, so the graph would "
            f"not have it: {way}"
        )


def _lost(tracer: torch.fx.Tracer, root: nn.Module, graph: torch.fx.Graph) -> list[Placed]:
    """Return the noises that are off in modules that the graph does not call as a whole."""
    targets = {str(node.target) for node in graph.nodes if node.op == "call_module"}
    named = dict(root.named_modules(remove_duplicate=False))
    if not targets <= named.keys():  # a tracer may have names of its own, and add modules later
        for module in root.modules():
            with contextlib.suppress(Exception):  # its code can raise anything
                named.setdefault(tracer.path_of_module(module), module)
    called = [named[target] for target in targets if target in named]
    whole = {id(inner) for module in called for inner in module.modules()}
    return [
        noise
        for module, noise in noises_in(root)
        if isinstance(noise, Placed) and id(module) not in whole and not noise.is_training(module)
    ]


def _refusal_of(root: nn.Module) -> str | None:
    """Return the sentence with which a graph's code refuses to train, if it does.

    The code is what a file has of a graph. It is traced when the file is loaded, and so is that of
    a graph which is traced again. Only the sentence then says that noise was lost.
    """
    if not isinstance(root, torch.fx.GraphModule | _CodeOnlyModule):
        return None
    code = getattr(type(root).forward, "__code__", None)
    texts = [text for text in getattr(code, "co_consts", ()) if isinstance(text, str)]
    return next((text for text in texts if text.endswith(_LOST)), None)


class _Refusal:
    """Adds to a graph's code that it refuses to train."""

    def __init__(self, message: str, before: Callable[[Lines], Lines] | None) -> None:
        self.message = message
        self.before = before

    def __call__(self, body: Lines) -> Lines:
        """Return the lines of the code, with the refusal at their beginning."""
        lines = body if self.before is None else self.before(body)
        # while a file is loaded, the code runs on a module without a graph
        runs = "hasattr(self, '_graph') or torch.jit.is_scripting()"
        refusal = f"        raise RuntimeError({self.message!r})\n"
        return [f"if self.training:\n    if {runs}:\n{refusal}", *lines]
