"""Converts a strength between the conventions (dialects) of several libraries.

Each dialect converts its strength to and from the pair ``(l1, l2)`` of one formula::

    mean data loss + l1 Σ|w| + ½ l2 Σw²
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from bridle.errors import UsageError, did_you_mean

__all__ = ["DIALECTS", "convert_strength"]

Pair = tuple[float, float]
Numbers = tuple[float, ...]

# the ratio of the other library's squared error to scikit-learn's ½ (y - ŷ)²
SQUARED_ERRORS = {"full": 2, "half": 1}


@dataclass(frozen=True)
class _Context:
    """Further quantities that a conversion may need; a dialect lists its own in ``needs``."""

    rows: int
    learning_rate: float
    squared_error: int


@dataclass(frozen=True)
class _Dialect:
    """The convention of one library for a strength."""

    name: str
    keys: tuple[str, ...]
    parts: tuple[str, ...]
    read: Callable[[Numbers, _Context], Pair]
    write: Callable[[Pair, _Context], Numbers]
    needs: tuple[str, ...] = ()


def _scaled(
    name: str,
    key: str,
    part: str,
    ratio: Callable[[_Context], tuple[float, float]] = lambda _: (1, 1),
    *needs: str,
) -> _Dialect:
    """Return a dialect with one number: ``l1`` or ``l2`` is that number times a ratio."""
    index = ("l1", "l2").index(part)

    def read(numbers: Numbers, context: _Context) -> Pair:
        # multiply, then divide: multiplying by the quotient would round twice
        times, over = ratio(context)
        strength = numbers[0] * times / over
        return (0.0, strength) if index else (strength, 0.0)

    def write(pair: Pair, context: _Context) -> Numbers:
        times, over = ratio(context)
        return (pair[index] * over / times,)

    return _Dialect(name, (key,), (part,), read, write, needs)


def _without_half(name: str) -> _Dialect:
    """Return a dialect with the penalty ``l1 Σ|w| + l2 Σw²``."""
    return _Dialect(
        name,
        ("l1", "l2"),
        ("l1", "l2"),
        lambda numbers, _: (numbers[0], 2 * numbers[1]),
        lambda pair, _: (pair[0], pair[1] / 2),
    )


def _read_mixed(numbers: Numbers, context: _Context) -> Pair:
    alpha, share = context.squared_error * numbers[0], numbers[1]
    if share > 1:
        raise UsageError(f"l1_ratio of 'sklearn.ElasticNet' is {share}; it must be between 0 and 1")
    return alpha * share, alpha * (1 - share)


def _write_mixed(pair: Pair, context: _Context) -> Numbers:
    alpha = sum(pair)
    # at strength 0 the ratio is undefined; 0.5 is scikit-learn's default
    return alpha / context.squared_error, pair[0] / alpha if alpha else 0.5


def _read_inverse(numbers: Numbers, context: _Context) -> Pair:
    if numbers[0] == 0:
        raise UsageError(
            f"C of 'sklearn.LogisticRegression' is {numbers[0]}, an infinite strength; "
            "it must be above 0"
        )
    return 0.0, 1 / (numbers[0] * context.rows)


def _write_inverse(pair: Pair, context: _Context) -> Numbers:
    if pair[1] == 0:
        raise UsageError(
            "the strength is 0, so C = 1/0 is infinite in 'sklearn.LogisticRegression'; "
            "set C=float('inf') there"
        )
    return (1 / (pair[1] * context.rows),)


def _read_decoupled(numbers: Numbers, context: _Context) -> Pair:
    lost = context.learning_rate * numbers[0]
    if lost >= 1:
        raise UsageError(
            f"weight_decay of 'torch.AdamW' is {numbers[0]}, so each step subtracts {lost:.3g} "
            f"times the weight; it must be below 1 / learning_rate = {1 / context.learning_rate}"
        )
    return 0.0, numbers[0] / (1 - lost)


def _write_decoupled(pair: Pair, context: _Context) -> Numbers:
    return (pair[1] / (1 + context.learning_rate * pair[1]),)


_TABLE = {
    dialect.name: dialect
    for dialect in (
        _scaled("bridle.L2", "strength", "l2"),
        _scaled("bridle.L1", "strength", "l1"),
        _without_half("bridle.ElasticNet"),
        _scaled("sklearn.MLPClassifier", "alpha", "l2", lambda c: (1, c.rows), "rows"),
        _scaled("sklearn.MLPRegressor", "alpha", "l2", lambda c: (c.squared_error, c.rows), "rows"),
        _scaled("sklearn.Ridge", "alpha", "l2", lambda c: (c.squared_error, c.rows), "rows"),
        _scaled("sklearn.Lasso", "alpha", "l1", lambda c: (c.squared_error, 1)),
        _Dialect(
            "sklearn.ElasticNet", ("alpha", "l1_ratio"), ("l1", "l2"), _read_mixed, _write_mixed
        ),
        _Dialect(
            "sklearn.LogisticRegression", ("C",), ("l2",), _read_inverse, _write_inverse, ("rows",)
        ),
        _scaled("sklearn.SGDClassifier", "alpha", "l2"),
        _scaled("torch.SGD", "weight_decay", "l2"),
        _scaled("torch.Adam", "weight_decay", "l2"),
        _scaled("torch.RMSprop", "weight_decay", "l2"),
        _scaled("torch.Adagrad", "weight_decay", "l2"),
        _Dialect(
            "torch.AdamW",
            ("weight_decay",),
            ("l2",),
            _read_decoupled,
            _write_decoupled,
            ("learning_rate",),
        ),
        _scaled("keras.l2", "l2", "l2", lambda _: (2, 1)),
        _scaled("keras.l1", "l1", "l1"),
        _without_half("keras.l1_l2"),
    )
}

DIALECTS: tuple[str, ...] = tuple(_TABLE)
"""The names of the dialects that :func:`convert_strength` knows."""


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

    Parameters
    ----------
    value : float or mapping of str to float
        The strength, 0 or more; a mapping for a dialect with several numbers.
    source, target : str
        Two of ``DIALECTS``. Both must use the same data loss.
    rows : int, optional
        The number of rows that scikit-learn divides by: the batch size for the stochastic solvers
        of MLPClassifier and MLPRegressor, otherwise the number of training rows. Ignored by the
        other dialects.
    learning_rate : float, optional
        AdamW's learning rate. Ignored by the other dialects.
    squared_error : {"full", "half"}
        The regression loss of the library that is not scikit-learn: the mean of (y - ŷ)², as in
        bridle, torch's MSELoss and Keras, or half of it, as in scikit-learn. It only affects
        scikit-learn's MLPRegressor, Ridge, Lasso and ElasticNet.

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
    context = _context((read, write), rows, learning_rate, squared_error)
    pair = read.read(_numbers(read, value), context)
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
    return written[0] if len(write.keys) == 1 else dict(zip(write.keys, written, strict=True))


def _dialect(role: str, name: str) -> _Dialect:
    if name not in _TABLE:
        # suggest 'sklearn.Ridge' for "Ridge", whatever the edit distance
        ends = [known for known in _TABLE if known.endswith(f".{name}")]
        hint = did_you_mean(str(ends[0] if ends else name), _TABLE)
        raise UsageError(f"the {role} is {name!r}, which is not a known dialect; {hint}")
    return _TABLE[name]


def _context(
    dialects: tuple[_Dialect, ...], rows: object, learning_rate: object, squared_error: str
) -> _Context:
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
    return _Context(int(count), rate, SQUARED_ERRORS[squared_error])


def _numbers(dialect: _Dialect, value: object) -> Numbers:
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
