"""State of the weights: exact zeros, dead units and silent units."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bridle.diagnosis.network_state import LayerState
from bridle.modules.select import kind_of
from bridle.networks.embedding import first_inputs
from bridle.networks.population import ACTIVATIONS, Network

__all__ = ["layers_of_arrays", "layers_of_module", "layers_of_network", "parameters_of"]

_MAX_ROWS = 2048


def parameters_of(module: nn.Module) -> int:
    """Return the number of parameters of a module; of a population, those of one network."""
    members = module.members if isinstance(module, Network) else 1
    return sum(each.numel() for each in module.parameters()) // members


@torch.no_grad()
def layers_of_network(network: Network, X: Tensor | None = None) -> tuple[LayerState, ...]:
    """Return the state of each layer, summed over members.

    Parameters
    ----------
    network : Network
    X : Tensor, optional
        ``[rows, inputs]``: rows to find silent units with; at most 2048 are used.
    """
    weights = [weight.detach() for weight in network.weights]
    silent = [None] * len(weights) if X is None else _silent(network, X[:_MAX_ROWS])
    return _layers(weights, silent, [f"weights.{layer}" for layer in range(len(weights))])


def layers_of_arrays(weights: Sequence[Any], name: str = "coefs_") -> tuple[LayerState, ...]:
    """Return the state of each layer of a scikit-learn network: arrays ``[in, out]``."""
    dense = [each.toarray() if hasattr(each, "toarray") else each for each in weights]
    stacked = [torch.from_numpy(np.ascontiguousarray(each))[None] for each in dense]
    return _layers(stacked, [None] * len(stacked), [f"{name}[{at}]" for at in range(len(stacked))])


def _layers(
    weights: Sequence[Tensor], silent: Sequence[int | None], names: Sequence[str]
) -> tuple[LayerState, ...]:
    """Return the states of consecutive layers ``[members, in, out]``."""
    unused: list[Tensor | None] = [(above == 0).all(2) for _, above in pairwise(weights)]
    found = []
    for weight, outgoing_zero, silent_units, name in zip(
        weights, [*unused, None], silent, names, strict=True
    ):
        dead = (weight == 0).all(1)
        if outgoing_zero is not None:
            dead = dead | outgoing_zero
        members, inputs, units = weight.shape
        found.append(
            LayerState(
                name=name,
                inputs=inputs,
                units=units,
                members=members,
                weights=weight.numel(),
                zeros=int((weight == 0).sum()),
                dead_units=int(dead.sum()),
                silent_units=silent_units,
            )
        )
    return tuple(found)


def _silent(network: Network, X: Tensor) -> list[int | None]:
    """Return the number of units of each hidden layer that are 0 for every row."""
    activation, found = ACTIVATIONS[network.activation], []
    hidden = X.to(network.weights[0].dtype).expand(network.members, -1, -1)
    hidden = first_inputs(network.embedding, hidden)
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        hidden = activation(torch.baddbmm(bias, hidden, weight))
        found.append(int((hidden == 0).all(1).sum()))
    return [*found, None]


@torch.no_grad()
def layers_of_module(model: nn.Module) -> tuple[LayerState, ...]:
    """Return the state of each weight of any module, in definition order.

    Here a unit counts as dead if all its incoming weights are exactly 0. Outgoing weights cannot be
    identified from the weights alone.
    """
    found = []
    for path, module in model.named_modules():
        for name, weight in module.named_parameters(recurse=False):
            if weight.ndim < 2 or kind_of(name, weight, module) != "weight":
                continue
            rows = weight.detach().flatten(1)
            found.append(
                LayerState(
                    name=f"{path}.{name}" if path else name,
                    inputs=rows.shape[1],
                    units=rows.shape[0],
                    members=1,
                    weights=rows.numel(),
                    zeros=int((rows == 0).sum()),
                    dead_units=int((rows == 0).all(1).sum()),
                    silent_units=None,
                )
            )
    return tuple(found)
