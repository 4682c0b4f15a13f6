"""Each op once: its implementations by device, its gradient, and its registration with torch.

An op is registered with torch.library, with a fake kernel and autograd, so that torch.compile
keeps one graph. Eager calls on ordinary tensors go to the same functions through an
``autograd.Function``, which costs less than half of the way through the dispatcher; for a layer
of a hundred units that is most of the time. Backward recomputes the mask from its address, or
reads it off the output: a mask is never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from bridle.ops import cpu, reference

__all__ = [
    "Op",
    "drop_connect_linear",
    "dropout",
    "elastic_prox",
    "elastic_prox_",
    "gaussian_dropout",
    "is_eager",
    "relu_dropout",
    "soft_threshold",
    "uniform_like",
]

_ORDINARY = (Tensor, nn.Parameter)


def backend_of(device: torch.device) -> ModuleType:
    """Return the module that implements the ops on a device."""
    if device.type == "cpu":
        return cpu
    if device.type == "cuda":
        try:
            return import_module("bridle.ops.triton")
        except ImportError:  # torch for this device comes with Triton, save on Windows
            return reference
    return reference


def is_eager(x: Tensor) -> bool:
    """Whether this is an ordinary call on an ordinary tensor, with nobody watching the ops."""
    return (
        not torch.compiler.is_compiling()
        and type(x) in _ORDINARY
        and x.device.type in ("cpu", "cuda")
        and not is_in_torch_dispatch_mode()
        and torch._C._functorch.maybe_current_level() is None
    )


def _function_of(
    run: Callable[..., Any], backward: Callable[..., Any], setup_context: Callable[..., Any] | None
) -> Any:
    """Return the ``autograd.Function`` of an op.

    Its ``forward`` takes the context: torch inspects the signature of one that does not at every
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
    """One op, callable on eager and on traced tensors alike."""

    def __init__(
        self,
        run: Callable[..., Any],
        *,
        fake: Callable[..., Any],
        backward: Callable[..., Any] | None = None,
        setup_context: Callable[..., Any] | None = None,
    ) -> None:
        name = f"bridle::{run.__name__.strip('_')}"
        self._run = run
        self._registered = torch.library.custom_op(name, run, mutates_args=())
        self._registered.register_fake(fake)
        self._function: Any = None
        if backward is not None:
            self._registered.register_autograd(backward, setup_context=setup_context)
            self._function = _function_of(run, backward, setup_context)

    def __call__(self, *arguments: Any) -> Any:
        """Run the op; the first argument is the tensor that it is about."""
        if not is_eager(arguments[0]):
            return self._registered(*arguments)
        if self._function is None or not torch.is_grad_enabled():
            return self._run(*arguments)
        return self._function.apply(*arguments)


def _like_first(first: Tensor, *_: Any) -> Tensor:
    return torch.empty(first.shape, dtype=first.dtype, device=first.device)


# ------------------------------------------------------------------ dropout


def _dropout(
    x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> Tensor:
    return backend_of(x.device).dropout(x, address, rows, keep_prob, inverted)


def _save_address(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, *address, ctx.inverted = inputs
    ctx.save_for_backward(*address)


def _dropout_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # dropout is linear in x: its gradient is the same op on the gradient
    return dropout(grad, *ctx.saved_tensors, ctx.inverted), None, None, None, None


dropout = Op(_dropout, fake=_like_first, backward=_dropout_backward, setup_context=_save_address)


# ------------------------------------------------------------------ numbers, not masks


def _numbers_of(device: torch.device) -> ModuleType:
    """Return the module that draws numbers on a device."""
    # words have kernels; logarithms and sines are torch's, since a kernel's would be other ones
    return cpu if device.type == "cpu" else reference


def _gaussian_dropout(x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor) -> Tensor:
    return _numbers_of(x.device).gaussian_dropout(x, address, rows, keep_prob)


def _save_numbers(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[1:])


def _gaussian_dropout_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # linear in x, as dropout is
    return gaussian_dropout(grad, *ctx.saved_tensors), None, None, None


gaussian_dropout = Op(
    _gaussian_dropout,
    fake=_like_first,
    backward=_gaussian_dropout_backward,
    setup_context=_save_numbers,
)


def _uniform_like(x: Tensor, address: Tensor, rows: Tensor | None) -> Tensor:
    return _numbers_of(x.device).uniform_like(x, address, rows)


def _double_like(x: Tensor, *_: Any) -> Tensor:
    return torch.empty(x.shape, dtype=torch.float64, device=x.device)


uniform_like = Op(_uniform_like, fake=_double_like)


# ------------------------------------------------------------------ bias, ReLU and dropout


def _relu_dropout_backward(grad: Tensor, y: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    return backend_of(grad.device).relu_dropout_backward(grad, y, keep_prob, inverted)


def _save_for_second(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, y, keep_prob, ctx.inverted = inputs
    ctx.save_for_backward(y, keep_prob)


def _relu_dropout_second(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # linear in the gradient; in y it is a step function, flat almost everywhere
    return relu_dropout_backward(grad, *ctx.saved_tensors, ctx.inverted), None, None, None


relu_dropout_backward = Op(
    _relu_dropout_backward,
    fake=_like_first,
    backward=_relu_dropout_second,
    setup_context=_save_for_second,
)


def _relu_dropout(
    x: Tensor,
    bias: Tensor | None,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    return backend_of(x.device).relu_dropout(x, bias, address, rows, keep_prob, inverted)


def _save_output(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, bias, _, _, keep_prob, ctx.inverted = inputs
    ctx.bias_members = 0 if bias is None else bias.shape[0]
    ctx.save_for_backward(output, keep_prob)


def _relu_dropout_grad(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    passed = relu_dropout_backward(grad, *ctx.saved_tensors, ctx.inverted)
    bias = None
    if ctx.needs_input_grad[1]:
        bias = passed.sum(1)
        if ctx.bias_members == 1:
            bias = bias.sum(0, keepdim=True)
    return passed, bias, None, None, None, None


relu_dropout = Op(
    _relu_dropout, fake=_like_first, backward=_relu_dropout_grad, setup_context=_save_output
)


# ------------------------------------------------------------------ one weight mask per example


def _drop_connect_linear(
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> Tensor:
    return backend_of(x.device).drop_connect_linear(x, weight, address, rows, keep_prob, inverted)


def _fake_product(x: Tensor, weight: Tensor, *_: Any) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], weight.shape[2])


def _save_product(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.inverted = inputs
    ctx.save_for_backward(*tensors)


def _product_grad(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    by_x, by_weight = drop_connect_linear_backward(grad, *ctx.saved_tensors, ctx.inverted)
    return by_x, by_weight, None, None, None, None


def _drop_connect_linear_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    address: Tensor,
    rows: Tensor | None,
    keep_prob: Tensor,
    inverted: bool,
) -> tuple[Tensor, Tensor]:
    return backend_of(x.device).drop_connect_linear_backward(
        grad, x, weight, address, rows, keep_prob, inverted
    )


def _fake_gradients(grad: Tensor, x: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return _like_first(x), _like_first(weight)


def _save_gradients(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.inverted = inputs
    ctx.save_for_backward(*tensors)


def _gradients_grad(ctx: Any, by_x: Tensor, by_weight: Tensor) -> tuple[Tensor | None, ...]:
    # the product is linear in x and in the weights, so that its gradients are products again
    grad, x, weight, *mask = ctx.saved_tensors
    mask = [*mask, ctx.inverted]
    by_grad = drop_connect_linear(by_x, weight, *mask) + drop_connect_linear(x, by_weight, *mask)
    x_grad = drop_connect_linear_backward(grad, x, by_weight, *mask)[0]
    weight_grad = drop_connect_linear_backward(grad, by_x, weight, *mask)[1]
    return by_grad, x_grad, weight_grad, None, None, None, None


drop_connect_linear = Op(
    _drop_connect_linear, fake=_fake_product, backward=_product_grad, setup_context=_save_product
)
drop_connect_linear_backward = Op(
    _drop_connect_linear_backward,
    fake=_fake_gradients,
    backward=_gradients_grad,
    setup_context=_save_gradients,
)


# ------------------------------------------------------------------ proximal steps


def _soft_threshold(w: Tensor, threshold: Tensor) -> Tensor:
    return backend_of(w.device).soft_threshold(w, threshold)


def _save_weights(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _soft_threshold_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    w, threshold = ctx.saved_tensors
    passed = grad * (w.abs() > threshold)
    grad_threshold = None
    if ctx.needs_input_grad[1]:
        grad_threshold = (-passed * w.sign()).sum_to_size(threshold.shape).to(threshold.dtype)
    return passed, grad_threshold


soft_threshold = Op(
    _soft_threshold,
    fake=_like_first,
    backward=_soft_threshold_backward,
    setup_context=_save_weights,
)


def _elastic_prox(
    w: Tensor,
    second_moment: Tensor | None,
    l1: Tensor,
    l2: Tensor,
    rate: float,
    eps: float,
    correction: float,
) -> Tensor:
    return backend_of(w.device).elastic_prox(w, second_moment, l1, l2, rate, eps, correction)


elastic_prox = Op(_elastic_prox, fake=_like_first)


def elastic_prox_(w: Tensor, *arguments: Any) -> None:
    """As ``elastic_prox``, in place: no gradient goes through it."""
    if is_eager(w) and w.is_contiguous():
        backend_of(w.device).elastic_prox(w, *arguments, out=w)
    else:
        w.copy_(elastic_prox(w, *arguments))
