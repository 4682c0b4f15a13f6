"""Noises whose mask is smaller than what it multiplies: one draw for many units."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self, final

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from bridle.errors import UsageError
from bridle.noise.masks import BernoulliMask
from bridle.noise.protocol import KeepProb, Scaling, Spot
from bridle.ops import dropout

__all__ = ["DropPath", "LockedDropout", "SpatialDropout", "channels_of", "examples_packed"]


def examples_packed(x: PackedSequence) -> Tensor:
    """Return which example of the batch each row of a packed sequence's data is of: int64."""
    sizes = x.batch_sizes.to(x.data.device)
    place = torch.arange(x.data.shape[0], device=x.data.device)
    first = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    place = place - first
    return place if x.sorted_indices is None else x.sorted_indices[place]


def channels_of(name: str, x: Tensor, leading: int) -> tuple[int, int]:
    """Return the axes of examples and channels, or raise a UsageError when there are none."""
    if x.ndim < leading + 2:
        raise UsageError(
            f"{name} got the shape {list(x.shape)}; it needs [rows, channels, ...]: "
            "add an axis for the rows"
        )
    return leading, leading + 1


class _SharedMask(BernoulliMask):
    """A mask over some axes, the same along the others."""

    _flat_axes: ClassVar[tuple[int, ...]] = (0, 1)

    @abstractmethod
    def _axes(self, x: Tensor, leading: int) -> tuple[int, ...]:
        """Return the axes that the mask has: examples, and units unless it has one for each."""

    def train(self, x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Return ``x`` with the mask of that address applied.

        Parameters
        ----------
        x : Tensor
            As the class says, or with ``[members]`` first and one address per member.
        address : Tensor
            int64 ``[3]`` or ``[members, 3]``; see :func:`bridle.address_of`.
        rows : Tensor, optional
            int64 addresses of the examples; see :func:`bridle.ops.dropout`.

        Returns
        -------
        Tensor
            Of the shape and dtype of ``x``. What is dropped is 0, even where ``x`` is infinite.
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
        ones = torch.ones(sizes, dtype=dtype, device=x.device)
        mask = dropout(ones, address, keep, rows=rows, inverted=self.inverted)
        mask = mask.view([size if axis in axes else 1 for axis, size in enumerate(x.shape)])
        zero = torch.zeros((), dtype=x.dtype, device=x.device)
        return torch.where(mask > 0, (x * mask).to(x.dtype), zero)

    def train_packed(
        self, x: PackedSequence, address: Tensor, *, rank: int = 0, processes: int = 1
    ) -> Tensor:
        """Return the data of packed sequences with noise: each sequence is an example."""
        rows = examples_packed(x) * processes + rank
        return self._train_steps(x.data, address, rows)

    def _train_steps(self, x: Tensor, address: Tensor, rows: Tensor) -> Tensor:
        """Return ``[steps, units]`` with the masks of the examples that the steps are of."""
        return dropout(x, address, self.keep_prob, rows=rows, inverted=self.inverted)

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which draws kept: those of which something was not zero before."""
        # of packed sequences an audit hands on the first steps, [examples, units]
        axes = self._axes(x, 0) if x.ndim > 2 else self._flat_axes
        others = [axis for axis in range(x.ndim) if axis not in axes]
        before, after = x != 0, y != 0
        if others:
            before, after = before.any(others), after.any(others)
        return after[before].flatten()


@final
class SpatialDropout(_SharedMask):
    """Spatial dropout: whole channels are dropped, for each example anew (Tompson et al. 2015).

    For the feature maps of convolutions, whose neighbours are so alike that single units dropped
    would be guessed from them. torch's ``Dropout1d``, ``Dropout2d`` and ``Dropout3d`` are this.
    The mask's unit is the channel.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor, exactly one of them
        The probability to keep, or to drop, a channel of an example; see :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        Inverted divides by p in training, and prediction is the identity. Classic does nothing in
        training and multiplies by p at prediction.

    Raises
    ------
    UsageError
        If both or none are given, or one is out of range.

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


class _Timed(_SharedMask):
    """A mask that has to know whether examples or time come first."""

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
        self.batch_first = batch_first

    def options(self) -> dict[str, Any]:
        """Return what else the noise is made of, by the names of its arguments."""
        return {"batch_first": self.batch_first}

    def placed(self, spot: Spot) -> Self:
        """Return the noise for one place: with the order of axes that the module there has."""
        if self.batch_first is not None or spot.batch_first is None:
            return self
        other = self.keeping(self.keep_prob)
        other.batch_first = spot.batch_first
        return other


@final
class LockedDropout(_Timed):
    """Locked (variational) dropout: one mask for all time steps (Gal & Ghahramani 2016).

    For what goes into a recurrent layer or comes out of it. Each example has a mask over the
    units, and every step of its sequence has that same mask.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor, exactly one of them
        The probability to keep, or to drop, a unit of an example at all steps; see
        :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        Inverted divides by p in training, and prediction is the identity. Classic does nothing in
        training and multiplies by p at prediction.
    batch_first : bool, optional
        Whether ``x`` is ``[rows, time, ..., units]``, and not ``[time, rows, ..., units]``.
        :func:`bridle.regularize` asks the module where it is put, or what that is in; packed
        sequences need none.

    Raises
    ------
    UsageError
        If both or none are given, or one is out of range; in training if the order of the axes is
        not known.

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
                f"{self} does not know which axis of {list(x.shape)} is time: give "
                "batch_first=True for [rows, time, units], or False for [time, rows, units]"
            )
        if x.ndim < leading + 3:
            raise UsageError(
                f"LockedDropout got the shape {list(x.shape)}; it needs rows, time and units: "
                "give sequences an axis for the rows"
            )
        return leading if self.batch_first else leading + 1, x.ndim - 1

    def rows_of(self, x: Tensor) -> int:
        """Return how many examples an input has."""
        return x.shape[self._axes(x, 0)[0]]


@final
class DropPath(_Timed):
    """DropPath, or stochastic depth: a whole branch is dropped for an example (Huang et al. 2016).

    For what a residual branch adds: ``x + mask · branch(x)``. Put it after the branch's last
    module; where that is 0 the example goes past the branch.

    Parameters
    ----------
    keep_prob, drop_prob : float or Tensor, exactly one of them
        The probability to keep, or to drop, the branch for an example; see
        :class:`bridle.Dropout`.
    scaling : {"inverted", "classic"}
        Inverted divides by p in training, and prediction is the identity. Classic does nothing in
        training and multiplies the branch by p at prediction, as in the paper.
    depth : {None, "linear"}
        With "linear", the l-th of the L branches that :func:`bridle.regularize` finds for a rule
        is dropped with l / L times the probability: the paper's schedule, whose last branch has
        the probability given. In loops of your own, :meth:`at_depth` is the same.
    batch_first : bool, optional
        Whether the examples are the first axis of ``x``. Default: what the module says where it
        is put; where nothing says so, they are.

    Raises
    ------
    UsageError
        If both or none are given, or one is out of range.

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
            raise UsageError(f"depth is {depth!r}; it is None or 'linear'")
        self.depth = depth

    def options(self) -> dict[str, Any]:
        """Return what else the noise is made of, by the names of its arguments."""
        return {"depth": self.depth, **super().options()}

    def at_depth(self, block: int, blocks: int) -> DropPath:
        """Return the noise of the block at that depth, from 1: ``1 - (1 - p) block / blocks``.

        Raises
        ------
        UsageError
            If there is no such block.
        """
        if not 1 <= block <= blocks:
            raise UsageError(f"block is {block} of {blocks}; it must be from 1 to {blocks}")
        other = self.keeping(1 - (1 - self.keep_prob) * block / blocks)
        other.depth = None
        return other

    def placed(self, spot: Spot) -> Self:
        """Return the noise for one place: of its depth, with the order of axes there."""
        here = super().placed(spot)
        return here.at_depth(spot.index + 1, spot.count) if self.depth else here

    def _axes(self, x: Tensor, leading: int) -> tuple[int, ...]:
        axis = leading + (self.batch_first is False)
        if x.ndim <= axis:
            raise UsageError(f"DropPath got the shape {list(x.shape)}, which has no axis of rows")
        return (axis,)

    def rows_of(self, x: Tensor) -> int:
        """Return how many examples an input has."""
        return x.shape[self._axes(x, 0)[0]]

    def _train_steps(self, x: Tensor, address: Tensor, rows: Tensor) -> Tensor:
        ones = torch.ones(x.shape[0], 1, device=x.device)
        mask = dropout(ones, address, self.keep_prob, rows=rows, inverted=self.inverted)
        return torch.where(mask > 0, (x * mask).to(x.dtype), torch.zeros_like(x))
