"""The setting that an object of a framework is, by its class, and what it does in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bridle.dialects.conventions import RESCALED
from bridle.dialects.dropout import DROPPED
from bridle.dialects.records import find, known_names
from bridle.dialects.settings import DecaySetting, DropoutSetting, Setting

__all__ = ["decay_sentence", "dropout_sentence", "settings_of_class"]


def settings_of_class(
    cls: type, kind: type[Setting], given: Mapping[str, object]
) -> list[tuple[str, Setting]]:
    """Return the settings of a kind that a class has, with their names.

    The framework is not imported: the class is known by the names of its module and its own, and
    those of its bases. ``given`` are the arguments that it was made with.
    """
    for each in cls.__mro__:
        root = each.__module__.partition(".")[0]
        if root not in known_names():
            continue
        found = [
            (f"{root}.{setting.name}", _as_given(setting, given))
            for setting in find(root).settings
            if isinstance(setting, kind) and setting.signature.path[-1] == each.__name__
        ]
        if found:
            return found
    return []


def _as_given(setting: Setting, given: Mapping[str, object]) -> Setting:
    found = setting.called_with(given)
    flag = given.get("decoupled_weight_decay")
    if isinstance(found, DecaySetting) and isinstance(flag, bool) and found.argument != "lambd":
        # torch's flag of a parameter group decides, whatever the class is
        coupling = "decoupled" if flag else "coupled"
        if coupling != found.coupling:
            adaptive = found.family != "sgd" if coupling == "coupled" else None
            return replace(found, coupling=coupling, adaptive=adaptive, surprise=None)
    return found


def decay_sentence(setting: DecaySetting, value: float, rate: float) -> str:
    """Return what a decay does to a weight in one step."""
    strength = value * (1 if setting.factor is None else setting.factor)
    if setting.coupling == "none":
        return "has no effect on the weights"
    if setting.family in RESCALED and setting.coupling == "coupled":
        return (
            f"adds {strength:g}·w to the gradient before the optimizer sets the size of the step, "
            "so that the size does not depend on the number"
        )
    if setting.coupling == "coupled":
        text = f"coupled: adds {strength:g}·w to the gradient"
        rescaled = ", which the optimizer rescales: large gradients weaken the decay"
        return text + (rescaled if setting.adaptive else "")
    if setting.times_lr is False:
        return (
            f"decoupled: multiplies the weights by {1 - strength:.9g}, whatever the learning rate"
        )
    return (
        f"decoupled: multiplies the weights by 1 - lr·{strength:g}, {1 - rate * strength:.9g} at "
        "this learning rate"
    )


def dropout_sentence(setting: DropoutSetting, value: Any) -> str:
    """Return what a dropout does."""
    word = "drops" if setting.probability == "drop" else "keeps"
    text = f"{word} {DROPPED[setting.noise]} with probability {value:g}"
    if setting.noise == "gaussian":
        text = f"multiplies by Gaussian noise of {setting.argument} {value:g}"
    ends = {
        "classic": "; what is kept is not scaled in training",
        "none": "; what is kept is never scaled",
    }
    text += ends.get(setting.scaling, "")
    return text + ("; it also acts at prediction" if setting.prediction == "active" else "")
