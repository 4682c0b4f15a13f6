"""Noise with a schedule: early dropout, late dropout, and any other change of its rate."""

from __future__ import annotations

from typing import Any, Self, final

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from bridle.errors import UsageError
from bridle.noise.base import Multiplier
from bridle.noise.protocol import KeepProb, Scaling, Spot
from bridle.schedules import LinearSchedule, Schedule, StepSchedule

__all__ = ["Scheduled", "early_dropout", "late_dropout"]


@final
class Scheduled(Multiplier):
    """A noise whose drop probability is multiplied by the factor of a schedule.

    The step is the one in the mask's address, so no extra counter has to be saved. In
    :class:`bridle.Network` it is the training step. With :func:`bridle.regularize` it counts the
    forward passes of that place in training. Prediction is exactly the identity at every step.

    Parameters
    ----------
    noise : Dropout, SpatialDropout, GaussianDropout, AlphaDropout, FeatureAlphaDropout, DropPath, \
            LockedDropout, DropConnect or WeightDrop
        The noise at factor 1, with inverted scaling.
    schedule : Schedule
        The highest factor times drop_prob must stay below 1.

    Raises
    ------
    UsageError
        If the noise cannot be scheduled, or a factor is too large.

    Examples
    --------
    >>> import torch, bridle
    >>> noise = bridle.Scheduled(
    ...     bridle.Dropout(drop_prob=0.5), bridle.LinearSchedule(0.0, 1.0, steps=4)
    ... )
    >>> [noise.keep_at(bridle.address_of(seed=0, step=step)) for step in (0, 2, 4, 9)]
    [1.0, 0.75, 0.5, 0.5]
    """

    def __init__(self, noise: Multiplier, schedule: Schedule) -> None:
        if not isinstance(noise, Multiplier) or isinstance(noise, Scheduled):
            raise UsageError(
                f"{noise!r} cannot be scheduled; give a noise such as bridle.Dropout(keep_prob=0.5)"
            )
        if noise.learned is not None:
            raise UsageError(f"{noise} learns its rate; give a noise with a fixed probability")
        if not noise.inverted or noise.shared:
            raise UsageError(
                f"{noise} cannot be scheduled; give one with scaling='inverted' and a mask that is "
                "not shared"
            )
        if not isinstance(schedule, Schedule):
            raise UsageError(
                f"{schedule!r} is not a schedule; give one such as "
                "bridle.LinearSchedule(0.0, 1.0, steps=1000)"
            )
        most = float(torch.as_tensor(1 - noise.keep_prob).max()) * schedule.highest
        if most >= 1:
            raise UsageError(
                f"{schedule} times the drop_prob of {noise} reaches {most:g}; it must stay below 1"
            )
        self.noise = noise
        self.schedule = schedule
        self._keep_prob = noise.keep_prob

    def __repr__(self) -> str:
        return f"Scheduled({self.noise}, {self.schedule})"

    @property
    def fuses_relu(self) -> bool:  # type: ignore[override]
        """Whether ``train`` also accepts ``relu`` and ``bias``."""
        return self.noise.fuses_relu

    @property
    def multiplies(self) -> bool:  # type: ignore[override]
        """Whether training only multiplies."""
        return self.noise.multiplies

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The keep probability of the masks at factor 1."""
        return self.noise.drawn_keep_prob

    def keep_at(self, address: Tensor) -> KeepProb:
        """Return the keep probability at an address."""
        drop = 1 - self.noise.keep_prob
        alone = address.ndim == 1 and not isinstance(drop, Tensor)
        if alone and address.device.type == "cpu" and not torch.compiler.is_compiling():
            return 1 - drop * self.schedule(int(address[2]))
        factors = self.schedule.factors(address[..., 2].reshape(-1))
        if isinstance(drop, Tensor):
            drop = drop.to(factors.device)
        return 1 - drop * factors

    def now(self, address: Tensor) -> Multiplier:
        """Return the noise with the strength that it has at an address."""
        return self.noise.keeping(self.keep_at(address))

    def train(self, x: Tensor, address: Tensor, **options: Any) -> Tensor:
        """Return ``x`` with the noise, at the strength of the address's step.

        Parameters
        ----------
        x, address
            As in the noise's own ``train``.
        **options
            Further arguments of the noise's ``train``.
        """
        return self.now(address).train(x, address, **options)

    def linear(self, x: Tensor, weight: Tensor, address: Tensor, **options: Any) -> Tensor:
        """Return ``x`` times the masked weights; see :meth:`bridle.DropConnect.linear`."""
        noise: Any = self.now(address)
        return noise.linear(x, weight, address, **options)

    def train_packed(
        self, x: PackedSequence, address: Tensor, *, rank: int = 0, processes: int = 1
    ) -> Tensor:
        """Return the data of packed sequences with noise."""
        return self.now(address).train_packed(x, address, rank=rank, processes=processes)

    def predict(self, x: Tensor) -> Tensor:
        """Return ``x`` itself."""
        return self.noise.predict(x)

    def take(self, members: Tensor) -> Self:
        """Return the noise of some members (int64 ``[count]``) of the population."""
        return type(self)(self.noise.take(members), self.schedule)

    def rescaled(self, scaling: Scaling) -> Self:
        """Return the noise itself; a scheduled noise has no classic form."""
        return super().rescaled(scaling)

    def placed(self, spot: Spot) -> Self:
        """Return the noise adapted to one place of a model."""
        return type(self)(self.noise.placed(spot), self.schedule)

    def rows_of(self, x: Tensor) -> int:
        """Return the number of rows (examples) of an input."""
        return self.noise.rows_of(x)


def early_dropout(noise: Multiplier, *, steps: int, decay: str = "linear") -> Scheduled:
    """Apply a noise in the first steps only, against underfitting (Liu et al. 2023).

    Dropout at the start of training makes the gradients of different batches more alike, and a
    network that underfits then reaches a lower training loss. Any noise can be used; with
    ``DropPath`` this is early stochastic depth.

    Parameters
    ----------
    noise : Dropout or another
        The noise at step 0, with inverted scaling.
    steps : int
        Training steps until the noise is off; the paper uses the first sixth of training.
    decay : {"linear", "constant"}
        "linear" lowers the drop probability to 0 in a straight line, which the paper prefers.
        "constant" keeps it until the last of these steps.

    Returns
    -------
    Scheduled

    Raises
    ------
    UsageError
        If an argument is out of range.

    Examples
    --------
    >>> import bridle
    >>> noise = bridle.early_dropout(bridle.Dropout(drop_prob=0.5), steps=100)
    >>> [noise.keep_at(bridle.address_of(seed=0, step=step)) for step in (0, 50, 100)]
    [0.5, 0.75, 1.0]
    """
    if steps < 1:
        raise UsageError(f"steps is {steps}; it must be 1 or more")
    if decay not in ("linear", "constant"):
        raise UsageError(f"decay is {decay!r}; it must be 'linear' or 'constant'")
    linear = LinearSchedule(1.0, 0.0, steps=steps)
    return Scheduled(noise, linear if decay == "linear" else StepSchedule({0: 1.0, steps: 0.0}))


def late_dropout(noise: Multiplier, *, steps: int) -> Scheduled:
    """Apply a noise only after some steps, against overfitting (Liu et al. 2023).

    Parameters
    ----------
    noise : Dropout or another
        The noise after these steps, with inverted scaling.
    steps : int
        Training steps without noise.

    Returns
    -------
    Scheduled

    Raises
    ------
    UsageError
        If an argument is out of range.

    Examples
    --------
    >>> import bridle
    >>> noise = bridle.late_dropout(bridle.Dropout(drop_prob=0.5), steps=100)
    >>> [noise.keep_at(bridle.address_of(seed=0, step=step)) for step in (0, 99, 100)]
    [1.0, 1.0, 0.5]
    """
    if steps < 1:
        raise UsageError(f"steps is {steps}; it must be 1 or more")
    return Scheduled(noise, StepSchedule({0: 0.0, steps: 1.0}))
