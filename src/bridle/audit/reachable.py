"""What a loss can reach: its random generators, and the Python state that it may change."""

from __future__ import annotations

import functools
import random
import types
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["GENERATORS", "Cell", "GlobalNumber", "reachable"]

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
"""The types of objects that draw random numbers."""

_MOST_OBJECTS = 200_000
_MOST_ITEMS = 10_000  # a longer container holds data, and not what a training pass changes
_LIBRARIES = (
    "torch",
    "numpy",
    "pandas",
    "sklearn",
    "bridle.ops",
    "bridle.audit",
    "logging",
    "threading",
)
_ATOMS = (int, float, complex, str, bytes, bool, type(None), type, np.ndarray)


class Cell:
    """A closure's variable."""

    def __init__(self, cell: types.CellType) -> None:
        self.cell = cell


class GlobalNumber:
    """A number that is a global variable of a function's module, such as a step count."""

    def __init__(self, namespace: dict[str, Any], name: str) -> None:
        self.namespace = namespace
        self.name = name


def reachable(*roots: Any) -> Iterator[Any]:
    """Yield every object that the roots reach and that may hold state, each once.

    Functions lead to their closures, their defaults and the globals that they name. Modules,
    classes and objects of libraries lead nowhere.
    """
    seen: set[int] = set()
    kept: list[Any] = []  # ids stay unique while the objects live
    stack = list(roots)
    while stack and len(kept) < _MOST_OBJECTS:
        value = stack.pop()
        if isinstance(value, _ATOMS) or id(value) in seen:
            continue
        seen.add(id(value))
        kept.append(value)
        yield value
        stack += _inside(value)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, (Tensor, Cell, GlobalNumber, *GENERATORS)):
        return [value.cell.cell_contents] if isinstance(value, Cell) else []
    if isinstance(value, types.FunctionType):
        return _in_function(value)
    if isinstance(value, types.MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, dict):
        return list(value.values()) if len(value) <= _MOST_ITEMS else []
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value) if len(value) <= _MOST_ITEMS else []
    if isinstance(value, types.ModuleType) or _is_of_library(type(value)):
        return list(vars(value).values()) if isinstance(value, nn.Module) else []
    return [vars(value), *_methods(type(value))] if hasattr(value, "__dict__") else []


def _is_of_library(kind: type) -> bool:
    home = str(getattr(kind, "__module__", ""))
    return home == "builtins" or any(
        home == name or home.startswith(name + ".") for name in _LIBRARIES
    )


def _methods(kind: type) -> list[Any]:
    """Return the functions of a class and its bases, which may name a generator of their module."""
    return [
        value
        for each in kind.__mro__
        if not _is_of_library(each)
        for value in vars(each).values()
        if isinstance(value, types.FunctionType)
    ]


def _in_function(function: types.FunctionType) -> list[Any]:
    if any(
        function.__module__ == n or str(function.__module__).startswith(n + ".") for n in _LIBRARIES
    ):
        return _cells(function)
    found: list[Any] = [*_cells(function), *(function.__defaults__ or ())]
    found += (function.__kwdefaults__ or {}).values()
    namespace = function.__globals__
    names = _names(function.__code__)
    for name in names & set(namespace):
        value = namespace[name]
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.append(GlobalNumber(namespace, name))
        elif isinstance(value, types.ModuleType):
            inner = [vars(value).get(each) for each in names]
            found += [each for each in inner if isinstance(each, GENERATORS)]
        else:
            found.append(value)
    return found


def _cells(function: types.FunctionType) -> list[Any]:
    found = []
    for cell in function.__closure__ or ():
        try:
            cell.cell_contents  # noqa: B018
        except ValueError:  # not assigned yet
            continue
        found.append(Cell(cell))
    return found


def _names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names
