"""Probabilities at a temperature."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["tempered"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def tempered(shares: FloatArray, temperature: float) -> FloatArray:
    """Return probabilities at a temperature: ``p ** (1 / temperature)``, normalized.

    The order of the classes does not change. The temperature of a network's outputs (Guo et al.
    2017) is the same; this one also suits probabilities that are averages of several networks.

    Parameters
    ----------
    shares : float64 ``[..., classes]``
        Probabilities.
    temperature : float
        Below 1 the result is more extreme, above 1 more even. At 1 it is ``shares`` itself.

    Examples
    --------
    >>> tempered(np.array([[0.2, 0.8]]), 0.5).round(3).tolist()
    [[0.059, 0.941]]
    """
    if temperature == 1.0 or not shares.size:
        return shares
    # the largest is 1 before and after the power, so that nothing but the negligible underflows
    powers: FloatArray = (shares / shares.max(-1, keepdims=True)) ** (1 / temperature)
    return powers / powers.sum(-1, keepdims=True)
