"""DropConnect: random masks on weights."""

from __future__ import annotations

from typing import final

from torch import Tensor

from bridle.errors import flag_of
from bridle.noise.base import BernoulliMask
from bridle.noise.protocol import KeepProb, Scaling
from bridle.ops import drop_connect, drop_connect_linear

__all__ = ["DropConnect"]


@final
class DropConnect(BernoulliMask):
    """DropConnect: weights are set to 0 at random in training (Wan et al. 2013).

    The batch shares one mask per step, or each example has its own mask, as in the paper.
    Prediction uses the mean weights. :func:`bridle.predict_ensemble` averages over sampled masks,
    and :func:`bridle.predict_gaussian` is the paper's Gaussian approximation.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        As in :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        "inverted" divides by the keep probability p in training, and prediction uses the weights
        unchanged. "classic" does not rescale in training, and prediction multiplies them by p.
    per_example : bool
        Draw one mask per example. Memory does not grow with the batch. Computing time does: each
        example needs one random decision per weight.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

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

    def __init__(
        self,
        *,
        keep_prob: KeepProb | None = None,
        drop_prob: KeepProb | None = None,
        scaling: Scaling = "inverted",
        per_example: bool = False,
    ) -> None:
        super().__init__(keep_prob=keep_prob, drop_prob=drop_prob, scaling=scaling)
        self.per_example = flag_of("per_example", per_example)

    def options(self) -> dict[str, bool]:
        """Return the other constructor arguments, by name."""
        return {"per_example": self.per_example}

    def linear(
        self, x: Tensor, weight: Tensor, address: Tensor, *, rows: Tensor | None = None
    ) -> Tensor:
        """Return ``x`` times the masked weights, with one mask per batch or one per example.

        Parameters
        ----------
        x : Tensor
            ``[rows, inputs]``, or ``[members, rows, inputs]`` with one address per member.
        weight : Tensor
            ``[inputs, outputs]``, or ``[members, inputs, outputs]``.
        address : Tensor
            int64 ``[3]`` or ``[members, 3]``; see :func:`bridle.address_of`.
        rows : Tensor, optional
            int64 row addresses, if each example has its own mask.

        Returns
        -------
        Tensor
            ``[rows, outputs]`` or ``[members, rows, outputs]``.
        """
        if not self.per_example:
            return x @ self.train(weight, address)
        return drop_connect_linear(
            x, weight, address, self.keep_prob, rows=rows, inverted=self.inverted
        )

    def train(self, x: Tensor, address: Tensor, *, row: int = 0) -> Tensor:
        """Return the weights ``x`` with some of them set to 0, by one mask for the batch.

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
