"""The result of an ablation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from bridle.errors import UsageError
from bridle.models.recipe import Strengths
from bridle.models.result import counts_text
from bridle.networks.population import Network
from bridle.statistics import GapJudgement
from bridle.statistics.card import Card, HasCard
from bridle.statistics.json_values import json_values
from bridle.statistics.scores import Comparison
from bridle.statistics.wording import estimate_text

__all__ = ["Ablated", "Ablation"]


@dataclass(frozen=True)
class Ablated:
    """One network of an ablation.

    Attributes
    ----------
    label : str
        Its regularizers, such as "L1 0.0001".
    role : {"plain", "early stopping", "alone", "together", "L1 path", "L2 path"}
    strengths : Strengths
    judgement : GapJudgement
        Its training and held-out scores, and its gap.
    against_plain : Comparison
        The paired comparison with the plain network on the held-out rows.
    against_stopping : Comparison
        The paired comparison with the network that has early stopping alone.
    zeros : float
        The share of its weights that are exactly zero.
    epochs : int
        The epoch that its weights are from.
    """

    label: str
    role: str
    strengths: Strengths
    judgement: GapJudgement
    against_plain: Comparison
    against_stopping: Comparison
    zeros: float
    epochs: int

    @property
    def line(self) -> str:
        """The held-out score, the gap, and whether it is better than the plain network."""
        found = self.judgement
        share = found.is_share
        score = estimate_text(found.held_out, share=share, unit=" %" if share else "")
        gap = estimate_text(found.gap, share=share)
        line = f"held-out {score}, gap (training − {found.measured_on}) {gap}, "
        line += f"zeros {100 * self.zeros:.0f} %"
        return line if self.role == "plain" else f"{line}, {self.against_plain.answer}"


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(HasCard):
    """The result of :func:`bridle.ablate`.

    Attributes
    ----------
    score_name : str
    networks : tuple of Ablated
        The plain network is the first.
    population : Network
        Their networks, in the same order.
    rows : dict of str to int
        The number of "training" and "held out" rows. The test set is not used.
    epochs : int
        Maximum number of epochs of a network.
    """

    score_name: str
    networks: tuple[Ablated, ...]
    population: Network
    rows: dict[str, int]
    epochs: int

    def of(self, *roles: str) -> tuple[Ablated, ...]:
        """Return the networks that have one of the roles."""
        return tuple(each for each in self.networks if each.role in roles)

    def weights(self, label: str) -> list[Tensor]:
        """Return a network's weights, layer by layer, ``[inputs, units]``.

        Raises
        ------
        UsageError
            If no network has the label.
        """
        labels = [each.label for each in self.networks]
        if label not in labels:
            known = ", ".join(map(repr, labels))
            raise UsageError(f"no network has the label {label!r}; the labels are {known}")
        return [w[labels.index(label)].detach() for w in self.population.weights]

    def _card(self) -> Card:
        shown = self.of("plain", "early stopping", "alone", "together")
        return Card(
            f"Ablation: {len(self.networks)} networks scored by {self.score_name}, "
            f"{counts_text(self.rows)}, at most {self.epochs} epochs",
            [(each.label, each.line) for each in shown],
            next_steps="ablation.of('L1 path'), ablation.weights(label), ablation.to_dict()",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: everything but the weights."""
        networks = [
            asdict(each)
            | {
                "judgement": each.judgement.to_dict(),
                "against_plain": _compared(each.against_plain),
                "against_stopping": _compared(each.against_stopping),
            }
            for each in self.networks
        ]
        return {
            "score_name": self.score_name,
            "rows": self.rows,
            "epochs": self.epochs,
            "networks": networks,
        }


def _compared(comparison: Comparison) -> dict[str, Any]:
    return {**json_values(asdict(comparison)), "answer": comparison.answer}
