"""Compiled models: copies that are compiled in the same way, and noise in compiled code."""

from __future__ import annotations

import inspect
from typing import Any, cast

from torch import nn

__all__ = ["compile_like", "has_compiled_parts", "is_compiled"]


def has_compiled_parts(model: nn.Module) -> bool:
    """Whether a module within a model, or the model itself, runs compiled code."""
    return any(_wraps(module) or _context(module) is not None for module in model.modules())


def is_compiled(given: nn.Module, inner: nn.Module) -> bool:
    """Whether a model that the user has given runs compiled code, in wrappers or in place."""
    return _wraps_compiled(given) or has_compiled_parts(inner)


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
    while given is not inner:
        if _wraps(given):
            from torch._dynamo.eval_frame import OptimizedModule

            return cast(nn.Module, OptimizedModule(copied, given.dynamo_ctx))
        given = given.module
    return copied
