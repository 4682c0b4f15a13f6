"""Tensors of NumPy arrays, and values that a dtype cannot hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from bridle.errors import UsageError

__all__ = ["overflow_in", "require_representable", "tensor_of", "with_positive_strides"]

Array = np.ndarray[Any, np.dtype[Any]]


def tensor_of(array: Any) -> Tensor:
    """Return an array as a tensor; shares its memory if that is contiguous and writable.

    joblib hands large arrays to its workers as read-only memory maps. torch warns about these, and
    a training step that wrote to one would end the process.
    """
    return torch.from_numpy(with_positive_strides(np.require(array, requirements=["C", "W"])))


def with_positive_strides(array: Array) -> Array:
    """Return the array, or a copy if a stride is negative, which torch refuses.

    NumPy ignores the stride of an axis with one element, so a reversed column is contiguous to it.
    """
    return array.copy() if min(array.strides, default=0) < 0 else array


def overflow_in(values: Any, dtype: Any) -> float | None:
    """Return a value of an array or a sparse matrix that a float dtype cannot hold, or None."""
    each = values.data if scipy.sparse.issparse(values) else values
    if each.dtype.kind != "f" or each.dtype.itemsize <= np.dtype(dtype).itemsize or not each.size:
        return None
    extreme = max(float(each.min()), float(each.max()), key=abs)
    return extreme if abs(extreme) > float(np.finfo(dtype).max) else None


def require_representable(name: str, values: Any, dtype: Any) -> None:
    """Raise UsageError if a value is beyond the range of a float dtype."""
    beyond = overflow_in(values, dtype)
    if beyond is not None:
        raise UsageError(
            f"{name} has the value {beyond:g}, which is beyond the range of {np.dtype(dtype)}, the "
            f"dtype of the network; scale {name}, or fit a new network on rows of float64"
        )
