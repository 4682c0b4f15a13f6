"""Gaussian dropout: multiplication by normal random numbers."""

from __future__ import annotations

from typing import final

from torch import Tensor

from bridle.noise.base import Multiplier
from bridle.ops import gaussian_dropout

__all__ = ["GaussianDropout"]


@final
class GaussianDropout(Multiplier):
    """Gaussian dropout: each unit is multiplied by a random number from N(1, (1 - p) / p).

    Section 10 of Srivastava et al. (2014, JMLR 15:1929). The multiplier has the same mean and
    variance as in inverted dropout, and no unit is set to zero. Prediction is exactly the
    identity; there is no classic form.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        The p of the dropout with the same variance, ``(1 - keep_prob) / keep_prob`` or
        ``drop_prob / (1 - drop_prob)``. A Tensor ``[members]`` gives one per member of a
        population. Not rounded, since there is no mask of bits.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> x = torch.ones(2, 3)
    >>> noise = bridle.GaussianDropout(keep_prob=0.9)
    >>> noise.train(x, bridle.address_of(seed=0))
    tensor([[1.1341, 1.0558, 1.0941],
            [1.1810, 0.5792, 1.1698]])
    >>> noise.predict(x) is x
    True
    """

    independent = True

    def train(self, x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Return ``x`` times the random numbers of an address.

        Parameters
        ----------
        x : Tensor
            ``[rows, ...]``, or ``[members, rows, ...]`` with one address per member.
        address : Tensor
            int64 ``[3]`` or ``[members, 3]``; see :func:`bridle.address_of`.
        rows : Tensor, optional
            int64 row addresses; see :func:`bridle.ops.dropout`.

        Returns
        -------
        Tensor
            With the shape and dtype of ``x``.
        """
        return gaussian_dropout(x, address, self.keep_prob, rows=rows)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the multipliers of the entries that were not zero."""
        return (y / x)[x != 0].flatten()
