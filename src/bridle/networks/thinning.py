"""Thinned networks: a network without its dropped units, which a mask makes of the full one.

The term is that of Srivastava et al. (2014). The functions here work on the tensors of one network,
weights ``[in, out]`` and biases ``[out]``. :meth:`bridle.Network.subnetwork` and
:mod:`bridle.subnetworks` use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.layers import Layers
from bridle.noise import DropConnect, Multiplier

__all__ = ["addresses", "check_index", "check_noise", "keep_factors", "masked_parameters", "thin"]


def check_index(k: int, row: int = 0) -> None:
    """Raise a UsageError if the step or the row of a subnetwork's masks is invalid."""
    for name, value in (("k", k), ("row", row)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise UsageError(
                f"{name} is {value!r}; give an integer from 0 on: subnetwork k has the masks of "
                "training step k"
            )


def check_noise(noise: Multiplier) -> None:
    """Raise a UsageError if a noise does more than multiply, so that it defines no subnetwork."""
    if not noise.multiplies:
        raise UsageError(
            f"{noise} also adds to the units, so it has no subnetworks; use a noise that only "
            "multiplies, such as bridle.Dropout or bridle.DropConnect"
        )


def addresses(seed: int, stream: int, indices: Sequence[int]) -> Tensor:
    """Return the addresses of one stream's masks for some subnetworks: int64 ``[indices, 3]``."""
    found = torch.empty(len(indices), 3, dtype=torch.int64)
    found[:, 0], found[:, 1] = seed, stream
    found[:, 2] = torch.as_tensor(indices, dtype=torch.int64)
    return found


def keep_factors(noise: Multiplier, address: Tensor, units: int, row: int, like: Tensor) -> Tensor:
    """Return the factor by which each mask multiplies each unit.

    Parameters
    ----------
    noise : Multiplier
        With one keep probability. A scheduled noise has that of each address's step.
    address : Tensor
        int64 ``[masks, 3]``.
    units : int
        The number of units.
    row : int
        The row address; a shared mask always has row 0.
    like : Tensor
        Its dtype and device are those of the result.

    Returns
    -------
    Tensor
        ``[masks, units]``: 0 for a dropped unit, 1 or 1/p for a kept one.

    Raises
    ------
    UsageError
        If the noise does more than multiply.
    """
    check_noise(noise)
    ones = torch.ones(len(address), 1, units, dtype=like.dtype, device=like.device)
    rows = torch.tensor([row], device=like.device)
    return noise.train(ones, address, rows=rows)[:, 0]  # type: ignore[call-arg]


def masked_parameters(layers: Layers, k: int, row: int) -> tuple[list[Tensor], list[Tensor | None]]:
    """Return the weights and input factors of subnetwork ``k``, of a network of one member.

    Parameters
    ----------
    layers : Layers
    k : int
        The step of the masks.
    row : int
        The row of the masks.

    Returns
    -------
    tuple of two lists
        For each layer its weights ``[in, out]`` with the weight mask applied, and the factors
        ``[in]`` of its inputs; None keeps all.

    Raises
    ------
    UsageError
        If the network has several members, or ``k`` or ``row`` is negative.
    """
    check_index(k, row)
    if len(layers.seeds) != 1:
        raise UsageError(
            f"the Network has {len(layers.seeds)} members, and each has its own subnetworks; "
            "take one member first: network.take([i])"
        )
    weights: list[Tensor] = []
    factors: list[Tensor | None] = []
    for layer, weight in enumerate(layers.weights):
        address = addresses(int(layers.seeds), 2 * layer, [k])
        noise = layers.hidden_noise if layer else layers.input_noise
        like, units = weight[0], weight.shape[1]
        drawn = None if noise is None else keep_factors(noise, address, units, row, like)[0]
        factors.append(drawn)
        if layers.weight_noise is not None:
            address[:, 1] += 1
            now = cast(DropConnect, layers.weight_noise.now(address))
            weight = now.train(weight, address, row=row if now.per_example else 0)
        weights.append(weight[0])
    return weights, factors


def thin(
    weights: Sequence[Tensor], biases: Sequence[Tensor], factors: Sequence[Tensor | None]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return a network's tensors without the units whose factor is 0.

    The factors of kept units are multiplied into their outgoing weights. Dropped inputs stay, with
    zero weights, so that the network takes the same inputs. If all units of a layer are dropped,
    one unit stays, with zero outgoing weights.

    Parameters
    ----------
    weights, biases : sequence of Tensor
        ``[in, out]`` and ``[out]`` for each layer.
    factors : sequence of Tensor or None
        ``[in]`` for each layer; None keeps all.

    Returns
    -------
    tuple of two lists
        The weights, and the biases.
    """
    stays = [None, *map(_kept, factors[1:]), None]
    thinned, shifts = [], []
    for layer, (weight, bias, factor) in enumerate(zip(weights, biases, factors, strict=True)):
        scaled = weight if factor is None else weight * factor[:, None]
        below, above = stays[layer], stays[layer + 1]
        thinned.append(_taken(_taken(scaled, 0, below), 1, above))
        shifts.append(_taken(bias, 0, above))
    return thinned, shifts


def _kept(factor: Tensor | None) -> Tensor | None:
    if factor is None:
        return None
    kept = factor.nonzero().flatten()
    return kept if len(kept) else torch.zeros(1, dtype=torch.int64, device=factor.device)


def _taken(tensor: Tensor, axis: int, places: Tensor | None) -> Tensor:
    return tensor if places is None else tensor.index_select(axis, places)
