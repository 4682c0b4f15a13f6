"""One trial of a search: a configuration with its evaluations and its state."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bridle.search.configuration import Configuration
from bridle.search.job import Arrays, TrialResult

__all__ = ["PLAIN_ID", "Trial"]

PLAIN_ID = 0
"""The id of the trial without regularization, which every search has."""


@dataclass
class Trial:
    """One configuration of a search, and the results of its jobs so far."""

    id: int
    configuration: Configuration
    rung: int = -1
    steps: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    fold_scores: tuple[float, ...] = ()
    state: Arrays | None = field(default=None, repr=False)

    @property
    def best(self) -> tuple[float, float]:
        """The best score and its negative loss; of equal scores, the one with the lowest loss."""
        pairs = zip(self.scores, self.losses, strict=True)
        return max(((s, -x) for s, x in pairs), default=(-math.inf, -math.inf))

    @property
    def best_step(self) -> int:
        """The step of the best evaluation, whose weights are kept."""
        pairs = [(s, -x) for s, x in zip(self.scores, self.losses, strict=True)]
        return self.steps[pairs.index(self.best)]

    @property
    def first_score(self) -> float:
        """The best score of the first rung, which is equally long for all trials."""
        count = max(1, len(self.scores) // (self.rung + 1))
        return max(self.scores[:count])

    @property
    def failed(self) -> bool:
        """Whether its outputs were not finite."""
        return bool(self.scores) and not math.isfinite(self.scores[-1])

    def record(self, result: TrialResult, rung: int) -> None:
        """Add the result of a job in a rung."""
        self.rung = rung
        self.steps += result.steps
        self.scores += result.scores
        self.losses += result.losses
        self.fold_scores = result.fold_scores
        self.state = result.state
