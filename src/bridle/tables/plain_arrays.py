"""Arrays of any library as NumPy's, in the byte order of the machine, and with missing values."""

from __future__ import annotations

from typing import Any

import numpy as np

from bridle.errors import DataError

__all__ = ["is_native", "plain_array", "row_by_name"]

Array = np.ndarray[Any, np.dtype[Any]]


def is_native(dtype: Any) -> bool:
    """Return whether a type has the byte order of the machine; the types of pandas have."""
    return not isinstance(dtype, np.dtype) or dtype.isnative


def plain_array(values: Any) -> Array:
    """Return an array of a tensor, a sparse matrix, or anything with ``__array__``.

    What a mask hides is missing: NaN, NaT or None.

    Raises
    ------
    DataError
        If it has complex numbers or bytes.

    Examples
    --------
    >>> plain_array(np.ma.array([1.0, -99.0], mask=[False, True])).tolist()
    [1.0, nan]
    >>> plain_array(np.array([1, 2], dtype=">i4")).dtype.isnative
    True
    """
    if hasattr(values, "detach"):
        values = _of_tensor(values.detach())
    if hasattr(values, "toarray"):
        values = values.toarray()
    array: Array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    if array.dtype.names is None and array.dtype.kind in "cSV":
        raise DataError(
            f"an array has the dtype {array.dtype}; give numbers, strings, booleans or dates"
        )
    if not is_native(array.dtype):
        array = array.astype(array.dtype.newbyteorder("="))
    return _unmasked(array) if isinstance(array, np.ma.MaskedArray) else array


def row_by_name(row: Any) -> Any:
    """Return a named tuple, or a row of a structured array, as a dict; others as they are.

    Examples
    --------
    >>> row_by_name(np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f4")])[0])
    {'a': 1, 'b': 2.5}
    """
    if isinstance(row, tuple) and hasattr(row, "_asdict"):
        return row._asdict()
    names = getattr(getattr(row, "dtype", None), "names", None)
    if isinstance(row, np.void) and names:
        array = plain_array(np.ma.array([row]) if hasattr(row, "mask") else [row])
        return dict(zip(names, array[0].tolist(), strict=True))
    return row


def _of_tensor(tensor: Any) -> Any:
    tensor = tensor.cpu() if hasattr(tensor, "cpu") else tensor
    if not hasattr(tensor, "numpy"):
        return tensor
    try:
        return tensor.numpy()
    except TypeError:  # NumPy has no bfloat16
        return tensor.float().numpy()


def _unmasked(array: np.ma.MaskedArray[Any, Any]) -> Array:
    """Return a masked array with missing values where the mask hides a value."""
    plain: Array = np.asarray(array.data)
    names = array.dtype.names
    if names is not None:
        fields = [_unmasked(array[name]) for name in names]
        kinds = [(name, each.dtype) for name, each in zip(names, fields, strict=True)]
        found: Array = np.empty(array.shape, dtype=kinds)
        for name, each in zip(names, fields, strict=True):
            found[name] = each
        return found
    hidden = np.ma.getmaskarray(array)
    if not hidden.any():
        return plain
    if plain.dtype.kind in "fmM":
        plain = plain.copy()
        plain[hidden] = np.nan if plain.dtype.kind == "f" else np.array("NaT", dtype=plain.dtype)
        return plain
    found = plain.astype(object)
    found[hidden] = None
    return found
