"""The outputs of a network with noise off, by the compiled pass where it fits, else by torch.

Both give the same numbers to rounding. As in :mod:`bridle.networks.epochs`, what fits depends on
the network and the rows alone, so that a seed has one result.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from bridle.networks.embedding import shape_of
from bridle.networks.population import Network, predict
from bridle.noise.base import Multiplier
from bridle.ops.population import can_step, population_outputs

__all__ = ["compiled_fits", "outputs_of"]

_MOST_WEIGHTS = 2**17  # a member has one thread, and torch's products have all of them


def outputs_of(network: Network, X: Tensor) -> Tensor:
    """Return what :func:`bridle.predict` does, without gradients.

    Parameters
    ----------
    network : Network
    X : Tensor
        ``[rows, inputs]``.

    Returns
    -------
    Tensor
        ``[members, rows, outputs]``.
    """
    if not compiled_fits(network, X):
        with torch.no_grad():
            return predict(network, X)
    return population_outputs(
        [each.detach() for each in network.parameters()],
        sizes=network.sizes,
        X=X.detach(),
        rows=torch.arange(len(X))[None],
        embedding=shape_of(network.embedding),
    )


def compiled_fits(network: Network, X: Tensor) -> bool:
    """Return whether :func:`bridle.ops.population.population_outputs` fits."""
    hooked = network._forward_hooks or network._forward_pre_hooks
    noises = network.input_noise, network.hidden_noise, network.weight_noise
    tensors = [*network.parameters(), X]
    return (
        type(network) is Network
        and network.activation == "relu"
        and not hooked
        and can_step(X.device)
        and X.ndim == 2
        and X.shape[1] == network.sizes[0]
        and all(
            each.dtype == torch.float32 and each.device == X.device and each.is_contiguous()
            for each in tensors
        )
        and all(each is None or _is_identity(each) for each in noises)
        and sum(a * b for a, b in pairwise(network.sizes)) <= _MOST_WEIGHTS
    )


def _is_identity(noise: object) -> bool:
    """Whether a noise does nothing at prediction; a noise of another kind may."""
    return isinstance(noise, Multiplier) and noise.inverted
