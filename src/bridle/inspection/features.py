"""What the first layer looks for, as images."""

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
    """Return the incoming weights of each unit of the first layer, as images.

    Parameters
    ----------
    model : Network or torch.nn.Module
        Of a module, its first Linear or Conv2d is taken, in the order of registration.
    shape : sequence of two int, optional
        Height and width of the input, row by row: ``(8, 8)`` for scikit-learn's digits, ``(28,
        28)`` for MNIST. Default: the square of that many inputs; a convolution has a shape.
    member : int
        Which network of a population.

    Returns
    -------
    ndarray
        float64 ``[units, height, width]``. Of a convolution: one for each pair of output channel
        and input channel.

    Raises
    ------
    UsageError
        If the inputs do not have that shape, or the model has no such layer.

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
    """Return the weights ``[units, inputs]``, or a convolution's four axes."""
    if isinstance(model, Network):
        if not 0 <= member < model.members:
            raise UsageError(f"member is {member}; it must be from 0 to {model.members - 1}")
        return model.weights[0][member].detach().T.contiguous()
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            return module.weight.detach().contiguous()
    raise UsageError(f"{type(model).__name__} has no Linear and no Conv2d whose weights to show")


def tile_sheet(
    tiles: FloatArray, *, columns: int | None = None, gap: int = 1, scale: str = "each"
) -> FloatArray:
    """Lay tiles out on one sheet, which any plotting library shows.

    Parameters
    ----------
    tiles : float64 ``[tiles, height, width]``
    columns : int, optional
        Default: a sheet as wide as it is high.
    gap : int
        Pixels between tiles.
    scale : {"each", "all"}
        Divide each tile by its largest absolute value, so that all patterns are seen; or all by
        the largest of all, so that they compare. A tile of zeros stays so.

    Returns
    -------
    ndarray
        float64, from -1 to 1, NaN between the tiles and where the last row has none.

    Raises
    ------
    UsageError
        If there is no tile, or an argument has a value that it cannot have.

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
        raise UsageError(f"scale is {scale!r}; it is 'each' or 'all'")
    count, height, width = tiles.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1 or gap < 0:
        raise UsageError(f"columns is {columns} and gap {gap}; give 1 or more, and 0 or more")
    top = np.abs(tiles).max(axis=(1, 2) if scale == "each" else None, keepdims=True)
    shown = np.divide(tiles, top, out=np.zeros_like(tiles, dtype=np.float64), where=top > 0)
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for at, tile in enumerate(shown):
        y, x = at // columns * (height + gap), at % columns * (width + gap)
        sheet[y : y + height, x : x + width] = tile
    return sheet
