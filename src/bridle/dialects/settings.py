"""What a framework's setting of a regularizer means: the records' fields and their values.

A field without a default is required. A field that is ``None`` was neither measured nor read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from bridle.dialects.signature import Signature
from bridle.errors import DataError

__all__ = [
    "KINDS",
    "Claim",
    "DecaySetting",
    "DropoutSetting",
    "MaxNormSetting",
    "PenaltySetting",
    "Setting",
    "checked",
]

WRITING = {"family", "of", "mixed", "noise", "squared_error", "switch", "exclude_with"}
WRITING |= {f"{of}_argument" for of in ("axes", "lr", "opposite", "second")}
"""Fields that say how a setting is written or found, and make no claim."""

NOISES = ["bernoulli", "gaussian", "alpha", "path", "block", "channels", "weights", "trees"]
"""What a dropout drops."""
FAMILIES = ["sgd", "adam", "rmsprop", "adagrad", "adadelta", "adafactor", "muon", "lion", "lamb"]
FAMILIES += ["lars", "rprop", "lbfgs", "any", "other"]
"""The kinds of optimizers."""

Check = Callable[[object], bool]


def _field(check: Check, expected: str, *optional: Any) -> Any:
    metadata = {"check": check, "expected": expected}
    if optional:
        return field(default=optional[0], metadata=metadata)
    return field(metadata=metadata)


def _text(*optional: Any) -> Any:
    return _field(lambda v: isinstance(v, str) and v.strip() == v != "", "text", *optional)


def _one_of(*words: str, optional: bool = True, default: str | None = None) -> Any:
    expected = "one of " + ", ".join(map(repr, words))
    return _field(lambda v: v in words, expected, *((default,) if optional else ()))


def _flag() -> Any:
    return _field(lambda v: isinstance(v, bool), "true or false", None)


def _number(*optional: Any) -> Any:
    def check(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    return _field(check, "a number", *optional)


def _names(*optional: Any) -> Any:
    def check(value: object) -> bool:
        return isinstance(value, tuple) and all(isinstance(each, str) and each for each in value)

    return _field(check, "a list of names", *optional)


def _tables() -> Any:
    def check(value: object) -> bool:
        return isinstance(value, tuple) and all(
            isinstance(each, dict) and each.get("when") and len(each) > 1 for each in value
        )

    return _field(check, "a list of tables with 'when' and the fields that change", ())


@dataclass(frozen=True)
class Claim:
    """One statement about a setting, which a script can measure."""

    id: str
    """``framework.setting.property``, the same from release to release."""
    value: object
    """What holds, as a word, a number or true."""
    evidence: str
    """"measured" if the record's script measured it, "read" if it is from source or manual."""
    text: str | None = None
    """One sentence, for a claim that no field of a setting states."""
    text_zh: str | None = None
    """The sentence in Chinese."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all settings have."""

    kind = ""

    name: str = _text()
    """The name of the setting, unique within the framework."""
    call: str = _text()
    """The path and the arguments with their defaults, as in a Python definition."""
    argument: str = _text()
    """The argument with the strength."""
    evidence: str = _one_of("measured", "read", optional=False)
    """Whether the record's script measured the fields, or they were read."""
    read: tuple[str, ...] = _names(())
    """Fields that were read, although the others were measured."""
    surprise: str | None = _text(None)
    """One sentence that most readers do not expect."""
    surprise_zh: str | None = _text(None)
    """The sentence in Chinese."""
    template: str | None = _text(None)
    """How the setting is written where that is not Python; ``{value}`` is the strength."""

    variants: tuple[Mapping[str, Any], ...] = _tables()
    """Arguments that change the meaning: ``{when = {mode = "x"}, scaling = "classic"}``; the value
    "*" stands for any that is not the default."""

    @property
    def signature(self) -> Signature:
        """The path and the arguments of the call."""
        return Signature.parse(self.call)

    @property
    def default(self) -> object:
        """The default of the argument; ``None`` if it must be given or means "off"."""
        return self.signature.defaults.get(self.argument)

    @classmethod
    def properties(cls) -> tuple[str, ...]:
        """Return the fields that state how the setting acts, and not how it is written."""
        plain = {each.name for each in fields(Setting)} | WRITING
        return tuple(each.name for each in fields(cls) if each.name not in plain)

    def called_with(self, given: Mapping[str, object]) -> Setting:
        """Return what the setting means with these arguments, by the first variant that fits."""
        defaults = self.signature.defaults
        for variant in self.variants:
            when = variant["when"]
            if all(
                name in given and (given[name] == value or (value == "*" != given[name]))
                for name, value in when.items()
            ) and any(given[name] != defaults.get(name) for name in when):
                return replace(self, **{k: v for k, v in variant.items() if k != "when"})
        return self

    def claims(self, framework: str) -> tuple[Claim, ...]:
        """Return the claims that the fields make."""
        stated = {name: getattr(self, name) for name in self.properties()}
        if self.argument in self.signature.defaults:
            stated["default"] = self.default
        return tuple(
            Claim(
                f"{framework}.{self.name}.{name}",
                value,
                "read" if name in self.read else self.evidence,
            )
            for name, value in stated.items()
            if value is not None or name == "default"
        )


@dataclass(frozen=True, kw_only=True)
class DropoutSetting(Setting):
    """A noise that multiplies values by a random mask.

    Beside its own fields it has those of :class:`Setting`: ``name``, ``call``, ``argument``,
    ``evidence``, ``read``, ``surprise``, ``surprise_zh``, ``template`` and
    ``variants``.
    """

    kind = "dropout"

    probability: str = _one_of("drop", "keep", optional=False)
    """Whether the number is the probability to drop or the one to keep."""
    scaling: str = _one_of("inverted", "classic", "none", "other", optional=False)
    """"inverted" scales in training, "classic" multiplies by the kept share at prediction."""
    noise: str = _one_of(*NOISES, default="bernoulli")
    """What is dropped; settings with different noises are not converted into each other."""
    prediction: str | None = _one_of("identity", "scaled", "active", "other")
    """What it does at prediction."""
    fresh: str | None = _one_of("active", "inactive", "argument")
    """Whether a fresh model drops; "argument" if the caller must say."""
    switch: str | None = _text(None)
    """What switches it, such as ``model.train()``."""
    rate_one: str | None = _one_of("zeros", "refused", "identity", "nan", "nan_gradient", "other")
    """The result when everything is dropped."""
    out_of_range: str | None = _one_of("refused", "accepted", "clipped")
    """What becomes of a probability outside [0, 1]."""
    mask_axes: str | None = _one_of("all", "varying", "shared", "channels", "rows")
    """"varying" or "shared" if an argument lists the axes that have, or share, a mask."""
    axes_argument: str | None = _text(None)
    """The argument with these axes."""
    opposite_argument: str | None = _text(None)
    """An argument with the opposite probability, where there are both."""


@dataclass(frozen=True, kw_only=True)
class _OnParameters(Setting):
    """What acts on parameters, and on which."""

    biases: bool | None = _flag()
    """Whether biases are hit."""
    norms: bool | None = _flag()
    """Whether the parameters of normalization layers are hit."""
    embeddings: bool | None = _flag()
    """Whether embeddings are hit."""
    selected_by: str | None = _one_of("all", "name", "type", "shape", "caller")
    """What decides which parameters are hit; "caller" if they must be given."""
    exclude_with: str | None = _text(None)
    """The argument or call that leaves parameters out."""


@dataclass(frozen=True, kw_only=True)
class PenaltySetting(_OnParameters):
    """A penalty in the loss: ``strength · factor · Σ|w|`` or ``… · Σw²``.

    Beside its own fields it has those of :class:`Setting`: ``name``, ``call``, ``argument``,
    ``evidence``, ``read``, ``surprise``, ``surprise_zh``, ``template`` and
    ``variants``. ``biases``, ``norms``
    and ``embeddings`` say whether it acts on these parameters, ``selected_by`` what decides
    that, and ``exclude_with`` how to leave parameters out.
    """

    kind = "penalty"

    norm: str = _one_of("l1", "l2", "elastic", "orthogonal", "group", "other", optional=False)
    """The norm; "elastic" has an L1 and an L2 part."""
    factor: float | None = _number(None)
    """The constant before the norm, 0.5 for ``½ c Σw²``; for "elastic" that of the L2 part."""
    second_argument: str | None = _text(None)
    """For "elastic" the argument of the L2 part, or of the share of L1."""
    mixed: str | None = _one_of("parts", "share")
    """For "elastic" whether the arguments are two strengths, or a strength and L1's share."""
    of: str = _one_of("weights", "leaves", default="weights")
    """What is penalized; the leaves of trees are not converted to weights of networks."""
    inverse: bool | None = _flag()
    """Whether the strength is one over the argument."""
    reduction: str | None = _one_of("sum", "mean")
    """Over the weights."""
    divided_by: str | None = _one_of("nothing", "batch_rows", "rows")
    """What the strength is divided by, relative to the mean of the data loss."""
    squared_error: str | None = _one_of("full", "half", "any")
    """The library's own squared error; "any" if the caller chooses the loss."""
    route: str | None = _one_of("loss", "proximal")
    """Whether it is part of the loss, or a step of its own after the optimizer's."""
    family: str | None = _one_of(*FAMILIES)
    """The optimizer that always goes with it, such as the one of an estimator."""
    exact_zeros: bool | None = _flag()
    """Whether an L1 strength gives weights that are exactly 0."""
    in_reported_loss: str | None = _one_of("always", "never", "training")
    """Whether the losses that the framework reports contain it."""


@dataclass(frozen=True, kw_only=True)
class DecaySetting(_OnParameters):
    """A decay of the weights by an optimizer.

    Beside its own fields it has those of :class:`Setting`: ``name``, ``call``, ``argument``,
    ``evidence``, ``read``, ``surprise``, ``surprise_zh``, ``template`` and
    ``variants``. ``biases``, ``norms``
    and ``embeddings`` say whether it acts on these parameters, ``selected_by`` what decides
    that, and ``exclude_with`` how to leave parameters out.
    """

    kind = "decay"

    coupling: str = _one_of("coupled", "decoupled", "none", optional=False)
    """"coupled" adds to the gradient, "decoupled" shrinks the weight beside it."""
    family: str = _one_of(*FAMILIES, optional=False)
    """The kind of the optimizer; "any" for a decay that is combined with any optimizer."""
    times_lr: bool | None = _flag()
    """Whether the learning rate multiplies the decay."""
    adaptive: bool | None = _flag()
    """Whether the optimizer rescales a coupled decay, as Adam does."""
    factor: float | None = _number(None)
    """A constant before the argument, 1 if absent."""
    power: int | None = _number(None)
    """The power of the parameter group's own factors, 2 if they are applied twice."""
    lr_argument: str | None = _text(None)
    """The argument with the learning rate."""

    @property
    def rescaled(self) -> bool:
        """Whether the decay is part of a gradient that the optimizer rescales."""
        return self.coupling == "coupled" and bool(self.adaptive)


@dataclass(frozen=True, kw_only=True)
class MaxNormSetting(_OnParameters):
    """A bound on the norm of a unit's weights.

    Beside its own fields it has those of :class:`Setting`: ``name``, ``call``, ``argument``,
    ``evidence``, ``read``, ``surprise``, ``surprise_zh``, ``template`` and
    ``variants``. ``biases``, ``norms``
    and ``embeddings`` say whether it acts on these parameters, ``selected_by`` what decides
    that, and ``exclude_with`` how to leave parameters out.
    """

    kind = "max_norm"

    norm: str = _one_of("l2", "squared_l2", "other", optional=False)
    """What the argument bounds."""
    axes: str | None = _text(None)
    """The axes of the norm, as the framework's argument says it."""
    applied: str | None = _one_of("after_step", "forward", "before_step", "epoch")
    """When the weights are projected."""


KINDS = {each.kind: each for each in (DropoutSetting, PenaltySetting, DecaySetting, MaxNormSetting)}
"""The class of each kind of setting, by the name of its tables in the data."""


def checked(record: type[Any], values: dict[str, Any], where: str) -> Any:
    """Return a record made of a file's values, all of which were checked."""
    known = {each.name: each for each in fields(record)}
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    if unknown := sorted(set(values) - set(known)):
        raise DataError(f"{where}: {unknown[0]!r} is not a key; there are {', '.join(known)}")
    for name, each in known.items():
        required = each.default is MISSING
        if name in values and not each.metadata["check"](values[name]):
            expected = each.metadata["expected"]
            raise DataError(f"{where}: {name} is {values[name]!r}; it must be {expected}")
        if required and name not in values:
            raise DataError(f"{where}: {name} is missing; it must be {each.metadata['expected']}")
    return record(**values)
