"""The rows of each training step, and the mixup shares: pure functions of the seed and the step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["FoldBatches", "MixupShares"]

_STEPS_PER_SAMPLE = 64  # mixup shares are sampled for this many steps at once


class FoldBatches:
    """Batches of each fold's training rows, in a new order in each epoch.

    Parameters
    ----------
    rows : sequence of Tensor
        The rows that each fold trains on.
    batch_size, seed : int
    """

    def __init__(self, rows: Sequence[Tensor], batch_size: int, seed: int) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self._orders: dict[int, tuple[int, Tensor]] = {}  # the last epoch's order of each fold

    def take(self, step: int, steps: int) -> Tensor:
        """Return the rows of ``steps`` steps from a step on, int64 ``[steps, folds, batch]``."""
        begin, end = step * self.batch_size, (step + steps) * self.batch_size
        batches = []
        for v, trained in enumerate(self.rows):
            parts, at = [], begin
            while at < end:
                epoch, within = divmod(at, len(trained))
                part = self._order(v, epoch)[within : within + end - at]
                parts.append(part)
                at += len(part)
            batches.append(torch.cat(parts).view(steps, self.batch_size))
        return torch.stack(batches, dim=1)

    def _order(self, fold: int, epoch: int) -> Tensor:
        """Return the rows of a fold in the order of an epoch."""
        last = self._orders.get(fold)
        if last is not None and last[0] == epoch:
            return last[1]
        random = np.random.default_rng([self.seed, fold, epoch, 0x0BDE])
        rows = self.rows[fold]
        order = rows[torch.from_numpy(random.permutation(len(rows)))]
        self._orders[fold] = (epoch, order)
        return order


class MixupShares:
    """The share of its own that each row keeps in mixup, sampled from Beta(α, α).

    Parameters
    ----------
    alphas : sequence of float
        α of each member; 0 turns mixup off.
    seeds : sequence of int
        The seed of each member.
    """

    def __init__(self, alphas: Sequence[float], seeds: Sequence[int]) -> None:
        self.alphas = alphas
        self.seeds = seeds
        self._sample: tuple[int, Tensor] = (-1, torch.empty(0))

    def take(self, step: int, steps: int) -> Tensor:
        """Return the shares of ``steps`` steps from a step on, float32 ``[steps, members]``."""
        shares = []
        for each in range(step, step + steps):
            chunk = each // _STEPS_PER_SAMPLE
            if self._sample[0] != chunk:
                self._sample = (chunk, self._sampled(chunk))
            shares.append(self._sample[1][each % _STEPS_PER_SAMPLE])
        return torch.stack(shares)

    def _sampled(self, chunk: int) -> Tensor:
        shares = np.ones((_STEPS_PER_SAMPLE, len(self.alphas)), dtype=np.float32)
        for member, (alpha, seed) in enumerate(zip(self.alphas, self.seeds, strict=True)):
            if alpha:
                random = np.random.default_rng([seed, chunk])
                shares[:, member] = random.beta(alpha, alpha, _STEPS_PER_SAMPLE)
        return torch.from_numpy(shares)
