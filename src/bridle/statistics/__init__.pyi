from .claims import (
    Claim as Claim,
    Rival as Rival,
    Verdict as Verdict,
    claims_of as claims_of,
)
from .gap import GapJudgement as GapJudgement, judge_gap as judge_gap
from .scores import (
    Comparison as Comparison,
    Estimate as Estimate,
    Judged as Judged,
    compare as compare,
    judge_classes as judge_classes,
    judge_values as judge_values,
)
from .verdict import Ruling as Ruling, rule as rule
