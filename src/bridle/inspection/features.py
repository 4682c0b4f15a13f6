"""The features of the first layer, as images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.networks.population import Network

__all__ = ["feature_tiles", "tile_sheet"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def feature_tiles(
    model: Network | nn.Module, shape: Sequence[int] | None = None, *, member: int = 0
) -> FloatArray:
    """Return the incoming weights of each first-layer unit, as images.

    Parameters
    ----------
    model : Network or torch.nn.Module
        For a module, the first Linear or Conv2d in the order of registration is used.
    shape : sequence of two int, optional
        Height and width of the input image, whose pixels are stored row by row: ``(8, 8)`` for
        scikit-learn's digits, ``(28, 28)`` for MNIST. Default: a square. Ignored for a
        convolution.
    member : int
        Index of the network in the population.

    Returns
    -------
    ndarray
        float64 ``[units, height, width]``. For a convolution, one image per pair of output channel
        and input channel.

    Raises
    ------
    UsageError
        If the number of inputs does not fit the shape, or the model has no such layer.

    Examples
    --------
    >>> import bridle
    >>> bridle.feature_tiles(bridle.Network([64, 32, 10])).shape
    (32, 8, 8)
    """
    weight = _first_weight(model, member)
    if weight.ndim == 4:
        return weight.flatten(0, 1).double().cpu().numpy()
    inputs = weight.shape[1]
    side = math.isqrt(inputs)
    height, width = shape or (side, side)
    if height * width != inputs:
        raise UsageError(
            f"the first layer has {inputs} inputs, not {height} × {width}; "
            "give the height and width of the image as shape"
        )
    return weight.view(-1, height, width).double().cpu().numpy()


def _first_weight(model: Network | nn.Module, member: int) -> Tensor:
    """Return the weights ``[units, inputs]``, or the four-dimensional ones of a convolution."""
    if isinstance(model, Network):
        if not 0 <= member < model.members:
            raise UsageError(f"member is {member}; it must be from 0 to {model.members - 1}")
        if model.embedding is not None:
            raise UsageError(
                "the first layer also takes the embedding of its inputs, whose weights are no "
                "image; give a network without embedding"
            )
        return model.weights[0][member].detach().T.contiguous()
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            return module.weight.detach().contiguous()
    raise UsageError(
        f"{type(model).__name__} has no Linear and no Conv2d; give a model that has one"
    )


def tile_sheet(
    tiles: FloatArray, *, columns: int | None = None, gap: int = 1, scale: str = "each"
) -> FloatArray:
    """Arrange images in a grid, as one array that any plotting library can show.

    Parameters
    ----------
    tiles : float64 ``[tiles, height, width]``
    columns : int, optional
        Default: as many columns as rows.
    gap : int
        Number of pixels between tiles.
    scale : {"each", "all"}
        "each" divides each tile by its largest absolute value, so that all patterns are visible.
        "all" divides by the largest value of all tiles, so that they are comparable. A tile of
        zeros stays zero.

    Returns
    -------
    ndarray
        float64, from -1 to 1; NaN between the tiles and in empty places of the last row.

    Raises
    ------
    UsageError
        If there are no tiles, or an argument is invalid.

    Examples
    --------
    >>> import numpy as np, bridle
    >>> bridle.tile_sheet(np.array([[[1.0, -2.0]], [[0.0, 0.0]], [[3.0, 3.0]]]), columns=2)
    array([[ 0.5, -1. ,  nan,  0. ,  0. ],
           [ nan,  nan,  nan,  nan,  nan],
           [ 1. ,  1. ,  nan,  nan,  nan]])
    """
    if tiles.ndim != 3 or not tiles.size:
        raise UsageError(f"tiles has the shape {list(tiles.shape)}; give [tiles, height, width]")
    if scale not in ("each", "all"):
        raise UsageError(f"scale is {scale!r}; it must be 'each' or 'all'")
    count, height, width = tiles.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1 or gap < 0:
        raise UsageError(
            f"columns is {columns} and gap is {gap}; give columns of 1 or more, gap of 0 or more"
        )
    top = np.abs(tiles).max(axis=(1, 2) if scale == "each" else None, keepdims=True)
    scaled = np.divide(tiles, top, out=np.zeros_like(tiles, dtype=np.float64), where=top > 0)
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for at, tile in enumerate(scaled):
        y, x = at // columns * (height + gap), at % columns * (width + gap)
        sheet[y : y + height, x : x + width] = tile
    return sheet
