"""The simulated truths of ``benchmarks/verdicts.py``: cases, and a world that generates rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from bridle import Network, predict, train_step

__all__ = ["CASES", "Case", "Scores", "World"]

INPUTS, TRUTH_ROWS, NOISE, BATCH = 6, 2**14, 0.6, 64
ALIKE = 0.7  # the correlation of an input within a group
SHARED = 1.0  # the standard deviation of what a group shares
Scores = dict[str, float]


@dataclass(frozen=True)
class Case:
    """Rows and a network; ``reference`` is another network on the same rows.

    ``shift`` lowers the log-odds, so that one class is rare. With a long tail, the noise of a
    regression is lognormal. With groups, rows come in groups of about that size: rows of one group
    resemble each other in their inputs, and share a part of the log-odds or of the mean; the
    truth is the score on rows of new groups.
    """

    name: str
    training: int
    new: int
    hidden: tuple[int, ...]
    steps: int
    reference: tuple[tuple[int, ...], int]
    signal: float = 1.0
    classification: bool = True
    shift: float = 0.0
    long_tail: bool = False
    group: int = 0


CASES = (
    Case("overfitting", 200, 200, (48, 48), 400, ((), 150)),
    Case("underfitting", 4000, 1000, (), 250, ((24, 24), 500)),
    Case("fine", 12000, 6000, (24, 24), 700, ((24, 24), 600)),
    Case("undecidable: few new rows", 2000, 100, (16,), 300, ((24, 24), 300)),
    Case("on the edge: gap near 2 points", 2000, 2000, (12,), 400, ((24, 24), 300)),
    Case("no signal", 4000, 2000, (4,), 150, ((24, 24), 150), 0.0),
    Case("rare class", 3000, 2000, (24, 24), 500, ((24, 24), 300), shift=7.0),
    Case("rare class, few rows", 300, 100, (24, 24), 300, ((24, 24), 150), shift=7.0),
    Case("rare class, underfitting", 4000, 2000, (), 40, ((24, 24), 500), shift=7.0),
    Case("overfitting, regression", 200, 200, (48, 48), 400, ((), 200), classification=False),
    Case("underfitting, regression", 3000, 500, (), 300, ((24, 24), 500), classification=False),
    Case("fine, regression", 12000, 4000, (24, 24), 800, ((24, 24), 700), classification=False),
    Case(
        "long tail, regression, few rows",
        600,
        100,
        (16,),
        300,
        ((24, 24), 300),
        classification=False,
        long_tail=True,
    ),
    Case(
        "long tail, regression",
        4000,
        1000,
        (16,),
        400,
        ((24, 24), 400),
        classification=False,
        long_tail=True,
    ),
    Case("grouped, overfitting", 320, 320, (48, 48), 400, ((), 150), group=8),
    Case("grouped, few groups", 4000, 120, (4,), 250, ((), 150), group=8),
    Case("grouped, gap near 2 points", 6000, 1600, (12,), 300, ((24, 24), 300), group=8),
    Case("grouped, no signal", 4000, 400, (4,), 150, ((24, 24), 150), 0.0, group=8),
    Case("grouped, rare class", 4000, 800, (8,), 200, ((24, 24), 200), shift=5.0, group=8),
    Case(
        "grouped, regression",
        4000,
        400,
        (12,),
        300,
        ((24, 24), 300),
        classification=False,
        group=8,
    ),
)


def function(X: Tensor) -> Tensor:
    """Return what there is to learn: the log-odds, or the mean."""
    return 2 * (torch.sin(2 * X[..., 0]) + X[..., 1] * X[..., 2])


class World:
    """Generates rows of a case, and knows the true score of any network."""

    def __init__(self, case: Case, members: int, seed: int) -> None:
        self.case, self.members = case, members
        self.generator = torch.Generator().manual_seed(seed)
        even = SobolEngine(INPUTS, scramble=True, seed=seed).draw(TRUTH_ROWS, dtype=torch.float64)
        self.inputs = torch.special.ndtri(even.clamp(1e-6, 1 - 1e-6)).float()

    def rows(self, count: int) -> tuple[Tensor, Tensor]:
        """Return new rows ``[members, count, inputs]`` and their target."""
        X = torch.randn(self.members, count, INPUTS, generator=self.generator)
        known = self.known(X)
        if self.case.group:
            groups = self.groups(count)
            each = int(groups[-1]) + 1
            center = torch.randn(self.members, each, INPUTS, generator=self.generator)
            X = ALIKE**0.5 * center[:, groups] + (1 - ALIKE) ** 0.5 * X
            shared = torch.randn(self.members, each, generator=self.generator)
            known = self.known(X) + SHARED * shared[:, groups]
        if self.case.classification:
            chance = torch.rand(known.shape, generator=self.generator)
            return X, (chance < known.sigmoid()).long()
        noise = torch.randn(known.shape, generator=self.generator)
        if self.case.long_tail:  # lognormal, with mean 0 and variance 1
            noise = (noise.exp() - math.exp(0.5)) / math.sqrt(math.e * (math.e - 1))
        return X, known + NOISE * noise

    def groups(self, count: int) -> Tensor:
        """Return the group of each row, int64; groups are of half the mean size to twice that."""
        mean = self.case.group
        sizes = torch.tensor([mean, mean // 2, 2 * mean, mean // 2])
        codes = torch.arange(4 * count).repeat_interleave(sizes.repeat(count))
        return codes[:count]

    def known(self, X: Tensor) -> Tensor:
        """Return the log-odds, or the mean, of rows."""
        return self.case.signal * function(X) - self.case.shift

    def trained(
        self, X: Tensor, y: Tensor, hidden: tuple[int, ...], steps: int, seed: int
    ) -> Network:
        """Return a population, each member trained on its own rows."""
        outputs = 2 if self.case.classification else 1
        seeds = list(range(seed, seed + len(X)))
        network = Network([INPUTS, *hidden, outputs], seeds=seeds)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
        kind = "cross_entropy" if self.case.classification else "squared_error"
        for _ in range(steps):
            rows = torch.randint(X.shape[1], (BATCH,), generator=self.generator)
            train_step(network, (X[:, rows], y[:, rows]), optimizer=optimizer, objective=kind)
        return network

    def truth(self, network: Network) -> list[Scores]:
        """Return each member's true score, loss and calibration."""
        known = self.known(self.inputs).double()
        ones, extra = self._over_groups(known)
        found: list[Scores] = []
        for outputs in predict(network, self.inputs).double():
            if not self.case.classification:
                loss = (outputs[:, 0] - known).square().mean() + extra
                score = 1 - loss / (known.var(correction=0) + extra)
                found.append({"score": float(score), "loss": float(loss)})
                continue
            said = outputs.softmax(-1)
            right = torch.where(outputs.argmax(-1) == 1, ones, 1 - ones)
            logs = outputs.log_softmax(-1)
            # the expectation over the two classes of Σ(p - truth)²
            brier = 2 * (ones * (1 - said[:, 1]).square() + (1 - ones) * said[:, 1].square())
            found.append(
                {
                    "score": float(right.mean()),
                    "loss": float(-(ones * logs[:, 1] + (1 - ones) * logs[:, 0]).mean()),
                    "brier": float(brier.mean()),
                    "overconfidence": float((said.max(1).values - right).mean()),
                }
            )
        return found

    def _over_groups(self, known: Tensor) -> tuple[Tensor, float]:
        """Return the probability of class 1, averaged over new groups, and the noise's variance."""
        if not self.case.group:
            return known.sigmoid(), NOISE**2
        even = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
        shared = SHARED * torch.special.ndtri(even)
        ones = torch.stack([(known + each).sigmoid() for each in shared]).mean(0)
        return ones, NOISE**2 + SHARED**2

    def attainable(self) -> float:
        """Return the score of the function itself: no learner does better on new groups."""
        known = self.known(self.inputs).double()
        ones, extra = self._over_groups(known)
        if self.case.classification:
            return float(torch.maximum(ones, 1 - ones).mean())
        spread = float(known.var(correction=0))
        return spread / (spread + extra)
