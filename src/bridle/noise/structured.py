"""Structured dropout: one mask entry covers a channel, all time steps, or a whole branch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from bridle.errors import UsageError, flag_of
from bridle.noise.base import BernoulliMask
from bridle.noise.protocol import KeepProb, Scaling, Spot
from bridle.ops import dropout

__all__ = ["DropPath", "LockedDropout", "SpatialDropout", "channels_of", "examples_packed"]


def examples_packed(x: PackedSequence) -> Tensor:
    """Return the example that each row of a packed sequence's data belongs to: int64."""
    sizes = x.batch_sizes.to(x.data.device)
    place = torch.arange(x.data.shape[0], device=x.data.device)
    first = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    place = place - first
    return place if x.sorted_indices is None else x.sorted_indices[place]


def channels_of(name: str, x: Tensor, leading: int) -> tuple[int, int]:
    """Return the axes of examples and channels, or raise a UsageError if they are missing."""
    if x.ndim < leading + 2:
        raise UsageError(
            f"{name} got the shape {list(x.shape)}; give [rows, channels, ...], with an axis for "
            "the rows"
        )
    return leading, leading + 1


class _SharedMask(BernoulliMask):
    """A mask over some axes, constant along the others."""

    _flat_axes: ClassVar[tuple[int, ...]] = (0, 1)

    @abstractmethod
    def _axes(self, x: Tensor, leading: int) -> tuple[int, ...]:
        """Return the axes of the mask: the examples, and the units unless they share one entry."""

    def train(self, x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Return ``x`` with the mask of an address applied.

        Parameters
        ----------
        x : Tensor
            As the class describes, or with ``[members]`` first and one address per member.
        address : Tensor
            int64 ``[3]`` or ``[members, 3]``; see :func:`bridle.address_of`.
        rows : Tensor, optional
            int64 addresses of the examples; see :func:`bridle.ops.dropout`.

        Returns
        -------
        Tensor
            With the shape and dtype of ``x``. Dropped entries are 0, even where ``x`` is infinite.
        """
        keep = self.keep_prob
        if not isinstance(keep, Tensor) and keep == 1:
            return x
        leading = address.ndim - 1
        axes = [*range(leading), *self._axes(x, leading)]
        dtype = torch.promote_types(x.dtype, torch.float32)
        sizes = [x.shape[axis] for axis in axes]
        if len(sizes) == leading + 1:
            sizes.append(1)
        ones = x.new_ones(sizes, dtype=dtype)  # of x, so that a batch of vmap is one here, too
        mask = dropout(ones, address, keep, rows=rows, inverted=self.inverted)
        mask = mask.view([size if axis in axes else 1 for axis, size in enumerate(x.shape)])
        zero = torch.zeros((), dtype=x.dtype, device=x.device)
        return torch.where(mask > 0, (x * mask).to(x.dtype), zero)

    def train_packed(
        self, x: PackedSequence, address: Tensor, *, rank: int = 0, processes: int = 1
    ) -> Tensor:
        """Return the data of packed sequences with noise; each sequence is one example."""
        rows = examples_packed(x) * processes + rank
        return self._train_steps(x.data, address, rows)

    def _train_steps(self, x: Tensor, address: Tensor, rows: Tensor) -> Tensor:
        """Return ``x`` ``[steps, units]`` with the masks of the examples in ``rows``."""
        return dropout(x, address, self.keep_prob, rows=rows, inverted=self.inverted)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which mask entries kept, among those that cover a nonzero entry of ``x``."""
        # for packed sequences, an audit passes the first time steps, [examples, units]
        axes = self._axes(x, 0) if x.ndim > 2 else self._flat_axes
        others = [axis for axis in range(x.ndim) if axis not in axes]
        before, after = x != 0, y != 0
        if others:
            before, after = before.any(others), after.any(others)
        return after[before].flatten()


@final
class SpatialDropout(_SharedMask):
    """Spatial dropout: whole channels of each example are dropped (Tompson et al. 2015).

    For the feature maps of convolutions. Neighboring pixels are strongly correlated, so dropping
    single pixels removes little information. It corresponds to torch's ``Dropout1d``,
    ``Dropout2d`` and ``Dropout3d``. A mask has one entry per example and channel.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        The probability to keep, or to drop, a channel of an example; see :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        "inverted" divides by the keep probability p in training, and prediction is the identity.
        "classic" does not rescale in training, and multiplies by p at prediction.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> x = torch.ones(2, 3, 4, 4)
    >>> y = bridle.SpatialDropout(keep_prob=0.5).train(x, bridle.address_of(seed=0, step=3))
    >>> y[:, :, 0, 0], bool((y == y[:, :, :1, :1]).all())
    (tensor([[0., 2., 0.],
            [0., 2., 2.]]), True)
    """

    def _axes(self, x: Tensor, leading: int) -> tuple[int, ...]:
        return channels_of(type(self).__name__, x, leading)


class _SequenceMask(_SharedMask):
    """A mask that depends on the order of the batch axis and the time axis."""

    _defaults: ClassVar[dict[str, Any]] = {"batch_first": None, "depth": None}

    def __init__(
        self,
        *,
        keep_prob: KeepProb | None = None,
        drop_prob: KeepProb | None = None,
        scaling: Scaling = "inverted",
        batch_first: bool | None = None,
    ) -> None:
        super().__init__(keep_prob=keep_prob, drop_prob=drop_prob, scaling=scaling)
        self.batch_first = None if batch_first is None else flag_of("batch_first", batch_first)

    def options(self) -> dict[str, Any]:
        """Return the other constructor arguments, by name."""
        return {"batch_first": self.batch_first}

    def placed(self, spot: Spot) -> Self:
        """Return the noise for one place, with the axis order of the module there."""
        if self.batch_first is not None or spot.batch_first is None:
            return self
        other = self.keeping(self.keep_prob)
        other.batch_first = spot.batch_first
        return other


@final
class LockedDropout(_SequenceMask):
    """Locked (variational) dropout: one mask for all time steps (Gal & Ghahramani 2016).

    For the input or the output of a recurrent layer. Each example has one mask over the units,
    which all steps of its sequence share.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        The probability to keep, or to drop, a unit of an example at all time steps; see
        :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        "inverted" divides by the keep probability p in training, and prediction is the identity.
        "classic" does not rescale in training, and multiplies by p at prediction.
    batch_first : bool, optional
        Whether ``x`` is ``[rows, time, ..., units]`` (True) or ``[time, rows, ..., units]``
        (False). :func:`bridle.regularize` reads it from the module, or from the module around it.
        Packed sequences do not need it.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range. In training, if the
        order of the axes is unknown.

    Examples
    --------
    >>> import torch, bridle
    >>> noise = bridle.LockedDropout(keep_prob=0.5, batch_first=True)
    >>> noise.train(torch.ones(1, 3, 5), bridle.address_of(seed=0, step=3))
    tensor([[[0., 2., 0., 0., 2.],
             [0., 2., 0., 0., 2.],
             [0., 2., 0., 0., 2.]]])
    """

    def _axes(self, x: Tensor, leading: int) -> tuple[int, ...]:
        if self.batch_first is None:
            raise UsageError(
                f"{self} does not know which axis of {list(x.shape)} is time; give "
                "batch_first=True for [rows, time, units], or False for [time, rows, units]"
            )
        if x.ndim < leading + 3:
            raise UsageError(
                f"LockedDropout got the shape {list(x.shape)}; give axes for rows, time and units"
            )
        return leading if self.batch_first else leading + 1, x.ndim - 1

    def rows_of(self, x: Tensor) -> int:
        """Return the number of examples of an input."""
        return x.shape[self._axes(x, 0)[0]]


@final
class DropPath(_SequenceMask):
    """DropPath (stochastic depth): drops a residual branch per example (Huang et al. 2016).

    It computes ``x + mask · branch(x)``: put it after the last module of the branch. Where the mask
    is 0, the example skips the branch.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor; exactly one of the two
        The probability to keep, or to drop, the branch for an example; see
        :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        "inverted" divides by the keep probability p in training, and prediction is the identity.
        "classic" does not rescale in training, and multiplies the branch by p at prediction, as in
        the paper.
    depth : {None, "linear"}
        With "linear", the l-th of the L branches that :func:`bridle.regularize` finds for a rule
        is dropped with l / L times the drop probability, as in the paper; the last branch has the
        full one. In your own loop, use :meth:`at_depth`.
    batch_first : bool, optional
        Whether the first axis of ``x`` is the batch. Default: the ``batch_first`` of the module,
        or True if it has none.

    Raises
    ------
    UsageError
        If both or neither of the two are given, or a value is out of range.

    Examples
    --------
    >>> import torch, bridle
    >>> noise = bridle.DropPath(keep_prob=0.5)
    >>> noise.train(torch.ones(4, 2), bridle.address_of(seed=0, step=3))
    tensor([[0., 0.],
            [0., 0.],
            [2., 2.],
            [2., 2.]])
    >>> [noise.at_depth(block, 4).keep_prob for block in (1, 2, 3, 4)]
    [0.875, 0.75, 0.625, 0.5]
    """

    _flat_axes = (0,)

    def __init__(
        self,
        *,
        keep_prob: KeepProb | None = None,
        drop_prob: KeepProb | None = None,
        scaling: Scaling = "inverted",
        depth: str | None = None,
        batch_first: bool | None = None,
    ) -> None:
        super().__init__(
            keep_prob=keep_prob, drop_prob=drop_prob, scaling=scaling, batch_first=batch_first
        )
        if depth not in (None, "linear"):
            raise UsageError(f"depth is {depth!r}; it must be None or 'linear'")
        self.depth = depth

    def options(self) -> dict[str, Any]:
        """Return the other constructor arguments, by name."""
        return {"depth": self.depth, **super().options()}

    def at_depth(self, block: int, blocks: int) -> DropPath:
        """Return the noise of one block, from 1: it keeps with ``1 - (1 - p) block / blocks``.

        Raises
        ------
        UsageError
            If ``block`` is not from 1 to ``blocks``.
        """
        if not 1 <= block <= blocks:
            raise UsageError(f"block is {block} of {blocks}; give a number from 1 to {blocks}")
        other = self.keeping(1 - (1 - self.keep_prob) * block / blocks)
        other.depth = None
        return other

    def placed(self, spot: Spot) -> Self:
        """Return the noise for one place, with its depth and its axis order."""
        here = super().placed(spot)
        return here.at_depth(spot.index + 1, spot.count) if self.depth else here

    def _axes(self, x: Tensor, leading: int) -> tuple[int, ...]:
        axis = leading + (self.batch_first is False)
        if x.ndim <= axis:
            raise UsageError(
                f"DropPath got the shape {list(x.shape)}, which has no axis for rows; add one"
            )
        return (axis,)

    def rows_of(self, x: Tensor) -> int:
        """Return the number of examples of an input."""
        return x.shape[self._axes(x, 0)[0]]

    def _train_steps(self, x: Tensor, address: Tensor, rows: Tensor) -> Tensor:
        ones = torch.ones(x.shape[0], 1, device=x.device)
        mask = dropout(ones, address, self.keep_prob, rows=rows, inverted=self.inverted)
        return torch.where(mask > 0, (x * mask).to(x.dtype), torch.zeros_like(x))
