"""Early stopping: each member keeps the weights of its lowest held-out loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bridle.networks.population import Network

__all__ = ["BestWeights"]


class BestWeights:
    """Keeps the best weights of each member with a patience, and the last weights of the others.

    Parameters
    ----------
    network : Network
        Gets the kept weights at the end.
    patience : sequence
        The patience of each member, or None.
    trained : Network, optional
        The network that is trained, if it is another one: members that differ in their patience
        alone are then trained once.
    source : sequence of int, optional
        The member of ``trained`` whose weights each member keeps.
    """

    def __init__(
        self,
        network: Network,
        patience: Sequence[int | None],
        *,
        trained: Network | None = None,
        source: Sequence[int] | None = None,
    ) -> None:
        self.network = network
        self.trained = network if trained is None else trained
        self.source = torch.tensor(range(network.members) if source is None else source)
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
        """Record an epoch, given the loss of each trained member.

        Returns whether every member has run out of patience.
        """
        held_out_loss = held_out_loss[self.source]
        # without a patience the last weights are kept; out of patience, the member has stopped
        out = self._out_of_patience(epoch)
        lowest, epochs, kept = self._state
        better = ~self.active | ((held_out_loss < lowest) & ~out)
        at = better.nonzero()[:, 0]
        self._state = (
            torch.where(better, held_out_loss, lowest),
            epochs.masked_fill(better, epoch),
            [
                before.index_copy(0, at, now[self.source[at]])
                for before, now in zip(kept, self.trained.parameters(), strict=True)
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
        self.network.steps.copy_(self.trained.steps[self.source])
