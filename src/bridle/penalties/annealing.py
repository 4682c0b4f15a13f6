"""Penalties whose strength follows a schedule."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.penalties.decay import WeightDecay
from bridle.penalties.grouped import Grouped, GroupLasso, MaxNorm, SparseGroupLasso
from bridle.penalties.protocol import Penalty, Strength, takes_steps
from bridle.schedules import Schedule

__all__ = ["Annealed", "Scaled", "at_step", "inside", "kind_of_penalty", "refuse_annealed"]


@final
class Scaled:
    """A penalty times a factor: ``f R(w)``. :meth:`Annealed.at` returns it for one step.

    Its proximal step of size s is the proximal step of R of size ``s f``. A constraint has no
    strength: it holds if the factor is above 0, and does not hold at 0.

    Parameters
    ----------
    penalty : Penalty
    factor : float
        0 or more.

    Examples
    --------
    >>> import torch, bridle
    >>> half = bridle.penalties.Scaled(bridle.L1(1.0), 0.5)
    >>> half, half.prox(torch.tensor([2.0, -0.25]), step=1.0)
    (Scaled(L1(1.0), 0.5), tensor([1.5000, 0.0000]))
    """

    def __init__(self, penalty: Penalty, factor: float) -> None:
        self.penalty = penalty
        self.factor = factor
        self.separable = penalty.separable
        self.constraint = penalty.constraint
        self.steps_per_weight = takes_steps(penalty)

    def __repr__(self) -> str:
        return f"Scaled({self.penalty}, {self.factor:g})"

    @property
    def elastic(self) -> tuple[Strength, Strength] | None:
        """``(l1, l2)`` if the penalty is ``l1 Σ|w| + ½ l2 Σw²``, else None."""
        pair = self.penalty.elastic
        return None if pair is None else (self.factor * pair[0], self.factor * pair[1])

    def value(self, weight: Tensor) -> Tensor:
        """Return ``f R(w)``: a scalar, or ``[members]``."""
        value = self.penalty.value(weight)
        if self.constraint:  # its value outside is infinity, and 0 · infinity is NaN
            return value if self.factor else value.new_zeros(value.shape)
        return self.factor * value

    def gradient(self, weight: Tensor) -> Tensor:
        """Return f times the gradient of R at ``weight``."""
        return self.factor * self.penalty.gradient(weight)

    def prox(self, weight: Tensor, step: float | Tensor) -> Tensor:
        """Return the proximal step of R of size ``step f``."""
        return self.penalty.prox(weight, step * self.factor) if self.factor else weight.clone()


@final
class Annealed:
    """A penalty whose strength changes during training.

    At step s the penalty is ``schedule(s) · R(w)``. :func:`bridle.attach` and
    :func:`bridle.regularize` count the optimizer's steps and save the count in their
    ``state_dict``. :func:`bridle.train_step` and :func:`bridle.train` read ``network.steps``.

    Parameters
    ----------
    penalty : Penalty
        The penalty at factor 1. A constraint such as ``MaxNorm`` has no strength: it holds while
        the factor is above 0.
    schedule : Schedule
        :class:`bridle.LinearSchedule`, :class:`bridle.CosineSchedule`,
        :class:`bridle.StepSchedule`, or your own subclass.

    Raises
    ------
    UsageError
        If ``penalty`` is not a penalty or ``schedule`` is not a schedule.

    Examples
    --------
    >>> import bridle
    >>> warm = bridle.Annealed(bridle.L1(1e-2), bridle.LinearSchedule(0.0, 1.0, steps=100))
    >>> warm.at(25), warm.at(500)
    (Scaled(L1(0.01), 0.25), Scaled(L1(0.01), 1))
    """

    def __init__(self, penalty: Penalty, schedule: Schedule) -> None:
        if isinstance(penalty, type) or not isinstance(penalty, Penalty):
            raise UsageError(f"{penalty!r} is not a penalty; give one such as bridle.L2(1e-4)")
        if not isinstance(schedule, Schedule):
            raise UsageError(
                f"{schedule!r} is not a schedule; give one such as "
                "bridle.LinearSchedule(0.0, 1.0, steps=1000)"
            )
        self.penalty = penalty
        self.schedule = schedule
        self.of_ramp = False

    def __repr__(self) -> str:
        return f"Annealed({self.penalty}, {self.schedule})"

    def at(self, step: int) -> Scaled:
        """Return the penalty at a step, from 0."""
        return Scaled(self.penalty, self.schedule(step))


def at_step(penalties: Iterable[Penalty | Annealed], step: int | Tensor) -> tuple[Penalty, ...]:
    """Return penalties with the strength that they have at a step.

    Parameters
    ----------
    penalties : iterable of Penalty or Annealed
    step : int or Tensor
        From 0; a Tensor ``[members]`` for a population.

    Returns
    -------
    tuple of Penalty

    Raises
    ------
    UsageError
        If a penalty is annealed and the members of a population are at different steps.

    Examples
    --------
    >>> import bridle
    >>> from bridle.penalties import at_step
    >>> cooling = bridle.Annealed(bridle.L2(0.5), bridle.StepSchedule({0: 1.0, 10: 0.1}))
    >>> at_step([bridle.L1(1.0), cooling], 10)
    (L1(1.0), Scaled(L2(0.5), 0.1))
    """
    given = tuple(penalties)
    if not any(isinstance(each, Annealed) for each in given):
        return given  # type: ignore[return-value]
    steps = set(torch.as_tensor(step).flatten().tolist())
    if len(steps) > 1:
        raise UsageError(
            f"the members are at steps {sorted(steps)[:4]}, but an annealed penalty has one "
            "strength for all members; train them separately"
        )
    now = int(steps.pop())
    return tuple(each.at(now) if isinstance(each, Annealed) else each for each in given)


def refuse_annealed(penalties: Iterable[object]) -> None:
    """Raise a UsageError if a penalty needs to know a step, for callers that know none."""
    for penalty in penalties:
        if isinstance(penalty, WeightDecay):
            raise UsageError(
                f"{penalty} is no penalty, and acts at the steps of a torch optimizer, through "
                "bridle.attach or bridle.regularize: use bridle.L2 here"
            )
        if isinstance(penalty, Annealed):
            raise UsageError(f"{penalty} depends on the step; give penalty.at(step)")


def inside(rule: Penalty | Annealed, change: Callable[[Penalty], Penalty]) -> Penalty | Annealed:
    """Return a rule with its penalty changed; an annealed one keeps its schedule."""
    if not isinstance(rule, Annealed):
        return change(rule)
    changed = change(rule.penalty)
    if changed is rule.penalty:
        return rule
    other = Annealed(changed, rule.schedule)
    other.of_ramp = rule.of_ramp
    return other


def kind_of_penalty(penalty: Penalty | Annealed, axes: int) -> Hashable:
    """Return the kind of a penalty, annealed or not; a later rule of one kind replaces it.

    It is the class. Of a penalty of groups, it is also the class of what is grouped, and how, of a
    weight with so many axes. The penalty of a target sparsity's ramp has a kind of its own, and
    acts beside the others.
    """
    plain = penalty.penalty if isinstance(penalty, Annealed) else penalty
    kind: Hashable = type(plain)
    if isinstance(plain, Grouped):
        kind = Grouped, type(plain.penalty), plain.groups
    elif isinstance(plain, SparseGroupLasso):
        kind = SparseGroupLasso, plain.groups
    elif isinstance(plain, GroupLasso | MaxNorm):
        along = sorted(axis % axes for axis in plain.groups.axes or range(axes))
        kind = type(plain), tuple(along), plain.groups.splits
    return (kind, "ramp") if isinstance(penalty, Annealed) and penalty.of_ramp else kind
