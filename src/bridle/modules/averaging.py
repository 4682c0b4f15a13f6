"""Averages of weights over training that keep exact zeros."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bridle.errors import RegularizationWarning, UsageError

__all__ = ["SupportAverage", "warn_of_lost_zeros"]

_COARSEST = 1e-6  # of float32 it is 1.2e-7, of float16 and bfloat16 1e-3 and 8e-3


@dataclass(frozen=True)
class SupportAverage:
    """Averages weights over training, and keeps the support (the nonzero entries) of the newest.

    For ``avg_fn`` of :class:`torch.optim.swa_utils.AveragedModel`. L1 and the group lasso give
    exact zeros at each step, but not always the same ones, and an average is zero only where all
    averaged weights are. Here, an entry is zero where the newest weight is zero. An entry that is
    nonzero again starts its average anew from the newest weight.

    Parameters
    ----------
    decay : float, optional
        From 0 to below 1: the exponential moving average ``decay · average + (1 - decay) · w``.
        Default: the mean of all weights with equal shares, as in stochastic weight averaging
        (Izmailov et al. 2018).

    Raises
    ------
    UsageError
        If ``decay`` is out of range; or, at an update, if the average is in float16 or bfloat16, in
        which it would stand still. ``AveragedModel(model, avg_fn=...).float()`` averages the
        weights of such a model in float32.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch.optim.swa_utils import AveragedModel
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> averaged = AveragedModel(model, avg_fn=bridle.SupportAverage(decay=0.5))
    >>> for weights in ([[4.0, 1.0]], [[2.0, 0.0]]):
    ...     model.weight.data = torch.tensor(weights)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.tolist()
    [[3.0, 0.0]]
    """

    decay: float | None = None

    def __post_init__(self) -> None:
        if self.decay is not None and not 0 <= self.decay < 1:
            raise UsageError(f"decay is {self.decay!r}; give a number from 0 to below 1")

    def __call__(self, averaged: Tensor, newest: Tensor, count: Tensor | int) -> Tensor:
        """Return the average that includes the newest weights.

        Parameters
        ----------
        averaged, newest : Tensor
            The average so far and the newest weights, in one shape. Integers are not averaged.
        count : Tensor or int
            How many weights the average has so far.

        Returns
        -------
        Tensor
            In the dtype of ``averaged``.
        """
        if not (averaged.is_floating_point() or averaged.is_complex()):
            return newest
        if torch.finfo(averaged.dtype).eps > _COARSEST:
            raise UsageError(
                "the average of a weight or, with use_buffers=True, of a buffer is kept in "
                f"{str(averaged.dtype).removeprefix('torch.')}, where small shares of new values "
                "are rounded away and it stands still: keep it in float32, as "
                "AveragedModel(model, avg_fn=...).float(); the model itself may stay as it is"
            )
        share = 1 / (count + 1) if self.decay is None else 1 - self.decay
        mean = averaged + (newest - averaged) * share
        return torch.where((newest == 0) | (averaged == 0), newest, mean)


def warn_of_lost_zeros(model: nn.Module) -> None:
    """Warn if a model has averaged weights, in which exact zeros do not survive."""
    for module in model.modules():
        if not isinstance(module, AveragedModel) or int(module.n_averaged) < 2:
            continue
        if not isinstance(getattr(module, "avg_fn", None), SupportAverage):
            warnings.warn(
                f"the weights of {type(module).__name__} are averages over training, which are "
                "zero only where all averaged weights are: use "
                "AveragedModel(model, avg_fn=bridle.SupportAverage())",
                RegularizationWarning,
                stacklevel=3,
            )
