"""Converts a strength between the conventions of several libraries.

Each convention converts its strength to and from the pair ``(l1, l2)`` of one formula::

    mean data loss + l1 Σ|w| + ½ l2 Σw²
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from bridle.dialects.conventions import Context, Convention, Numbers, named, names, suggestion
from bridle.dialects.differences import lost_between
from bridle.errors import RegularizationWarning, UsageError

__all__ = ["DIALECTS", "convert_strength"]

# the ratio of the other library's squared error to scikit-learn's ½ (y - ŷ)²
SQUARED_ERRORS = {"full": 2, "half": 1}

DIALECTS: tuple[str, ...]
"""The names of the settings that :func:`convert_strength` knows: ``framework.setting``."""


def __getattr__(name: str) -> tuple[str, ...]:
    if name == "DIALECTS":  # reads the records of all frameworks
        return names()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def convert_strength(
    value: float | Mapping[str, float],
    source: str,
    target: str,
    *,
    rows: int | None = None,
    learning_rate: float | None = None,
    squared_error: str = "full",
) -> float | dict[str, float]:
    """Convert an L1, L2 or elastic-net strength from one library's convention to another's.

    l1 and λ are the strengths in ``mean data loss + l1 Σ|w| + ½ λ Σw²``. m is 2 for the "full"
    squared error and 1 for the "half", n is ``rows``, and η is ``learning_rate``:

    - ``bridle.L2``: λ; ``bridle.L1``: l1; ``bridle.ElasticNet`` {"l1", "l2"}: λ = 2 l2
    - ``sklearn.MLPClassifier``: λ = alpha / n; ``sklearn.MLPRegressor``, ``sklearn.Ridge``:
      λ = m alpha / n; ``sklearn.Lasso``: l1 = m alpha; ``sklearn.ElasticNet`` {"alpha",
      "l1_ratio"}: l1 = m alpha l1_ratio, λ = m alpha (1 - l1_ratio);
      ``sklearn.LogisticRegression``: λ = 1 / (C n); ``sklearn.SGDClassifier``: λ = alpha
    - ``torch.SGD``, ``torch.Adam``, ``torch.RMSprop``, ``torch.Adagrad``: λ = weight_decay, coupled
      (added to the gradient; all except SGD then rescale it, unlike bridle's proximal L2)
    - ``torch.AdamW``: λ = weight_decay / (1 - η weight_decay), since ``w (1 - η weight_decay)`` is
      then bridle's Euclidean proximal step ``w / (1 + η λ)`` (Loshchilov & Hutter 2019)
    - ``keras.l2``: λ = 2 l2; ``keras.l1``: l1; ``keras.l1_l2`` {"l1", "l2"}: λ = 2 l2

    The other dialects are settings of the records that :func:`bridle.dialects.frameworks` returns.
    A decoupled decay that is not multiplied by the learning rate is λ = d / (η (1 - d)). Two
    settings with the same formula convert without rounding, and need neither rows nor learning
    rate.

    A ``RegularizationWarning`` says what no number can express: that Adam rescales a coupled decay
    and the other optimizer does not, or that L1 gives exact zeros in one library and not in the
    other. :func:`bridle.dialects.translate` lists all that differs.

    Parameters
    ----------
    value : float or mapping of str to float
        The strength, 0 or more; a mapping for a dialect with several numbers.
    source, target : str
        Two of ``DIALECTS``. Both must use the same data loss.
    rows : int, optional
        The number of rows that a library such as scikit-learn divides by: the batch size for the
        stochastic solvers of MLPClassifier and MLPRegressor, otherwise the number of training rows.
        Ignored by the other dialects.
    learning_rate : float, optional
        The learning rate of a decoupled decay, such as AdamW's. Ignored by the other dialects.
    squared_error : {"full", "half"}
        The regression loss of the library that is not scikit-learn: the mean of (y - ŷ)², as in
        bridle, torch's MSELoss and Keras, or half of it, as in scikit-learn. It only affects
        settings that fix the loss, such as scikit-learn's MLPRegressor, Ridge and Lasso.

    Returns
    -------
    float or dict of str to float
        The strength in the target's convention; a dict for a dialect with several numbers.

    Raises
    ------
    UsageError
        If a dialect is unknown or cannot express the strength, if ``rows`` or ``learning_rate``
        is missing, or if a number is out of range.

    Examples
    --------
    >>> from bridle.dialects.convert import convert_strength
    >>> convert_strength(0.01, "keras.l2", "bridle.L2")
    0.02
    >>> convert_strength(1.0, "sklearn.Ridge", "torch.SGD", rows=100)
    0.02
    >>> convert_strength({"l1": 0.5, "l2": 0.25}, "bridle.ElasticNet", "sklearn.ElasticNet")
    {'alpha': 0.5, 'l1_ratio': 0.5}
    """
    read, write = _dialect("source", source), _dialect("target", target)
    converted = convert_between(read, write, value, rows, learning_rate, squared_error)
    for sentence in lost_between(read, write, has_l1(read, value)):
        warnings.warn(sentence, RegularizationWarning, stacklevel=2)
    return converted


def convert_between(
    read: Convention,
    write: Convention,
    value: float | Mapping[str, float],
    rows: int | None,
    learning_rate: float | None,
    squared_error: str,
) -> float | dict[str, float]:
    """Convert a strength between two conventions, as :func:`convert_strength` does."""
    numbers = _numbers(read, value)
    same = read.form == write.form  # the number then needs neither rows nor a learning rate
    context = _context(() if same else (read, write), rows, learning_rate, squared_error)
    if same and learning_rate is None and "learning_rate" in read.needs:
        written = numbers
    else:
        written = _through_pair(read, write, value, numbers, context)
        written = numbers if same else written
    return written[0] if len(write.keys) == 1 else dict(zip(write.keys, written, strict=True))


def has_l1(read: Convention, value: float | Mapping[str, float]) -> bool:
    """Whether a strength has an L1 part."""
    return "l1" in read.parts and all(_numbers(read, value)[:1])


def _through_pair(
    read: Convention, write: Convention, value: object, numbers: Numbers, context: Context
) -> Numbers:
    source, target = read.name, write.name
    pair = read.read(numbers, context)
    for part, strength in zip(("l1", "l2"), pair, strict=True):
        if strength and part not in write.parts:
            raise UsageError(
                f"{target!r} has no {part.upper()} part, and the strength {value!r} of {source!r} "
                f"has {part} = {strength}; convert to a dialect with both, 'bridle.ElasticNet'"
            )
    written = write.write(pair, context)
    if not all(map(math.isfinite, pair + written)):
        raise UsageError(
            f"the strength {value!r} of {source!r} has no finite value in {target!r}; "
            "choose one that is nearer to 1"
        )
    return written


def _dialect(role: str, name: str) -> Convention:
    found = named(name) if isinstance(name, str) else None
    if found is None:
        hint = suggestion(str(name))
        raise UsageError(f"the {role} is {name!r}, which is not a known dialect; {hint}")
    return found


def _context(
    dialects: tuple[Convention, ...], rows: object, learning_rate: object, squared_error: str
) -> Context:
    """Check the arguments that the dialects need, and return them; missing ones become 1."""
    for dialect in dialects:
        if "rows" in dialect.needs and rows is None:
            raise UsageError(f"{dialect.name!r} needs rows, which is None; pass rows=len(X)")
        if "learning_rate" in dialect.needs and learning_rate is None:
            raise UsageError(
                f"{dialect.name!r} needs learning_rate, which is None; pass the optimizer's lr"
            )
    count = 1 if rows is None else rows
    if isinstance(count, bool) or not isinstance(count, Integral) or int(count) < 1:
        raise UsageError(f"rows is {rows!r}; it must be a whole number, 1 or more")
    rate = 1.0 if learning_rate is None else _number("learning_rate", learning_rate)
    if rate == 0:
        raise UsageError(f"learning_rate is {learning_rate!r}; it must be above 0")
    if squared_error not in SQUARED_ERRORS:
        raise UsageError(f"squared_error is {squared_error!r}; it must be 'full' or 'half'")
    return Context(int(count), rate, SQUARED_ERRORS[squared_error])


def _numbers(dialect: Convention, value: object) -> Numbers:
    """Return a value's numbers in the order of the dialect's keys."""
    if len(dialect.keys) == 1:
        return (_number(f"{dialect.keys[0]} of {dialect.name!r}", value),)
    if not isinstance(value, Mapping) or set(value) != set(dialect.keys):
        keys = ", ".join(f'"{key}": …' for key in dialect.keys)
        raise UsageError(f"the strength of {dialect.name!r} is {value!r}; give {{{keys}}}")
    return tuple(_number(f"{key} of {dialect.name!r}", value[key]) for key in dialect.keys)


def _number(name: str, value: Any) -> float:
    is_one = not isinstance(value, bool) and isinstance(value, Real)
    if not is_one:
        raise UsageError(f"{name} is {value!r}; it must be one number")
    if not 0 <= value <= sys.float_info.max:
        raise UsageError(f"{name} is {value!r}; it must be a finite number, 0 or more")
    return float(value)
