"""The layers of penalized weights: whether others have taken their places in the model."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from typing import Any

from torch import nn

from bridle.errors import UsageError

__all__ = ["Layers"]


class Layers:
    """The modules at which a model had its parameters when rules were attached to these."""

    def __init__(self, model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> None:
        self._model: nn.Module | None = model
        self._parameters = dict(parameters)
        paths = {name: name.rpartition(".")[0] for name in parameters}
        self._modules = {path: model.get_submodule(path) for path in paths.values()}
        self._names: dict[str, list[str]] = {}
        for name, path in paths.items():
            self._names.setdefault(path, []).append(name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Layers:
        """Return a copy that looks at the copy of the model."""
        other = copy(self)
        memo[id(self)] = other
        vars(other).update({name: deepcopy(each, memo) for name, each in vars(self).items()})
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the model, which has no place in a file of its optimizer."""
        return vars(self) | {"_model": None}

    def refuse_replaced(self) -> None:
        """Raise a UsageError if another layer is at a place, and a parameter is gone with the old.

        A layer that is wrapped keeps its parameters in the model. Of one that was removed, nothing
        is trained. After loading from a file, nothing is looked at.
        """
        if self._model is None:
            return
        for path, module in self._modules.items():
            now = _at(self._model, path)
            if now is module or now is None:
                continue
            held = {id(each) for each in self._model.parameters()}
            gone = [name for name in self._names[path] if id(self._parameters[name]) not in held]
            if gone:
                raise UsageError(
                    f"{path} is another {type(now).__name__} than the layer to whose "
                    f"{', '.join(name.rpartition('.')[2] for name in gone)} penalties were "
                    "attached, so that they do not act on it: detach them, build the optimizer "
                    "from the model's parameters, and attach them again"
                )


def _at(model: nn.Module, path: str) -> nn.Module | None:
    """Return the module at a path, or None."""
    found: nn.Module | None = model
    for part in path.split(".") if path else ():
        found = None if found is None else found._modules.get(part)
    return found
