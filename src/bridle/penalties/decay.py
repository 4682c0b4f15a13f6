"""``WeightDecay``: decoupled decay, cautious or not, whose strength follows a schedule."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from bridle.errors import UsageError, flag_of
from bridle.penalties.protocol import check_strength
from bridle.schedules import Schedule

__all__ = ["WeightDecay"]

SCALES = ("lr", "schedule", "corrected", "constant")


@final
class WeightDecay:
    """Decoupled weight decay: each step of an optimizer takes a share of the weights away.

    It is no penalty: it has no value and no gradient. A step from w with the optimizer's own
    change u (the learning rate included) becomes ``w - u - s w``, as in torch's AdamW with
    ``s = lr λ``. :func:`bridle.attach` and :func:`bridle.regularize` take it as a rule beside
    penalties, for any optimizer.

    Parameters
    ----------
    strength : float
        λ, 0 or more.
    cautious : bool
        Decay only the weights that the optimizer does not move away from zero:
        ``w - u - s 1[u w ≥ 0] w`` (Chen et al. 2025, arXiv:2510.12402). The minimum of the loss
        then stays a point of rest, because the decay opposes no step.
    scale : {"lr", "schedule", "corrected", "constant"}
        What the share s of one step is, at the learning rate η whose peak is H:

        - "lr": ``s = η λ``, as torch and Keras mean ``weight_decay``.
        - "schedule": ``s = λ η / H``, so that λ is the share at the peak, whatever the peak is
          (Loshchilov & Hutter 2019, Algorithm 2, whose decay follows the schedule alone).
        - "corrected": ``s = λ η² / H``. It keeps the balance of gradients and weights in layers
          that a normalization follows, while the learning rate falls (Defazio 2025,
          arXiv:2506.02285); meant for the weights of these layers.
        - "constant": ``s = λ``, whatever the learning rate is.
    peak_lr : float, optional
        H, for "schedule" and "corrected". Default: ``max_lr`` of the parameter group, which
        ``OneCycleLR`` sets, else its ``initial_lr``, which every scheduler of torch sets, else its
        learning rate at the first step. The first step writes it into the parameter group, so that
        it is saved with the optimizer.
    schedule : Schedule, optional
        A factor on λ for each step since the attachment; see :class:`bridle.LinearSchedule`.

    Raises
    ------
    UsageError
        If an argument is out of range. A step raises it if the learning rate is above the peak, or
        if the share is above 1.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> _ = torch.nn.init.ones_(model.weight)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> rules = {"*": bridle.WeightDecay(0.5, cautious=True)}
    >>> attached = bridle.attach(optimizer, rules, model=model)
    >>> model.weight.grad = torch.tensor([[1.0, -1.0]])
    >>> optimizer.step()  # the second weight grows by its gradient, and is not decayed
    >>> model.weight.data
    tensor([[0.8500, 1.1000]])
    """

    def __init__(
        self,
        strength: float,
        *,
        cautious: bool = False,
        scale: str = "lr",
        peak_lr: float | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        self.strength = float(check_strength("strength", float(strength)))
        if scale not in SCALES:
            raise UsageError(
                f"scale is {scale!r}; it must be one of {', '.join(map(repr, SCALES))}"
            )
        if scale in ("schedule", "constant") and self.strength > 1:
            raise UsageError(
                f"strength is {self.strength:g}, but with scale={scale!r} it is the share of the "
                "weights that one step takes away: give 1 or less"
            )
        if peak_lr is not None:
            if scale not in ("schedule", "corrected"):
                raise UsageError(f"peak_lr has no meaning with scale={scale!r}: leave it out")
            check_strength("peak_lr", peak_lr, positive=True)
        if schedule is not None and not isinstance(schedule, Schedule):
            raise UsageError(
                f"{schedule!r} is not a schedule; give one such as "
                "bridle.LinearSchedule(0.0, 1.0, steps=1000)"
            )
        self.cautious = flag_of("cautious", cautious)
        self.scale = scale
        self.peak_lr = peak_lr
        self.schedule = schedule

    def __repr__(self) -> str:
        given = {
            "cautious": self.cautious or None,
            "scale": None if self.scale == "lr" else self.scale,
            "peak_lr": self.peak_lr,
            "schedule": self.schedule,
        }
        parts = [f"{name}={value!r}" for name, value in given.items() if value is not None]
        return f"WeightDecay({', '.join([f'{self.strength:g}', *parts])})"

    @property
    def needs_peak(self) -> bool:
        """Whether the share depends on the highest learning rate."""
        return self.scale in ("schedule", "corrected")

    def share(self, lr: float, *, peak_lr: float | None = None, step: int = 0) -> float:
        """Return the share of the weights that one step takes away.

        Parameters
        ----------
        lr : float
            The learning rate of the step.
        peak_lr : float, optional
            The highest one; "schedule" and "corrected" need it. Default: the rule's.
        step : int
            The number of steps before, for the schedule.

        Raises
        ------
        UsageError
            If the peak is missing or below the learning rate, or if the share is above 1.

        Examples
        --------
        >>> import bridle
        >>> [bridle.WeightDecay(0.1, scale=scale).share(0.02, peak_lr=0.04)
        ...  for scale in ("lr", "schedule", "corrected", "constant")]
        [0.002, 0.05, 0.001, 0.1]
        """
        share = self.strength
        if self.needs_peak:
            share *= self._part_of_peak(lr, self.peak_lr if peak_lr is None else peak_lr)
        if self.scale in ("lr", "corrected"):
            share *= lr
        if self.schedule is not None:
            share *= self.schedule(step)
        if share > 1:
            raise UsageError(
                f"{self} would take {share:.3g} times each weight away in one step, at the "
                f"learning rate {lr:g}: give a smaller strength"
            )
        return share

    def _part_of_peak(self, lr: float, peak: float | None) -> float:
        if peak is None:
            raise UsageError(f"scale={self.scale!r} needs the highest learning rate: give peak_lr")
        if lr > peak * (1 + 1e-6):
            raise UsageError(
                f"the learning rate is {lr:g}, above its peak {peak:g}, which {self} refers to: "
                "give the highest learning rate of the schedule as peak_lr"
            )
        return lr / peak if peak else 0.0

    def taken(self, weight: Tensor, update: Tensor, share: float) -> Tensor:
        """Return what one step takes away from a weight, beside the optimizer's update.

        Parameters
        ----------
        weight : Tensor
            The weight before the step.
        update : Tensor
            What the optimizer subtracted from it.
        share : float
            From :meth:`share`.

        Returns
        -------
        Tensor
            ``s w``; with ``cautious``, 0 where the update has the opposite sign of the weight.

        Examples
        --------
        >>> import torch, bridle
        >>> rule = bridle.WeightDecay(0.5, cautious=True)
        >>> rule.taken(torch.tensor([1.0, -2.0, 3.0]), torch.tensor([-0.1, -0.1, 0.0]), 0.5)
        tensor([ 0.0000, -1.0000,  1.5000])
        """
        taken = weight * share
        if self.cautious:  # of the signs, because a product of small numbers can round to 0
            taken = torch.where(weight.sign() * update.sign() < 0, torch.zeros_like(taken), taken)
        return taken
