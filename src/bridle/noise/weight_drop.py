"""Weight-drop: DropConnect on the recurrent weights of an LSTM or a GRU."""

from __future__ import annotations

from typing import final

from torch import Tensor

from bridle.noise.base import BernoulliMask
from bridle.ops import drop_connect

__all__ = ["WeightDrop"]


@final
class WeightDrop(BernoulliMask):
    """Weight-drop: DropConnect on hidden-to-hidden weights (Merity et al. 2018).

    As a rule of :func:`bridle.regularize` it acts on the weights ``weight_hh…`` of the selected
    ``nn.LSTM``, ``nn.GRU``, ``nn.RNN`` and their cells. There is one mask per forward pass, which
    all time steps and all examples share.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        The probability to keep, or to drop, a weight; see :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        "inverted" divides by the keep probability p in training, and prediction uses the weights
        unchanged. "classic" does not rescale in training, and prediction multiplies them by p.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> lstm = torch.nn.LSTM(4, 8, num_layers=2)
    >>> print(bridle.regularize(lstm, {"*": bridle.WeightDrop(drop_prob=0.5)}))
    WeightDrop(keep_prob=0.5, scaling='inverted') on weight_hh_l0 (stream 0)
    WeightDrop(keep_prob=0.5, scaling='inverted') on weight_hh_l1 (stream 1)
    """

    def train(self, x: Tensor, address: Tensor, *, row: int = 0) -> Tensor:
        """Return the weights ``x`` with some of them set to 0, by one mask for the pass.

        Parameters
        ----------
        x : Tensor
            Any shape; ``[members, ...]`` with one address per member.
        address : Tensor
            int64 ``[3]`` or ``[members, 3]``; see :func:`bridle.address_of`.
        row : int
            The row address of the mask; each process of distributed training uses its own.

        Returns
        -------
        Tensor
            With the shape and dtype of ``x``.
        """
        return drop_connect(x, address, self.keep_prob, row=row, inverted=self.inverted)
