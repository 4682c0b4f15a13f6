"""Labels of a target: plain Python values, of the type that they were given in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import DataError
from bridle.tables.columns import as_strings

__all__ = ["ClassLabel", "blanks_note", "dtype_of", "inferred", "labels_of"]

ClassLabel = str | int | bool | float
"""The class of a row."""

_BOOLEANS, _WHOLE = (bool, np.bool_), (int, np.integer)


def labels_of(target: pd.Series[Any]) -> list[ClassLabel]:
    """Return Python labels, with int for floats if all are whole numbers.

    Raises
    ------
    DataError
        If a label is missing.

    Examples
    --------
    >>> labels_of(pd.Series(pd.Categorical([1, 0, 1]))), labels_of(pd.Series([2**63, 1]))
    ([1, 0, 1], [9223372036854775808, 1])
    """
    if isinstance(target.dtype, pd.CategoricalDtype) and target.notna().all():
        categories = target.cat.categories
        target = pd.Series(categories.to_numpy()[target.cat.codes], name=target.name)
    target = inferred(target)
    if pd.api.types.is_bool_dtype(target.dtype):
        return [bool(value) for value in target]
    if pd.api.types.is_integer_dtype(target.dtype) or _are(target, _WHOLE):
        return [int(value) for value in target]
    if pd.api.types.is_numeric_dtype(target.dtype):
        numbers = target.to_numpy(dtype=np.float64)
        whole = (numbers == np.floor(numbers)).all()
        return [int(value) if whole else float(value) for value in target]
    texts = as_strings(target)
    if texts.isna().any():
        raise DataError(f"the target {target.name!r} is missing in a row; leave the row out")
    return [str(value) for value in texts]


def inferred(target: pd.Series[Any]) -> pd.Series[Any]:
    """Return a target of Python's numbers or booleans as one of such a type."""
    if target.dtype != object:
        return target
    found = target.infer_objects()
    return found if pd.api.types.is_numeric_dtype(found.dtype) else target


def _are(target: pd.Series[Any], kinds: tuple[type, ...]) -> bool:
    """Return whether all values are of some types; booleans are no integers."""
    return target.dtype == object and all(
        isinstance(value, kinds) and not isinstance(value, _BOOLEANS) for value in target
    )


def dtype_of(classes: Iterable[ClassLabel]) -> Any:
    """Return the type of a Series of classes; object for integers that no other type holds."""
    classes = list(classes)
    kinds = {type(label) for label in classes}
    if len(kinds) > 1:
        return object
    if kinds == {int}:
        held = [np.iinfo(name) for name in ("int64", "uint64")]
        low, high = min(map(int, classes)), max(map(int, classes))
        return next((each.dtype for each in held if each.min <= low and high <= each.max), object)
    return {str: "str", bool: "bool", float: "float64"}[kinds.pop()]


def blanks_note(name: str, label: str) -> str:
    """Return a note on labels whose blanks are left out."""
    return (
        f"labels of {name!r} such as {label!r} have blanks around them, which are left out: it is "
        f"the class {label.strip()!r}"
    )
