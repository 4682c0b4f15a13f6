"""The forward pass of a population of networks, in training and at prediction."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bridle.networks.embedding import first_inputs
from bridle.networks.layers import ACTIVATIONS, Layers

__all__ = ["prediction_forward", "training_forward"]


def training_forward(layers: Layers, hidden: Tensor, rows: Tensor | None) -> Tensor:
    """Return the outputs ``[members, rows, outputs]`` with the masks of the current step.

    Parameters
    ----------
    layers : Layers
    hidden : Tensor
        The inputs, ``[members, rows, inputs]``.
    rows : Tensor, optional
        The row addresses of the masks. Default: ``0, 1, 2, ...``.
    """
    activation = ACTIVATIONS[layers.activation]
    # for dropout after a ReLU, one pass adds the bias, clips at 0 and drops units
    drop: Any = layers.hidden_noise  # train() has other options in each class
    fused = drop is not None and drop.fuses_relu and layers.activation == "relu"
    hidden = first_inputs(layers.embedding, hidden)
    for layer, bias in enumerate(layers.biases):
        if layer and fused:
            below = layers.biases[layer - 1]
            place = layers.address(2 * layer)
            hidden = drop.train(hidden, place, rows=rows, relu=True, bias=below)
        elif layer and drop is not None:
            hidden = drop.train(activation(hidden), layers.address(2 * layer), rows=rows)
        elif layer:
            hidden = activation(hidden)
        elif layers.input_noise is not None:
            hidden = layers.input_noise.train(hidden, layers.address(0), rows=rows)
        late = fused and layer < len(layers.biases) - 1
        hidden = _linear(layers, hidden, None if late else bias, layer, rows)
    return hidden


def _linear(
    layers: Layers, hidden: Tensor, bias: Tensor | None, layer: int, rows: Tensor | None
) -> Tensor:
    if layers.weight_noise is None:
        weight = layers.weights[layer]
        if bias is None:
            return torch.bmm(hidden, weight)
        return torch.baddbmm(bias, hidden, weight)
    address = layers.address(2 * layer + 1)
    product = layers.weight_noise.linear(hidden, layers.weights[layer], address, rows=rows)
    return product if bias is None else product + bias


def prediction_forward(layers: Layers, hidden: Tensor) -> Tensor:
    """Return the outputs ``[members, rows, outputs]`` with noise off.

    Parameters
    ----------
    layers : Layers
    hidden : Tensor
        The inputs, ``[members, rows, inputs]``.
    """
    hidden = first_inputs(layers.embedding, hidden)
    for layer, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
        hidden = ACTIVATIONS[layers.activation](hidden) if layer else hidden
        dropout = layers.hidden_noise if layer else layers.input_noise
        hidden = hidden if dropout is None else dropout.predict(hidden)
        used = weight if layers.weight_noise is None else layers.weight_noise.predict(weight)
        hidden = torch.baddbmm(bias, hidden, used)
    return hidden
