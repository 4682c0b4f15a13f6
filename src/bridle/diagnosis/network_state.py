"""Records on the network itself: layers, subnetworks and memorization."""

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
        Number of inputs per unit, and number of units.
    members : int
        Number of networks that the counts below are summed over.
    weights, zeros : int
        Number of weights, and number of weights that are exactly 0.
    dead_units : int
        Number of units whose incoming weights or whose outgoing weights are all exactly 0.
    silent_units : int, optional
        Number of units whose output is 0 for every examined row, including dead units; None if
        outputs are not available.
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
    """Weight scaling compared with the average over sampled subnetworks, which it approximates.

    Attributes
    ----------
    part : {"training", "held out", "test"}
    masks : int
        Number of averaged subnetworks.
    difference : Estimate
        Mean absolute difference between weight scaling and the average, over rows and outputs: of
        probabilities; for regression, in standard deviations of the target.
    standard_error : float
        Standard error of the difference, over rows.
    sampling : float
        The expected difference if weight scaling were exact, due to the finite number of
        subnetworks.
    scaled_score, averaged_score : float
        The scores of weight scaling and of the average.
    scaled_loss, averaged_loss : float, optional
        The mean losses of weight scaling and of the average, at the model's temperature. The
        differences and the spread are of the probabilities without it.
    spread : float
        Standard deviation of a single subnetwork's probability (or prediction) around the average.
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

    @property
    def differs(self) -> bool:
        """Whether weight scaling differs from the average by more than sampling explains."""
        return self.difference.low > self.sampling

    @property
    def averages_better(self) -> bool:
        """Whether the average has a lower mean loss, if there are losses."""
        scaled, averaged = self.scaled_loss, self.averaged_loss
        return scaled is not None and averaged is not None and averaged < scaled


@dataclass(frozen=True)
class ShuffledLabels:
    """How much the model can memorize: it is trained on permuted targets (Zhang et al. 2017).

    Attributes
    ----------
    training : float
        The score on the permuted targets that it was trained on.
    baseline : float
        The score of the best constant prediction on these targets.
    memorised : float
        (training - baseline) / (1 - baseline): 0 for nothing, 1 for every row. 0 if it is worse
        than the constant.
    rows : int
        Number of training rows.
    how : str
        How it was trained, in words.
    """

    training: float
    baseline: float
    memorised: float
    rows: int
    how: str
