from .gap import GapJudgement as GapJudgement
from .gap import Verdict as Verdict
from .gap import judge_gap as judge_gap
from .scores import (
    Comparison as Comparison,
)
from .scores import (
    Estimate as Estimate,
)
from .scores import (
    Judged as Judged,
)
from .scores import (
    compare as compare,
)
from .scores import (
    judge_classes as judge_classes,
)
from .scores import (
    judge_values as judge_values,
)
