"""Noise on weights."""

from __future__ import annotations

from typing import final

from torch import Tensor

from bridle.noise.masks import BernoulliMask
from bridle.ops import drop_connect

__all__ = ["DropConnect"]


@final
class DropConnect(BernoulliMask):
    """DropConnect: weights, not units, are zeroed at random (Wan et al. 2013).

    One mask is drawn per step and shared by the batch. Prediction uses the mean weights.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor, exactly one of them
        As in :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        Inverted divides by p in training, and prediction uses the weights as they are. Classic
        multiplies them by p at prediction.

    Raises
    ------
    UsageError
        If both or none are given, or one is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> weight = torch.ones(2, 3)
    >>> noise = bridle.DropConnect(keep_prob=0.5)
    >>> noise.train(weight, bridle.address_of(seed=0, step=3))
    tensor([[0., 2., 0.],
            [0., 2., 2.]])
    >>> noise.predict(weight) is weight
    True
    """

    def train(self, x: Tensor, address: Tensor) -> Tensor:
        """Return the weights ``x`` with some of them zeroed.

        Parameters
        ----------
        x : Tensor
            Any shape; ``[members, ...]`` with one address per member.
        address : Tensor
            int64 ``[3]`` or ``[members, 3]``; see :func:`bridle.address_of`.

        Returns
        -------
        Tensor
            Of the shape and dtype of ``x``.
        """
        return drop_connect(x, address, self.keep_prob, inverted=self.inverted)
