"""Each op once: its implementation, its gradient, and its registration with torch.

The backward pass recomputes a mask from its address, or infers it from the output. Masks are never
stored.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bridle.ops import reference, transforms
from bridle.ops.backends import backend_of, number_backend_of
from bridle.ops.custom_op import Op, is_eager, like_first

__all__ = [
    "drop_connect_linear",
    "dropout",
    "elastic_prox",
    "elastic_prox_",
    "gaussian_dropout",
    "relu_dropout",
    "soft_threshold",
    "uniform_like",
]


# ------------------------------------------------------------------ dropout


def _dropout(
    x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor, inverted: bool
) -> Tensor:
    return backend_of(x.device).dropout(x, address, rows, keep_prob, inverted)


def _save_address(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, *address, ctx.inverted = inputs
    ctx.save_for_backward(*address)


def _dropout_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # dropout is linear in x, so its gradient is the same op on the gradient
    return dropout(grad, *ctx.saved_tensors, ctx.inverted), None, None, None, None


dropout = Op(
    _dropout,
    fake=like_first,
    backward=_dropout_backward,
    setup_context=_save_address,
    transformed=transforms.dropout,
    draws=True,
)


# ------------------------------------------------------------------ random numbers


def _gaussian_dropout(x: Tensor, address: Tensor, rows: Tensor | None, keep_prob: Tensor) -> Tensor:
    return number_backend_of(x.device).gaussian_dropout(x, address, rows, keep_prob)


def _save_numbers(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[1:])


def _gaussian_dropout_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # linear in x, like dropout
    return gaussian_dropout(grad, *ctx.saved_tensors), None, None, None


gaussian_dropout = Op(
    _gaussian_dropout,
    fake=like_first,
    backward=_gaussian_dropout_backward,
    setup_context=_save_numbers,
    transformed=transforms.gaussian_dropout,
    draws=True,
)


def _uniform_like(x: Tensor, address: Tensor, rows: Tensor | None) -> Tensor:
    return number_backend_of(x.device).uniform_like(x, address, rows)


def _double_like(x: Tensor, *_: Any) -> Tensor:
    return torch.empty(x.shape, dtype=torch.float64, device=x.device)


uniform_like = Op(_uniform_like, fake=_double_like, draws=True)


# ------------------------------------------------------------------ bias, ReLU and dropout


def _relu_dropout_backward(grad: Tensor, y: Tensor, keep_prob: Tensor, inverted: bool) -> Tensor:
    return backend_of(grad.device).relu_dropout_backward(grad, y, keep_prob, inverted)


def _save_for_second(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, y, keep_prob, ctx.inverted = inputs
    ctx.save_for_backward(y, keep_prob)


def _relu_dropout_second(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    # linear in the gradient; a step function of y, so its derivative there is 0
    return relu_dropout_backward(grad, *ctx.saved_tensors, ctx.inverted), None, None, None


relu_dropout_backward = Op(
    _relu_dropout_backward,
    fake=like_first,
    backward=_relu_dropout_second,
    setup_context=_save_for_second,
    transformed=reference.relu_dropout_backward,
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
    _relu_dropout,
    fake=like_first,
    backward=_relu_dropout_grad,
    setup_context=_save_output,
    transformed=transforms.relu_dropout,
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
    return like_first(x), like_first(weight)


def _save_gradients(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.inverted = inputs
    ctx.save_for_backward(*tensors)


def _gradients_grad(ctx: Any, by_x: Tensor, by_weight: Tensor) -> tuple[Tensor | None, ...]:
    # the product is linear in x and in the weights, so its gradients are such products, too
    grad, x, weight, *mask = ctx.saved_tensors
    mask = [*mask, ctx.inverted]
    by_grad = drop_connect_linear(by_x, weight, *mask) + drop_connect_linear(x, by_weight, *mask)
    x_grad = drop_connect_linear_backward(grad, x, by_weight, *mask)[0]
    weight_grad = drop_connect_linear_backward(grad, by_x, weight, *mask)[1]
    return by_grad, x_grad, weight_grad, None, None, None, None


drop_connect_linear = Op(
    _drop_connect_linear,
    fake=_fake_product,
    backward=_product_grad,
    setup_context=_save_product,
    transformed=transforms.drop_connect_linear,
    inputs=2,
)
drop_connect_linear_backward = Op(
    _drop_connect_linear_backward,
    fake=_fake_gradients,
    backward=_gradients_grad,
    setup_context=_save_gradients,
    transformed=transforms.drop_connect_linear_backward,
    inputs=3,
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
    fake=like_first,
    backward=_soft_threshold_backward,
    setup_context=_save_weights,
    transformed=reference.soft_threshold,
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


elastic_prox = Op(_elastic_prox, fake=like_first, transformed=reference.elastic_prox)


def elastic_prox_(w: Tensor, *arguments: Any) -> None:
    """As ``elastic_prox``, in place and without a gradient."""
    if is_eager(w) and w.is_contiguous():
        backend_of(w.device).elastic_prox(w, *arguments, out=w)
    else:
        w.copy_(elastic_prox(w, *arguments))
