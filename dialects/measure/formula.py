"""One step of training by the formula, from what a record says of a weight decay."""

from __future__ import annotations

from probes import DECAY, GRADIENT, LR, WEIGHT

from bridle.dialects.settings import DecaySetting, Setting


def one_step(setting: Setting) -> float | None:
    """Return the weight after a first step of the probe, or None if the formula is not known.

    Momentum is still zero in a first step, and Adam and Lion move by the sign of the gradient.
    """
    if not isinstance(setting, DecaySetting) or setting.family not in ("sgd", "adam", "lion"):
        return None
    strength = DECAY * (setting.factor or 1.0)
    slope, weight = GRADIENT, WEIGHT
    if setting.coupling == "coupled":
        slope += strength * weight
    elif setting.coupling == "decoupled":
        weight -= strength * weight * (LR if setting.times_lr is not False else 1.0)
    if setting.family != "sgd":
        slope = 1.0 if slope > 0 else -1.0
    return weight - LR * slope
