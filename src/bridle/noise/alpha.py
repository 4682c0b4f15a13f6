"""Alpha dropout: dropout for self-normalising networks."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from bridle.noise.masks import Multiplier
from bridle.noise.protocol import KeepProb, drawn_probability
from bridle.noise.sharing import channels_of, examples_packed
from bridle.ops import dropout

__all__ = ["AlphaDropout", "FeatureAlphaDropout"]

_SATURATION = -1.7580993408473766
"""Where SELU ends on the left: -λα of Klambauer et al. (2017)."""

_NEAR = 1e-4  # how near a value an audit takes for the same


class _Alpha(Multiplier):
    """Sets to SELU's lowest value, and scales and shifts so that mean 0 and variance 1 stay."""

    multiplies = False

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The probability to keep, as drawn: a multiple of 1/65536."""
        return drawn_probability(self._keep_prob)

    def _affine(self, x: Tensor, leading: int) -> tuple[Tensor, Tensor]:
        """Return scale and shift, as tensors that broadcast against ``x``."""
        q = torch.as_tensor(self.drawn_keep_prob, dtype=torch.float64)
        scale = (q + _SATURATION**2 * q * (1 - q)).rsqrt()
        shift = -scale * (1 - q) * _SATURATION
        shape = [-1, *[1] * (x.ndim - 1)] if leading and q.ndim else q.shape
        dtype = torch.promote_types(x.dtype, torch.float32)
        return tuple(each.reshape(shape).to(x.device, dtype) for each in (scale, shift))  # type: ignore[return-value]

    def _apply(self, x: Tensor, dropped: Tensor, kept: Tensor, leading: int) -> Tensor:
        """Return ``scale · x + shift``, and ``scale · saturation + shift`` where not kept."""
        scale, shift = self._affine(x, leading)
        added = torch.where(kept > 0, shift, scale * _SATURATION + shift)
        return (dropped * scale + added).to(x.dtype)

    def _not_lowest(self, y: Tensor) -> Tensor:
        scale, shift = self._affine(y, int(isinstance(self._keep_prob, Tensor)))
        return (y - (scale * _SATURATION + shift)).abs() > _NEAR

    @property
    def _keeps_all(self) -> bool:
        return not isinstance(self._keep_prob, Tensor) and self._keep_prob == 1


@final
class AlphaDropout(_Alpha):
    """Alpha dropout: dropped units take SELU's lowest value (Klambauer et al. 2017).

    ``y = a x + b`` where kept, ``a s + b`` where dropped, with s = -1.758 and
    ``a = (p + s² p (1 - p))^-½``, ``b = -a (1 - p) s``: units of mean 0 and variance 1 have mean 0
    and variance 1 afterwards, as self-normalising networks need. Prediction is the identity,
    exactly; there is no classic form.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor, exactly one of them
        The probability to keep a unit, or to set it to the lowest value; see
        :class:`bridle.Dropout`. Drawn to a resolution of 1/65536.

    Raises
    ------
    UsageError
        If both or none are given, or one is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> noise = bridle.AlphaDropout(keep_prob=0.5)
    >>> noise.train(torch.ones(1, 5), bridle.address_of(seed=0, step=3))
    tensor([[-0.7792,  1.6656, -0.7792, -0.7792,  1.6656]])
    """

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
            Of the shape and dtype of ``x``.
        """
        if self._keeps_all:
            return x
        # of the mask, backward keeps the address only
        dropped = dropout(x, address, self.keep_prob, rows=rows, inverted=False)
        ones = torch.ones(x.shape, dtype=x.dtype, device=x.device)
        kept = dropout(ones, address, self.keep_prob, rows=rows, inverted=False)
        return self._apply(x, dropped, kept, address.ndim - 1)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which units were kept, of those that were not at the lowest value before."""
        return self._not_lowest(y)[(x - _SATURATION).abs() > _NEAR]


@final
class FeatureAlphaDropout(_Alpha):
    """Feature alpha dropout: alpha dropout of whole channels, for each example anew.

    As :class:`bridle.AlphaDropout`, with a mask over (example, channel), as
    :class:`bridle.SpatialDropout` has it. torch's ``FeatureAlphaDropout`` is this.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor, exactly one of them
        The probability to keep a channel of an example, or to set it to the lowest value; see
        :class:`bridle.Dropout`. Drawn to a resolution of 1/65536.

    Raises
    ------
    UsageError
        If both or none are given, or one is out of range.

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
            Of the shape and dtype of ``x``.
        """
        if self._keeps_all:
            return x
        leading = address.ndim - 1
        last = channels_of(type(self).__name__, x, leading)[1] + 1
        ones = torch.ones(x.shape[:last], device=x.device)
        mask = dropout(ones, address, self.keep_prob, rows=rows, inverted=False)
        mask = mask.view(*mask.shape, *[1] * (x.ndim - last))
        zero = torch.zeros((), dtype=x.dtype, device=x.device)
        return self._apply(x, torch.where(mask > 0, x, zero), mask, leading)

    def train_packed(
        self, x: PackedSequence, address: Tensor, *, rank: int = 0, processes: int = 1
    ) -> Tensor:
        """Return the data of packed sequences with noise: each sequence is an example."""
        return self.train(x.data, address, rows=examples_packed(x) * processes + rank)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which channels were kept, of those that were not all at the lowest value."""
        before, after = (x - _SATURATION).abs() > _NEAR, self._not_lowest(y)
        if x.ndim > 2:
            before, after = before.flatten(2).any(2), after.flatten(2).any(2)
        return after[before]
