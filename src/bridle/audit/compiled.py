"""Compiled models: copies that run eagerly, or that are compiled in the same way."""

from __future__ import annotations

import inspect
from typing import Any, cast

from torch import nn

__all__ = ["compile_like", "contexts", "is_compiled", "run_eagerly"]


def is_compiled(given: nn.Module, inner: nn.Module) -> bool:
    """Whether a model that the user has given runs compiled code, in wrappers or in place."""
    parts = any(_wraps(module) or _context(module) is not None for module in inner.modules())
    return parts or _wraps_compiled(given)


def contexts(model: nn.Module) -> list[Any]:
    """Return what compiles the parts of a model; copies share them."""
    return [module.dynamo_ctx for module in model.modules() if _wraps(module)]


def run_eagerly(copied: nn.Module) -> None:
    """Let the compiled parts of a copy run as they are written, where hooks see each call.

    Copies of modules that are compiled in place already do.
    """
    for module in copied.modules():
        if _wraps(module):
            module.forward = cast(nn.Module, module._orig_mod).__call__


def _wraps(module: nn.Module) -> bool:
    return "_orig_mod" in module._modules


def _wraps_compiled(given: nn.Module) -> bool:
    while True:
        if _wraps(given):
            return True
        if isinstance(given, nn.parallel.DistributedDataParallel | nn.DataParallel):
            given = given.module
        else:
            return False


def _context(module: nn.Module) -> Any:
    """Return what compiles a module in place (``module.compile()``), or None."""
    call = vars(module).get("_compiled_call_impl")
    return None if call is None else inspect.getclosurevars(call).nonlocals.get("self")


def compile_like(given: nn.Module, inner: nn.Module, copied: nn.Module) -> nn.Module:
    """Return a copy of a model that runs compiled code where the user's model does.

    ``copied`` is a copy of ``inner``, the module in the wrappers of ``given``. The compiler, its
    mode and its cache are those of the user's model.
    """
    for mine, theirs in zip(inner.modules(), copied.modules(), strict=True):
        context = _context(mine)
        if context is not None:
            theirs._compiled_call_impl = context(theirs._call_impl)
        elif vars(mine).get("_compiled_call_impl") is not None:
            theirs.compile()
        if _wraps(mine):
            cast(Any, theirs)._initialize()
    while given is not inner:
        if _wraps(given):
            from torch._dynamo.eval_frame import OptimizedModule

            return OptimizedModule(copied, cast(Any, given).dynamo_ctx)
        given = cast(nn.Module, given.module)
    return copied
