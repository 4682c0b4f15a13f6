"""Checks of the types of arguments, whose messages name the argument and its value."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Set
from numbers import Real
from typing import Any

import numpy as np

from bridle.errors import UsageError

__all__ = ["number_of", "numbers_of_units", "shapes_of", "whole_of"]


def whole_of(name: str, value: Any) -> int:
    """Return a whole number as an int, whatever library it is of.

    Raises
    ------
    UsageError
        If it is none; booleans are none, and 2.0 is 2.

    Examples
    --------
    >>> import numpy as np
    >>> whole_of("seed", np.int64(3))
    3
    >>> whole_of("epochs", 1.5)
    Traceback (most recent call last):
        ...
    bridle.errors.UsageError: epochs is 1.5; it must be a whole number
    """
    if type(value) not in (bool, np.bool_):
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            return int(value)
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise UsageError(f"{name} is {value!r}; it must be a whole number")


def number_of(name: str, value: Any) -> float:
    """Return a number that is not NaN as a float.

    Raises
    ------
    UsageError
        If it is none.
    """
    if isinstance(value, (Real, np.floating)) and not (value is True or value is False):
        found = float(value)
        if found == found:
            return found
    raise UsageError(f"{name} is {value!r}; it must be a number")


def numbers_of_units(name: str, value: Any) -> tuple[int, ...]:
    """Return the units of each layer.

    Raises
    ------
    UsageError
        If they are no sequence of whole numbers.
    """
    if not _has_order(value):
        raise UsageError(
            f"{name} is {value!r}; it must be a sequence with the units of each layer, such as "
            "(256, 256)"
        )
    return tuple(whole_of(name, each) for each in value)


def shapes_of(name: str, value: Any) -> tuple[tuple[int, ...], ...]:
    """Return the units of each layer, of several networks.

    Raises
    ------
    UsageError
        If they are no sequence of such sequences.
    """
    each = list(value) if _has_order(value) else []
    if not each or any(map(np.isscalar, each)):
        raise UsageError(
            f"{name} is {value!r}; it must be a sequence of the hidden layers to choose from, such "
            "as [(256, 256)]"
        )
    return tuple(numbers_of_units(name, units) for units in each)


def _has_order(value: Any) -> bool:
    """Return whether a value can be iterated in an order that was meant."""
    unordered = isinstance(value, (str, bytes, Mapping, Set)) or getattr(value, "ndim", 1) == 0
    return isinstance(value, Iterable) and not unordered
