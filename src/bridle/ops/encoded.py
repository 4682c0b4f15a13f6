"""Encoded rows in a short form, from which the first layer is computed by sums of few rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.ops.perceptron import check

__all__ = ["Block", "EncodedRows"]

FEWEST = 8  # inputs of a block; fewer are multiplied as quickly
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True)
class Block:
    """Neighboring inputs that encode one feature.

    Attributes
    ----------
    first, count : int
        The inputs are ``first`` to ``first + count - 1``.
    binned : bool
        Whether the inputs are the bins of a number, and not the categories of a column.
    """

    first: int
    count: int
    binned: bool


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """The place in each block, and the value there.

    In a row, the bins of a number are ones up to one bin, any value there, and zeros above
    (:class:`bridle.tables.bins.PiecewiseLinear`). Of the categories of a column, one has a value at
    most. So a block is known from one place and one value, and its share of a product with weights
    is a prefix sum of the weights' rows and a multiple of one row.

    Attributes
    ----------
    blocks : tuple of Block
        Those of numbers come first.
    plain : tuple of int
        The inputs outside of the blocks.
    codes : Tensor
        int32 ``[rows, blocks]``: the input whose value is in ``parts``. All inputs of a number's
        block before it are 1; all other inputs of the block are 0.
    parts : Tensor
        float32 ``[rows, blocks]``.

    Examples
    --------
    >>> import torch
    >>> X = torch.tensor([[1.0, 1.0, 0.5] + [0.0] * 5 + [7.0], [-0.5] + [0.0] * 7 + [8.0]])
    >>> rows = EncodedRows.of(X, [Block(0, 8, binned=True)])
    >>> rows.codes.tolist(), rows.parts.tolist(), rows.plain
    ([[2], [0]], [[0.5], [-0.5]], (8,))
    """

    blocks: tuple[Block, ...]
    plain: tuple[int, ...]
    codes: Tensor
    parts: Tensor

    @classmethod
    def of(cls, X: Tensor, blocks: Sequence[Block]) -> EncodedRows | None:
        """Find the short form of rows; None if no block gains by it.

        A block of few inputs is left out, and one whose values have another form in any row.

        Parameters
        ----------
        X : Tensor
            float32 ``[rows, inputs]``, on the CPU.
        blocks : sequence of Block
            Must not overlap.

        Raises
        ------
        UsageError
            If a block is outside of the inputs, or overlaps another one.
        """
        taken = [at for each in blocks for at in range(each.first, each.first + each.count)]
        if len(set(taken)) < len(taken) or not all(0 <= at < X.shape[1] for at in taken):
            raise UsageError(
                f"the blocks {list(blocks)} overlap, or leave the {X.shape[1]} inputs; give blocks "
                "of inputs of their own"
            )
        kept: list[Block] = []
        columns: list[tuple[Tensor, Tensor]] = []
        for block in sorted(blocks, key=lambda each: not each.binned):
            found = _places(X, block) if block.count >= FEWEST else None
            if found is not None:
                kept.append(block)
                columns.append(found)
        if not kept:
            return None
        inside = {at for each in kept for at in range(each.first, each.first + each.count)}
        codes, parts = (torch.stack(each, 1) for each in zip(*columns, strict=True))
        plain = tuple(at for at in range(X.shape[1]) if at not in inside)
        return cls(tuple(kept), plain, codes, parts)

    def check(self, X: Tensor) -> None:
        """Raise a UsageError if these are not the rows and inputs of ``X``, ready for a kernel."""
        check(self.codes, torch.int32)
        check(self.parts, torch.float32)
        inputs = len(self.plain) + sum(each.count for each in self.blocks)
        if self.codes.shape != self.parts.shape or (len(self.codes), inputs) != tuple(X.shape):
            raise UsageError(
                f"the encoded rows are those of {len(self.codes)} × {inputs} values, but X is "
                f"{len(X)} × {X.shape[1]}; give both of the same table"
            )

    @property
    def arguments(self) -> tuple[list[list[int]], int, list[int]]:
        """What the kernel takes: inputs of the blocks and the others, binned blocks, addresses."""
        first, count = ([getattr(b, name) for b in self.blocks] for name in ("first", "count"))
        addresses = [self.codes.data_ptr(), self.parts.data_ptr()]
        return [first, count, list(self.plain)], sum(b.binned for b in self.blocks), addresses


def _places(X: Tensor, block: Block) -> tuple[Tensor, Tensor] | None:
    """Return a block's codes and parts, ``[rows]`` each; None if a row has another form."""
    codes = torch.empty(len(X), dtype=torch.int32)
    parts = torch.empty(len(X))
    places = torch.arange(block.count)
    for at in range(0, len(X), _ROWS_AT_ONCE):
        part = X[at : at + _ROWS_AT_ONCE, block.first : block.first + block.count]
        filled = part != 0
        if block.binned:
            ones = part == 1
            place = ones.sum(1).clamp_(max=block.count - 1)
            below = places < place[:, None]
            if not torch.equal(ones & below, below):
                return None
        else:
            place = filled.to(torch.uint8).argmax(1)
        value = part.gather(1, place[:, None])[:, 0]
        others = filled.sum(1) - (value != 0).long()
        if not torch.equal(others, place if block.binned else torch.zeros_like(place)):
            return None
        codes[at : at + len(part)] = place + block.first
        parts[at : at + len(part)] = value
    return codes, parts
