"""Whether a network overfits: the verdict from two scores, and the full record of a diagnosis."""

from bridle.diagnosis.advice import size, with_margin
from bridle.diagnosis.assembly import Material, assemble
from bridle.diagnosis.curves import curves_of, curves_of_looks, member_of
from bridle.diagnosis.gap import GapJudgement, judge_gap
from bridle.diagnosis.intervals import mean_interval
from bridle.diagnosis.predicted import Predicted
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
    "Material",
    "Part",
    "Predicted",
    "Reference",
    "Selection",
    "ShuffledLabels",
    "Subnetworks",
    "Verdict",
    "WorstRow",
    "assemble",
    "curves_of",
    "curves_of_looks",
    "judge_gap",
    "mean_interval",
    "member_of",
    "size",
    "with_margin",
]
