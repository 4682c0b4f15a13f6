"""Selectors: which modules and parameters a rule applies to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from bridle.errors import UsageError, did_you_mean
from bridle.modules.effective import effective_weights
from bridle.modules.joint import Joint
from bridle.networks.embedding import Embedding

__all__ = ["Place", "Selector", "kind_of", "select_modules", "select_parameters", "select_places"]

Selector = (
    str
    | type[nn.Module]
    | nn.Module
    | nn.Parameter
    | Callable[[str, nn.Module], bool]
    | tuple[Any, ...]
    | Joint
)
"""A glob on qualified names (``*`` also matches dots), a module type, a module, a parameter, a
predicate ``(name, module) -> bool``, or a tuple of these. A tuple matches if any of its elements
does. A :class:`bridle.Joint` selects several weights whose groups go together."""


def select_modules(model: nn.Module, selector: Selector) -> dict[str, nn.Module]:
    """Return the modules that a selector matches, by qualified name.

    Parameters
    ----------
    model : torch.nn.Module
        The root, whose name is ``""``; a glob does not match it.
    selector : str, type, Module, callable or tuple
        See :data:`Selector`.

    Returns
    -------
    dict
        In the model's order. A module with several names has its first one.

    Raises
    ------
    UsageError
        If the selector matches nothing; the message suggests similar names.

    Examples
    --------
    >>> from torch import nn
    >>> from bridle.modules.select import select_modules
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> list(select_modules(model, nn.Linear))
    ['0', '2']
    """
    hit = {id(module) for name, module in _all_names(model) if _matches(selector, name, module)}
    found = {name: module for name, module in model.named_modules() if id(module) in hit}
    if not found:
        names = [name for name, _ in model.named_modules() if name]
        raise _no_match("module", selector, names, [type(m).__name__ for m in model.modules()])
    return found


def select_parameters(model: nn.Module, selector: Selector) -> dict[str, nn.Parameter]:
    """Return the parameters that a selector matches, by qualified name.

    A selector that matches a module selects the parameters in it. The name of a weight that is
    computed from parameters, by a parametrization or by pruning, selects these. Biases and
    parameters of normalization layers are selected only if the selector matches no weights.

    Parameters
    ----------
    model : torch.nn.Module
    selector : str, type, Module, Parameter, callable or tuple
        A glob is compared with the names of parameters and of modules.

    Returns
    -------
    dict
        In the model's order. A parameter with several names (tied weights) has its first one.

    Raises
    ------
    UsageError
        If the selector matches nothing; the message suggests similar names.

    Examples
    --------
    >>> from torch import nn
    >>> from bridle.modules.select import select_parameters
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    >>> list(select_parameters(model, "*")), list(select_parameters(model, "*.bias"))
    (['0.weight', '2.weight'], ['0.bias', '1.bias', '2.bias'])
    """
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    chosen = {
        first[id(place.parameter)]: place.parameter for place in select_places(model, selector)
    }
    return {name: chosen[name] for name in first.values() if name in chosen}


@dataclass(frozen=True)
class Place:
    """A parameter's module and name. Tied weights have several places."""

    path: str
    module: nn.Module
    name: str
    parameter: nn.Parameter

    @property
    def full_name(self) -> str:
        """The parameter's qualified name."""
        return f"{self.path}.{self.name}" if self.path else self.name


def select_places(model: nn.Module, selector: Selector) -> list[Place]:
    """Return the places of the parameters that a selector matches.

    Parameters
    ----------
    model : torch.nn.Module
    selector
        As in :func:`select_parameters`.

    Raises
    ------
    UsageError
        If the selector matches nothing.
    """
    modules = _all_names(model)
    hit = {path for path, module in modules if _matches(selector, path, module)}
    computed = {name: each.full_name for each in effective_weights(model) for name in each.sources}
    chosen = set()
    for path, module in modules:
        inside = any(path == above or not above or path.startswith(above + ".") for above in hit)
        for name, parameter in module.named_parameters(recurse=False):
            full = f"{path}.{name}" if path else name
            aliases = (full, computed.get(full, full))
            if inside or any(_matches(selector, each, parameter) for each in aliases):
                chosen.add((id(module), name))
    found = [
        Place(path, module, name, parameter)
        for path, module in model.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
        if (id(module), name) in chosen
    ]
    _refuse_lazy(found)
    if not found:
        names = [name for name, _ in model.named_parameters()]
        raise _no_match("parameter", selector, names, [type(m).__name__ for m in model.modules()])
    weights = [at for at in found if kind_of(at.name, at.parameter, at.module) == "weight"]
    return weights or found


def _refuse_lazy(places: list[Place]) -> None:
    for place in places:
        if is_lazy(place.parameter):
            raise UsageError(
                f"{place.path or 'the model'} is a {type(place.module).__name__} whose "
                f"{place.name} has no shape yet: pass one batch through the model first"
            )


def kind_of(name: str, parameter: nn.Parameter, module: nn.Module) -> str:
    """Return the kind of a parameter: "norm", "embedding" (of bridle), "bias" or "weight".

    Parameters
    ----------
    name : str
        The parameter's name; only its last part matters.
    parameter : Parameter
    module : torch.nn.Module
        The module that holds the parameter.

    Examples
    --------
    >>> from torch import nn
    >>> from bridle.modules.select import kind_of
    >>> layer, norm = nn.Linear(4, 8), nn.LayerNorm(8)
    >>> kind_of("bias", layer.bias, layer), kind_of("weight", norm.weight, norm)
    ('bias', 'norm')
    """
    if "norm" in type(module).__name__.casefold():
        return "norm"
    if isinstance(module, Embedding):
        return "embedding"
    last = name.rpartition(".")[2].casefold()
    return "bias" if "bias" in last or parameter.ndim < 2 else "weight"


def _all_names(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return every module under each of its names; a shared module has several."""
    return list(model.named_modules(remove_duplicate=False))


def _matches(selector: Selector, name: str, item: nn.Module | nn.Parameter) -> bool:
    if isinstance(selector, tuple):
        return any(_matches(part, name, item) for part in selector)
    if isinstance(selector, str):
        return bool(name) and fnmatchcase(name, selector)
    if isinstance(selector, nn.Module | nn.Parameter):
        return item is selector
    if isinstance(selector, type):
        return isinstance(item, nn.Module) and isinstance(item, selector)
    if callable(selector):
        return isinstance(item, nn.Module) and bool(selector(name, item))
    raise UsageError(
        f"{selector!r} is not a selector; give a glob on names, a module type, a predicate "
        "(name, module) -> bool, or a tuple of these"
    )


def _no_match(what: str, selector: Selector, names: list[str], types: list[str]) -> UsageError:
    if isinstance(selector, str):
        hint = did_you_mean(selector, names)
    elif isinstance(selector, type):
        hint = did_you_mean(selector.__name__, dict.fromkeys(types))
    else:
        hint = did_you_mean("", names)
    shown = selector.__name__ if isinstance(selector, type) else repr(selector)
    return UsageError(f"no {what} matches {' '.join(shown.split())}; {hint}")
