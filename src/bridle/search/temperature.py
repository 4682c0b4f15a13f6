"""The temperature of a model's averaged probabilities, fitted on rows that were held out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from bridle.statistics.grouped import FEWEST_GROUPS, error_of_mean

__all__ = ["Temperature", "fit_temperature", "temperature_text"]

IntArray = np.ndarray[Any, np.dtype[Any]]

_LIMIT = math.log(20.0)  # of the logarithm of the temperature, to both sides
_ERROR = 1e-4  # of that logarithm


@dataclass(frozen=True)
class Temperature:
    """The temperature of the averaged probabilities (Guo et al. 2017).

    They are raised to the power ``1 / value`` and normalized. The predicted classes do not change.

    Attributes
    ----------
    value : float
        Below 1 probabilities become more extreme, above 1 more even; 1 changes nothing.
    loss_before, loss_after : float
        The log loss of the held-out rows at temperature 1 and at ``value``.
    """

    value: float
    loss_before: float
    loss_after: float


def temperature_text(found: Temperature) -> str:
    """Return what the temperature does to the probabilities, in words.

    A temperature of 1 may also mean that the rows have too few groups, or that one above 1 was not
    accepted; see :func:`fit_temperature`.

    Examples
    --------
    >>> temperature_text(Temperature(0.5, 0.41, 0.32))
    '0.5, more extreme probabilities: log loss of the held-out rows from 0.41 to 0.32'
    >>> temperature_text(Temperature(1.0, 0.41, 0.41))
    '1, unchanged: no other was accepted on the held-out rows'
    """
    if found.value == 1.0:
        return "1, unchanged: no other was accepted on the held-out rows"
    way = "extreme" if found.value < 1 else "even"
    for digits in range(3, 10):  # as many as show the difference
        before, after = (f"{each:.{digits}g}" for each in (found.loss_before, found.loss_after))
        if before != after:
            break
    for digits in range(3, 10):  # as many as show that it is not 1
        value = f"{found.value:.{digits}g}"
        if value != "1":
            break
    losses = f"from {before} to {after}"
    return f"{value}, more {way} probabilities: log loss of the held-out rows {losses}"


def fit_temperature(
    outputs: Tensor, y: Tensor, groups: IntArray | None = None, *, averages_more: bool = False
) -> Temperature:
    """Return the temperature with the lowest log loss, or 1 if it gains no more than its error.

    Below 5 groups it is 1.

    Parameters
    ----------
    outputs : Tensor
        ``[networks, rows, classes]``: the outputs of the networks that held each row out. The
        temperature is that of the average of their probabilities.
    y : Tensor
        int64 ``[rows]``.
    groups : int64 array ``[rows]``, optional
        The group of each row. The standard error of the gain is then that of new groups.
    averages_more : bool
        Whether the model averages more networks than held a row out, such as those of all folds.
        Its probabilities are then more even than those that are seen here, so that a temperature
        above 1 is not accepted.

    Examples
    --------
    >>> import torch
    >>> y = torch.arange(400) % 2
    >>> outputs = torch.nn.functional.one_hot(y, 2).double()[None]  # 73 %, and always right
    >>> fit_temperature(outputs, y).value < 0.1
    True
    >>> fit_temperature(outputs * 0, y).value
    1.0
    """
    from scipy.optimize import minimize_scalar  # takes long to import

    shares = outputs.double().log_softmax(-1).logsumexp(0)  # logarithms, up to a constant

    def losses(log_temperature: float) -> Tensor:
        logs = (shares * math.exp(-log_temperature)).log_softmax(-1)
        return -logs.gather(1, y[:, None])[:, 0]

    best = minimize_scalar(
        lambda at: float(losses(at).mean()),
        bounds=(-_LIMIT, 0.0 if averages_more else _LIMIT),
        method="bounded",
        options={"xatol": _ERROR},
    ).x
    before, after = losses(0.0), losses(best)
    gains = (before - after).numpy()
    gain = float(gains.mean())
    error = (
        float(gains.std(ddof=1)) / math.sqrt(len(gains))
        if groups is None
        else error_of_mean(gains - gain, groups)
    )
    few = groups is not None and len(np.unique(groups)) < FEWEST_GROUPS
    if few or not gain > error:  # also if either is NaN
        return Temperature(1.0, float(before.mean()), float(before.mean()))
    return Temperature(math.exp(best), float(before.mean()), float(after.mean()))
