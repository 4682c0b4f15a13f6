"""Dropout: random masks on units."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from bridle.errors import flag_of
from bridle.noise.base import BernoulliMask
from bridle.noise.protocol import KeepProb, Scaling
from bridle.ops import dropout

__all__ = ["Dropout"]


@final
class Dropout(BernoulliMask):
    """Dropout: units are set to 0 at random in training (Srivastava et al. 2014).

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        The probability to keep a unit (p in the paper), above 0 and at most 1; or
        the probability to drop it (p in torch), from 0 to below 1. A Tensor ``[members]`` gives
        one per member of a population. Rounded to a multiple of 1/65536.
    scaling : {"inverted", "classic"}
        "inverted" divides by the keep probability p in training, and prediction is the identity.
        "classic" does not rescale in training, and multiplies by p at prediction.
    shared : bool
        Use one mask for the whole batch, that of row 0 (Graham et al. 2015). Then
        :func:`bridle.train_step` computes with the kept units only, as a smaller network. Off by
        default, since the gradients are noisier.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> x = torch.ones(2, 5)
    >>> noise = bridle.Dropout(keep_prob=0.5)
    >>> noise.train(x, bridle.address_of(seed=0, step=3))
    tensor([[0., 2., 0., 0., 2.],
            [0., 2., 2., 2., 0.]])
    >>> noise.predict(x) is x
    True
    >>> bridle.Dropout(drop_prob=0.75, scaling="classic").predict(x)[0]
    tensor([0.2500, 0.2500, 0.2500, 0.2500, 0.2500])
    """

    fuses_relu = True
    independent = True

    def __init__(
        self,
        *,
        keep_prob: KeepProb | None = None,
        drop_prob: KeepProb | None = None,
        scaling: Scaling = "inverted",
        shared: bool = False,
    ) -> None:
        super().__init__(keep_prob=keep_prob, drop_prob=drop_prob, scaling=scaling)
        self.shared = flag_of("shared", shared)

    def options(self) -> dict[str, bool]:
        """Return the other constructor arguments, by name."""
        return {"shared": self.shared}

    def train(
        self,
        x: Tensor,
        address: Tensor,
        *,
        rows: Tensor | None = None,
        relu: bool = False,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Return ``x`` with units dropped.

        Parameters
        ----------
        x : Tensor
            ``[rows, ...]``, or ``[members, rows, ...]`` with one address per member.
        address : Tensor
            int64 ``[3]`` or ``[members, 3]``; see :func:`bridle.address_of`.
        rows : Tensor, optional
            int64 row addresses; see :func:`bridle.ops.dropout`. Ignored for a shared mask.
        relu : bool
            Apply ``max(x, 0)`` first, in the same pass.
        bias : Tensor, optional
            ``[units]`` or ``[members, units]``: added before the ReLU, in the same pass.

        Returns
        -------
        Tensor
            With the shape and dtype of ``x``.
        """
        if self.shared:
            rows = torch.zeros(1, dtype=torch.int64, device=x.device)
        return dropout(
            x, address, self.keep_prob, rows=rows, inverted=self.inverted, relu=relu, bias=bias
        )
