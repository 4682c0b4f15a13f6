"""Where the rules place noises in a model, decided before the model is changed."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils.parametrize import ParametrizationList

from bridle.errors import UsageError
from bridle.modules.effective import EffectiveWeight, effective_weights, refuse_uncalled
from bridle.modules.noise_hooks import WeightNoise, is_on_weights
from bridle.modules.select import Place, Selector, select_modules, select_places
from bridle.modules.streams import noises_in
from bridle.noise import Multiplier, Scheduled, Spot, WeightDrop

__all__ = ["Before", "Planned", "check_places", "plan"]

Planned = dict[tuple[str, str], tuple[nn.Module, Multiplier, Any]]
"""By (where, name): the module, the noise, and for weight noise the parameter's place."""


@dataclass(frozen=True)
class Before:
    """Noise on a module's first input, instead of its output.

    Examples
    --------
    >>> import bridle
    >>> bridle.Before(bridle.Dropout(keep_prob=0.8))
    Before(noise=Dropout(keep_prob=0.8, scaling='inverted'))
    """

    noise: Multiplier


def plan(model: nn.Module, selector: Selector, rule: Multiplier | Before) -> Planned:
    """Return the placement of a rule's noise: by ("after", "before" or "on", name).

    Raises
    ------
    UsageError
        If the selector matches nothing, or if the noise cannot act there.
    """
    if isinstance(rule, Multiplier) and is_on_weights(rule):
        return _weights(model, selector, rule)
    return _units(model, selector, rule)


def check_places(model: nn.Module, planned: Planned) -> None:
    """Check that no place has a noise yet, under whatever name, or is a traced model.

    Raises
    ------
    UsageError
        If one has or is.
    """
    taken = {
        (noise.where, id(noise.host), noise.attribute)
        if isinstance(noise, WeightNoise)
        else (noise.where, id(module), ""): noise.name
        for module, noise in noises_in(model)
    }
    for (where, name), (module, noise, place) in planned.items():
        if isinstance(module, GraphModule):
            raise UsageError(
                f"{noise} {where} {name or 'the model'}: it is a {GraphModule.__name__}, and "
                "torch.fx copies and saves those without their forward hooks: put the noise on a "
                "module inside, or on an nn.Sequential around it"
            )
        key = (where, id(module), "")
        if place is not None:
            key = (where, id(place.module), place.name)
        if key in taken:
            known = "" if taken[key] == name else f", placed as {taken[key] or 'a whole model'!r}"
            raise UsageError(
                f"{name!r} already has a noise {where} it{known}: call `receipt.undo()` first"
            )


def _check_noise(noise: Multiplier) -> None:
    if isinstance(noise.keep_prob, Tensor):
        raise UsageError(
            f"{noise} has a tensor of keep probabilities, one for each member; give one number"
        )
    inner = noise.noise if isinstance(noise, Scheduled) else noise
    if inner.shared or getattr(inner, "per_example", False):
        raise UsageError(
            f"{noise}: shared and per_example are supported only in bridle.Network; remove them"
        )


def _units(model: nn.Module, selector: Selector, rule: Multiplier | Before) -> Planned:
    noise, where = (rule.noise, "before") if isinstance(rule, Before) else (rule, "after")
    if not isinstance(noise, Multiplier) or is_on_weights(noise):
        raise UsageError(
            f"{rule!r} for {selector!r} cannot be applied to a module's input or output: give a "
            "noise on units, such as bridle.Dropout"
        )
    _check_noise(noise)
    found = select_modules(model, selector)
    for name, module in found.items():
        if isinstance(module, NonDynamicallyQuantizableLinear):
            raise UsageError(
                f"{name!r} is never called, because its attention module reads the weights: "
                f"put dropout {where} {name.rpartition('.')[0]!r}"
            )
        if _has_no_forward(module):
            raise UsageError(
                f"{name!r} is a {type(module).__name__}, which has no forward: select the modules "
                "in it"
            )
    device = next((value.device for value in model.parameters()), None)
    planned: Planned = {}
    for index, (name, module) in enumerate(found.items()):
        spot = Spot(index, len(found), _batch_first(model, name), device)
        planned[where, name] = (module, noise.placed(spot), None)
    return planned


def _has_no_forward(module: nn.Module) -> bool:
    """Whether a module is never called: a list, a dict, or what a traced graph keeps of one."""
    return inspect.getattr_static(module, "forward", None) is nn.Module.forward


def _batch_first(model: nn.Module, name: str) -> bool | None:
    """Return ``batch_first`` of a module, or of the nearest module around it that has one."""
    parts = name.split(".") if name else []
    for length in range(len(parts), -1, -1):
        around = model.get_submodule(".".join(parts[:length]))
        for candidate in (around, getattr(around, "self_attn", None)):
            batch_first = getattr(candidate, "batch_first", None)
            if isinstance(batch_first, bool):
                return batch_first
    return None


def _weights(model: nn.Module, selector: Selector, noise: Multiplier) -> Planned:
    _check_noise(noise)
    inner = noise.noise if isinstance(noise, Scheduled) else noise
    modules = dict(model.named_modules())
    found: Planned = {}
    places = select_places(model, selector)
    if isinstance(inner, WeightDrop):
        recurrent = nn.RNNBase | nn.RNNCellBase
        places = [
            at
            for at in places
            if isinstance(at.module, recurrent | ParametrizationList)
            and "weight_hh" in at.full_name
        ]
        if not places:
            raise UsageError(
                f"{selector!r} has no hidden-to-hidden weights for {noise}: select an nn.LSTM, "
                "nn.GRU or nn.RNN, or use DropConnect"
            )
    computed = {
        id(source): each for each in effective_weights(model) for source in each.sources.values()
    }
    for place in places:
        _refuse_lookup(place, noise)
        weight = computed.get(id(place.parameter))
        if weight is not None:  # the weight itself is masked, not what it comes from
            refuse_uncalled(weight.path, weight.module, model)
            found["on", weight.full_name] = (_reader(model, weight), noise, weight)
            continue
        reader = place.module
        if isinstance(reader, NonDynamicallyQuantizableLinear):  # the attention module reads it
            reader = modules[place.path.rpartition(".")[0]]
        path = place.path
        while path and _has_no_forward(reader):  # what holds it reads the weight
            path = path.rpartition(".")[0]
            reader = modules[path]
        found["on", place.full_name] = (reader, noise, place)
    return found


def _refuse_lookup(place: Place, noise: Multiplier) -> None:
    """Refuse noise on a table whose module needs the parameter itself."""
    if not isinstance(place.module, nn.Embedding | nn.EmbeddingBag):
        return
    reason = ""
    if place.module.sparse:
        reason = "has a sparse gradient, which does not pass through a mask: use sparse=False"
    elif place.module.max_norm is not None:
        reason = (
            f"has max_norm={place.module.max_norm:g}, which would shorten the rows of the masked "
            "weight and not of the parameter: give bridle.MaxNorm for its rows instead"
        )
    if reason:
        way = f"{reason}, or put Dropout after {place.path or 'the module'!r}"
        raise UsageError(f"{noise} on {place.full_name}: the module {way}")


def _reader(model: nn.Module, weight: EffectiveWeight) -> nn.Module:
    """Return the module whose forward reads a computed weight."""
    if isinstance(weight.module, NonDynamicallyQuantizableLinear):  # its attention module
        return model.get_submodule(weight.path.rpartition(".")[0])
    return weight.module
