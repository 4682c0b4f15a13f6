"""Numbers as many inputs: the piecewise-linear encoding."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from bridle.errors import ModelFileError

__all__ = ["PiecewiseLinear"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
BEYOND = 1.0  # how far the outer bins go on, in their widths


class PiecewiseLinear:
    """Each number as its place in bins of equal share (Gorishniy et al. 2022).

    A number becomes one input for each bin: 1 above the bin, 0 below it, and rising linearly
    inside. The first bin goes on below and the last one above, a bin's width at most. A column of
    fewer than three distinct edges stays out.

    Attributes
    ----------
    columns : tuple of int
        Which columns it encodes.

    Examples
    --------
    >>> import numpy as np
    >>> bins = PiecewiseLinear.fit(np.array([[0.0], [1.0], [2.0], [3.0], [4.0]]), 2)
    >>> bins.transform(np.array([[1.0], [3.0], [5.0]]))
    array([[0.5, 0. ],
           [1. , 0.5],
           [1. , 1.5]])
    """

    def __init__(self, columns: tuple[int, ...], edges: tuple[FloatArray, ...]) -> None:
        self.columns = columns
        self.edges = edges

    @classmethod
    def fit(cls, numbers: FloatArray, bins: int) -> PiecewiseLinear:
        """Take the edges from the quantiles of float64 ``[rows, columns]``."""
        shares = np.linspace(0, 1, bins + 1)
        found = [np.unique(np.quantile(column, shares)) for column in numbers.T]
        used = tuple(at for at, edges in enumerate(found) if len(edges) > 2)
        return cls(used, tuple(found[at] for at in used))

    @property
    def count(self) -> int:
        """How many inputs it makes."""
        return sum(len(edges) - 1 for edges in self.edges)

    def transform(self, numbers: FloatArray) -> FloatArray:
        """Return float64 ``[rows, count]`` of float64 ``[rows, columns]``."""
        blocks = [np.zeros((len(numbers), 0))]
        for at, edges in zip(self.columns, self.edges, strict=True):
            place = (numbers[:, [at]] - edges[:-1]) / np.diff(edges)
            low, high = np.zeros(len(edges) - 1), np.ones(len(edges) - 1)
            low[0] -= BEYOND
            high[-1] += BEYOND
            blocks.append(np.clip(place, low, high))
        return np.concatenate(blocks, axis=1)

    def names(self, columns: list[str]) -> list[str]:
        """Return a name for each input, such as ``age[2.5,4)``."""
        return [
            f"{columns[at]}[{low:.3g},{high:.3g})"
            for at, edges in zip(self.columns, self.edges, strict=True)
            for low, high in pairwise(edges)
        ]

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what was learned, by name."""
        return {
            "columns": np.array(self.columns, dtype=np.int64),
            "counts": np.array([len(edges) for edges in self.edges], dtype=np.int64),
            "edges": np.concatenate([np.zeros(0), *self.edges]),
        }

    @classmethod
    def from_arrays(
        cls,
        columns: np.ndarray[Any, Any],
        counts: np.ndarray[Any, Any],
        edges: FloatArray,
        width: int,
    ) -> PiecewiseLinear:
        """Build it from :meth:`arrays`, for a table of so many numbers.

        Raises
        ------
        ModelFileError
            If the arrays contradict each other.
        """
        fine = len(columns) == len(counts) and int(counts.sum()) == len(edges)
        parts = np.split(edges, np.cumsum(counts)[:-1]) if fine and len(counts) else []
        rising = all(len(part) > 2 and (np.diff(part) > 0).all() for part in parts)
        if not fine or not rising or any(not 0 <= at < width for at in columns.tolist()):
            raise ModelFileError("the bins of the table's numbers contradict each other")
        return cls(tuple(columns.tolist()), tuple(parts))
