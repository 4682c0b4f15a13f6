"""A mask that a whole batch shares is a smaller network: units go, what they were read by shrinks.

Srivastava et al. (2014) call it a thinned network. The functions here work on the tensors of one
network, weights ``[in, out]`` and biases ``[out]``; :meth:`bridle.Network.subnetwork` and
:mod:`bridle.subnetworks` are made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.noise import Multiplier

__all__ = ["addresses", "check_name", "check_noise", "keep_factors", "thin"]


def check_name(k: int, row: int = 0) -> None:
    """Raise a UsageError where a number names no subnetwork."""
    for name, value in (("k", k), ("row", row)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise UsageError(
                f"{name} is {value!r}; a subnetwork has a whole number from 0 on, the step of "
                "its masks"
            )


def check_noise(noise: Multiplier) -> None:
    """Raise a UsageError where a noise does more than multiply, so that it makes no subnetwork."""
    if not noise.multiplies:
        raise UsageError(
            f"{noise} adds to what it multiplies, so that no smaller network stands for it: "
            "subnetworks are those of bridle.Dropout, DropConnect and their kin"
        )


def addresses(seed: int, stream: int, names: Sequence[int]) -> Tensor:
    """Return the addresses of one stream's masks of some subnetworks: int64 ``[names, 3]``."""
    found = torch.empty(len(names), 3, dtype=torch.int64)
    found[:, 0], found[:, 1] = seed, stream
    found[:, 2] = torch.as_tensor(names, dtype=torch.int64)
    return found


def keep_factors(noise: Multiplier, address: Tensor, units: int, row: int, like: Tensor) -> Tensor:
    """Return what a mask multiplies each unit by.

    Parameters
    ----------
    noise : Multiplier
        With one keep probability; a schedule has that of each name's step.
    address : Tensor
        int64 ``[names, 3]``.
    units : int
        How many there are.
    row : int
        The mask's row; a shared mask has row 0 only.
    like : Tensor
        Of the wanted dtype and device.

    Returns
    -------
    Tensor
        ``[names, units]``: 0 for what is dropped, 1 or 1/p for what is kept.

    Raises
    ------
    UsageError
        If the noise does more than multiply.
    """
    check_noise(noise)
    ones = torch.ones(len(address), 1, units, dtype=like.dtype, device=like.device)
    rows = torch.tensor([row], device=like.device)
    return noise.train(ones, address, rows=rows)[:, 0]  # type: ignore[call-arg]


def thin(
    weights: Sequence[Tensor], biases: Sequence[Tensor], factors: Sequence[Tensor | None]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return a network's tensors without the units whose factor is 0.

    The factors of kept units go into the weights that read them. Inputs stay, with zero weights
    where they are dropped, so that the network still takes what it took. Of a layer whose units
    are all dropped, one stays, with zero weights behind it.

    Parameters
    ----------
    weights, biases : sequence of Tensor
        ``[in, out]`` and ``[out]`` of each layer.
    factors : sequence of Tensor or None
        ``[in]`` of each layer; None keeps all.

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
