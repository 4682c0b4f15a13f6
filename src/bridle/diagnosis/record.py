"""The record of a diagnosis: frozen, of plain values, readable without any network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from bridle.diagnosis.calibration import Calibration
from bridle.diagnosis.curves import Curves
from bridle.diagnosis.network_state import LayerState, ShuffledLabels, Subnetworks
from bridle.diagnosis.performance import Gap, Part, Reference, Selection, WorstRow
from bridle.diagnosis.verdict import Claim
from bridle.statistics import Verdict

__all__ = ["Diagnosis"]


@dataclass(frozen=True)
class Diagnosis:
    """Whether a model overfits, and all that was measured to say so.

    What a subject cannot give is None, or empty: nothing is made up.

    Attributes
    ----------
    subject : str
        What was looked at, such as "network 61-256-256-2".
    task : {"classification", "regression"}
    score_name : str
        "accuracy" or "R²".
    loss_name : str
        "cross-entropy" (nats) or "squared error" (in the units of the target that was given).
    parameters : int, optional
        Weights and biases, of all members.
    parameters_per_row : float, optional
        Over the training rows.
    training, held_out, test : Part, optional
    gap : Gap, optional
    curves : Curves, optional
    calibration : Calibration, optional
        For classes with probabilities.
    shuffled_labels : ShuffledLabels, optional
        Where the subject can be trained again.
    layers : tuple of LayerState
    subnetworks : Subnetworks, optional
        Where the subject has noise.
    selection : Selection, optional
        Where the subject was chosen among several.
    references : tuple of Reference
    worst : tuple of WorstRow
        The worst-predicted rows, the worst first.
    claims : tuple of Claim
        What was tested; the verdict follows from which of them hold.
    verdict : {"overfits", "underfits", "fine", "cannot tell"}
    evidence : tuple of str
        Sentences with the figures that the verdict rests on, the weightiest first.
    advice : tuple of str
        What to try next, in this order.
    notes : tuple of str
        What could not be measured, and why, where that may surprise.
    facts : dict
        Seed, versions and settings, as far as the subject knows them; JSON values.
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
    shuffled_labels: ShuffledLabels | None = None
    layers: tuple[LayerState, ...] = ()
    subnetworks: Subnetworks | None = None
    selection: Selection | None = None
    references: tuple[Reference, ...] = ()
    worst: tuple[WorstRow, ...] = ()
    claims: tuple[Claim, ...] = ()
    verdict: Verdict = "cannot tell"
    evidence: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_share(self) -> bool:
        """Whether the score is a share of rows, which people read in per cent."""
        return self.score_name == "accuracy"

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain JSON values; what is not finite is None."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value - value != 0:
        return None  # JSON knows no NaN and no infinity
    return value
