"""Gaussian dropout: multiplication by normal numbers."""

from __future__ import annotations

from typing import final

from torch import Tensor

from bridle.noise.masks import Multiplier
from bridle.ops import gaussian_dropout

__all__ = ["GaussianDropout"]


@final
class GaussianDropout(Multiplier):
    """Gaussian dropout: each unit times a number of N(1, (1 - p) / p).

    Section 10 of Srivastava et al. (2014, JMLR 15:1929). The multiplier has the mean and the
    variance of inverted dropout's, and nothing becomes zero. Prediction is the identity, exactly;
    there is no classic form.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor, exactly one of them
        The p whose dropout has the same variance: ``(1 - keep_prob) / keep_prob``, which is
        ``drop_prob / (1 - drop_prob)``. A Tensor ``[members]`` gives one per member of a
        population. Not rounded, since no mask is drawn.

    Raises
    ------
    UsageError
        If both or none are given, or one is out of range.

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

    def train(self, x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Return ``x`` times the numbers of that address.

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
            Of the shape and dtype of ``x``.
        """
        return gaussian_dropout(x, address, self.keep_prob, rows=rows)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the multipliers of what was not zero."""
        return (y / x)[x != 0].flatten()
