"""Recurrent networks of several layers, run layer by layer so that dropout can act between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["RECURRENT", "run_recurrent"]

RECURRENT = (torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu)
"""torch's functions, with the arguments ``(input, state, weights, biases, layers, dropout,
training, bidirectional, batch_first)`` or ``(data, batch_sizes, state, weights, biases, layers,
dropout, training, bidirectional)``."""


def run_recurrent(
    func: Callable[..., Any], args: tuple[Any, ...], drop: Callable[[Tensor, int], Tensor]
) -> tuple[Tensor, ...]:
    """Run a recurrent function layer by layer.

    Parameters
    ----------
    func : callable
        One of :data:`RECURRENT`.
    args : tuple
        Its arguments.
    drop : callable
        Takes the output of a layer and the layer's number; not called for the last layer.

    Returns
    -------
    tuple of Tensor
        The outputs of the last layer, and the last state of each layer.

    Examples
    --------
    >>> import torch
    >>> lstm = torch.nn.LSTM(3, 4, num_layers=2)
    >>> state = torch.zeros(2, 1, 4), torch.zeros(2, 1, 4)
    >>> args = torch.randn(5, 1, 3), state, lstm._flat_weights, True, 2, 0.0, False, False, False
    >>> y, h, c = run_recurrent(torch.lstm, args, lambda x, layer: x)
    >>> torch.allclose(y, lstm(args[0])[0])
    True
    """
    packed = not isinstance(args[3], bool)
    lead = 2 if packed else 1
    x, sizes = args[0], args[1:lead]
    state, weights, biases, layers = args[lead : lead + 4]
    bidirectional = args[lead + 6]
    tail = (bidirectional,) if packed else (bidirectional, args[lead + 7])
    states = (state,) if isinstance(state, Tensor) else tuple(state)
    directions = 2 if bidirectional else 1
    each = len(weights) // layers
    found = []
    for layer in range(layers):
        here = slice(layer * directions, (layer + 1) * directions)
        begun = tuple(part[here].contiguous() for part in states)
        given = begun[0] if isinstance(state, Tensor) else begun
        own = list(weights[layer * each : (layer + 1) * each])
        x, *ended = func(x, *sizes, given, own, biases, 1, 0.0, False, *tail)
        found.append(ended)
        if layer < layers - 1:
            x = drop(x, layer)
    return (x, *(torch.cat(parts) for parts in zip(*found, strict=True)))
