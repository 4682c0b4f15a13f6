"""The rule of the verdict: hypotheses, significance level, and the resulting verdict."""

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
"""One-sided significance level; equivalent to a 95 % interval on one side of the tolerance."""


@dataclass(frozen=True)
class Claim:
    """A claim that the verdict depends on, with the test of its null hypothesis.

    Attributes
    ----------
    claim : {"overfits", "does not overfit", "underfits", "does not underfit"}
    null : str
        The null hypothesis, in words; it is rejected if the claim holds.
    p_value : float
        One-sided p-value.
    level : float
        Significance level: the claim holds if the p-value is at most the level.
    """

    claim: str
    null: str
    p_value: float
    level: float

    @property
    def holds(self) -> bool:
        """Whether the null hypothesis is rejected."""
        return self.p_value <= self.level


def claims_of(
    training_score: float | None, new: Judged | None, references: Sequence[Reference]
) -> tuple[Claim, ...]:
    """Test the claims that the verdict depends on.

    Two quantities are compared with a tolerance of 2 points (0.02 of R²). The *gap* is the training
    score minus the true score on new rows. The *lead* of a reference is its true score on new rows
    minus that of the model. Each quantity has two null hypotheses: that it is at most the
    tolerance, and that it is at least the tolerance. Each is tested one-sided at 2.5 %. If there
    are several references, the level for showing a lead is 2.5 % divided by their number
    (Bonferroni). The claim that *no* reference leads holds if it holds for each reference; this
    needs no correction (intersection-union test, Berger 1982).

    Parameters
    ----------
    training_score : float, optional
        Accuracy or R² on the training rows.
    new : Judged, optional
        The model's scores on rows that were not used for its training or selection.
    references : sequence of Reference
        Scored on the same rows.

    Returns
    -------
    tuple of Claim
        The claims that could be tested.

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics import judge_classes
    >>> truth = np.array([0, 1] * 50)
    >>> for claim in claims_of(1.0, judge_classes(truth * 0, truth), []):
    ...     print(claim.claim, f"{claim.p_value:.3f}")
    overfits 0.000
    does not overfit 1.000
    """
    claims = []
    if training_score is not None and new is not None:
        bound = training_score - TOLERANCE
        at_most, at_least = _null_hypotheses(new, "the gap is {} {}")
        claims.append(Claim("overfits", at_most, p_value_below(new, bound), LEVEL))
        claims.append(Claim("does not overfit", at_least, p_value_above(new, bound), LEVEL))
    if new is not None and references:
        tested = [lead_p_values(each.comparison.difference, TOLERANCE) for each in references]
        least = min(range(len(tested)), key=lambda at: tested[at][0])
        most = max(range(len(tested)), key=lambda at: tested[at][1])
        at_most, _ = _null_hypotheses(new, f"{references[least].name} leads by {{}} {{}}")
        _, at_least = _null_hypotheses(new, f"{references[most].name} leads by {{}} {{}}")
        claims.append(Claim("underfits", at_most, tested[least][0], LEVEL / len(references)))
        claims.append(Claim("does not underfit", at_least, tested[most][1], LEVEL))
    return tuple(claims)


def _null_hypotheses(judged: Judged, text: str) -> tuple[str, str]:
    size = f"{100 * TOLERANCE:g} points" if judged.is_share else f"{TOLERANCE:g}"
    return text.format(size, "or less"), text.format(size, "or more")


def verdict_of(claims: Sequence[Claim]) -> Verdict:
    """Return the verdict that follows from the claims.

    *Overfits*: the gap is shown to be above the tolerance. *Underfits*: it is not, and the lead of
    a reference is shown to be above the tolerance. *Fine*: both are shown to be below. Otherwise
    the verdict is *cannot tell*. Each error has a probability of at most 2.5 %: saying "overfits"
    if the gap is within the tolerance, "underfits" if no reference leads, or "fine" if either is
    above the tolerance.

    Examples
    --------
    >>> verdict_of([Claim("overfits", "the gap is 2 points or less", 0.001, 0.025)])
    'overfits'
    >>> verdict_of([])
    'cannot tell'
    """
    holding = {each.claim for each in claims if each.holds}
    if "overfits" in holding:
        return "overfits"
    if "underfits" in holding:
        return "underfits"
    if {"does not overfit", "does not underfit"} <= holding:
        return "fine"
    return "cannot tell"
