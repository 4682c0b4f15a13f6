"""Embeddings of numbers in a search: which tables have them, and networks with and without."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from bridle.networks.embedding import PeriodicEmbedding
from bridle.search.configuration import Configuration
from bridle.search.data import LARGE, SearchData

__all__ = ["MOST_NUMBERS", "can_embed", "embedding_of", "embeds", "same_shape"]

MOST_NUMBERS = 32
"""The most numerical features of a table that are embedded."""


def can_embed(numbers: int) -> bool:
    """Whether a search embeds the numerical features of a table that has so many."""
    return 0 < numbers <= MOST_NUMBERS


def embeds(data: SearchData, shared_members: int) -> bool:
    """Whether a search embeds numbers unless it is told: on a large table, where it can."""
    return len(data.y) >= LARGE and can_embed(data.numbers) and shared_members == 1


def embedding_of(
    configurations: Sequence[Configuration], members: int, numbers: int
) -> PeriodicEmbedding | None:
    """Return the embedding of a population with ``members`` members for each configuration.

    It is None if no configuration has one.
    """
    deviations = [each.embedding for each in configurations for _ in range(members)]
    return PeriodicEmbedding(numbers, deviations) if any(deviations) else None


def same_shape(parameters: Sequence[list[Tensor]], layers: int, inputs: int) -> list[list[Tensor]]:
    """Return the parameters of trials in one shape, so that they can be one population.

    Parameters
    ----------
    parameters : sequence of list of Tensor
        Of each trial: weights and biases by layer, then those of its embedding, if any.
    layers : int
        The number of layers.
    inputs : int
        The number of inputs before the embedding. A trial with fewer gets zero weights for the
        others, and one without an embedding gets one of zeros.
    """
    dense = 2 * layers
    of_others = next((own[dense:] for own in parameters if len(own) > dense), [])
    more = of_others[-1][0].numel() if of_others else 0
    found = []
    for own in parameters:
        first, embedded = own[0], own[dense:]
        before = first.shape[1] - (more if embedded else 0)
        plain, of_embedding = first[:, :before], first[:, before:]
        wide = F.pad(plain, (0, 0, 0, inputs - before))
        of_embedding = F.pad(of_embedding, (0, 0, 0, more - of_embedding.shape[1]))
        embedded = embedded or [each.new_zeros(len(first), *each.shape[1:]) for each in of_others]
        found.append([torch.cat([wide, of_embedding], dim=1), *own[1:dense], *embedded])
    return found
