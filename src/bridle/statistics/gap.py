"""The verdict on a network of a fit or a search, with its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bridle.statistics.claims import Claim, Rival, Verdict
from bridle.statistics.json_values import json_values
from bridle.statistics.scores import Estimate, Judged
from bridle.statistics.verdict import rule
from bridle.statistics.wording import gap_evidence

__all__ = ["GapJudgement", "judge_gap"]

_UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class GapJudgement:
    """The verdict on a network, with the scores that it follows from.

    Attributes
    ----------
    score_name : str
    training, held_out : Estimate
        The scores of the same final weights, with noise off. The training score is exact, since
        the rows are known: its interval has no width.
    gap : Estimate
        The training score minus the score on new rows. NaN if it is undefined.
    measured_on : {"held out", "test"}
        The new rows of the gap. Held-out rows that early stopping or a search used are not new.
    baseline : float
        The score of the best constant prediction on these rows.
    verdict : {"overfits", "underfits", "fine", "cannot tell"}
    reason : str
        Why, in one line.
    evidence : str
        The scores and the gap in words.
    claims : tuple of Claim
        The tested claims.
    rivals : tuple of Rival
        The other learners, on the same rows as the gap.
    """

    score_name: str
    training: Estimate
    held_out: Estimate
    gap: Estimate
    measured_on: str
    baseline: float
    verdict: Verdict
    reason: str
    evidence: str
    claims: tuple[Claim, ...] = ()
    rivals: tuple[Rival, ...] = ()

    @property
    def is_share(self) -> bool:
        """Whether the score is a share of rows, which is shown in per cent."""
        return self.score_name == "accuracy"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; an undefined number is None."""
        return dict(json_values(asdict(self)))


def judge_gap(
    training: Judged,
    held_out: Judged,
    test: Judged | None = None,
    rivals: Sequence[Rival] = (),
) -> GapJudgement:
    """Judge whether a network overfits or underfits.

    The verdict is that of :func:`bridle.statistics.rule`.

    Parameters
    ----------
    training, held_out : Judged
        The network on its training rows, and on held-out rows.
    test : Judged, optional
        The network on the test set. Give it if the held-out rows were used for early stopping or
        for a selection; the gap is then that to the test set.
    rivals : sequence of Rival
        Other learners, on the test set if it is given, else on the held-out rows.

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
    new, part = (held_out, "held out") if test is None else (test, "test")
    found = rule(training, new, rivals, part=part)
    gap = _UNKNOWN if found.gap is None else found.gap
    return GapJudgement(
        score_name=training.score_name,
        training=training.exact(),
        held_out=held_out.interval(),
        gap=gap,
        measured_on=part,
        baseline=new.baseline,
        verdict=found.verdict,
        reason=found.reason,
        evidence=_evidence(training, new, part, gap),
        claims=found.claims,
        rivals=tuple(rivals),
    )


def _evidence(training: Judged, new: Judged, part: str, gap: Estimate) -> str:
    where = "on the test set" if part == "test" else part
    values = training.value, new.value
    return gap_evidence(training.score_name, *values, where, gap, share=training.is_share)
