"""The verdict on overfitting from two scores: that of the training rows and the held-out one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from bridle.statistics.scores import Estimate, Judged, gap_between

__all__ = ["GapJudgement", "Verdict", "judge_gap"]

Verdict = Literal["overfits", "underfits", "fine", "cannot tell"]
"""The possible verdicts of a diagnosis."""

TOLERANCE = 0.02
"""A smaller gap, or a smaller lead over the best constant prediction, has no practical meaning."""


@dataclass(frozen=True)
class GapJudgement:
    """The verdict on whether a network overfits, from its training and its held-out score.

    :func:`bridle.diagnose` uses more evidence.

    Attributes
    ----------
    score_name : str
    training, held_out : Estimate
        The scores of the same final weights, with noise off. The training score is exact, since
        the rows are known: its interval has no width.
    gap : Estimate
        The training score minus the held-out score.
    baseline : float
        The held-out score of the best constant prediction.
    verdict : {"overfits", "underfits", "fine", "cannot tell"}
    evidence : str
        The scores and the gap in words.
    """

    score_name: str
    training: Estimate
    held_out: Estimate
    gap: Estimate
    baseline: float
    verdict: Verdict
    evidence: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def judge_gap(training: Judged, held_out: Judged) -> GapJudgement:
    """Judge whether a network overfits from its training and its held-out score.

    The verdict is the first of these that holds:

    - *overfits*: the whole 95 % interval of the gap is above 2 points;
    - *underfits*: the training score is less than 2 points above the best constant prediction;
    - *fine*: the whole interval of the gap is below 2 points;
    - *cannot tell*: otherwise.

    Parameters
    ----------
    training, held_out : Judged
        The network on its training rows, and on held-out rows.

    Returns
    -------
    GapJudgement

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics.scores import judge_classes
    >>> truth = np.array([0, 1] * 50)
    >>> found = judge_gap(judge_classes(truth, truth), judge_classes(truth * 0, truth))
    >>> found.verdict, found.evidence
    ('overfits', 'accuracy 100.0 % in training, 50.0 % held out: a gap of 50.0 ± 9.6 points')
    """
    gap = gap_between(training, held_out)
    verdict: Verdict
    if gap.low > TOLERANCE:
        verdict = "overfits"
    elif training.value < training.baseline + TOLERANCE:
        verdict = "underfits"
    elif gap.high < TOLERANCE:
        verdict = "fine"
    else:
        verdict = "cannot tell"
    return GapJudgement(
        score_name=training.score_name,
        training=training.exact(),
        held_out=held_out.interval(),
        gap=gap,
        baseline=held_out.baseline,
        verdict=verdict,
        evidence=_evidence(training, held_out, gap),
    )


def _evidence(training: Judged, held_out: Judged, gap: Estimate) -> str:
    if training.is_share:
        return (
            f"accuracy {training.value:.1%} in training, {held_out.value:.1%} held out: "
            f"a gap of {100 * gap.value:.1f} ± {100 * gap.margin:.1f} points"
        ).replace("%", " %")
    return (
        f"R² {training.value:.3f} in training, {held_out.value:.3f} held out: "
        f"a gap of {gap.value:.3f} ± {gap.margin:.3f}"
    )
