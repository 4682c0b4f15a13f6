"""The layers of penalized weights: whether others have taken their places in the model."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from torch import nn

from bridle.errors import UsageError

__all__ = ["Layers"]


class Layers:
    """The modules that a model had when rules were attached to some of its parameters."""

    def __init__(self, model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> None:
        self._model: nn.Module | None = model
        self._parameters = dict(parameters)
        self._modules: dict[str, nn.Module | None] = dict(model.named_modules())
        for name in parameters:  # a module that is at two places
            path = name.rpartition(".")[0]
            self._modules[path] = model.get_submodule(path)
        self._memo: dict[int, Any] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Layers:
        """Return a copy that looks at the copy of the model, if there will be one."""
        self._find_copies()
        other: Layers = object.__new__(Layers)
        memo[id(self)] = other
        vars(other).update(vars(self))
        other._parameters = deepcopy(self._parameters, memo)
        other._memo = memo  # the model may be copied after its optimizer
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the model, which has no place in a file of its optimizer."""
        return vars(self) | {"_model": None, "_modules": {}, "_memo": None}

    def _find_copies(self) -> None:
        """Take the copies of the model and its modules, which are complete by now."""
        memo, self._memo = self._memo, None
        if memo is not None:
            self._model = memo.get(id(self._model))
            self._modules = {path: memo.get(id(each)) for path, each in self._modules.items()}

    def lack(self, weights: tuple[nn.Parameter, ...]) -> bool:
        """Whether one of some weights is not in the model any more, as far as it is known."""
        self._find_copies()
        if self._model is None:
            return False
        held = set(map(id, self._model.parameters()))
        return any(id(weight) not in held for weight in weights)

    def refuse_replaced(self) -> None:
        """Raise a UsageError if another layer is at a place, and a parameter is gone with the old.

        A layer that is wrapped keeps its parameters in the model. One that was removed leaves its
        place empty, to a layer without parameters, or to one that the model had elsewhere. After
        loading from a file, nothing is looked at.
        """
        self._find_copies()
        if self._model is None:
            return
        held: set[int] = set()
        for name, weight in self._parameters.items():
            path, _, last = name.rpartition(".")
            place, now = _nearest(self._model, path)
            if now is self._modules.get(place) or not self._is_new(now):
                continue
            held = held or set(map(id, self._model.parameters()))
            if id(weight) in held:
                continue
            raise UsageError(
                f"{place} is another {type(now).__name__} than the layer to whose "
                f"{last if place == path else name.removeprefix(place + '.')} penalties were "
                "attached, so that they do not act on it: detach them, build the optimizer from "
                "the model's parameters, and attach them again"
            )

    def _is_new(self, module: nn.Module) -> bool:
        """Whether a module has parameters and was nowhere in the model."""
        known = any(module is each for each in self._modules.values())
        return not known and next(module.parameters(), None) is not None


def _nearest(model: nn.Module, path: str) -> tuple[str, nn.Module]:
    """Return the module at a path, or the nearest around it that there is, with its path."""
    place: list[str] = []
    found = model
    for part in path.split(".") if path else ():
        inner = found._modules.get(part)
        if inner is None:
            break
        place.append(part)
        found = inner
    return ".".join(place), found
