"""What an ensemble says: the mean of its subnetworks, and how far they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bridle.errors import UsageError
from bridle.networks.objectives import CrossEntropy, Objective, SquaredError, objective_of

__all__ = ["EnsemblePrediction", "Mean", "Moments", "kind_of"]

Mean = Literal["arithmetic", "geometric"]


@dataclass(frozen=True, eq=False)
class EnsemblePrediction:
    """The mean over subnetworks and its spread; float64, on the network's device.

    Attributes
    ----------
    mean : Tensor
        ``[members, rows, outputs]``: class probabilities, or values.
    std : Tensor
        Of the same shape: the standard deviation over the subnetworks, around their arithmetic
        mean, divided by their number (or by their probabilities).
    entropy : Tensor or None
        ``[members, rows]``, for classes: of the arithmetic mean, in nats.
    mutual_information : Tensor or None
        ``[members, rows]``, for classes: ``entropy`` minus the mean of the subnetworks' own
        entropies, in nats: how much of the doubt is disagreement (Houlsby et al. 2011).
    subnetworks : int
        How many of each member.
    """

    mean: Tensor
    std: Tensor
    entropy: Tensor | None
    mutual_information: Tensor | None
    subnetworks: int

    def distance(self, scores: Tensor) -> Tensor:
        """Return how far other outputs are from ``mean``, ``[members, rows]``.

        Of ``bridle.predict(network, X)``, it is how far one weight-scaled pass is from the average.

        Parameters
        ----------
        scores : Tensor
            A network's outputs, ``[members, rows, outputs]``.

        Returns
        -------
        Tensor
            For classes the total variation distance of the probabilities, ½ Σ|p - q|, from 0 to 1;
            for values the largest absolute difference of a row.
        """
        if self.entropy is None:
            return (self.mean - scores.double()).abs().amax(-1)
        return (self.mean - scores.double().softmax(-1)).abs().sum(-1) / 2


def kind_of(objective: str | Objective, mean: str) -> bool:
    """Return whether outputs are scores of classes, or raise a UsageError."""
    known = objective_of(objective)
    if not isinstance(known, CrossEntropy | SquaredError):
        raise UsageError(
            f"the objective is {known.name!r}; an ensemble averages the probabilities of "
            "'cross_entropy' or the values of 'squared_error'"
        )
    if mean not in ("arithmetic", "geometric"):
        raise UsageError(f"mean is {mean!r}; it is 'arithmetic' or 'geometric'")
    classes = isinstance(known, CrossEntropy)
    if mean == "geometric" and not classes:
        raise UsageError(
            "mean is 'geometric', which is for probabilities, and the objective is "
            f"{known.name!r}: use mean='arithmetic'"
        )
    return classes


class Moments:
    """Running moments over subnetworks of one member, on some rows, in float64.

    Parts merge as Chan et al. (1983) do, so that neither many subnetworks nor a small spread beside
    a large mean lose digits.
    """

    def __init__(self, *, classes: bool) -> None:
        self.classes = classes
        self._weight = 0.0
        self._mean = self._square = self._logs = self._own = torch.zeros((), dtype=torch.float64)

    def add(self, scores: Tensor, weight: Tensor | None = None) -> None:
        """Take in some subnetworks' scores ``[names, outputs, rows]``, weighted ``[names]``."""
        share = scores.new_ones(len(scores)) if weight is None else weight
        share = share.double()
        total = float(share.sum())
        if total == 0:
            return
        share = share / total
        values = scores
        grown = total / (self._weight + total)
        if self.classes:
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
        """Return, for classes, the entropy and the mutual information, ``[2, rows]``."""
        whole = -torch.xlogy(self._mean, self._mean).sum(0)
        return torch.stack([whole, (whole - self._own).clamp(min=0)])


def _average(values: Tensor, share: Tensor) -> Tensor:
    return torch.tensordot(share, values.double(), dims=1)
