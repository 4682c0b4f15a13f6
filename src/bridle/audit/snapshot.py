"""``Snapshot``: the random generators and all that a training pass changes, to be set back."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bridle.audit.reachable import GENERATORS, Cell, GlobalNumber, reachable

__all__ = ["Snapshot"]

Undo = Callable[[], None]


class Snapshot:
    """The state of all random generators, and of the objects that some roots reach.

    Attributes, lists, dictionaries, closures' variables and generators are set back; tensors only
    with ``tensors=True``, which needs a copy of each. Those in ``but`` are left alone.
    """

    def __init__(self, *roots: Any, tensors: bool = False, but: Collection[Tensor] = ()) -> None:
        excluded = set(map(id, but))
        self._undo: list[Undo] = []
        self._generators: list[Any] = []
        for value in reachable(*roots):
            if isinstance(value, GENERATORS):
                self._generators.append(value)
                self._undo.append(_saved_generator(value))
            elif isinstance(value, Tensor):
                if tensors and id(value) not in excluded:
                    self._undo.append(_saved_tensor(value))
            else:
                self._undo += _saved_object(value)
        self._undo += _saved_global_generators()

    def restore(self) -> None:
        """Set everything back. It can be called any number of times."""
        for undo in self._undo:
            undo()

    def disturb(self) -> None:
        """Give all random generators another state."""
        seed = int(torch.randint(2**31, ()))
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        for each in self._generators:
            if isinstance(each, torch.Generator):
                each.manual_seed((each.initial_seed() + 12345) % 2**31)
            elif isinstance(each, np.random.Generator):
                each.random(7)
            elif isinstance(each, np.random.RandomState):
                each.random_sample(7)
            else:
                each.seed(seed)


def _saved_global_generators() -> list[Undo]:
    cpu, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    undo: list[Undo] = [
        lambda: torch.set_rng_state(cpu),
        lambda: np.random.set_state(numpy_state),
        lambda: random.setstate(python_state),
    ]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states = torch.cuda.get_rng_state_all()
        undo.append(lambda: torch.cuda.set_rng_state_all(states))
    if torch.backends.mps.is_available():
        state = torch.mps.get_rng_state()
        undo.append(lambda: torch.mps.set_rng_state(state))
    return undo


def _saved_generator(value: Any) -> Undo:
    if isinstance(value, torch.Generator):
        state = value.get_state()

        def undo() -> None:
            value.set_state(state)

        return undo
    if isinstance(value, np.random.Generator):
        kept = value.bit_generator.state
        return lambda: setattr(value.bit_generator, "state", kept)
    if isinstance(value, np.random.RandomState):
        before = value.get_state()
        return lambda: value.set_state(before)
    python = value.getstate()
    return lambda: value.setstate(python)


def _saved_tensor(value: Tensor) -> Undo:
    kept, grad = value.detach().clone(), value.grad if value.is_leaf else None
    trained = value.requires_grad

    def undo() -> None:
        with torch.no_grad():
            value.detach().copy_(kept)
        if value.is_leaf:
            value.grad = grad
            value.requires_grad_(trained)

    return undo


def _saved_object(value: Any) -> list[Undo]:
    if isinstance(value, Cell):
        inside = value.cell.cell_contents
        return [lambda: setattr(value.cell, "cell_contents", inside)]
    if isinstance(value, GlobalNumber):
        number = value.namespace[value.name]
        return [lambda: value.namespace.__setitem__(value.name, number)]
    if isinstance(value, dict):
        return [_saved_mapping(value)]
    if isinstance(value, list | deque):
        items = list(value)

        def undo_list() -> None:
            if len(value) != len(items) or any(
                a is not b for a, b in zip(value, items, strict=True)
            ):
                value.clear()
                value.extend(items)

        return [undo_list]
    if isinstance(value, set):
        members = set(value)

        def undo_set() -> None:
            if value != members:
                value.clear()
                value.update(members)

        return [undo_set]
    return [_saved_mapping(vars(value))] if isinstance(value, nn.Module) else []


def _saved_mapping(value: dict[Any, Any]) -> Undo:
    items = dict(value)

    def undo() -> None:
        same = len(value) == len(items) and all(
            name in value and value[name] is each for name, each in items.items()
        )
        if not same:
            value.clear()
            value.update(items)

    return undo
