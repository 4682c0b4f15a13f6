"""Noise that a schedule strengthens and weakens: early dropout, late dropout, and any other."""

from __future__ import annotations

from typing import Any, Self, final

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from bridle.errors import UsageError
from bridle.noise.masks import Multiplier
from bridle.noise.protocol import KeepProb, Scaling, Spot
from bridle.schedules import LinearSchedule, Schedule, StepSchedule

__all__ = ["Scheduled", "early_dropout", "late_dropout"]


@final
class Scheduled(Multiplier):
    """A noise whose probability to drop is multiplied by a schedule's factor.

    The step is the one in the mask's address, so that nothing is to be counted or saved: in
    :class:`bridle.Network` it is the training step, and with :func:`bridle.regularize` the
    training pass of that place. Prediction is the identity, exactly, at every step.

    Parameters
    ----------
    noise : Dropout, SpatialDropout, GaussianDropout, AlphaDropout, FeatureAlphaDropout, DropPath, \
            LockedDropout, DropConnect or WeightDrop
        At factor 1; inverted.
    schedule : Schedule
        Its factors must leave something: drop_prob times the highest is below 1.

    Raises
    ------
    UsageError
        If the noise cannot change, or a factor is too large.

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
            raise UsageError(f"{noise} learns its rate, which a schedule cannot give too")
        if not noise.inverted or noise.shared:
            raise UsageError(
                f"{noise} cannot be scheduled: give an inverted one that is not shared, since "
                "prediction would depend on the step, or the step's network on it"
            )
        if not isinstance(schedule, Schedule):
            raise UsageError(
                f"{schedule!r} is no schedule; give one such as "
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
        """Whether the noise takes ``relu`` and ``bias`` too."""
        return self.noise.fuses_relu

    @property
    def multiplies(self) -> bool:  # type: ignore[override]
        """Whether training only multiplies."""
        return self.noise.multiplies

    @property
    def drawn_keep_prob(self) -> KeepProb:
        """The probability to keep at factor 1, as drawn."""
        return self.noise.drawn_keep_prob

    def keep_at(self, address: Tensor) -> KeepProb:
        """Return the probability to keep at an address."""
        drop = 1 - self.noise.keep_prob
        alone = address.ndim == 1 and not isinstance(drop, Tensor)
        if alone and address.device.type == "cpu" and not torch.compiler.is_compiling():
            return 1 - drop * self.schedule(int(address[2]))
        factors = self.schedule.factors(address[..., 2].reshape(-1))
        if isinstance(drop, Tensor):
            drop = drop.to(factors.device)
        return 1 - drop * factors

    def now(self, address: Tensor) -> Multiplier:
        """Return the noise as it is at an address."""
        return self.noise.keeping(self.keep_at(address))

    def train(self, x: Tensor, address: Tensor, **options: Any) -> Tensor:
        """Return ``x`` with the noise as strong as it is at that address.

        Parameters
        ----------
        x, address
            As the noise has them.
        **options
            The noise's own.
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
        """Return ``x``, the very same tensor."""
        return self.noise.predict(x)

    def take(self, members: Tensor) -> Self:
        """Return the noise of some members (int64 ``[count]``) of the population."""
        return type(self)(self.noise.take(members), self.schedule)

    def rescaled(self, scaling: Scaling) -> Self:
        """Return the noise itself: as it changes, it has no classic form."""
        return super().rescaled(scaling)

    def placed(self, spot: Spot) -> Self:
        """Return the noise for one place of a model."""
        return type(self)(self.noise.placed(spot), self.schedule)

    def rows_of(self, x: Tensor) -> int:
        """Return how many rows (examples) an input has."""
        return self.noise.rows_of(x)


def early_dropout(noise: Multiplier, *, steps: int, decay: str = "linear") -> Scheduled:
    """Let a noise act in the first steps only, against underfitting (Liu et al. 2023).

    Dropout at the start of training makes the gradients of different batches agree more, and a
    network that underfits ends with a lower training loss. It is for any noise: of ``DropPath`` it
    makes early stochastic depth.

    Parameters
    ----------
    noise : Dropout or another
        As at step 0; inverted.
    steps : int
        Training passes until nothing is dropped any more; the paper takes the first sixth.
    decay : {"linear", "constant"}
        Down to 0 in a straight line, as the paper prefers; or as at step 0 until then.

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
        raise UsageError(f"decay is {decay!r}; it is 'linear' or 'constant'")
    linear = LinearSchedule(1.0, 0.0, steps=steps)
    return Scheduled(noise, linear if decay == "linear" else StepSchedule({0: 1.0, steps: 0.0}))


def late_dropout(noise: Multiplier, *, steps: int) -> Scheduled:
    """Let a noise begin after some steps, against overfitting (Liu et al. 2023).

    Parameters
    ----------
    noise : Dropout or another
        As after these steps; inverted.
    steps : int
        Training passes without noise.

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
