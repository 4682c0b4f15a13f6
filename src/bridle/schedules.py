"""Schedules: a factor on the strength of a noise or a penalty, for each training step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError

__all__ = ["CosineSchedule", "CubicSchedule", "LinearSchedule", "Schedule", "StepSchedule"]


class Schedule(ABC):
    """A factor for each step, from 0. It is a pure function, so a resumed run needs no state.

    Examples
    --------
    >>> import bridle
    >>> schedule = bridle.LinearSchedule(0.0, 1.0, steps=4)
    >>> [schedule(step) for step in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __call__(self, step: int) -> float:
        """Return the factor at one step."""
        return float(self.factors(torch.tensor(step)))

    @abstractmethod
    def factors(self, steps: Tensor) -> Tensor:
        """Return the factors at the given steps (int64, any shape), float64 of the same shape."""

    @property
    @abstractmethod
    def highest(self) -> float:
        """The largest factor."""


class _Ramp(Schedule):
    """Goes from one factor to another; constant before ``begin`` and after ``begin + steps``."""

    def __init__(self, start: float, end: float, *, steps: int, begin: int = 0) -> None:
        name = type(self).__name__
        self.start = _factor(f"the start of {name}", start)
        self.end = _factor(f"the end of {name}", end)
        if steps < 1 or begin < 0:
            raise UsageError(
                f"{name} has steps={steps} and begin={begin}; give at least 1 step, and a begin of "
                "0 or more"
            )
        self.steps = steps
        self.begin = begin

    def __repr__(self) -> str:
        begin = f", begin={self.begin}" if self.begin else ""
        return f"{type(self).__name__}({self.start}, {self.end}, steps={self.steps}{begin})"

    def _progress(self, steps: Tensor) -> Tensor:
        """Return the progress from 0 to 1, float64."""
        return ((steps.double() - self.begin) / self.steps).clamp(0, 1)

    @property
    def highest(self) -> float:
        """The larger of start and end."""
        return max(self.start, self.end)


@final
class LinearSchedule(_Ramp):
    """Goes from ``start`` to ``end`` linearly.

    The factor is ``start + (end - start) t``, where t goes from 0 at step ``begin`` to 1 at step
    ``begin + steps``.

    Parameters
    ----------
    start, end : float
        Factors, 0 or more.
    steps : int
        The number of steps from ``start`` to ``end``.
    begin : int
        The step at which the change begins.

    Raises
    ------
    UsageError
        If an argument is out of range.

    Examples
    --------
    >>> import bridle
    >>> [bridle.LinearSchedule(1.0, 0.5, steps=2, begin=10)(step) for step in (0, 10, 11, 99)]
    [1.0, 1.0, 0.75, 0.5]
    """

    def factors(self, steps: Tensor) -> Tensor:
        """Return the factors at the given steps, float64 of the same shape."""
        return self.start + (self.end - self.start) * self._progress(steps)


@final
class CosineSchedule(_Ramp):
    """Goes from ``start`` to ``end`` along half a cosine (Loshchilov & Hutter 2017).

    The factor is ``end + (start - end) (1 + cos πt) / 2``, where t goes from 0 at step ``begin`` to
    1 at step ``begin + steps``. The change is slow at both ends.

    Parameters
    ----------
    start, end, steps, begin
        As in :class:`LinearSchedule`.

    Raises
    ------
    UsageError
        If an argument is out of range.

    Examples
    --------
    >>> import bridle
    >>> [round(bridle.CosineSchedule(1.0, 0.0, steps=3)(step), 6) for step in range(4)]
    [1.0, 0.75, 0.25, 0.0]
    """

    def factors(self, steps: Tensor) -> Tensor:
        """Return the factors at the given steps, float64 of the same shape."""
        return (
            self.end + (self.start - self.end) * (1 + (math.pi * self._progress(steps)).cos()) / 2
        )


@final
class CubicSchedule(_Ramp):
    """Goes from ``start`` to ``end`` along a cubic, fast at first and slow at the end.

    The factor is ``end + (start - end) (1 - t)³``, where t goes from 0 at step ``begin`` to 1 at
    step ``begin + steps``: the ramp of gradual pruning (Zhu & Gupta 2017).

    Parameters
    ----------
    start, end, steps, begin
        As in :class:`LinearSchedule`.

    Raises
    ------
    UsageError
        If an argument is out of range.

    Examples
    --------
    >>> import bridle
    >>> [bridle.CubicSchedule(0.0, 1.0, steps=2)(step) for step in range(4)]
    [0.0, 0.875, 1.0, 1.0]
    """

    def factors(self, steps: Tensor) -> Tensor:
        """Return the factors at the given steps, float64 of the same shape."""
        return self.end + (self.start - self.end) * (1 - self._progress(steps)) ** 3


@final
class StepSchedule(Schedule):
    """Piecewise constant: each factor applies from its step on.

    Parameters
    ----------
    factors : mapping of int to float
        The first step of each factor, and the factor, 0 or more. Step 0 is required.

    Raises
    ------
    UsageError
        If step 0 is missing or a number is out of range.

    Examples
    --------
    >>> import bridle
    >>> schedule = bridle.StepSchedule({0: 1.0, 100: 0.1})
    >>> schedule(99), schedule(100)
    (1.0, 0.1)
    """

    def __init__(self, factors: Mapping[int, float]) -> None:
        places = sorted(factors)
        if not places or places[0] != 0:
            raise UsageError(
                f"StepSchedule begins at step {places[0] if places else None}; "
                "give a factor for step 0, too"
            )
        self._places = places
        self._factors = [_factor(f"the factor at step {at}", factors[at]) for at in places]

    def __repr__(self) -> str:
        return f"StepSchedule({dict(zip(self._places, self._factors, strict=True))})"

    def factors(self, steps: Tensor) -> Tensor:
        """Return the factors at the given steps, float64 of the same shape."""
        found = torch.full(steps.shape, self._factors[0], dtype=torch.float64, device=steps.device)
        for place, factor in zip(self._places[1:], self._factors[1:], strict=True):
            found = torch.where(steps >= place, factor, found)
        return found

    @property
    def highest(self) -> float:
        """The largest factor."""
        return max(self._factors)


def _factor(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{name} is {value}; it must be a finite number, 0 or more")
    return float(value)
