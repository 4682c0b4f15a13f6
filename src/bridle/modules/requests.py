"""The penalties that a model was given: they go along with copies, which are looked after."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakSet

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bridle.errors import RegularizationWarning
from bridle.modules.optimizers import groups_of, inside_of

__all__ = [
    "Requests",
    "are_attached",
    "carried_by",
    "forget",
    "requested_noises",
    "requested_penalties",
    "requests_of",
]

Rules = Mapping[str, tuple[Any, ...]]

_alive: WeakSet[Requests] = WeakSet()
_unproved: WeakSet[Requests] = WeakSet()
"""Requests of copies, until an optimizer that has their penalties makes a step."""


class Requests:
    """The penalties of one model. A hook of its ``load_state_dict`` holds it: copies have it, too.

    Attributes
    ----------
    given : list of dict
        Penalties of :func:`bridle.regularize`, by the parameter's name.
    attached : dict
        Penalties that act through an optimizer, by the parameter's name.
    noises : list
        The noises that were put on the model's modules.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.given: list[Rules] = []
        self.attached: dict[str, tuple[Any, ...]] = {}
        self.noises: list[Any] = []
        self._parameters: dict[str, nn.Parameter] = {}
        _alive.add(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _alive.add(self)
        if self.attached:
            self._look_after()

    def attach(self, parameters: Mapping[str, nn.Parameter], rules: Rules) -> None:
        """Remember penalties that now act through an optimizer."""
        self.attached.update(rules)
        self._parameters.update(parameters)

    def forget(self, parameters: Iterable[nn.Parameter]) -> None:
        """Forget the attached penalties of parameters."""
        gone = set(map(id, parameters))
        for name in [name for name, each in self._parameters.items() if id(each) in gone]:
            del self.attached[name], self._parameters[name]

    def loaded(self, *_: Any) -> None:
        """Warn if loading a state has replaced penalized parameters."""
        now = dict(self.model.named_parameters())
        replaced = [name for name, each in self._parameters.items() if now.get(name) is not each]
        if replaced:
            self._parameters = {name: now[name] for name in self._parameters if name in now}
            self._look_after()
            _warn(
                f"{_few(replaced)} were replaced, as by load_state_dict(assign=True), after "
                "penalties were attached: build the optimizer from the model's new parameters, and "
                "attach them to it"
            )

    def missing(self, optimizer: torch.optim.Optimizer) -> list[str] | None:
        """Return the parameters whose penalties an optimizer lacks; None if it has none of them."""
        now = dict(self.model.named_parameters())
        held = groups_of(optimizer)
        mine = [name for name in self.attached if name in now and id(now[name]) in held]
        acting = {
            id(parameter)
            for each in carried_by(optimizer)
            for parameter in getattr(each, "parameters", {}).values()
        }
        return [name for name in mine if id(now[name]) not in acting] if mine else None

    def _look_after(self) -> None:
        global _looking
        _unproved.add(self)
        if not _looking:
            _looking = True
            register_optimizer_step_pre_hook(_look)


_looking = False


def _look(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Warn once if the optimizer of a copy lacks the penalties of the model.

    A compiled step is not looked at: its code would depend on all other models with penalties.
    """
    if torch.compiler.is_compiling():
        return
    for requests in list(_unproved):
        missing = requests.missing(optimizer)
        if missing is None:
            continue
        _unproved.discard(requests)
        if missing:
            _warn(
                f"the penalties of {_few(missing)} are gone: they act through the optimizer of the "
                "model from which this one was copied or loaded. Attach them to this optimizer, or "
                "copy and save model and optimizer together"
            )


def requests_of(model: nn.Module) -> Requests:
    """Return the requests of a model, new ones if it has none."""
    found = _requests_on(model)
    if found is None:
        found = Requests(model)
        model.register_load_state_dict_post_hook(found.loaded)
    return found


def _requests_on(model: nn.Module) -> Requests | None:
    owners = [
        getattr(hook, "__self__", None) for hook in model._load_state_dict_post_hooks.values()
    ]
    return next((each for each in owners if isinstance(each, Requests)), None)


def requested_penalties(model: nn.Module) -> dict[str, tuple[Any, ...]]:
    """Return the penalties that a model was given, attached or not, by the parameter's name."""
    found: dict[str, tuple[Any, ...]] = {}
    for path, module in model.named_modules():
        requests = _requests_on(module)
        for rules in () if requests is None else (*requests.given, requests.attached):
            found |= {f"{path}.{name}" if path else name: each for name, each in rules.items()}
    return found


def requested_noises(model: nn.Module) -> list[Any]:
    """Return the noises that were put on a model's modules, also on those that it lost since."""
    found = [_requests_on(module) for module in model.modules()]
    return [noise for each in found if each is not None for noise in each.noises]


def forget(parameters: Iterable[nn.Parameter]) -> None:
    """Forget the attached penalties of parameters, in every model."""
    gone = list(parameters)
    for requests in list(_alive):
        requests.forget(gone)


def are_attached(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether each of some parameters has penalties that act through an optimizer."""
    attached = {id(each) for requests in list(_alive) for each in requests._parameters.values()}
    return all(id(each) in attached for each in parameters)


def carried_by(optimizer: Any) -> list[Any]:
    """Return bridle's owners of an optimizer's step hooks, oldest first; wrappers are opened."""
    hooks = vars(optimizer).get("_optimizer_step_post_hooks", {}).values()
    owners = [getattr(hook, "__self__", None) for hook in hooks]
    found = [each for each in owners if type(each).__module__.startswith("bridle.")]
    inner = None if found else inside_of(optimizer)
    return found if inner is None else carried_by(inner)


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (" …" if len(names) > 4 else "")


def _warn(message: str) -> None:
    warnings.warn(message, RegularizationWarning, stacklevel=3)
