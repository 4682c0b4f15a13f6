"""Early stopping: each member keeps the weights of its lowest held-out loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.networks.population import Network

__all__ = ["BestWeights"]


class BestWeights:
    """Keeps each member's weights of its lowest held-out loss, where it has a patience."""

    def __init__(self, network: Network, patience: Sequence[int | None]) -> None:
        self.network = network
        self.patience = patience
        self.loss = torch.full((network.members,), torch.inf, dtype=torch.float64)
        self.epoch = torch.zeros(network.members, dtype=torch.int64)
        self.active = torch.tensor([limit is not None for limit in patience])
        self.kept = [parameter.detach().clone() for parameter in network.parameters()]

    @torch.no_grad()
    def see(self, epoch: int, held_out_loss: Tensor) -> bool:
        """Take note of an epoch; return whether no member has any patience left."""
        # a member without a patience keeps its last weights; one out of patience has stopped
        out = self._out_of_patience(epoch)
        better = ~self.active | ((held_out_loss < self.loss) & ~out)
        self.loss = torch.where(better, held_out_loss, self.loss)
        self.epoch[better] = epoch
        for kept, parameter in zip(self.kept, self.network.parameters(), strict=True):
            kept[better] = parameter[better]
        return bool(self._out_of_patience(epoch + 1).all())

    def _out_of_patience(self, epoch: int) -> Tensor:
        limits = torch.tensor([limit or 0 for limit in self.patience])
        return self.active & (epoch - self.epoch > limits)

    @torch.no_grad()
    def restore(self) -> None:
        """Give the network the weights that were kept."""
        for kept, parameter in zip(self.kept, self.network.parameters(), strict=True):
            parameter.copy_(kept)
