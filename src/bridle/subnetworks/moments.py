"""``EnsemblePrediction``, and the running moments that it is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.objectives import CrossEntropy, Objective, SquaredError, objective_of

__all__ = ["EnsemblePrediction", "Mean", "Moments", "is_classification"]

Mean = Literal["arithmetic", "geometric"]


@dataclass(frozen=True, eq=False)
class EnsemblePrediction:
    """The mean over subnetworks and their spread; float64, on the network's device.

    Attributes
    ----------
    mean : Tensor
        ``[members, rows, outputs]``: class probabilities, or predicted targets.
    std : Tensor
        In the same shape: the standard deviation over the subnetworks around their arithmetic
        mean, with divisor k (or weighted by their probabilities).
    entropy : Tensor or None
        ``[members, rows]``, classification only: the entropy of the arithmetic mean, in nats.
    mutual_information : Tensor or None
        ``[members, rows]``, classification only: ``entropy`` minus the mean entropy of the
        subnetworks, in nats. It is the part of the uncertainty that comes from disagreement
        between the subnetworks (Houlsby et al. 2011).
    subnetworks : int
        The number of subnetworks of each member.
    """

    mean: Tensor
    std: Tensor
    entropy: Tensor | None
    mutual_information: Tensor | None
    subnetworks: int

    def distance(self, scores: Tensor) -> Tensor:
        """Return the distance of other outputs from ``mean``, ``[members, rows]``.

        For ``bridle.predict(network, X)``, it is the distance of one weight-scaled pass from the
        mean.

        Parameters
        ----------
        scores : Tensor
            A network's outputs, ``[members, rows, outputs]``.

        Returns
        -------
        Tensor
            Classification: the total variation distance of the probabilities, ½ Σ|p - q|, from 0
            to 1. Regression: the largest absolute difference in each row.
        """
        if self.entropy is None:
            return (self.mean - scores.double()).abs().amax(-1)
        return (self.mean - scores.double().softmax(-1)).abs().sum(-1) / 2


def is_classification(objective: str | Objective, mean: str) -> bool:
    """Return True for classification, False for regression; raise a UsageError otherwise."""
    known = objective_of(objective)
    if not isinstance(known, CrossEntropy | SquaredError):
        raise UsageError(
            f"the objective is {known.name!r}; an ensemble needs 'cross_entropy' (classification) "
            "or 'squared_error' (regression)"
        )
    if mean not in ("arithmetic", "geometric"):
        raise UsageError(f"mean is {mean!r}; it must be 'arithmetic' or 'geometric'")
    classification = isinstance(known, CrossEntropy)
    if mean == "geometric" and not classification:
        raise UsageError(
            "mean is 'geometric', which needs probabilities, but the objective is "
            f"{known.name!r}: use mean='arithmetic'"
        )
    return classification


class Moments:
    """Running moments over the subnetworks of one member, for a batch of rows, in float64.

    Chunks are merged by the method of Chan et al. (1983). It stays accurate for many subnetworks,
    and for a spread that is small compared with the mean.
    """

    def __init__(self, *, classification: bool) -> None:
        self.classification = classification
        self._weight = 0.0
        self._mean = self._square = self._logs = self._own = torch.zeros((), dtype=torch.float64)

    def add(self, scores: Tensor, weight: Tensor | None = None) -> None:
        """Add scores ``[subnetworks, outputs, rows]`` with weights ``[subnetworks]``."""
        share = scores.new_ones(len(scores)) if weight is None else weight
        share = share.double()
        total = float(share.sum())
        if total == 0:
            return
        share = share / total
        values = scores
        grown = total / (self._weight + total)
        if self.classification:
            logs = scores.log_softmax(1)
            values = logs.exp()
            own = -torch.xlogy(values, values).sum(1)
            self._own = torch.lerp(self._own, _average(own, share), grown)
            self._logs = torch.lerp(self._logs, _average(logs, share), grown)
        mean = _average(values, share)
        square = _average((values - mean).square_(), share)
        apart = mean - self._mean
        self._square = torch.lerp(self._square, square, grown) + apart.square() * (
            grown * (1 - grown)
        )
        self._mean = self._mean + apart * grown
        self._weight += total

    def mean(self, kind: Mean) -> Tensor:
        """Return the mean, ``[rows, outputs]``."""
        return (self._mean if kind == "arithmetic" else self._logs.softmax(0)).T

    def std(self) -> Tensor:
        """Return the standard deviation, ``[rows, outputs]``."""
        return self._square.sqrt().T

    def entropies(self) -> Tensor:
        """Return entropy and mutual information (classification only), ``[2, rows]``."""
        whole = -torch.xlogy(self._mean, self._mean).sum(0)
        return torch.stack([whole, (whole - self._own).clamp(min=0)])


def _average(values: Tensor, share: Tensor) -> Tensor:
    return torch.tensordot(share, values.double(), dims=1)
