"""The piecewise-linear encoding of numerical features."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from bridle.errors import ModelFileError

__all__ = ["PiecewiseLinear"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
OUTER_WIDTHS = 1.0  # how far the outer bins extend beyond their edges, in bin widths
_ROWS_AT_ONCE = 8192


def spread_quantiles(values: FloatArray, shares: FloatArray) -> FloatArray:
    """Return quantiles of values, of which none counts more than a share between two of them."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= len(shares):
        return distinct
    weights, bins = counts.astype(np.float64), len(shares) - 1
    while weights.max() > (1 + 1e-3) * weights.sum() / bins:
        weights = np.minimum(weights, weights.sum() / bins)
    places = np.cumsum(weights) - weights / 2
    places = (places - places[0]) / (places[-1] - places[0])
    return np.interp(shares, places, distinct)


class PiecewiseLinear:
    """The piecewise-linear encoding with quantile bins (Gorishniy et al. 2022).

    A number becomes one input for each bin: 0 if the number is below the bin, 1 if it is above,
    and linear inside. The first bin extends below its edge and the last one above, by at most the
    bin's width. A column with fewer than three distinct edges is not encoded.

    Attributes
    ----------
    columns : tuple of int
        The columns that are encoded.

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
    def fit(cls, numbers: FloatArray, bins: int, *, spread: bool = False) -> PiecewiseLinear:
        """Compute the edges as quantiles of float64 ``[rows, columns]``.

        With ``spread`` the rows of a repeated value count as one bin at most, so that the others
        have the rest of the bins; few distinct values are all edges.
        """
        shares = np.linspace(0, 1, bins + 1)
        found = [
            np.unique(spread_quantiles(each, shares) if spread else np.quantile(each, shares))
            for each in numbers.T
        ]
        used = tuple(at for at, edges in enumerate(found) if len(edges) > 2)
        return cls(used, tuple(found[at] for at in used))

    @property
    def count(self) -> int:
        """The number of inputs."""
        return sum(len(edges) - 1 for edges in self.edges)

    def transform(self, numbers: FloatArray) -> FloatArray:
        """Encode float64 ``[rows, columns]`` as float64 ``[rows, count]``."""
        out = np.empty((len(numbers), self.count))
        self.write(numbers, out)
        return out

    def write(self, numbers: FloatArray, out: np.ndarray[Any, Any]) -> None:
        """Write what :meth:`transform` returns to ``out``, in blocks of rows to save memory."""
        for begin in range(0, len(numbers), _ROWS_AT_ONCE):
            rows, done = slice(begin, begin + _ROWS_AT_ONCE), 0
            for at, edges in zip(self.columns, self.edges, strict=True):
                count = len(edges) - 1
                place = (numbers[rows, at, None] - edges[:-1]) / np.diff(edges)
                low, high = np.zeros(count), np.ones(count)
                low[0] -= OUTER_WIDTHS
                high[-1] += OUTER_WIDTHS
                out[rows, done : done + count] = np.clip(place, low, high)
                done += count

    def names(self, columns: list[str]) -> list[str]:
        """Return a name for each input, such as ``age[2.5,4)``."""
        return [
            f"{columns[at]}[{low:.3g},{high:.3g})"
            for at, edges in zip(self.columns, self.edges, strict=True)
            for low, high in pairwise(edges)
        ]

    def columns_of(self, columns: list[str]) -> list[str]:
        """Return the column of each input."""
        pairs = zip(self.columns, self.edges, strict=True)
        return [columns[at] for at, edges in pairs for _ in edges[1:]]

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the fitted arrays by name."""
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
        """Build the encoding from :meth:`arrays`, for a table with ``width`` numerical features.

        Raises
        ------
        ModelFileError
            If the arrays are inconsistent.
        """
        fine = len(columns) == len(counts) and int(counts.sum()) == len(edges)
        parts = np.split(edges, np.cumsum(counts)[:-1]) if fine and len(counts) else []
        rising = all(len(part) > 2 and (np.diff(part) > 0).all() for part in parts)
        if not fine or not rising or any(not 0 <= at < width for at in columns.tolist()):
            raise ModelFileError(
                "the bins of the numerical features are inconsistent; fit the model again"
            )
        return cls(tuple(columns.tolist()), tuple(parts))
