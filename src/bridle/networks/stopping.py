"""Early stopping: each member keeps the weights of its lowest held-out loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.networks.population import Network

__all__ = ["BestWeights"]


class BestWeights:
    """Keeps the best weights of each member with a patience, and the last weights of the others."""

    def __init__(self, network: Network, patience: Sequence[int | None]) -> None:
        self.network = network
        self.patience = patience
        self.active = torch.tensor([limit is not None for limit in patience])
        loss = torch.full((network.members,), torch.inf, dtype=torch.float64)
        epoch = torch.zeros(network.members, dtype=torch.int64)
        kept = [parameter.detach().clone() for parameter in network.parameters()]
        self._state = (loss, epoch, kept)  # changes as a whole, so that an interrupt splits nothing

    @property
    def epoch(self) -> Tensor:
        """The epoch of each member's weights, int64 ``[members]``."""
        return self._state[1]

    @torch.no_grad()
    def update(self, epoch: int, held_out_loss: Tensor) -> bool:
        """Record an epoch; return whether every member has run out of patience."""
        # without a patience the last weights are kept; out of patience, the member has stopped
        out = self._out_of_patience(epoch)
        lowest, epochs, kept = self._state
        better = ~self.active | ((held_out_loss < lowest) & ~out)
        self._state = (
            torch.where(better, held_out_loss, lowest),
            epochs.masked_fill(better, epoch),
            [
                torch.where(better.view(-1, *[1] * (now.ndim - 1)), now, before)
                for before, now in zip(kept, self.network.parameters(), strict=True)
            ],
        )
        return bool(self._out_of_patience(epoch + 1).all())

    def _out_of_patience(self, epoch: int) -> Tensor:
        limits = torch.tensor([limit or 0 for limit in self.patience])
        return self.active & (epoch - self.epoch > limits)

    @torch.no_grad()
    def restore(self) -> None:
        """Copy the kept weights into the network."""
        for kept, parameter in zip(self._state[2], self.network.parameters(), strict=True):
            parameter.copy_(kept)
