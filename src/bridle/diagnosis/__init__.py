"""Whether a network overfits: the verdict from two scores, and the full record of a diagnosis."""

from bridle.diagnosis.gap import GapJudgement, judge_gap
from bridle.diagnosis.record import Diagnosis
from bridle.diagnosis.sections import (
    Bin,
    Calibration,
    Claim,
    Curves,
    Gap,
    LayerState,
    Part,
    Reference,
    Selection,
    ShuffledLabels,
    Subnetworks,
    Verdict,
    WorstRow,
)

__all__ = [
    "Bin",
    "Calibration",
    "Claim",
    "Curves",
    "Diagnosis",
    "Gap",
    "GapJudgement",
    "LayerState",
    "Part",
    "Reference",
    "Selection",
    "ShuffledLabels",
    "Subnetworks",
    "Verdict",
    "WorstRow",
    "judge_gap",
]
