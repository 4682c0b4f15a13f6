"""``Diagnosis``: the result of a diagnosis, as a frozen record of plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from bridle.checks import Checks
from bridle.diagnosis.calibration import Calibration
from bridle.diagnosis.curves import Curves
from bridle.diagnosis.mistakes import Confusion, Residuals, RocCurve
from bridle.diagnosis.network_state import LayerState, ShuffledLabels, Subnetworks
from bridle.diagnosis.performance import Gap, Part, Reference, Selection, WorstRow
from bridle.diagnosis.row_curve import LearningCurve
from bridle.statistics import Claim, Verdict
from bridle.statistics.card import Card, HasCard
from bridle.statistics.json_values import json_values
from bridle.statistics.wording import estimate_text

__all__ = ["Diagnosis"]


@dataclass(frozen=True, repr=False)
class Diagnosis(HasCard):
    """Whether a model overfits, with all measurements behind the verdict.

    A measurement that is not available for a model is None or empty.

    Attributes
    ----------
    subject : str
        The diagnosed model, for example "network 61-256-256-2".
    task : {"classification", "regression"}
    score_name : str
        "accuracy" or "R²".
    loss_name : str
        "cross-entropy" (nats) or "squared error" (in the squared units of the target).
    parameters : int, optional
        Number of weights and biases of one network, also if several are averaged.
    parameters_per_row : float, optional
        Parameters divided by training rows.
    training, held_out, test : Part, optional
    gap : Gap, optional
    curves : Curves, optional
    calibration : Calibration, optional
        For classifiers with probabilities.
    temperature : float
        The temperature that was fitted on held-out rows and is part of the model; 1 if none is.
    confusion : Confusion, optional
        For classifiers: how often each class is predicted as each other.
    roc_curves : tuple of RocCurve
        For classifiers with probabilities: of each class against the others; of two classes, of
        the second.
    residuals : Residuals, optional
        For regression.
    shuffled_labels : ShuffledLabels, optional
        For models that can be trained again.
    layers : tuple of LayerState
    subnetworks : Subnetworks, optional
        For networks with noise.
    learning_curve : LearningCurve, optional
        Scores against the number of training rows, if it was asked for.
    selection : Selection, optional
        For models selected among several configurations.
    references : tuple of Reference
    worst : tuple of WorstRow
        The worst-predicted rows, in descending order of loss.
    claims : tuple of Claim
        The tested claims; the verdict depends on which of them hold.
    verdict : {"overfits", "underfits", "fine", "cannot tell"}
    reason : str
        Why this is the verdict, in one line.
    evidence : tuple of str
        Sentences with the figures behind the verdict, the most important first.
    advice : tuple of str
        What to try next, in order of priority.
    notes : tuple of str
        Remarks, for example on what could not be measured and why.
    checks : Checks
        The checks that failed, the most severe first; also those that passed, were silenced, or
        could not be run.
    facts : dict
        Seed, versions and settings, if known; JSON values.
    """

    subject: str
    task: str
    score_name: str
    loss_name: str
    parameters: int | None = None
    parameters_per_row: float | None = None
    training: Part | None = None
    held_out: Part | None = None
    test: Part | None = None
    gap: Gap | None = None
    curves: Curves | None = None
    calibration: Calibration | None = None
    confusion: Confusion | None = None
    roc_curves: tuple[RocCurve, ...] = ()
    residuals: Residuals | None = None
    temperature: float = 1.0
    shuffled_labels: ShuffledLabels | None = None
    layers: tuple[LayerState, ...] = ()
    subnetworks: Subnetworks | None = None
    selection: Selection | None = None
    learning_curve: LearningCurve | None = None
    references: tuple[Reference, ...] = ()
    worst: tuple[WorstRow, ...] = ()
    claims: tuple[Claim, ...] = ()
    verdict: Verdict = "cannot tell"
    reason: str = ""
    evidence: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checks: Checks = field(default_factory=Checks)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_share(self) -> bool:
        """Whether the score is a share of rows, which is shown in per cent."""
        return self.score_name == "accuracy"

    def _card(self) -> Card:
        share = self.is_share
        rows = [
            (
                f"{part.name} {self.score_name}",
                estimate_text(part.score, share=share, unit=" %" if share else ""),
            )
            for part in (self.training, self.held_out, self.test)
            if part is not None
        ]
        if self.gap is not None:
            label = f"gap, training − {self.gap.measured_on}"
            rows.append((label, estimate_text(self.gap.value, share=share)))
        if self.layers:
            zeros = [f"{100 * each.zeros / max(1, each.weights):.0f}" for each in self.layers]
            rows.append(("exact zeros by layer", ", ".join(zeros) + " %"))
        rows += [("try", line) for line in self.advice[:2]]
        rows += [("note", note) for note in self.notes]
        return Card(
            f"Diagnosis of {self.subject} ({self.task}): {self.verdict}",
            rows,
            f"{self.verdict}: {self.reason}",
            "found.evidence, found.advice, bridle.write_report(found, path)",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain JSON values; a non-finite number becomes None."""
        return dict(json_values(asdict(self) | {"checks": self.checks.to_list()}))
