from .gap import GapJudgement as GapJudgement, Verdict as Verdict, judge_gap as judge_gap
from .scores import (
    Comparison as Comparison,
    Estimate as Estimate,
    Judged as Judged,
    compare as compare,
    judge_classes as judge_classes,
    judge_values as judge_values,
)
