"""``Grouping``: which weights of a tensor belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError, did_you_mean
from bridle.penalties.protocol import widened

__all__ = ["Grouping", "as_grouping"]

NAMES = ("elements", "rows", "columns", "units", "inputs", "heads", "whole", "joint")


@dataclass(frozen=True)
class Split:
    """One axis, divided into several; ``inner`` are those along which a group runs."""

    axis: int
    sizes: tuple[int, ...]
    inner: tuple[int, ...]


@final
@dataclass(frozen=True)
class Grouping:
    """Which weights of a tensor form a group. Penalties and target sparsity act on groups.

    A penalty of groups is :class:`bridle.Grouped`; :class:`bridle.Sparsity` sets whole groups to
    zero. Where these take ``groups``, the name alone is enough: ``"units"``.

    ========================== ==========================================================
    Grouping                   A group is
    ========================== ==========================================================
    ``elements()``             one weight
    ``rows()``, ``columns()``  what runs along the last axis, or along the last but one
    ``along(axes)``            what runs along these axes
    ``blocks(*sizes)``         a tile of these sizes in the last axes
    ``units()``                what enters one unit: the weights of one output of a ``Linear``,
                               the filter of a convolution, the vector of an ``Embedding``'s entry
    ``inputs()``               what leaves one input (channel)
    ``heads(count)``           the weights of one attention head
    ``whole()``                the tensor: a layer, or a residual branch by its last weight
    ``joint()``                what a :class:`bridle.Joint` selector joins, of several weights
    ========================== ==========================================================

    :func:`bridle.attach` and :func:`bridle.regularize` read from the module which axes ``units``,
    ``inputs`` and ``heads`` run along. A tensor given to the methods has torch's layout
    ``[out, in, ...]``.

    Attributes
    ----------
    name : str
        How it was made, such as "units"; "axes" if it has axes of its own.
    axes : tuple of int, optional
        The axes along which a group runs; None for all.
    splits : tuple
        Axes that are divided, and which of the parts belong to a group.

    Examples
    --------
    >>> import torch, bridle
    >>> w = torch.arange(8.0).view(2, 4)
    >>> bridle.Grouping.blocks(2, 2).norms(w).flatten()
    tensor([6.4807, 9.8995])
    >>> bridle.Grouping.rows().table(w).shape
    torch.Size([2, 4])
    """

    name: str = "elements"
    axes: tuple[int, ...] | None = ()
    splits: tuple[Split, ...] = ()

    def __repr__(self) -> str:
        if self.name == "blocks":
            return f"Grouping.blocks({', '.join(str(each.sizes[1]) for each in self.splits)})"
        if self.name == "heads" and self.splits:
            split = self.splits[0]
            side = "" if split.axis == 0 else ", side='inputs'"
            parts = f", parts={split.sizes[0]}" if len(split.sizes) > 2 else ""
            return f"Grouping.heads({split.sizes[-2]}{parts}{side})"
        if self.name == "axes":
            within = "".join(f", axis {each.axis} in {each.sizes}" for each in self.splits)
            return f"Grouping.along({self.axes}{within})"
        return f"Grouping.{self.name}()"

    @property
    def shown(self) -> str:
        """The shortest argument that gives this grouping, as text."""
        plain = repr(self).endswith("()")
        return repr(self.name) if plain else repr(self)

    # ------------------------------------------------------------------------------ how to make one

    @classmethod
    def elements(cls) -> Grouping:
        """Return the grouping in which each weight is a group."""
        return cls()

    @classmethod
    def rows(cls) -> Grouping:
        """Return the groups that run along the last axis."""
        return cls("rows", (-1,))

    @classmethod
    def columns(cls) -> Grouping:
        """Return the groups that run along the last axis but one."""
        return cls("columns", (-2,))

    @classmethod
    def along(cls, axes: int | Sequence[int]) -> Grouping:
        """Return the groups that run along the given axes.

        Raises
        ------
        UsageError
            If an axis is no whole number.
        """
        chosen = (axes,) if isinstance(axes, int) else tuple(axes)
        if not chosen or not all(type(axis) is int for axis in chosen):
            raise UsageError(f"axes is {axes!r}; give an axis such as -1, or several: (1, 2, 3)")
        return cls("axes", chosen)

    @classmethod
    def blocks(cls, *sizes: int) -> Grouping:
        """Return tiles of the last axes: ``blocks(4, 4)``, or ``blocks(4)`` for runs of 4.

        Raises
        ------
        UsageError
            If there is no size, or one below 1.
        """
        if not sizes or not all(type(size) is int and size > 0 for size in sizes):
            raise UsageError(f"blocks have the sizes {sizes}; give whole numbers, 1 or more")
        splits = (Split(at - len(sizes), (-1, size), (1,)) for at, size in enumerate(sizes))
        return cls("blocks", (), tuple(splits))

    @classmethod
    def units(cls) -> Grouping:
        """Return the groups of what enters one unit."""
        return cls("units")

    @classmethod
    def inputs(cls) -> Grouping:
        """Return the groups of what leaves one input."""
        return cls("inputs")

    @classmethod
    def heads(cls, count: int | None = None, *, parts: int = 1, side: str = "units") -> Grouping:
        """Return the groups of attention heads.

        Parameters
        ----------
        count : int, optional
            The number of heads. ``torch.nn.MultiheadAttention`` knows it.
        parts : int
            3 if one weight holds queries, keys and values in this order.
        side : {"units", "inputs"}
            "inputs" for the output projection, whose inputs are the heads.

        Returns
        -------
        Grouping

        Raises
        ------
        UsageError
            If a number is below 1, or ``side`` is unknown.
        """
        if side not in ("units", "inputs"):
            raise UsageError(f"side is {side!r}; it must be 'units' or 'inputs'")
        if count is None:
            return cls("heads")
        if count < 1 or parts < 1:
            raise UsageError(f"there are {count} heads in {parts} parts; give 1 or more of each")
        if side == "inputs":
            return cls("heads", (0,), (Split(1, (count, -1), (1,)),))
        split = Split(0, (parts, count, -1), (0, 2)) if parts > 1 else Split(0, (count, -1), (1,))
        return cls("heads", (1,), (split,))

    @classmethod
    def whole(cls) -> Grouping:
        """Return the grouping in which the tensor is one group."""
        return cls("whole", None)

    @classmethod
    def joint(cls) -> Grouping:
        """Return the groups of a :class:`bridle.Joint` selector, which span several weights."""
        return cls("joint", None)

    # ------------------------------------------------------------------------------- what it does

    @property
    def by_module(self) -> bool:
        """Whether the module that holds a weight decides which axes these are."""
        return self.name in ("units", "inputs") or (self.name == "heads" and not self.splits)

    def view(self, weight: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """Return the weight with divided axes, and the axes along which a group runs there.

        Raises
        ------
        UsageError
            If an axis does not exist, or is not a multiple of the sizes.
        """
        count = weight.ndim
        axes = self._axes(count)
        splits = {each.axis % count: each for each in self.splits if -count <= each.axis < count}
        if len(splits) < len(self.splits) or not all(-count <= axis < count for axis in axes):
            raise UsageError(f"{self!r} does not fit a weight of {count} axes")
        inside = {axis % count for axis in axes}
        places, at = [], 0
        for axis in range(count):
            split = splits.get(axis)
            if split is None:
                places += [at] * (axis in inside)
                at += 1
            else:
                places += [at + each for each in split.inner]
                at += len(split.sizes)
        for axis in sorted(splits, reverse=True):
            sizes = splits[axis].sizes
            if weight.shape[axis] % abs(prod(sizes)):
                raise UsageError(
                    f"{self!r} does not fit a weight of shape {list(weight.shape)}: its axis "
                    f"{axis} is no multiple of {abs(prod(sizes))}"
                )
            weight = weight.unflatten(axis, sizes)
        return weight, tuple(places)

    def _axes(self, count: int) -> tuple[int, ...]:
        """Return the whole axes of a group, of a weight in torch's layout."""
        if self.name == "joint":
            raise UsageError(
                "'joint' groups span several weights: give a bridle.Joint as the selector, to "
                "bridle.attach or bridle.regularize"
            )
        if self.axes is None:
            return tuple(range(count))
        if self.name == "units":
            return tuple(range(1, count))
        if self.name == "inputs":
            return (0, *range(2, count))
        if self.name == "heads":
            if not self.splits:
                raise UsageError("the number of heads is not known: give Grouping.heads(count)")
            return self.axes if count > 1 else ()
        return self.axes

    def norms(self, weight: Tensor) -> Tensor:
        """Return the Euclidean norm of each group; the axes of :meth:`view` are kept, with 1."""
        view, axes = self.view(weight)
        view = widened(view)
        if not axes:
            return view.abs()
        return torch.linalg.vector_norm(view, dim=axes, keepdim=True)

    def size(self, weight: Tensor) -> int:
        """Return the number of weights in a group."""
        view, axes = self.view(weight)
        return prod(view.shape[axis] for axis in axes)

    def times(self, weight: Tensor, factors: Tensor) -> Tensor:
        """Return the weight with each group times its factor, ``factors`` shaped like the norms."""
        view, _ = self.view(weight)
        return (view * factors).to(weight.dtype).reshape(weight.shape)

    def scale(self, weight: Tensor, factors: Tensor) -> None:
        """Multiply each group by its factor, in place."""
        self.view(weight)[0].mul_(factors)

    def clear(self, weight: Tensor, mask: Tensor) -> None:
        """Set the groups to zero where a mask is set, in place."""
        self.view(weight)[0].masked_fill_(mask, 0.0)

    def table(self, weight: Tensor) -> Tensor:
        """Return the groups as the rows of a matrix ``[groups, size]``."""
        view, axes = self.view(weight)
        outer = [axis for axis in range(view.ndim) if axis not in axes]
        return view.permute([*outer, *axes]).reshape(-1, self.size(weight))

    def restore(self, table: Tensor, weight: Tensor) -> Tensor:
        """Return the tensor, shaped like ``weight``, of these groups: undoes :meth:`table`."""
        view, axes = self.view(weight)
        order = [axis for axis in range(view.ndim) if axis not in axes] + list(axes)
        moved = table.reshape([view.shape[axis] for axis in order])
        back = [order.index(axis) for axis in range(view.ndim)]
        return moved.permute(back).reshape(weight.shape)


def as_grouping(groups: Grouping | str) -> Grouping:
    """Return a grouping, given as such or by its name.

    Raises
    ------
    UsageError
        If there is none of that name.

    Examples
    --------
    >>> from bridle.penalties.groupings import as_grouping
    >>> as_grouping("units")
    Grouping.units()
    """
    if isinstance(groups, Grouping):
        return groups
    if groups not in NAMES:
        hint = did_you_mean(str(groups), list(NAMES))
        raise UsageError(
            f"groups is {groups!r}; {hint}; tiles are Grouping.blocks(4, 4), and other axes "
            "Grouping.along((0, 2))"
        )
    made: Grouping = getattr(Grouping, groups)()
    return made
