"""Alpha dropout: dropout for self-normalizing networks."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from bridle.noise.base import Multiplier
from bridle.noise.protocol import KeepProb, drawn_probability
from bridle.noise.structured import channels_of, examples_packed
from bridle.ops import dropout

__all__ = ["AlphaDropout", "FeatureAlphaDropout"]

_SATURATION = -1.7580993408473766
"""SELU's lower limit, -λα of Klambauer et al. (2017)."""
_SQUARED = _SATURATION**2  # a compiler with dynamic shapes takes no power of a negative number

_TOLERANCE = 1e-4  # an audit takes values this close to the lowest value for it


class _Alpha(Multiplier):
    """Sets entries to SELU's lowest value, then scales and shifts to keep mean 0 and variance 1."""

    multiplies = False

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The keep probability of the masks: a multiple of 1/65536."""
        return drawn_probability(self._keep_prob)

    def _affine(self, x: Tensor, leading: int) -> tuple[Tensor, Tensor]:
        """Return scale and shift, as tensors that broadcast with ``x``."""
        q = torch.as_tensor(self.drawn_keep_prob, dtype=torch.float64)
        scale = (q + _SQUARED * q * (1 - q)).rsqrt()
        shift = -scale * (1 - q) * _SATURATION
        shape = [-1, *[1] * (x.ndim - 1)] if leading and q.ndim else q.shape
        dtype = torch.promote_types(x.dtype, torch.float32)
        return tuple(each.reshape(shape).to(x.device, dtype) for each in (scale, shift))  # type: ignore[return-value]

    def _apply(self, x: Tensor, dropped: Tensor, kept: Tensor, leading: int) -> Tensor:
        """Return ``scale · x + shift`` where kept, ``scale · saturation + shift`` where dropped."""
        scale, shift = self._affine(x, leading)
        added = torch.where(kept > 0, shift, scale * _SATURATION + shift)
        return (dropped * scale + added).to(x.dtype)

    def _not_lowest(self, y: Tensor) -> Tensor:
        scale, shift = self._affine(y, int(isinstance(self._keep_prob, Tensor)))
        return (y - (scale * _SATURATION + shift)).abs() > _TOLERANCE

    @property
    def _keeps_all(self) -> bool:
        return not isinstance(self._keep_prob, Tensor) and self._keep_prob == 1


@final
class AlphaDropout(_Alpha):
    """Alpha dropout: dropped units take SELU's lowest value (Klambauer et al. 2017).

    ``y = a x + b`` for a kept unit and ``y = a s + b`` for a dropped one, with s = -1.758,
    ``a = (p + s² p (1 - p))^-½`` and ``b = -a (1 - p) s``. Units of mean 0 and variance 1 keep this
    mean and variance, as self-normalizing networks need. Prediction is exactly the identity; there
    is no classic form.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        The probability to keep a unit, or to set it to the lowest value; see
        :class:`bridle.Dropout`. Rounded to a multiple of 1/65536.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> noise = bridle.AlphaDropout(keep_prob=0.5)
    >>> noise.train(torch.ones(1, 5), bridle.address_of(seed=0, step=3))
    tensor([[-0.7792,  1.6656, -0.7792, -0.7792,  1.6656]])
    """

    independent = True

    def train(self, x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Return ``x`` with units dropped.

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
        if self._keeps_all:
            return x
        # backward saves only the address of the mask
        dropped = dropout(x, address, self.keep_prob, rows=rows, inverted=False)
        ones = torch.ones(x.shape, dtype=x.dtype, device=x.device)
        kept = dropout(ones, address, self.keep_prob, rows=rows, inverted=False)
        return self._apply(x, dropped, kept, address.ndim - 1)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which units were kept, among those that were not at the lowest value before."""
        return self._not_lowest(y)[(x - _SATURATION).abs() > _TOLERANCE]


@final
class FeatureAlphaDropout(_Alpha):
    """Feature alpha dropout: alpha dropout of whole channels, with a mask for each example.

    As :class:`bridle.AlphaDropout`, with one mask entry per example and channel, as in
    :class:`bridle.SpatialDropout`. It corresponds to torch's ``FeatureAlphaDropout``.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        The probability to keep a channel of an example, or to set it to the lowest value; see
        :class:`bridle.Dropout`. Rounded to a multiple of 1/65536.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> noise = bridle.FeatureAlphaDropout(keep_prob=0.5)
    >>> y = noise.train(torch.ones(1, 3, 2, 2), bridle.address_of(seed=0, step=3))
    >>> y[0, :, 0, 0], bool((y == y[..., :1, :1]).all())
    (tensor([-0.7792,  1.6656, -0.7792]), True)
    """

    def train(self, x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Return ``x`` with channels dropped.

        Parameters
        ----------
        x : Tensor
            ``[rows, channels, ...]``, or with ``[members]`` first and one address per member.
        address, rows
            As in :class:`bridle.AlphaDropout`.

        Returns
        -------
        Tensor
            With the shape and dtype of ``x``.
        """
        if self._keeps_all:
            return x
        leading = address.ndim - 1
        last = channels_of(type(self).__name__, x, leading)[1] + 1
        ones = x.new_ones(x.shape[:last], dtype=torch.float32)
        mask = dropout(ones, address, self.keep_prob, rows=rows, inverted=False)
        mask = mask.view(*mask.shape, *[1] * (x.ndim - last))
        zero = torch.zeros((), dtype=x.dtype, device=x.device)
        return self._apply(x, torch.where(mask > 0, x, zero), mask, leading)

    def train_packed(
        self, x: PackedSequence, address: Tensor, *, rank: int = 0, processes: int = 1
    ) -> Tensor:
        """Return the data of packed sequences with noise; each sequence is one example."""
        return self.train(x.data, address, rows=examples_packed(x) * processes + rank)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which channels were kept, among those not entirely at the lowest value before."""
        before, after = (x - _SATURATION).abs() > _TOLERANCE, self._not_lowest(y)
        if x.ndim > 2:
            before, after = before.flatten(2).any(2), after.flatten(2).any(2)
        return after[before]
