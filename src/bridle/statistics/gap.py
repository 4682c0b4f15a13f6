"""The verdict from two scores alone, which every fit and search gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from bridle.statistics.scores import Estimate, Judged, gap_between

__all__ = ["GapJudgement", "Verdict", "judge_gap"]

Verdict = Literal["overfits", "underfits", "fine", "cannot tell"]
"""What a diagnosis may say."""

TOLERANCE = 0.02
"""A gap, or a lead over guessing, that is smaller than this is of no practical meaning."""


@dataclass(frozen=True)
class GapJudgement:
    """Whether a network overfits, as far as two scores say.

    :func:`bridle.diagnose` looks at more.

    Attributes
    ----------
    score_name : str
    training, held_out : Estimate
        The honest scores: the same final weights, noise off. The training score is a fact about
        known rows: its interval has no width.
    gap : Estimate
        Training less held-out score.
    baseline : float
        The held-out score of the best constant guess.
    verdict : {"overfits", "underfits", "fine", "cannot tell"}
    evidence : str
        One sentence with the figures that the verdict rests on.
    """

    score_name: str
    training: Estimate
    held_out: Estimate
    gap: Estimate
    baseline: float
    verdict: Verdict
    evidence: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def judge_gap(training: Judged, held_out: Judged) -> GapJudgement:
    """Say whether a network overfits, from its honest scores on two parts.

    *Overfits*: the whole 95 % interval of the gap lies above 2 points. *Underfits*: it does not,
    and on its own training rows the network is no more than 2 points above the best constant
    guess. *Fine*: the whole interval lies below 2 points. Otherwise the data *cannot tell*.

    Parameters
    ----------
    training, held_out : Judged
        The same network on the rows that it was trained on, and on rows that it was not.

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
