"""The convention of a setting with a strength: its numbers to and from ``(l1, l2)``.

l1 and l2 are those of one formula::

    mean data loss + l1 Σ|w| + ½ l2 Σw²
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from bridle.dialects.records import find, frameworks
from bridle.dialects.settings import DecaySetting, PenaltySetting, Setting
from bridle.errors import UsageError, did_you_mean

__all__ = [
    "Context",
    "Convention",
    "Numbers",
    "Pair",
    "convention_of",
    "named",
    "names",
    "suggestion",
]

Pair = tuple[float, float]
Numbers = tuple[float, ...]

OLD_NAMES = {"keras.l2": "keras.L2", "keras.l1": "keras.L1", "keras.l1_l2": "keras.L1L2"}
"""Names of the functions that Keras has beside its classes."""

RESCALED = {"muon", "lamb", "lars", "lion"}
"""Optimizers in which the size of a coupled decay, or any, does not reach the weight as it is."""


@dataclass(frozen=True)
class Context:
    """Further quantities that a conversion may need; a convention lists its own in ``needs``."""

    rows: int
    learning_rate: float
    squared_error: int


@dataclass(frozen=True)
class Convention:
    """How one setting writes a strength."""

    name: str
    keys: tuple[str, ...]
    parts: tuple[str, ...]
    read: Callable[[Numbers, Context], Pair]
    write: Callable[[Pair, Context], Numbers]
    form: tuple[object, ...]
    """Equal for two settings in which the same number means the same."""
    needs: tuple[str, ...] = ()
    setting: Setting | None = None


def names() -> tuple[str, ...]:
    """Return the names of all settings with a strength that can be converted."""
    found = [*OLD_NAMES]
    for framework in frameworks():
        for setting in framework.settings:
            name = f"{framework.name}.{setting.name}"
            if not _reason(setting) and name not in OLD_NAMES.values():
                found.append(name)
    return tuple(sorted(found))


@cache
def named(name: str) -> Convention | None:
    """Return the convention with a name, or ``None`` if there is no such setting.

    Raises
    ------
    UsageError
        If the setting has no strength that could be converted; the message says why.
    """
    first, _, last = OLD_NAMES.get(name, name).rpartition(".")
    try:
        setting = find(first).setting(last)
    except UsageError:
        return None
    return convention_of(name, setting)


def convention_of(name: str, setting: Setting) -> Convention:
    """Return the convention of a setting, which may be a variant.

    Raises
    ------
    UsageError
        If it has no strength that could be converted; the message says why.
    """
    if reason := _reason(setting):
        raise UsageError(f"the strength of {name!r} cannot be converted: {reason}")
    made = _decay(name, setting) if isinstance(setting, DecaySetting) else _penalty(name, setting)
    return replace(made, setting=setting)


def _reason(setting: Setting) -> str:
    """Return why a setting's strength cannot be converted, or nothing."""
    if isinstance(setting, DecaySetting):
        if setting.coupling == "none":
            return "it has no effect on the weights"
        inside = setting.family in RESCALED and setting.coupling == "coupled"
        if inside or setting.family in {"lamb", "lars"}:
            return "the optimizer rescales the step that the decay is part of"
        if setting.coupling == "decoupled" and setting.times_lr is None:
            return "it is not known whether the learning rate multiplies it"
        return ""
    if not isinstance(setting, PenaltySetting):
        return "it is no penalty and no weight decay"
    if setting.of != "weights":
        return f"it penalizes {setting.of} and no weights of a network"
    if setting.norm not in {"l1", "l2", "elastic"}:
        return "its penalty is neither Σ|w| nor Σw²"
    if setting.reduction == "mean":
        return "it is a mean over the weights, so that it depends on their number"
    return "" if setting.factor is not None else "the constant of its formula is not known"


def _penalty(name: str, setting: Setting) -> Convention:
    assert isinstance(setting, PenaltySetting)  # noqa: S101
    factor = float(setting.factor or 0)
    by_rows = setting.divided_by in {"rows", "batch_rows"}
    own = setting.squared_error
    divided_by = setting.divided_by if by_rows else None
    error_form = own if own in {"half", "full"} else "any"
    inverse = bool(setting.inverse)
    form = (setting.norm, setting.mixed, factor, divided_by, inverse, error_form)
    needs = ("rows",) if by_rows else ()

    def ratio(context: Context, constant: float) -> tuple[float, float]:
        error = {"half": context.squared_error, "full": context.squared_error / 2}
        return constant * error.get(own or "any", 1), context.rows if by_rows else 1

    if setting.norm == "elastic":
        return _elastic(name, setting, ratio, form, needs)
    if setting.inverse:
        return _inverse(name, setting, ratio, form, needs)
    index = ("l1", "l2").index(setting.norm)
    constant = (1 + index) * factor

    def read(numbers: Numbers, context: Context) -> Pair:
        # multiply, then divide: multiplying by the quotient would round twice
        times, over = ratio(context, constant)
        strength = numbers[0] * times / over
        return (0.0, strength) if index else (strength, 0.0)

    def write(pair: Pair, context: Context) -> Numbers:
        times, over = ratio(context, constant)
        return (pair[index] * over / times,)

    return Convention(name, (setting.argument,), (setting.norm,), read, write, form, needs)


Ratio = Callable[[Context, float], tuple[float, float]]


def _elastic(
    name: str,
    setting: PenaltySetting,
    ratio: Ratio,
    form: tuple[object, ...],
    needs: tuple[str, ...],
) -> Convention:
    second = setting.second_argument or ""
    constants = (1.0, 2 * float(setting.factor or 0))

    def scale(context: Context) -> list[tuple[float, float]]:
        return [ratio(context, constant) for constant in constants]

    def read(numbers: Numbers, context: Context) -> Pair:
        l1, l2 = numbers
        if setting.inverse:
            l1 = 1 / _above_zero(l1, name, setting.argument)
        if setting.mixed == "share":
            if l2 > 1:
                raise UsageError(f"{second} of {name!r} is {l2}; it must be between 0 and 1")
            l1, l2 = l1 * l2, l1 * (1 - l2)
        (times, over), (times_2, over_2) = scale(context)
        return l1 * times / over, l2 * times_2 / over_2

    def write(pair: Pair, context: Context) -> Numbers:
        (times, over), (times_2, over_2) = scale(context)
        l1, l2 = pair[0] * over / times, pair[1] * over_2 / times_2
        if setting.mixed != "share":
            return l1, l2
        if setting.inverse:
            _finite_inverse(l1 + l2, name, setting.argument)
            return 1 / (l1 + l2), l1 / (l1 + l2)
        # at strength 0 the ratio is undefined; 0.5 is scikit-learn's default
        return l1 + l2, l1 / (l1 + l2) if l1 + l2 else 0.5

    keys = (setting.argument, second)
    return Convention(name, keys, ("l1", "l2"), read, write, form, needs)


def _inverse(
    name: str,
    setting: PenaltySetting,
    ratio: Ratio,
    form: tuple[object, ...],
    needs: tuple[str, ...],
) -> Convention:
    index = ("l1", "l2").index(setting.norm)
    constant, key = (1 + index) * float(setting.factor or 0), setting.argument

    def read(numbers: Numbers, context: Context) -> Pair:
        times, over = ratio(context, constant)
        strength = times / (_above_zero(numbers[0], name, key) * over)
        return (0.0, strength) if index else (strength, 0.0)

    def write(pair: Pair, context: Context) -> Numbers:
        _finite_inverse(pair[index], name, key)
        times, over = ratio(context, constant)
        return (times / (pair[index] * over),)

    return Convention(name, (key,), (setting.norm,), read, write, form, needs)


def _above_zero(number: float, name: str, key: str) -> float:
    if number == 0:
        raise UsageError(f"{key} of {name!r} is {number}, an infinite strength; it must be above 0")
    return number


def _finite_inverse(strength: float, name: str, key: str) -> None:
    if strength == 0:
        raise UsageError(
            f"the strength is 0, so {key} = 1/0 is infinite in {name!r}; "
            f"set {key}=float('inf') there"
        )


def _decay(name: str, setting: DecaySetting) -> Convention:
    factor = 1 if setting.factor is None else setting.factor
    # a coupled decay takes the same multiple of the weight in a step as a decoupled one times lr
    form = ("decay", factor, setting.coupling == "coupled" or setting.times_lr, setting.rescaled)

    def read(numbers: Numbers, context: Context) -> Pair:
        strength = factor * numbers[0]
        if setting.coupling == "coupled":
            return 0.0, strength
        rate = context.learning_rate
        lost = rate * strength if setting.times_lr else strength
        if lost >= 1:
            bound = 1 / rate if setting.times_lr else 1
            below = "1 / learning_rate = " if setting.times_lr else ""
            raise UsageError(
                f"{setting.argument} of {name!r} is {numbers[0]}, so each step subtracts "
                f"{lost:.3g} times the weight; it must be below {below}{bound / factor}"
            )
        return 0.0, (strength if setting.times_lr else strength / rate) / (1 - lost)

    def write(pair: Pair, context: Context) -> Numbers:
        if setting.coupling == "coupled":
            return (pair[1] / factor,)
        rate = context.learning_rate
        strength = pair[1] if setting.times_lr else pair[1] * rate
        return (strength / (1 + rate * pair[1]) / factor,)

    needs = () if setting.coupling == "coupled" else ("learning_rate",)
    return Convention(name, (setting.argument,), ("l2",), read, write, form, needs)


def suggestion(name: str) -> str:
    """Return a hint with the names that are similar to one that is unknown."""
    known = names()
    # suggest 'sklearn.Ridge' for "Ridge", whatever the edit distance
    ends = [each for each in known if each.endswith(f".{name}")]
    return did_you_mean(str(ends[0] if ends else name), known)
