"""``Op``: a custom operator of torch, with a fast path for eager calls.

An op is registered with ``torch.library``, with a fake kernel and autograd, so that
``torch.compile`` keeps one graph. Eager calls on ordinary tensors reach the same functions through
an ``autograd.Function``. This costs less than half of the way through the dispatcher; for a layer
of a hundred units, the dispatcher takes most of the time. Under ``torch.func`` and in forward-mode
differentiation an op consists of torch's own operations (see :mod:`bridle.ops.transforms`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from bridle.ops.transforms import is_several_gradients, is_transformed, members_of_batch

__all__ = ["Op", "is_eager", "like_first"]

_ORDINARY = (Tensor, nn.Parameter)


def is_eager(x: Tensor) -> bool:
    """Whether a call may bypass the dispatcher: eager, on an ordinary tensor, with no tracing."""
    return (
        not torch.compiler.is_compiling()
        and type(x) in _ORDINARY
        and (x.is_cpu or x.is_cuda)
        and not is_in_torch_dispatch_mode()
        and not is_transformed()
        and not is_several_gradients(x)
    )


def _function_of(
    run: Callable[..., Any], backward: Callable[..., Any], setup_context: Callable[..., Any] | None
) -> Any:
    """Return the ``autograd.Function`` of an op.

    Its ``forward`` takes the context. Without that argument, torch inspects the signature at every
    call, which takes longer than a layer.
    """

    def forward(ctx: Any, *arguments: Any) -> Any:
        output = run(*arguments)
        if setup_context is not None:
            setup_context(ctx, arguments, output)
        return output

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(run.__name__, (torch.autograd.Function,), methods)


class Op:
    """One op, which eager and traced tensors call alike."""

    def __init__(
        self,
        run: Callable[..., Any],
        *,
        fake: Callable[..., Any],
        backward: Callable[..., Any] | None = None,
        setup_context: Callable[..., Any] | None = None,
        transformed: Callable[..., Any] | None = None,
        inputs: int = 1,
        draws: bool = False,
    ) -> None:
        name = f"bridle::{run.__name__.strip('_')}"
        self._run = run
        self._registered = torch.library.custom_op(name, run, mutates_args=())
        self._registered.register_fake(fake)
        self._transformed = transformed
        self._inputs = inputs
        if draws:
            self._registered.register_vmap(members_of_batch(self._registered))
        self._function: Any = None
        if backward is not None:
            self._registered.register_autograd(backward, setup_context=setup_context)
            self._function = _function_of(run, backward, setup_context)

    def __call__(self, *arguments: Any) -> Any:
        """Run the op; the first ``inputs`` arguments are its main tensors."""
        tensors = arguments[: self._inputs]
        if not (is_eager(tensors[0]) if len(tensors) == 1 else all(map(is_eager, tensors))):
            of_torch = is_transformed() or any(map(is_several_gradients, tensors))
            op = self._transformed if of_torch and self._transformed else self._registered
            return op(*arguments)
        if self._function is None or not torch.is_grad_enabled():
            return self._run(*arguments)
        return self._function.apply(*arguments)


def like_first(first: Tensor, *_: Any) -> Tensor:
    """Return an empty tensor like the first argument: the fake kernel of most ops."""
    return torch.empty(first.shape, dtype=first.dtype, device=first.device)
