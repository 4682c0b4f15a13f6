"""What momentum does to a decay, as a sentence with the number that is alike."""

from __future__ import annotations

from collections.abc import Mapping

from bridle.dialects.settings import DecaySetting, Setting

__all__ = ["momentum_note"]


def momentum_note(
    source: str,
    a: Setting,
    given: Mapping[str, object],
    target: str,
    b: Setting,
    values: Mapping[str, float],
) -> list[str]:
    """Return what momentum changes between two settings, if it acts on the decay of only one.

    A velocity ``v ← μ v + (1 - d) g`` sums up to ``(1 - d) / (1 - μ)`` times a gradient that
    stays the same, and with it a decay that is part of the gradient. ``source`` and ``target``
    are the settings' names, ``given`` the arguments of the source, ``values`` the converted ones.
    """
    if not isinstance(a, DecaySetting) or a.family != "sgd" or _inside(a) == _inside(b):
        return []
    arguments = {**a.signature.defaults, **given}
    momentum, dampening = (_share(arguments.get(name)) for name in ("momentum", "dampening"))
    if not momentum:
        return []
    factor = (1 - dampening) / (1 - momentum)
    (argument, value), *_ = values.items()
    if _inside(a):
        return [
            f"with momentum {momentum:g} the decay of {source} acts {factor:.4g} times in the long "
            f"run, since it is part of the gradient, and that of {target} once: "
            f"{argument}={value * factor:.4g} is alike in the long run"
        ]
    return [
        f"with momentum {momentum:g} the decay of {target} acts {factor:.4g} times in the long "
        f"run, since it is part of the gradient, and that of {source} once: if you set this "
        f"momentum there, {argument}={value / factor:.4g} is alike in the long run"
    ]


def _inside(setting: Setting) -> bool:
    """Whether the decay is part of the gradient that the momentum adds up."""
    coupling = getattr(setting, "coupling", "coupled")
    return coupling == "coupled" and getattr(setting, "route", None) != "proximal"


def _share(value: object) -> float:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
    return float(value) if is_one else 0.0  # type: ignore[arg-type]
