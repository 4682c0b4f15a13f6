"""What was measured of the network itself: layers, subnetworks, memorization."""

from __future__ import annotations

from dataclasses import dataclass

from bridle.statistics.scores import Estimate

__all__ = [
    "LayerState",
    "ShuffledLabels",
    "Subnetworks",
]


@dataclass(frozen=True)
class LayerState:
    """The weights of one layer.

    Attributes
    ----------
    name : str
    inputs, units : int
        What one unit reads, and how many units there are.
    members : int
        How many networks the counts below are summed over.
    weights, zeros : int
        How many weights there are, and how many are exactly 0.
    dead_units : int
        Units that no row can switch on or that nothing reads: all weights that enter or all that
        leave are exactly 0.
    silent_units : int, optional
        Units whose output is 0 for every row that was looked at, the dead ones included; None
        where outputs cannot be seen.
    """

    name: str
    inputs: int
    units: int
    members: int
    weights: int
    zeros: int
    dead_units: int
    silent_units: int | None


@dataclass(frozen=True)
class Subnetworks:
    """Weight scaling beside the average that it stands for, of subnetworks drawn by the noise.

    Attributes
    ----------
    part : {"training", "held out", "test"}
    masks : int
        How many subnetworks were averaged.
    difference : Estimate
        The mean absolute difference of probabilities (of values: in standard deviations of the
        truth) between weight scaling and the average, over rows and outputs.
    standard_error : float
        Of the difference, over rows.
    sampling : float
        What the difference would be if weight scaling were exact: the average of so many
        subnetworks alone is off by so much.
    scaled_score, averaged_score : float
        The score of either.
    scaled_loss, averaged_loss : float, optional
        The mean loss of either.
    spread : float
        The standard deviation of one subnetwork's probability (or value) about the average.
    """

    part: str
    masks: int
    difference: Estimate
    standard_error: float
    sampling: float
    scaled_score: float
    averaged_score: float
    scaled_loss: float | None
    averaged_loss: float | None
    spread: float


@dataclass(frozen=True)
class ShuffledLabels:
    """How much the subject can memorise: trained again on permuted targets (Zhang et al. 2017).

    Attributes
    ----------
    training : float
        Its score on the very targets that it was trained on, which nothing explains.
    baseline : float
        The score of the best constant guess on them.
    memorised : float
        (training - baseline) / (1 - baseline): 0 nothing, 1 every row.
    rows : int
        How many rows it was trained on.
    how : str
        How it was trained again, in words.
    """

    training: float
    baseline: float
    memorised: float
    rows: int
    how: str
