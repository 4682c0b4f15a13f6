"""Settings of other libraries in a live model and its optimizer, named by their real effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from bridle.audit.functional import DropoutCall
from bridle.audit.records import SettingSeen
from bridle.dialects.live import decay_sentence, dropout_sentence, settings_of_class
from bridle.dialects.settings import DecaySetting, DropoutSetting, MaxNormSetting, Setting
from bridle.modules.select import kind_of

__all__ = ["decay_of", "function_calls", "settings_of"]

_OWN = ("torch", "bridle")  # their dropout modules are among the audit's noises


def settings_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[SettingSeen]:
    """Return what the records know about the optimizer's groups and the model's modules."""
    return [*_decays(model, optimizer), *_modules(model)]


def decay_of(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> DecaySetting | None:
    """Return what ``weight_decay`` of a parameter group does, or ``None`` if it is not known."""
    for _, setting in settings_of_class(type(optimizer), DecaySetting, group):
        if isinstance(setting, DecaySetting) and setting.argument == "weight_decay":
            return setting
    return None


def _decays(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[SettingSeen]:
    plain = {
        id(value)
        for module in model.modules()
        for name, value in module.named_parameters(recurse=False)
        if kind_of(name, value, module) == "weight"
    }
    several = len(optimizer.param_groups) > 1
    for place, group in enumerate(optimizer.param_groups):
        subject = f"group {place} of the optimizer" if several else "the optimizer"
        for name, setting in settings_of_class(type(optimizer), DecaySetting, group):
            value = _number(group.get(setting.argument))
            if not value or not isinstance(setting, DecaySetting):
                continue
            parameters = group["params"]
            others = sum(id(each) not in plain for each in parameters)
            counted = f"; {len(parameters)} parameters"
            counted += f", {others} of them biases or of normalization layers" if others else ""
            rate = _number(group.get("lr")) or 0.0
            effect = decay_sentence(setting, value, rate) + counted
            shown = f"{setting.argument}={value:g}"
            yield SettingSeen(subject, name, shown, _with_surprise(effect, name, setting))


def _modules(model: nn.Module) -> Iterator[SettingSeen]:
    for name, module in model.named_modules():
        root = type(module).__module__.partition(".")[0]
        for kind in (DropoutSetting, MaxNormSetting):
            if kind is DropoutSetting and root in _OWN:
                continue
            for known, setting in settings_of_class(type(module), kind, vars(module)):
                value = _number(getattr(module, setting.argument, None))
                if not value:
                    continue
                effect = (
                    f"bounds the norm of each of the {getattr(setting, 'axes', None) or 'units'}"
                )
                if getattr(setting, "applied", None) == "forward":
                    effect += ", and changes the weights in place in the forward pass"
                if isinstance(setting, DropoutSetting):
                    effect = dropout_sentence(setting, value)
                shown = f"{setting.argument}={value:g}"
                effect = _with_surprise(effect, known, setting)
                yield SettingSeen(name or "the model", known, shown, effect)


def function_calls(model: nn.Module, calls: list[DropoutCall]) -> list[SettingSeen]:
    """Return the dropout functions that modules of the user call in a pass."""
    names = {id(module): name or "the model" for name, module in model.named_modules()}
    found = []
    for call in calls:
        module = call.module
        if module is None or type(module).__module__.partition(".")[0] in _OWN:
            continue  # the module's own function
        effect = (
            "a function and no module: model.eval() reaches it only by training=self.training, and "
            "tools that exchange dropout modules do not see it"
        )
        subject = names.get(id(module), type(module).__name__)
        found.append(
            SettingSeen(subject, "torch.functional_dropout", f"p={call.drop_prob:g}", effect)
        )
    return list(dict.fromkeys(found))


def _with_surprise(effect: str, name: str, setting: Setting) -> str:
    """Add what surprises; torch's own effects are said in full already."""
    told = setting.surprise and not name.startswith("torch.")
    return f"{effect}. {setting.surprise}" if told else effect


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None
