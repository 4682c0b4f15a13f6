"""The rule of the verdict: which hypotheses are tested, at which level, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridle.diagnosis.performance import Reference
from bridle.statistics import Verdict
from bridle.statistics.gap import TOLERANCE
from bridle.statistics.intervals import lead_p_values, p_value_above, p_value_below
from bridle.statistics.scores import Judged

__all__ = ["LEVEL", "Claim", "claims_of", "verdict_of"]

LEVEL = 0.025
"""One-sided; so a 95 % interval on one side of the tolerance says the same."""


@dataclass(frozen=True)
class Claim:
    """A hypothesis that the verdict rests on, and what the rows say of it.

    Attributes
    ----------
    claim : {"overfits", "does not overfit", "underfits", "does not underfit"}
    null : str
        What is refuted where the claim holds, in words.
    p_value : float
        One-sided.
    level : float
        The claim holds where the p-value is at or below it.
    """

    claim: str
    null: str
    p_value: float
    level: float

    @property
    def holds(self) -> bool:
        """Whether the null hypothesis is refuted."""
        return self.p_value <= self.level


def claims_of(
    training_score: float | None, new: Judged | None, references: Sequence[Reference]
) -> tuple[Claim, ...]:
    """Test what the verdict rests on.

    Two quantities matter, each against a tolerance of 2 points (0.02 of R²): the *gap*, training
    score less true score on new rows, and the *lead* of the best reference, its true score on new
    rows less the subject's. For either there are two null hypotheses, that it is at most, and that
    it is at least, the tolerance. Each is tested one-sided at 2.5 %; where several references could
    each show a lead, at 2.5 % over their number (Bonferroni). That *no* reference leads holds where
    it holds of each, which needs no correction (intersection-union, Berger 1982).

    Parameters
    ----------
    training_score : float, optional
        Accuracy or R² on the training rows.
    new : Judged, optional
        The subject on rows that had no part in its training or selection.
    references : sequence of Reference
        Judged on the same rows.

    Returns
    -------
    tuple of Claim
        Those that could be tested.

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics import judge_classes
    >>> truth = np.array([0, 1] * 50)
    >>> for claim in claims_of(1.0, judge_classes(truth * 0, truth), []):
    ...     print(claim.verdict, f"{claim.p_value:.3f}")
    overfits 0.000
    does not overfit 1.000
    """
    claims = []
    if training_score is not None and new is not None:
        bound = training_score - TOLERANCE
        small, large = _said(new, "the gap is {} {}")
        claims.append(Claim("overfits", small, p_value_below(new, bound), LEVEL))
        claims.append(Claim("does not overfit", large, p_value_above(new, bound), LEVEL))
    if new is not None and references:
        tested = [lead_p_values(each.comparison.difference, TOLERANCE) for each in references]
        least = min(range(len(tested)), key=lambda at: tested[at][0])
        most = max(range(len(tested)), key=lambda at: tested[at][1])
        small, _ = _said(new, f"{references[least].name} leads by {{}} {{}}")
        _, large = _said(new, f"{references[most].name} leads by {{}} {{}}")
        claims.append(Claim("underfits", small, tested[least][0], LEVEL / len(references)))
        claims.append(Claim("does not underfit", large, tested[most][1], LEVEL))
    return tuple(claims)


def _said(judged: Judged, text: str) -> tuple[str, str]:
    size = f"{100 * TOLERANCE:g} points" if judged.is_share else f"{TOLERANCE:g}"
    return text.format(size, "or less"), text.format(size, "or more")


def verdict_of(claims: Sequence[Claim]) -> Verdict:
    """Return the verdict that follows from what was tested.

    *Overfits* where the gap is shown to be above the tolerance; else *underfits* where a
    reference's lead is; *fine* where both are shown to be below. Otherwise the rows *cannot tell*.
    So at most 2.5 % of networks whose gap is within the tolerance are said to overfit, at most
    2.5 % that no reference leads to underfit, and at most 2.5 % that do either to be fine.

    Examples
    --------
    >>> verdict_of([Claim("overfits", "the gap is 2 points or less", 0.001, 0.025)])
    'overfits'
    >>> verdict_of([])
    'cannot tell'
    """
    hold = {each.claim for each in claims if each.holds}
    if "overfits" in hold:
        return "overfits"
    if "underfits" in hold:
        return "underfits"
    if {"does not overfit", "does not underfit"} <= hold:
        return "fine"
    return "cannot tell"
