"""Compaction of :class:`bridle.Network`, whose weights are ``[members, in, out]``."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.networks.population import ACTIVATIONS, Network
from bridle.sparsity.compaction.result import (
    Compacted,
    CompactedLayer,
    count_parameters,
    keeps_dead,
)

__all__ = ["compact_network"]


def compact_network(network: Network) -> Compacted:
    """Return a network of one member without its dead hidden units."""
    if network.members != 1:
        raise UsageError(
            f"the Network has {network.members} members, whose dead units differ; "
            "compact one member: network.take([i])"
        )
    small = copy.deepcopy(network)
    while any(_shrink(small, layer) for layer in reversed(range(1, len(small.sizes) - 1))):
        pass
    kept = [
        f"layer 'weights.{layer - 1}' keeps 1 unit, all zero: a layer has at least one"
        for layer in range(1, len(small.sizes) - 1)
        if small.sizes[layer] == 1 and not small.weights[layer].any()
    ]
    unread = (small.weights[0][0] == 0).all(1).nonzero().flatten().tolist()
    if unread:
        kept.append(
            f"layer 'weights.0' {keeps_dead(len(unread), 'input')}: a Network keeps its inputs"
        )
    last = len(small.weights) - 1
    kept.append(f"layer 'weights.{last}' keeps its {small.sizes[-1]} units: the model returns them")
    layers = tuple(
        CompactedLayer(
            f"weights.{layer}",
            "Network",
            network.sizes[layer + 1],
            small.sizes[layer + 1],
            network.weights[layer].shape[1],
            small.weights[layer].shape[1],
            () if layer else tuple(unread),
        )
        for layer in range(len(small.weights))
    )
    return Compacted(small, layers, tuple(kept), count_parameters(network), count_parameters(small))


def _shrink(network: Network, layer: int) -> bool:
    """Remove the dead units that enter a layer; return whether anything changed."""
    below, above = network.weights[layer - 1], network.weights[layer]
    bias = network.biases[layer - 1].detach()
    unread = (above[0] == 0).all(1)
    constant = (below[0] == 0).all(0)
    value = ACTIVATIONS[network.activation](bias.cpu().double())
    foldable = constant & value[0, 0].isfinite().to(constant.device)
    removable = unread | foldable
    if not removable.any():
        return False
    folded = removable & ~unread
    if folded.any():
        # the noises' factors at prediction
        noise, weight = network.hidden_noise, above.detach().cpu().double()
        value = value if noise is None else noise.predict(value)
        if network.weight_noise is not None:
            weight = network.weight_noise.predict(weight)
        places = folded.cpu()
        added = value[..., places] @ weight[:, places]
        total = network.biases[layer].detach().cpu().double() + added
        _set(network.biases, layer, total)
    stub = bool(removable.all())
    keep = (~removable).nonzero().flatten() if not stub else removable.nonzero().flatten()[:1]
    changed = len(keep) < network.sizes[layer]
    if changed:
        _set(network.weights, layer - 1, below.detach().index_select(2, keep))
        _set(network.biases, layer - 1, bias.index_select(2, keep))
        _set(network.weights, layer, above.detach().index_select(1, keep))
        sizes = list(network.sizes)
        sizes[layer] = len(keep)
        network.sizes = tuple(sizes)
    if stub:
        # all its weights become zero, so the units before it are dead as well
        for tensor in (
            network.weights[layer - 1],
            network.biases[layer - 1],
            network.weights[layer],
        ):
            if tensor.any():
                tensor.zero_()
                changed = True
    return changed


def _set(parameters: nn.ParameterList, place: int, value: Tensor) -> None:
    old = parameters[place]
    value = value.to(old.device, old.dtype)
    parameters[place] = torch.nn.Parameter(value, requires_grad=old.requires_grad)
