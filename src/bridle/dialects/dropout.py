"""Converts a dropout probability between the conventions of several libraries."""

from __future__ import annotations

import warnings
from decimal import Decimal
from numbers import Real

from bridle.dialects.records import find
from bridle.dialects.settings import DropoutSetting
from bridle.errors import RegularizationWarning, UsageError, did_you_mean

__all__ = ["DROPPED", "convert_dropout", "convert_probability", "dropout_named", "lost_in_dropout"]


def convert_dropout(rate: float, source: str, target: str) -> float:
    """Convert a dropout probability from one library's convention to another's.

    Some libraries take the probability to drop and some the one to keep. The conversion is exact
    for decimal numbers: 0.9 to keep is 0.1 to drop, and back.

    A ``RegularizationWarning`` says what the number cannot express, such as a scaling that the
    target lacks. :func:`bridle.dialects.translate` lists all that differs.

    Parameters
    ----------
    rate : float
        The probability in the source's convention, from 0 to 1.
    source, target : str
        A framework, whose setting "Dropout" is taken, or ``framework.setting``.

    Returns
    -------
    float
        The probability in the target's convention.

    Raises
    ------
    UsageError
        If a name is unknown, if the two drop different things, such as units and whole paths, if
        the probability is out of range, or if the target refuses it.

    Examples
    --------
    >>> import bridle
    >>> bridle.convert_dropout(0.25, "torch", "keras")
    0.25
    >>> bridle.convert_dropout(0.3, "torch.Dropout", "bridle.Dropout")
    0.3
    """
    first, read = dropout_named("source", source)
    second, write = dropout_named("target", target)
    number = convert_probability(rate, first, read, second, write)
    for sentence in lost_in_dropout(number, first, read, second, write):
        warnings.warn(sentence, RegularizationWarning, stacklevel=2)
    return number


def dropout_named(role: str, name: str) -> tuple[str, DropoutSetting]:
    """Return the full name and the setting that a framework's or a setting's name stands for."""
    if not isinstance(name, str):
        raise UsageError(f"the {role} is {name!r}; it must be a name such as 'torch.Dropout'")
    first, _, last = name.partition(".")
    framework = find(first)
    known = [each for each in framework.settings if isinstance(each, DropoutSetting)]
    if not known:
        raise UsageError(f"the {role} is {name!r}, which has no dropout; choose another framework")
    for each in known:
        if each.name == (last or "Dropout"):
            return f"{framework.name}.{each.name}", each
    if not last:
        return f"{framework.name}.{known[0].name}", known[0]
    hint = did_you_mean(last, [each.name for each in known])
    raise UsageError(f"the {role} is {name!r}, which is no dropout of {first!r}; {hint}")


def convert_probability(
    rate: object, source: str, read: DropoutSetting, target: str, write: DropoutSetting
) -> float:
    """Return a probability of one setting in the convention of another."""
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 <= float(rate) <= 1:
        raise UsageError(
            f"{read.argument} of {source!r} is {rate!r}; it must be a number from 0 to 1"
        )
    if read.noise != write.noise:
        raise UsageError(
            f"{source!r} drops {DROPPED[read.noise]} and {target!r} {DROPPED[write.noise]}, so "
            "that no rate of one is a rate of the other; choose settings that drop the same"
        )
    number = float(rate)
    # the shortest decimal that is this float, so that 1 - 0.9 is 0.1
    other = float(1 - Decimal(repr(number)))
    written = number if read.probability == write.probability else other
    dropped = number if read.probability == "drop" else other
    if dropped == 1 and write.rate_one == "refused":
        raise UsageError(f"{target!r} refuses to drop everything; choose a rate below 1")
    return written


DROPPED = {
    "bernoulli": "single values",
    "gaussian": "nothing and multiplies by Gaussian noise",
    "alpha": "values to a negative constant",
    "path": "whole residual branches",
    "block": "blocks of neighbors",
    "channels": "whole channels",
    "weights": "weights",
    "trees": "trees",
}
"""What each noise drops, in words."""


SCALINGS = {
    "inverted": "multiplies what it keeps by 1 / keep in training",
    "classic": "does not scale in training and multiplies by keep at prediction",
    "none": "scales neither in training nor at prediction",
    "other": "scales in its own way",
}
"""What each scaling does, in words."""


def lost_in_dropout(
    number: float, source: str, read: DropoutSetting, target: str, write: DropoutSetting
) -> list[str]:
    """Return what a probability of the target cannot express."""
    lost = []
    if read.scaling != write.scaling:
        lost.append(
            f"{source} {SCALINGS[read.scaling]}, and {target} {SCALINGS[write.scaling]}: scale the "
            "outgoing weights, or train again"
        )
    dropped = number if write.probability == "drop" else 1 - number
    one = write.rate_one
    if dropped == 1 and one in {"identity", "nan", "nan_gradient"} and read.rate_one != one:
        words = {"identity": "nothing is dropped", "nan": "the result is NaN"}
        lost.append(f"at rate 1 of {target} {words.get(one, 'the gradient is NaN')}; lower it")
    return lost
