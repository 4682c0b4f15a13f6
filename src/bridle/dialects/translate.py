"""Translates a recipe of one framework into the line that means the same in another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from bridle.dialects.conventions import convention_of
from bridle.dialects.convert import convert_between, has_l1
from bridle.dialects.differences import differences, lost_between
from bridle.dialects.dropout import convert_probability, lost_in_dropout
from bridle.dialects.momentum import momentum_note
from bridle.dialects.recipe import CHOOSERS, Recipe, candidates, read_recipe
from bridle.dialects.records import Framework, find
from bridle.dialects.settings import (
    DecaySetting,
    DropoutSetting,
    MaxNormSetting,
    PenaltySetting,
    Setting,
)
from bridle.errors import UsageError, did_you_mean

__all__ = ["Translation", "translate"]


@dataclass(frozen=True)
class Translation:
    """The line to write in another framework, and what differs there.

    Attributes
    ----------
    line : str
        The line to write.
    source, target : str
        The settings, as ``framework.setting``.
    values : dict of str to float
        The strength in the target's convention, by argument.
    warnings : tuple of str
        What the line cannot express, and what else is different there.
    versions : dict of str to str
        The versions in which the two settings were measured or read.
    """

    line: str
    source: str
    target: str
    values: dict[str, float]
    warnings: tuple[str, ...]
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        values = {k: v if math.isfinite(v) else None for k, v in self.values.items()}
        return {**vars(self), "values": values, "warnings": list(self.warnings)}

    def __str__(self) -> str:
        """Return the line, and each warning on a line of its own."""
        return "\n".join([self.line, *(f"warning: {each}" for each in self.warnings)])


def translate(
    recipe: str,
    to: str,
    *,
    rows: int | None = None,
    learning_rate: float | None = None,
    squared_error: str = "full",
) -> Translation:
    """Translate a line with a regularizer into the line that means the same in another framework.

    The recipe is parsed and never evaluated. Its arguments must be literals, except those that
    have no default, such as ``model.parameters()``.

    Parameters
    ----------
    recipe : str
        A call, such as ``torch.optim.AdamW(params, lr=1e-3, weight_decay=0.1)``. The path between
        framework and name may be left out: ``torch.AdamW(weight_decay=0.1)``.
    to : str
        The framework, or one of its settings: "paddle", "paddle.SGD".
    rows, learning_rate, squared_error
        As for :func:`bridle.convert_strength`. The recipe's own learning rate is used if it has
        one.

    Returns
    -------
    Translation
        The line, and a warning for each difference.

    Raises
    ------
    UsageError
        If the recipe cannot be read, a name or an argument is unknown, or the target has nothing
        that can express it.

    Examples
    --------
    >>> from bridle.dialects import translate
    >>> translate("torch.AdamW(weight_decay=0.1, lr=1e-3)", "keras").line
    'keras.optimizers.AdamW(learning_rate=0.001, weight_decay=0.1)'
    >>> translate("keras.regularizers.L2(0.01)", "bridle").line
    'bridle.L2(strength=0.02)'
    """
    read = read_recipe(recipe)
    framework, name, setting = _target(read, to)
    notes: list[str] = []
    if isinstance(setting, DropoutSetting):
        values, lost = _dropout(read, name, setting, notes)
    elif isinstance(setting, MaxNormSetting):
        values, lost = _max_norm(read, name, setting, notes)
    else:
        values, lost = _strength(read, name, setting, notes, rows, learning_rate, squared_error)
    notes += _untranslated(read)
    notes += momentum_note(read.name, read.setting, read.given, name, setting, values)
    line = _line(setting, values, _rate_of(read, setting, notes), name, notes)
    notes = [*lost, *differences(read.name, read.setting, name, setting), *notes]
    versions = {each.name: each.version for each in (read.framework, framework)}
    return Translation(line, read.name, name, values, tuple(dict.fromkeys(notes)), versions)


def _target(read: Recipe, to: str) -> tuple[Framework, str, Setting]:
    """Return the setting to write: the one that is named, or the nearest of a framework."""
    first, _, last = to.partition(".")
    framework = find(first)
    if last:
        found = candidates(framework, tuple(to.split(".")))
        if not found:
            hint = did_you_mean(last, [each.name for each in framework.settings])
            raise UsageError(f"{first!r} has no setting {last!r}; {hint}")
    else:
        found = sorted(framework.settings, key=lambda each: _distance(read.setting, each))
        found = [each for each in found if _distance(read.setting, each)[0] < _NEVER]
    if not found:
        if isinstance(read.setting, DecaySetting | PenaltySetting):
            convention_of(read.name, read.setting)  # says why it cannot be converted at all
        known = ", ".join(each.name for each in framework.settings)
        raise UsageError(
            f"{framework.name!r} has nothing that can express {read.name!r}; it has: {known}"
        )
    return framework, f"{framework.name}.{found[0].name}", found[0]


_NEVER = 9


def _distance(a: Setting, b: Setting) -> tuple[int, bool]:
    """Return how far a setting is from another, to be compared; ``_NEVER`` if it is none."""
    return _kind_distance(a, b), a.name.lower() != b.name.lower()


def _kind_distance(a: Setting, b: Setting) -> int:
    if isinstance(a, DropoutSetting) and isinstance(b, DropoutSetting):
        return 0 if a.noise == b.noise else _NEVER
    if isinstance(a, MaxNormSetting) and isinstance(b, MaxNormSetting):
        return 0
    parts, other = _parts(a), _parts(b)
    if not parts or not parts <= other:
        return _NEVER
    wider = len(other - parts)
    if isinstance(a, DecaySetting) and isinstance(b, DecaySetting):
        alike = a.family == b.family != "other"  # which is no kind
        family = 0 if alike else 1 if b.family == "any" else 3
        # a coupled decay is in the gradient, which the learning rate always multiplies
        rates = [each.coupling == "coupled" or each.times_lr for each in (a, b)]
        return family + 2 * (a.coupling != b.coupling) + 2 * (rates[0] != rates[1])
    if isinstance(a, PenaltySetting) and isinstance(b, PenaltySetting):
        return wider + (a.divided_by != b.divided_by) + (bool(a.inverse) != bool(b.inverse))
    if isinstance(b, DecaySetting):  # of a penalty: plain SGD adds the same to the gradient
        families = {getattr(a, "family", None) or "sgd", "any"}
        return 4 + (b.family not in families) + 2 * (b.coupling != "coupled")
    return 6 + wider


def _parts(setting: Setting) -> set[str]:
    try:
        return set(convention_of(setting.name, setting).parts)
    except UsageError:
        return set()


def _value(read: Recipe, argument: str, notes: list[str]) -> Any:
    """Return an argument of the recipe, or its default with a note."""
    if argument in read.given:
        return read.given[argument]
    value = read.setting.signature.defaults.get(argument)
    if value is None:
        raise UsageError(f"the recipe of {read.name!r} has no {argument}; add {argument}=…")
    notes.append(_default_note(read, argument, value))
    return value


def _default_note(read: Recipe, argument: str, value: object) -> str:
    version = f"{read.framework.title} {read.framework.version}"
    return f"the recipe has no {argument}; {value!r} is the default of {version}"


def _learning_rate(read: Recipe, notes: list[str]) -> float | None:
    argument = getattr(read.setting, "lr_argument", None)
    if argument is None:
        return None
    value = read.given.get(argument, read.setting.signature.defaults.get(argument))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if argument not in read.given:
        notes.append(_default_note(read, argument, value))
    return float(value)


def _rate_of(read: Recipe, target: Setting, notes: list[str]) -> object:
    """Return the recipe's rate, or its default where the target's is another."""
    given = read.given.get(getattr(read.setting, "lr_argument", None) or "")
    argument = getattr(target, "lr_argument", None)
    if given is not None or argument is None or not isinstance(read.setting, DecaySetting):
        return given
    own: list[str] = []
    rate = _learning_rate(read, own)
    if rate is None or rate == target.signature.defaults.get(argument):
        return None
    notes += own
    return rate


Converted = tuple[dict[str, float], list[str]]


def _dropout(read: Recipe, name: str, target: DropoutSetting, notes: list[str]) -> Converted:
    source = read.setting
    if not isinstance(source, DropoutSetting):
        raise UsageError(f"{read.name!r} is no dropout, and {name!r} is one; choose another target")
    opposite = source.opposite_argument
    rate = None
    if opposite is not None and read.given.get(opposite) is not None:
        words = {"drop": "keep", "keep": "drop"}
        if read.given.get(source.argument) is not None:
            notes.append(
                f"the recipe has {opposite} and {source.argument}; {source.argument} is used"
            )
        else:
            rate = read.given[opposite]
            source = replace(source, argument=opposite, probability=words[source.probability])
    if rate is None:
        rate = _value(read, source.argument, notes)
    number = convert_probability(rate, read.name, source, name, target)
    return {target.argument: number}, lost_in_dropout(number, read.name, source, name, target)


def _max_norm(read: Recipe, name: str, target: MaxNormSetting, notes: list[str]) -> Converted:
    source = read.setting
    norms = {"l2": 1, "squared_l2": 2}
    if not isinstance(source, MaxNormSetting) or not {source.norm, target.norm} <= set(norms):
        raise UsageError(f"{read.name!r} bounds another norm than {name!r}; choose another target")
    bound = _value(read, source.argument, notes)
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 < bound < math.inf:
        raise UsageError(f"{source.argument} is {bound!r}; it must be a number above 0")
    value = bound ** (norms[target.norm] / norms[source.norm])
    return {target.argument: float(value)}, []


def _strength(
    read: Recipe,
    name: str,
    target: Setting,
    notes: list[str],
    rows: int | None,
    learning_rate: float | None,
    squared_error: str,
) -> Converted:
    source, write = convention_of(read.name, read.setting), convention_of(name, target)
    numbers = {key: _value(read, key, notes) for key in source.keys}
    value = numbers if len(numbers) > 1 else next(iter(numbers.values()))
    if "learning_rate" in {*source.needs, *write.needs} and source.form != write.form:
        learning_rate = _learning_rate(read, notes) if learning_rate is None else learning_rate
    found = convert_between(source, write, value, rows, learning_rate, squared_error)
    written = found if isinstance(found, dict) else {write.keys[0]: found}
    return written, lost_between(source, write, has_l1(source, value))


def _untranslated(read: Recipe) -> list[str]:
    setting = read.setting
    known = {
        setting.argument,
        *CHOOSERS,
        *(name for each in setting.variants for name in each["when"]),
    }
    known |= {
        getattr(setting, key, None)
        for key in ("second_argument", "lr_argument", "opposite_argument")
    }
    defaults = setting.signature.defaults
    return [
        f"{name}={value!r} is not translated; set what is like it there"
        for name, value in read.given.items()
        if name in defaults and name not in known and value != defaults[name]
    ]


def _line(
    setting: Setting, values: dict[str, float], rate: object, name: str, notes: list[str]
) -> str:
    given: dict[str, object] = {}
    lr = getattr(setting, "lr_argument", None)
    if rate is not None and lr is not None:
        given[lr] = rate
    elif rate is not None:
        notes.append(f"{name} has no learning rate; set {rate!r} in the optimizer there")
    if setting.template is not None:
        return setting.template.format(value=next(iter(values.values())), lr=rate)
    signature = setting.signature
    given |= values
    parts = []
    for place, argument in enumerate(signature.arguments):
        if argument in given:
            parts.append(f"{argument}={given[argument]!r}")
        elif argument in CHOOSERS:
            parts.append(f"{argument}={signature.defaults[argument]!r}")
        elif argument not in signature.defaults:
            positional = place < signature.positional and len(parts) == place
            parts.append(argument if positional else f"{argument}={argument}")
    return f"{'.'.join(signature.path)}({', '.join(parts)})"
